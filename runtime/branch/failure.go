package branch

import (
	"errors"
	"fmt"
	"strings"

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

// maxReasons is how many failures a message tells of.
const maxReasons = 5

// Together is the one error of branches of which some have failed, those with an
// error in errs; nil when none has. names are what people call them, noun what they
// are: "machines". Its details have the names of those that failed.
func Together(noun string, names []string, errs []error) *fault.Error {
	var failed, reasons []string
	var e *fault.Error
	for i, err := range errs {
		if err == nil {
			continue
		}
		one := asFault(err)
		if e == nil {
			e = &fault.Error{Kind: one.Kind, Hint: one.Hint, Cause: err}
		} else if e.Kind != one.Kind {
			e.Kind = fault.Failed
		}
		failed = append(failed, names[i])
		if len(failed) <= maxReasons {
			reasons = append(reasons, reason(names[i], one.Msg))
		}
	}
	if e == nil {
		return nil
	}
	if more := len(failed) - maxReasons; more > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", more))
	}
	e.Msg = fmt.Sprintf("%d of %d %s failed: %s", len(failed), len(errs), noun, strings.Join(reasons, "; "))
	e.Details = map[string]any{"failed": failed}
	return e
}

func asFault(err error) *fault.Error {
	if e := fault.As(err); e != nil {
		return e
	}
	return &fault.Error{Kind: fault.Failed, Msg: err.Error(), Cause: err}
}

// reason is what went wrong with a branch. Some messages begin with its name.
func reason(name, msg string) string {
	msg = strings.TrimPrefix(strings.TrimPrefix(msg, "on "+name+": "), "on "+name+", ")
	if strings.HasPrefix(msg, name+": ") {
		return msg
	}
	return name + ": " + msg
}
