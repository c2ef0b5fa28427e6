// Package control holds the functions that steer a run: branches, errors,
// retries, waiting, questions, marks.
package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module holds the functions of this package. Scripts use them without a prefix.
var Module = module.New("", `Functions that steer a run.

They need no prefix. Those that call a function of yours call it in the same
branch, except parallel, which makes a branch for every item.
`)

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
func perform(thread *starlark.Thread, h *module.Hidden, do module.Carrier, args ...starlark.Value) (starlark.Value, error) {
	return branch.Of(thread).Tree.Host.Effect(thread, &effect.Call{Decl: h.Decl, Do: do, Args: args, Options: h.Options})
}

// hidden declares an effect with one argument that is made of values of the
// given types.
func hidden(decl effect.Decl, arg string, restore func(state starlark.Tuple) effect.Performer, types ...string) *module.Hidden {
	decl.Params, decl.Tuning = []string{arg}, []bool{false}
	return Module.Hide(&module.Hidden{Decl: &decl, Options: once, Restore: func(state starlark.Tuple) (effect.Performer, error) {
		if len(state) != len(types) {
			return nil, fault.New(fault.Internal, "%s is made of %d values, not %d", decl.Kind, len(types), len(state))
		}
		for i, v := range state {
			if v.Type() != types[i] {
				return nil, fault.New(fault.Internal, "%s is made of a %s, not a %s", decl.Kind, types[i], v.Type())
			}
		}
		return restore(state), nil
	}})
}
