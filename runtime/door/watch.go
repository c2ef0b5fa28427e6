package door

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Watcher looks at the effects of an execution that acts on nothing: a debugger
// stops the script in it. Its methods are called on the goroutines of the
// branches, which wait until they return.
type Watcher interface {
	// Before is called before an effect is answered. A value or an error takes the
	// place of the answer.
	Before(*Sight) (starlark.Value, error)
	// After is called with what the script is given. A fork has no After.
	After(*Sight, starlark.Value, error)
}

// Sight is an effect that a branch has come to.
type Sight struct {
	Thread      *starlark.Thread // that of the branch
	Place       string
	Kind        string
	Write       bool
	Description string
	Position    string
	Call        *effect.Call    // nil for a fork
	Record      *journal.Effect // what the journal answers it with; nil: nothing
	Children    int             // of a fork: how many branches it makes
	Width       int             // of a fork: how many of them run at a time; 0: all
}

// Path is that of the branch.
func (s *Sight) Path() string { return branch.PathOf(s.Place) }

// Thread is that of a caller in this process.
func (c onThread) Thread() *starlark.Thread { return c.thread }

// threadOf returns nil for a caller in another process.
func threadOf(c Caller) *starlark.Thread {
	if c, ok := c.(interface{ Thread() *starlark.Thread }); ok {
		return c.Thread()
	}
	return nil
}

// watched is effect with the watcher around it.
func (d *Door) watched(s *site) (starlark.Value, error) {
	w := &Sight{
		Thread: threadOf(s.caller), Place: s.place, Kind: s.call.Decl.Kind, Write: s.call.Decl.Mode == effect.Write,
		Description: d.Run.Secrets.Redact(s.call.Describe()), Position: s.caller.Position(), Call: s.call,
	}
	switch {
	case d.WhatIf != nil:
		if err := d.match(s); err != nil {
			return nil, err
		}
		w.Record = s.rec
	case d.Past != nil:
		w.Record = d.Past.byPlace[s.place]
	}
	v, err := d.Watch.Before(w)
	if v == nil && err == nil {
		v, err = d.effect(s)
	} else if d.WhatIf != nil && v != nil {
		d.supposed(s, s.rec, "")
	}
	d.Watch.After(w, v, err)
	return v, err
}

// watchFork lets the watcher see that branches are about to be made.
func (d *Door) watchFork(caller Caller, rec *journal.Effect, n int) error {
	if d.Watch == nil {
		return nil
	}
	w := &Sight{Thread: threadOf(caller), Place: rec.Place, Kind: rec.Kind, Description: rec.Description, Position: rec.Pos,
		Children: n, Width: caller.Branch().Width}
	if d.Past != nil {
		w.Record = d.Past.byPlace[rec.Place]
	}
	_, err := d.Watch.Before(w)
	return err
}

// Outcome is what the journal answers an effect with; nothing for one whose result
// is not known.
func (d *Door) Outcome(rec *journal.Effect) (starlark.Value, error) {
	switch rec.Status {
	case journal.Done, journal.Assumed, journal.Skipped:
		if rec.Result == nil { // a fork
			return nil, nil
		}
		return d.Codec.Decode(rec.Result)
	case journal.Erred, journal.Caught:
		return nil, d.decodeFault(rec.Result, false)
	}
	return nil, nil
}
