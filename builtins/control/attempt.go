package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Control(`
def attempt(fn, *args, **kwargs):
    """Calls a function and returns its failure as a value.

    An error that is not caught stops the branch. What cannot be caught: an
    interrupted run, a limit, an effect that waits for a person's answer.

    Args:
      fn: function to call.
      args: its positional arguments.
      kwargs: its keyword arguments.
    Returns:
      A struct with ok, value and error. When ok is True, value is what fn
      returned and error is None; else value is None, and error is a struct with
      kind, message, hint, details, effect and position.
    Example:
      r = attempt(fs.read, "missing.txt")
      if not r.ok:
          print(r.error.kind, r.error.message)
    """`, &attempt{})

type attempt struct {
	Fn     starlark.Callable `star:"fn"`
	Args   starlark.Tuple    `star:"*args"`
	Kwargs []starlark.Tuple  `star:"**kwargs"`
}

type outcome struct {
	OK    starlark.Value `star:"ok"`
	Value starlark.Value `star:"value"`
	Error starlark.Value `star:"error"`
}

func (a *attempt) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	planned := b.Planned
	v, err := call(thread, branch.Always, a.Fn, a.Args, a.Kwargs)
	failure, err := b.Failed(err)
	switch {
	case err != nil:
		return nil, err
	case failure != nil:
		return outcome{starlark.False, starlark.None, value.Of(failure)}, nil
	case b.Planned > planned: // check mode: a write that was not made may fail
		return a.planned(thread, b, v)
	}
	return outcome{starlark.True, v, starlark.None}, nil
}

// planned is the outcome in check mode: a plan that explores arms goes on in one
// after the success, and in another one after a failure.
func (a *attempt) planned(thread *starlark.Thread, b *branch.Branch, v starlark.Value) (any, error) {
	ok := b.Unknown("attempt(%s).ok", a.Fn.Name())
	n, err := rewrite.Ask(thread, &value.Undecided{Unknown: ok, Op: "if"})
	switch {
	case err != nil: // a plan of one arm
		return outcome{ok, b.Unknown("attempt(%s).value", a.Fn.Name()), b.Unknown("attempt(%s).error", a.Fn.Name())}, nil
	case n == 0:
		return outcome{starlark.False, starlark.None, b.Unknown("attempt(%s).error", a.Fn.Name())}, nil
	}
	return outcome{starlark.True, v, starlark.None}, nil
}
