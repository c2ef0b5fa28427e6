package rewrite

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A Decider takes the place of an unknown in a condition (if, while, and, or):
// a plan that explores both arms says here which one it is in. An unknown that
// it is asked about twice must get the same answer.
type Decider func(*value.Undecided) (bool, error)

const deciderKey = "rewrite.Decider"

// SetDecider sets the decider of a thread. Without one, a condition on an
// unknown is an error.
func SetDecider(thread *starlark.Thread, d Decider) { thread.SetLocal(deciderKey, d) }

var conditions = map[string]*starlark.Builtin{
	"if":    starlark.NewBuiltin(Prefix+"if", decide),
	"while": starlark.NewBuiltin(Prefix+"while", decide),
	"and":   starlark.NewBuiltin(Prefix+"and", decide),
	"or":    starlark.NewBuiltin(Prefix+"or", decide),
}

// decide returns its operand, which the interpreter then tests.
func decide(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	u, ok := args[0].(*value.Unknown)
	if !ok {
		return args[0], nil
	}
	undecided := &value.Undecided{Unknown: u, Op: strings.TrimPrefix(b.Name(), Prefix)}
	d, _ := thread.Local(deciderKey).(Decider)
	if d == nil {
		return nil, undecided
	}
	truth, err := d(undecided)
	if err != nil {
		return nil, err
	}
	switch {
	case undecided.Op == "or" && truth:
		return u, nil // the value of the whole; an unknown tests as true
	case undecided.Op == "and" && !truth:
		return falsy{u}, nil
	}
	return starlark.Bool(truth), nil // only tested
}

// A falsy is an unknown that the decider took for false, as the left operand of
// an and. It is the value of the whole: ·value ^ (·and(u) and y) is u.
type falsy struct{ *value.Unknown }

func (falsy) Truth() starlark.Bool { return false }

func unwrap(v starlark.Value) (starlark.Value, error) {
	if f, ok := v.(falsy); ok {
		return f.Unknown, nil
	}
	return v, nil
}

func not(x starlark.Value) (starlark.Value, error) {
	if u, ok := x.(*value.Unknown); ok {
		return value.NewUnknown("not %s", u.Text), nil
	}
	return !x.Truth(), nil
}

// Trim removes the frames of hidden operators from a backtrace, which then is
// that of the script as written.
func Trim(err *starlark.EvalError) {
	kept := err.CallStack[:0]
	for _, fr := range err.CallStack {
		if !strings.HasPrefix(fr.Name, Prefix) {
			kept = append(kept, fr)
		}
	}
	err.CallStack = kept
}
