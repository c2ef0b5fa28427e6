// Package control holds the functions that steer a run: branches, errors,
// retries, waiting, questions, marks.
package control

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Module holds the functions of this package. Scripts use them without a prefix.
var Module = module.New("", `Functions that steer a run.

They need no prefix. Those that call a function of yours call it in the same
branch, except parallel, which makes a branch for every item.
`)

// Failure is what a script sees of an error.
type Failure struct {
	Kind     string         `star:"kind"`
	Message  string         `star:"message"`
	Hint     string         `star:"hint"`
	Details  starlark.Value `star:"details"`
	Effect   string         `star:"effect"`
	Position string         `star:"position"`
}

func failureOf(err error) *Failure {
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

// failed makes sense of what a call of a script's function returned: an error
// that may be caught comes back as a failure, any other as an error.
func failed(b *branch.Branch, err error) (*Failure, error) {
	var undecided *value.Undecided
	if err == nil {
		return nil, nil
	}
	if !branch.Catchable(err) || errors.As(err, &undecided) || b.Stopping() {
		return nil, err
	}
	return failureOf(b.Tree.Explain(err)), nil
}

// call calls a script's function in a scope of its own. catches decides whether
// the script goes on after an error.
func call(thread *starlark.Thread, catches branch.Catcher, fn starlark.Callable, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	return branch.Of(thread).InScope(thread, catches, func() (starlark.Value, error) {
		return starlark.Call(thread, fn, args, kwargs)
	})
}

// once: what waits here by itself is not tried again by the door.
var once = func() effect.Options {
	o := effect.NoOptions
	o.Retries = 0
	return o
}()

// perform hands an effect of this package to the door.
func perform(thread *starlark.Thread, decl *effect.Decl, do effect.Performer, args ...starlark.Value) (starlark.Value, error) {
	return branch.Of(thread).Tree.Host.Effect(thread, &effect.Call{Decl: decl, Do: do, Args: args, Options: once})
}
