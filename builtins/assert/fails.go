package assert

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Control(`
def fails(fn, *args, kind = "", message = "", **kwargs):
    """Fails unless a function fails.

    What cannot be caught is not: an interrupted run, a limit, a cassette that does
    not know an effect. And what is rather a mistake of the test counts only when it
    is named: errors of the kinds script, usage and assertion, and (kind invalid)
    calls of a builtin with arguments that it does not have.

    Args:
      fn: function to call.
      args: its positional arguments.
      kind: the kind that its error must have; "" for any that is no mistake.
      message: regular expression that must match the message of the error.
      kwargs: its keyword arguments; those called kind and message need a lambda.
    Returns:
      The error: a struct with kind, message, hint, details, effect and position.
    Errors:
      assertion: fn has not failed, or otherwise than wanted.
      invalid: message is no valid pattern.
    Example:
      assert.fails(fs.read, "missing.txt", kind = "not_found")
    """`, &fails{})

type fails struct {
	Fn      starlark.Callable `star:"fn"`
	Args    starlark.Tuple    `star:"*args"`
	Kind    string            `star:"kind"`
	Message string            `star:"message"`
	Kwargs  []starlark.Tuple  `star:"**kwargs"`
}

// mistakes are the kinds of errors that a test has rather by itself.
var mistakes = map[string]bool{string(fault.Script): true, string(fault.Usage): true, string(fault.Assertion): true}

func (f *fails) Control(thread *starlark.Thread) (any, error) {
	re, err := compile(f.Message)
	if err != nil {
		return nil, err
	}
	b := branch.Of(thread)
	planned := b.Planned
	if f.Kind == string(fault.Assertion) {
		defer func(before bool) { b.Expects = before }(b.Expects)
		b.Expects = true
	}
	v, err := b.InScope(thread, branch.Always, func() (starlark.Value, error) {
		return starlark.Call(thread, f.Fn, f.Args, f.Kwargs)
	})
	raised := err
	failure, err := b.Failed(raised)
	switch {
	case err != nil:
		return nil, err
	case failure == nil && b.Planned > planned: // check mode: a write that was not made may fail
		return value.NewUnknown("assert.fails(%s)", f.Fn.Name()), nil
	case failure == nil:
		return nil, failed("", "%s did not fail; it returned %s", f.Fn.Name(), show(v))
	case f.Kind != "" && failure.Kind != f.Kind:
		return nil, failed("", "%s failed with the kind %q, want %q: %s", f.Fn.Name(), failure.Kind, f.Kind, failure.Message)
	case f.Kind == "" && (mistakes[failure.Kind] || errors.Is(raised, module.ErrMisused)):
		e := fault.As(failed("", "%s failed by what looks like a mistake, an error of the kind %q: %s", f.Fn.Name(), failure.Kind, failure.Message))
		return nil, e.WithHint("when that is what it should do, say so: kind = %q", failure.Kind)
	case !re.MatchString(failure.Message):
		return nil, failed("", "the error of %s is %q, which does not match %q", f.Fn.Name(), failure.Message, f.Message)
	}
	return failure, nil
}
