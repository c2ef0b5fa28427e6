package effect

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Spreader effects act on one thing, and can be called with several: then each
// gets an effect of its own, in a branch of its own, and the script one result
// that is of the same shape as that for one thing. The methods are called on an
// effect without arguments.
type Spreader interface {
	Performer
	// Spreads names the parameter that takes several things.
	Spreads() string
	// Several takes apart what was given for it; nil says that it is one thing.
	Several(v starlark.Value) (*Several, error)
	// Together makes one result of what became of each thing, and the error for a
	// script that does not go on after failures; nil where there was none. one says
	// that the script has named a single thing.
	Together(parts []Part, one bool) (starlark.Value, error)
}

// Divided is a Spreader whose effects can get into each other's way. Divide is asked,
// of one of them, when there is more than one thing to act on.
type Divided interface {
	Divide() error
}

// Several is more than one thing to act on, or a list that could hold more.
type Several struct {
	Items []starlark.Value
	Limit int // how many at a time, where the call does not say; 0: all
}

// Part is what became of one thing.
type Part struct {
	Item  starlark.Value
	Value starlark.Value // of the effect; nil when it failed
	Err   error
	// Unsure, in check mode, is whether a write will succeed that was only planned,
	// for a script that goes on after failures; else nil.
	Unsure *value.Unknown
}
