package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Control(`
def parallel(fn, items, limit = 0, on_error = "stop"):
    """Calls a function for every item, each in a branch of its own.

    What the branches can reach is frozen first: the function, the items, and the
    globals of the modules that are on the call stack. Results come back in the
    order of the items, whatever the timing.

    Args:
      fn: function of one argument.
      items: list, or another iterable.
      limit: how many branches run at a time; 0 for all at once.
      on_error: "stop" cancels the other branches when one fails, and fails;
        "continue" lets all of them end.
    Returns:
      A list of what fn returned. With on_error = "continue" a list of structs with
      ok, value and error, as attempt returns them.
    Errors:
      That of the first branch, in the order of the items, that failed.
    Example:
      sizes = parallel(lambda name: fs.stat(name).size, ["a.txt", "b.txt"], limit = 8)
    """`, &parallel{})

type parallel struct {
	Fn      starlark.Callable `star:"fn"`
	Items   starlark.Iterable `star:"items"`
	Limit   int               `star:"limit"`
	OnError string            `star:"on_error"`
}

func (p *parallel) Control(thread *starlark.Thread) (any, error) {
	if p.Limit < 0 {
		return nil, fault.New(fault.Invalid, "parallel: limit must not be negative")
	}
	keepGoing := p.OnError == "continue"
	if !keepGoing && p.OnError != "stop" {
		return nil, fault.New(fault.Invalid, "parallel: on_error must be \"stop\" or \"continue\", not %q", p.OnError)
	}
	b := branch.Of(thread)
	planned := b.Planned
	outcomes, err := b.Parallel(thread, p.Fn, elements(p.Items), p.Limit, keepGoing)
	if err != nil {
		return nil, err
	}
	results := make([]starlark.Value, len(outcomes))
	for i, o := range outcomes {
		results[i] = o.Value
		if keepGoing {
			results[i] = value.Of(asOutcome(b, o, b.Tree.Check && b.Planned > planned))
		}
	}
	return starlark.NewList(results), nil
}

// asOutcome makes what attempt would return. In check mode a branch may fail
// whose writes were only planned.
func asOutcome(b *branch.Branch, o branch.Outcome, planned bool) outcome {
	if planned && o.Err == nil {
		v := b.Unknown("the branch's value")
		if value.FindUnknown(o.Value) == nil {
			v.Guess = o.Value
		}
		return outcome{b.Unknown("the branch's ok"), v, b.Unknown("the branch's error")}
	}
	if o.Err != nil {
		return outcome{starlark.False, starlark.None, value.Of(branch.FailureOf(o.Err))}
	}
	return outcome{starlark.True, o.Value, starlark.None}
}

func elements(items starlark.Iterable) []starlark.Value {
	var elems []starlark.Value
	iter := items.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		elems = append(elems, x)
	}
	return elems
}
