package door

import (
	"maps"
	"slices"
	"sync"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// WhatIf lets a script that differs from the one of a run meet the journal of
// that run. An effect that the journal has, by its content key and in the order of
// its branch, is answered from there. Any other is noted, not made, and what it
// would give is unknown. A door with one needs a Trace, as unknown values occur.
type WhatIf struct {
	mu       sync.Mutex
	branches map[string][]*journal.Effect // what is left of each branch, in order
	touched  map[string]bool              // resources of writes that the journal does not have
	differs  bool
	steps    []Step
	stops    map[string]string // by branch: why it is not known further
}

// Step is an effect that the script has come to.
type Step struct {
	Place       string
	Kind        string
	Write       bool
	Description string
	Position    string
	Record      *journal.Effect // nil: the journal does not have it
	Depends     string          // what would have to be known to say more
	Beyond      bool            // the journal of the branch ends before it
}

// NewWhatIf prepares for the effects of a run.
func NewWhatIf(effects []*journal.Effect) *WhatIf {
	w := &WhatIf{branches: map[string][]*journal.Effect{}, touched: map[string]bool{}, stops: map[string]string{}}
	for _, e := range effects {
		path := branch.PathOf(e.Place)
		w.branches[path] = append(w.branches[path], e)
	}
	for _, list := range w.branches {
		slices.SortFunc(list, func(a, b *journal.Effect) int { return ordinal(a.Place) - ordinal(b.Place) })
	}
	return w
}

// Steps returns the effects that the script has come to so far. Those of
// different branches are in no order.
func (w *WhatIf) Steps() []Step {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.steps)
}

// Stops says, by branch, where it is not known how the script goes on, and why.
func (w *WhatIf) Stops() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.stops)
}

func (w *WhatIf) stop(path, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stops[path] = why
}

// take returns the next record of the branch with this kind and key, and gives
// up those before it.
func (w *WhatIf) take(path, kind, key string) *journal.Effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.branches[path]
	for i, rec := range left {
		if rec.Kind == kind && string(rec.Key) == key {
			w.branches[path] = left[i+1:]
			w.differs = w.differs || i > 0
			return rec
		}
	}
	return nil
}

func (w *WhatIf) note(step Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.differs = w.differs || step.Record == nil
	step.Beyond = step.Record == nil && len(w.branches[branch.PathOf(step.Place)]) == 0
	w.steps = append(w.steps, step)
}

// same reports whether the script has done nothing so far that the run did not do.
func (w *WhatIf) same() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.differs
}

func (w *WhatIf) isTouched(resources []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(resources, func(r string) bool { return w.touched[r] })
}

func (w *WhatIf) touch(resources []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range resources {
		w.touched[r] = true
	}
}

// match looks for the record of an effect.
func (d *Door) match(s *site) error {
	if s.call.Unknown != nil {
		return nil
	}
	if err := d.identify(s); err != nil {
		return named(err, s.call, s.place)
	}
	s.rec = d.WhatIf.take(s.branch.Path, s.call.Decl.Kind, string(s.key))
	return nil
}

// supposed notes what becomes of an effect.
func (d *Door) supposed(s *site, rec *journal.Effect, depends string) {
	d.WhatIf.note(Step{
		Place: s.place, Kind: s.call.Decl.Kind, Write: s.call.Decl.Mode == effect.Write,
		Description: d.Run.Secrets.Redact(s.call.Describe()), Position: s.caller.Position(), Record: rec, Depends: depends,
	})
}

// whatIf answers an effect that match has looked at.
func (d *Door) whatIf(s *site) (starlark.Value, error) {
	if s.rec == nil && s.branch.Settled && d.WhatIf.same() {
		return nil, branch.ErrSibling // that is where it was stopped
	}
	write := s.call.Decl.Mode == effect.Write
	var resources []string
	if t, ok := s.call.Do.(effect.Toucher); ok && s.call.Unknown == nil {
		resources = t.Touches(d.planEnv(s))
	}
	if rec := s.rec; rec != nil && (write || !d.WhatIf.isTouched(resources)) {
		switch rec.Status {
		case journal.Done, journal.Assumed, journal.Skipped:
			d.supposed(s, rec, "")
			return d.Codec.Decode(rec.Result)
		case journal.Caught, journal.Erred:
			d.supposed(s, rec, "")
			return nil, named(d.decodeFault(rec.Result, false), s.call, s.place)
		}
	}
	var depends string
	if s.call.Unknown != nil {
		depends = s.call.Unknown.Text
	}
	rec := s.rec // begun in the run too, but with a result that is not known
	if rec != nil && rec.Status != journal.Intended {
		rec, depends = nil, "a write that the run did not make"
	}
	d.supposed(s, rec, depends)
	if write {
		s.branch.Planned++
		d.WhatIf.touch(resources)
	}
	return d.unknownResult(s), nil
}

// whatIfFork finds out what became of the branches in the run, as long as the
// script has done nothing else than there.
func (d *Door) whatIfFork(b *branch.Branch, f branch.Fork, rec *journal.Effect) branch.Fork {
	old := d.WhatIf.take(b.Path, rec.Kind, string(rec.Key))
	d.WhatIf.note(Step{Place: f.Place, Kind: rec.Kind, Description: rec.Description, Position: rec.Pos, Record: old})
	if old != nil && old.Status == journal.Caught && d.WhatIf.same() {
		f.Err = d.decodeFault(old.Result, true)
	}
	return f
}
