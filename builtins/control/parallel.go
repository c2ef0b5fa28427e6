package control

import (
	"strconv"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Control(`
def parallel(fn, items, limit = 0, on_error = "stop", max_fail = 0):
    """Calls a function for every item, each in a branch of its own.

    What the branches can reach is frozen first: the function, the items, and the
    globals of the modules that are on the call stack. Results come back in the
    order of the items, whatever the timing.

    Args:
      fn: function of one argument.
      items: list, or another iterable.
      limit: how many branches run at a time; 0 for all at once.
      on_error: "stop" cancels the other branches when one fails, and fails;
        "continue" lets all of them end, and goes on; "finish" lets those end that
        have begun, begins no other one, and fails then: a resumed run tries those
        again that failed.
      max_fail: "finish" takes so many failures, and goes on; -1 begins all of the
        branches, and fails when one has.
    Returns:
      A list of what fn returned. With on_error = "continue" and "finish" a list of
      structs with ok, value and error, as attempt returns them.
    Errors:
      That of the first branch, in the order of the items, that failed. With "finish"
      one that tells of all of them; its details have the lists done, failed and
      untouched with the names of the items, and errors, a list of dicts with name,
      kind and message.
    Example:
      sizes = parallel(lambda name: fs.stat(name).size, ["a.txt", "b.txt"], limit = 8)
    """`, &parallel{})

type parallel struct {
	Fn      starlark.Callable `star:"fn"`
	Items   starlark.Iterable `star:"items"`
	Limit   int               `star:"limit"`
	OnError string            `star:"on_error"`
	MaxFail int               `star:"max_fail"`
}

func (p *parallel) Control(thread *starlark.Thread) (any, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	b := branch.Of(thread)
	items := elements(p.Items)
	planned := b.Planned
	outcomes, err := p.branches(thread, b, items)
	if err != nil {
		return nil, err
	}
	unsure := b.Tree.Check && b.Planned > planned && (p.OnError == "continue" || p.MaxFail > 0)
	results := make([]starlark.Value, len(outcomes))
	for i, o := range outcomes {
		results[i] = o.Value
		if p.OnError != "stop" {
			results[i] = value.Of(asOutcome(b, o, unsure))
		}
	}
	return starlark.NewList(results), nil
}

func (p *parallel) validate() error {
	switch {
	case p.Limit < 0:
		return fault.New(fault.Invalid, "parallel: limit must not be negative")
	case p.OnError != "stop" && p.OnError != "continue" && p.OnError != "finish":
		return fault.New(fault.Invalid, "parallel: on_error must be \"stop\", \"continue\" or \"finish\", not %q", p.OnError)
	case p.MaxFail != 0 && p.OnError != "finish", p.MaxFail < -1:
		return fault.New(fault.Invalid, "parallel: max_fail goes with on_error = \"finish\", and is -1 or more")
	}
	return nil
}

func (p *parallel) branches(thread *starlark.Thread, b *branch.Branch, items []starlark.Value) ([]branch.Outcome, error) {
	if p.OnError != "finish" {
		return b.Parallel(thread, p.Fn, items, p.Limit, p.OnError == "continue")
	}
	return b.Gather(thread, p.Fn, items, branch.Gathering{Limit: p.Limit, MaxFail: p.MaxFail, Judge: func(outcomes []branch.Outcome) error {
		if e := finished(items, outcomes); e != nil && len(e.Details["failed"].([]string)) > max(p.MaxFail, 0) {
			return e
		}
		return nil
	}})
}

// finished is the error of branches of which some have failed; nil when none has.
func finished(items []starlark.Value, outcomes []branch.Outcome) *fault.Error {
	names, errs := make([]string, len(items)), make([]error, len(items))
	lists := map[string][]string{"done": {}, "untouched": {}}
	reasons := []map[string]string{}
	for i, o := range outcomes {
		if names[i] = branch.Label(items[i]); names[i] == "" {
			names[i] = strconv.Itoa(i)
		}
		switch {
		case o.Skipped, fault.Is(o.Err, fault.Cancelled):
			lists["untouched"] = append(lists["untouched"], names[i])
		case o.Err == nil:
			lists["done"] = append(lists["done"], names[i])
		default:
			errs[i] = o.Err
			f := branch.FailureOf(o.Err)
			reasons = append(reasons, map[string]string{"name": names[i], "kind": f.Kind, "message": f.Message})
		}
	}
	e := branch.Together("branches", names, errs)
	if e != nil {
		e.Details["done"], e.Details["untouched"], e.Details["errors"] = lists["done"], lists["untouched"], reasons
	}
	return e
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
