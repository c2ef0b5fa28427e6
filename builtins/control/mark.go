package control

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def checkpoint(name):
    """Marks a place in the run that rollback can go back to.

    Args:
      name: of the mark; "provisioning rollback RUN --to NAME" undoes what came after it.
    Returns:
      None
    Example:
      checkpoint("database ready")
    """`, &checkpoint{}, effect.Exact)

type checkpoint struct {
	Name string `star:"name"`
}

var (
	_ effect.Validator  = (*checkpoint)(nil)
	_ effect.Predictor  = (*checkpoint)(nil)
	_ effect.Repeatable = (*checkpoint)(nil)
	_ effect.Traceless  = (*checkpoint)(nil)
)

func (c *checkpoint) Validate() error {
	if c.Name == "" {
		return fault.New(fault.Invalid, "a checkpoint needs a name")
	}
	return nil
}

func (c *checkpoint) Repeatable() bool { return true }
func (c *checkpoint) LeavesNoTrace()   {}

func (c *checkpoint) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Change: effect.None}, nil
}

func (c *checkpoint) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

var _ = Module.Control(`
def progress(done, total = 0, note = ""):
    """Reports how far the branch is, for whoever watches the run.

    Args:
      done: units of work that are done.
      total: units of work that there are; 0 when that is not known.
      note: a few words.
    Returns:
      None
    Example:
      progress(3, 12, "rendering")
    """`, &progress{})

type progress struct {
	Done  int    `star:"done"`
	Total int    `star:"total"`
	Note  string `star:"note"`
}

func (p *progress) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	b.Tree.Host.Progress(b, int64(p.Done), int64(p.Total), p.Note)
	return nil, nil
}

var _ = Module.Control(`
def defer(fn, *args, **kwargs):
    """Calls a function when the present scope ends, last one first.

    A scope is the run, a branch of parallel, or a call by attempt, retry or
    wait_until. It ends normally, or by an error that the script handles. A run
    that fails or is interrupted has not ended: it can be resumed, and calls what
    was deferred when it comes to its end then.

    Args:
      fn: function to call.
      args: its positional arguments.
      kwargs: its keyword arguments.
    Returns:
      None
    Example:
      server = exec.start(["python3", "-m", "http.server"])
      defer(exec.stop, server)
    """`, &deferred{})

type deferred struct {
	Fn     starlark.Callable `star:"fn"`
	Args   starlark.Tuple    `star:"*args"`
	Kwargs []starlark.Tuple  `star:"**kwargs"`
}

func (d *deferred) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	if b.Pure != nil {
		b.Pure.Refused.Store(true)
		return nil, fault.New(fault.Script, "defer cannot be used at the top level of a loaded module")
	}
	b.Defer(thread, func(thread *starlark.Thread) error {
		_, err := starlark.Call(thread, d.Fn, d.Args, d.Kwargs)
		return err
	})
	return nil, nil
}

var _ = Module.Control(`
def on_rollback(fn, *args, **kwargs):
    """Registers a function that rollback calls to take back what comes before.

    Rollback undoes the effects of a run newest first, and calls fn when it comes
    to this place. What fn does is journaled like everything else. The arguments
    are frozen.

    Args:
      fn: function to call.
      args: its positional arguments.
      kwargs: its keyword arguments.
    Returns:
      None
    Example:
      exec.run(["useradd", "app"])
      on_rollback(exec.run, ["userdel", "app"])
    """`, &onRollback{})

var registering = hidden(effect.Decl{Kind: effect.KindOnRollback, Mode: effect.Write, Quality: effect.Exact}, "fn",
	func(state starlark.Tuple) effect.Performer { return &registration{string(state[0].(starlark.String))} }, "string")

type onRollback struct {
	Fn     starlark.Callable `star:"fn"`
	Args   starlark.Tuple    `star:"*args"`
	Kwargs []starlark.Tuple  `star:"**kwargs"`
}

func (o *onRollback) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	place := b.PeekPlace()
	o.Fn.Freeze()
	o.Args.Freeze()
	for _, kv := range o.Kwargs {
		kv.Freeze()
	}
	// Before the mark is made: where a crash lost its result, a replay ends at it.
	b.Tree.Host.OnRollback(place, branch.Bound(thread, func(thread *starlark.Thread) error {
		_, err := starlark.Call(thread, o.Fn, o.Args, o.Kwargs)
		return err
	}))
	_, err := perform(thread, registering, &registration{o.Fn.Name()}, starlark.String(o.Fn.Name()))
	return nil, err
}

// registration is the mark that a registration leaves in the journal: it gives
// it its place among the effects to undo.
type registration struct{ name string }

var (
	_ effect.Predictor  = (*registration)(nil)
	_ effect.Repeatable = (*registration)(nil)
)

func (r *registration) State() starlark.Tuple { return starlark.Tuple{starlark.String(r.name)} }
func (r *registration) Repeatable() bool      { return true }

func (r *registration) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Change: effect.None}, nil
}

func (r *registration) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }
