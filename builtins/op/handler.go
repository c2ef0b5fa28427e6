package op

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

var _ = Module.Control(`
def handler(name, fn, *args, **kwargs):
    """Calls a function at the end of the present scope if something has changed.

    Operations say with notify = name that their change is of interest. When the
    scope ends without an error, and one of them has changed something, in this branch
    or in one that it has made, fn is called: once, however many have. A scope is the
    run, a branch of parallel, or a call by attempt, retry or wait_until.

    Handlers and deferred functions are called last one first. A handler may change
    something itself, and notify one that was registered before it. Where two scopes
    have a handler of the same name, the inner one takes the changes up to its end.

    A run that fails has not ended: it is resumed, and then a change that was made
    before it failed counts as well. In check mode the changes that are planned count.

    Args:
      name: that operations notify.
      fn: function to call.
      args: its positional arguments.
      kwargs: its keyword arguments.
    Returns:
      None
    Errors:
      invalid when the name is empty; script at the top level of a loaded module.
    Example:
      web = target.local()
      op.handler("reload nginx", op.service, web, "nginx", state = "reloaded")
      op.file(web, "/etc/nginx/nginx.conf", content = "...", notify = "reload nginx")
    """`, &handler{})

type handler struct {
	Name   string            `star:"name"`
	Fn     starlark.Callable `star:"fn"`
	Args   starlark.Tuple    `star:"*args"`
	Kwargs []starlark.Tuple  `star:"**kwargs"`
}

func (h *handler) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	if b.Pure != nil {
		b.Pure.Refused.Store(true)
		return nil, fault.New(fault.Script, "op.handler cannot be used at the top level of a loaded module")
	}
	if h.Name == "" {
		return nil, fault.New(fault.Invalid, "a handler needs a name")
	}
	b.DeferWell(thread, func(thread *starlark.Thread) error {
		called, err := asked(thread, h.Name)
		if err != nil || !called {
			return err
		}
		_, err = starlark.Call(thread, h.Fn, h.Args, h.Kwargs)
		return err
	})
	return nil, nil
}

// asked asks the door whether something has changed. The interpreter does not know
// that: what operations have done may be nowhere in the script.
func asked(thread *starlark.Thread, name string) (bool, error) {
	v, err := branch.Of(thread).Tree.Host.Effect(thread, &effect.Call{
		Decl: asking.Decl, Do: &question{name}, Args: []starlark.Value{starlark.String(name)}, Options: asking.Options,
	})
	return v == starlark.Value(starlark.True), err
}

var asking = Module.Hide(&module.Hidden{
	Decl:    &effect.Decl{Kind: effect.KindHandler, Mode: effect.Write, Quality: effect.Exact, Params: []string{"name"}, Tuning: []bool{false}},
	Options: effect.NoOptions,
	Restore: func(state starlark.Tuple) (effect.Performer, error) {
		if len(state) == 1 {
			if name, ok := starlark.AsString(state[0]); ok {
				return &question{name}, nil
			}
		}
		return nil, fault.New(fault.Internal, "a handler is asked for by its name")
	},
})

// question is whether something has changed under a name. It takes the answer away,
// so that the journal has to have it, as it has that of a write.
type question struct{ name string }

var (
	_ module.Carrier    = (*question)(nil)
	_ effect.Predictor  = (*question)(nil)
	_ effect.Repeatable = (*question)(nil)
	_ effect.Traceless  = (*question)(nil)
)

func (q *question) State() starlark.Tuple { return starlark.Tuple{starlark.String(q.name)} }
func (q *question) Repeatable() bool      { return true }
func (q *question) LeavesNoTrace()        {}

func (q *question) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: env.Taken(q.name), Change: effect.None}, nil
}

func (q *question) Perform(_ context.Context, env *effect.Env) (any, error) {
	return env.Taken(q.name), nil
}
