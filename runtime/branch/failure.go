package branch

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Failure is what a script sees of an error.
type Failure struct {
	Kind     string         `star:"kind"`
	Message  string         `star:"message"`
	Hint     string         `star:"hint"`
	Details  starlark.Value `star:"details"`
	Effect   string         `star:"effect"`
	Position string         `star:"position"`
}

// FailureOf returns what a script sees of err.
func FailureOf(err error) *Failure {
	e := fault.As(err)
	if e == nil {
		return &Failure{Kind: string(fault.Failed), Message: err.Error(), Details: starlark.NewDict(0)}
	}
	f := &Failure{Kind: string(e.Kind), Message: e.Msg, Hint: e.Hint, Effect: e.Effect, Details: details(e.Details)}
	if len(e.Stack) > 0 {
		f.Position = e.Stack[0].String()
	}
	return f
}

// details converts what a fault carries; it is Starlark values or plain Go.
func details(m map[string]any) starlark.Value {
	if m == nil {
		return starlark.NewDict(0)
	}
	return value.Of(m)
}

// Failed makes sense of what a call of a script's function returned: an error
// that may be caught comes back as a failure, any other as an error.
func (b *Branch) Failed(err error) (*Failure, error) {
	var undecided *value.Undecided
	if err == nil {
		return nil, nil
	}
	if !b.catchable(err) || errors.As(err, &undecided) || b.Stopping() {
		return nil, err
	}
	return FailureOf(b.Tree.Explain(err)), nil
}
