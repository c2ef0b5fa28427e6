package control

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Control(`
def within(what, fn, details = {}):
    """Calls a function, and says of its failure what it was a part of.

    The failure is not caught: a resumed run tries again what failed.

    Args:
      what: what fn is a part of, such as "batch 2 of 5". The message of a failure
        begins with it.
      fn: function without arguments.
      details: dict that is added to the details of a failure. Where both have a
        list, that of the failure follows the other one.
    Returns:
      What fn returned.
    Errors:
      That of fn.
    Example:
      within("the second batch", lambda: parallel(update, ["b1", "b2"]), details = {"done": ["a1", "a2"]})
    """`, &within{})

type within struct {
	What    string            `star:"what"`
	Fn      starlark.Callable `star:"fn"`
	Details *starlark.Dict    `star:"details"`
}

func (w *within) Control(thread *starlark.Thread) (any, error) {
	v, err := call(thread, nil, w.Fn, nil, nil)
	if err == nil {
		return v, nil
	}
	b := branch.Of(thread)
	if failure, ferr := b.Failed(err); failure == nil {
		return nil, ferr
	}
	e := *fault.As(b.Tree.Explain(err))
	e.Cause = err
	e.Stack = e.Stack[:max(len(e.Stack)-frames(thread), 0)] // they are added again on the way out
	e.Msg = w.What + ": " + strings.TrimPrefix(e.Error(), w.What+": ")
	e.Effect = ""
	if e.Details, err = w.merged(e.Details); err != nil {
		return nil, err
	}
	return nil, &e
}

// frames is how many functions of the script are on the stack.
func frames(thread *starlark.Thread) (n int) {
	for depth := range thread.CallStackDepth() {
		if f := thread.CallFrame(depth); f.Pos.Filename() != "<builtin>" && f.Pos.Line > 0 && !strings.HasPrefix(f.Name, "·") {
			n++
		}
	}
	return n
}

// merged are the details of a failure with those given. The former are Go values,
// or Starlark values when they come from the journal.
func (w *within) merged(details map[string]any) (map[string]any, error) {
	all := map[string]any{}
	for name, v := range details {
		all[name] = value.Of(v)
	}
	for _, kv := range w.Details.Items() {
		name, ok := starlark.AsString(kv[0])
		if !ok {
			return nil, fault.New(fault.Invalid, "within: the keys of details must be strings, not %s", kv[0])
		}
		before, ok1 := kv[1].(*starlark.List)
		after, ok2 := all[name].(*starlark.List)
		if ok1 && ok2 {
			all[name] = starlark.NewList(append(elements(before), elements(after)...))
		} else {
			all[name] = kv[1]
		}
	}
	return all, nil
}
