package door

import (
	"context"
	"encoding/hex"
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// plan is what check mode does instead of acting: reads are made, writes are
// noted, and what only the run can know is unknown.
func (d *Door) plan(s *site) (starlark.Value, error) {
	s.pos = s.caller.Position()
	if s.branch.Context().Err() != nil {
		return nil, context.Cause(s.branch.Context())
	}
	if err := d.Budget.Effect(); err != nil {
		return nil, err
	}
	if err := d.guarded(s, nil); err != nil {
		return nil, named(err, s.call, s.place)
	}
	if s.call.Unknown == nil {
		if err := d.identify(s); err != nil {
			return nil, named(err, s.call, s.place)
		}
	}
	decl := s.call.Decl
	item := plan.Item{
		Key:   hex.EncodeToString(s.key),
		Place: s.place, Kind: decl.Kind, Write: decl.Mode == effect.Write, Position: s.pos,
		Description: d.Run.Secrets.Redact(s.call.Describe()),
		Trail:       s.caller.Trail(), Tried: tried(s.caller),
	}
	var v starlark.Value
	var err error
	if item.Write {
		s.branch.Planned++
		v, err = d.planWrite(s, &item)
		d.planned.Store(true) // for those after it: nothing explains by itself what it lacks
	} else {
		v, err = d.planRead(s, &item)
	}
	if err != nil {
		return nil, named(err, s.call, s.place)
	}
	item.Depends = d.Run.Secrets.Redact(item.Depends)
	d.Trace.Add(s.branch.Path, item)
	return v, nil
}

// tried reports whether a caller is within a call by retry or wait_until.
func tried(c Caller) bool {
	for name := range c.Functions() {
		if name == "retry" || name == effect.KindWaitUntil {
			return true
		}
	}
	return false
}

func (d *Door) planRead(s *site, item *plan.Item) (starlark.Value, error) {
	if u := s.call.Unknown; u != nil {
		item.Depends = u.Text
		return d.unknownResult(s), nil
	}
	do, err := d.expanded(s.call.Do)
	if err != nil {
		return nil, err
	}
	env := d.planEnv(s)
	if t, ok := do.(effect.Toucher); ok {
		for _, resource := range t.Touches(env) {
			if v, touched := d.Run.Planned.Get(resource); touched {
				if u, ok := v.(*value.Unknown); ok {
					item.Depends = u.Text
					return d.unknownResult(s), nil
				}
			}
		}
	}
	if d.blind.Load() {
		item.After = true
	}
	result, err := d.look(s, item, do, env)
	if err != nil && d.planned.Load() && fault.KindOf(err) != fault.Cancelled {
		// What it looks for may be what the planned writes are going to make.
		item.Depends = "the writes before it: " + d.Run.Secrets.Redact(err.Error())
		s.branch.Planned++
		return d.unknownResult(s), nil
	}
	if err != nil {
		return nil, err
	}
	return value.Of(result), nil
}

func (d *Door) planWrite(s *site, item *plan.Item) (starlark.Value, error) {
	_, item.Undo = s.call.Do.(effect.Undoer)
	item.Change, item.Quality = effect.Act, effect.Blind.String()
	if _, ok := s.call.Do.(effect.Traceless); ok {
		item.Change, item.Quality = effect.None, effect.Exact.String()
	}
	if u := s.call.Unknown; u != nil {
		item.Depends = u.Text
		d.blind.Store(true)
		return d.touch(s), nil
	}
	if s.call.Decl.Quality == effect.Blind {
		d.blind.Store(true)
	}
	do := s.call.Do
	if _, ok := do.(effect.Knowing); ok {
		var err error
		if do, err = d.expanded(do); err != nil {
			return nil, err
		}
	}
	predictor, ok := do.(effect.Predictor)
	if !ok {
		return d.touch(s), nil
	}
	env := d.planEnv(s)
	env.Party = d.scout(s.branch.Context(), s.party, env, s.call.Do)
	p, err := predictor.Predict(s.branch.Context(), env)
	if err != nil {
		var undecided *value.Undecided
		switch {
		case errors.As(err, &undecided):
			item.Depends = undecided.Unknown.Text
		case d.planned.Load() && missing(err):
			// What it needs may be what the planned writes are going to make.
			item.Depends = "the writes before it: " + d.Run.Secrets.Redact(err.Error())
		default:
			return nil, err
		}
		return d.touch(s), nil
	}
	item.Change, item.Diff, item.Quality, item.Depends = p.Change, d.Run.Secrets.Redact(p.Diff), s.call.Decl.Quality.String(), p.Depends
	v := value.Of(p.Result)
	value.Stamp(v, s.place)
	return d.guessed(s, v), nil
}

// missing reports whether an error says that something is not there.
func missing(err error) bool {
	return fault.Is(err, fault.NotFound, fault.Network, fault.Unavailable, fault.Timeout)
}

// guessed gives a result that is not known the guess of an earlier run.
func (d *Door) guessed(s *site, v starlark.Value) starlark.Value {
	if u, ok := v.(*value.Unknown); ok && u.Guess == nil && d.Guess != nil {
		u.Guess = d.Guess(s.branch.Path, s.key)
	}
	return v
}

// touch notes that nobody knows what a planned write makes of its resources, nor
// its result, which it returns.
func (d *Door) touch(s *site) starlark.Value {
	result := d.unknownResult(s) // once: the guess for it is the next one of several
	if t, ok := s.call.Do.(effect.Toucher); ok {
		for _, resource := range t.Touches(d.planEnv(s)) {
			d.Run.Planned.Set(resource, result)
		}
	}
	return result
}

func (d *Door) planEnv(s *site) *effect.Env {
	return &effect.Env{
		Run: d.Run, Place: s.place, Options: s.call.Options, Begun: d.Now(), Taken: s.branch.Take,
		Output: func(string, string) {},
		Ask: func(context.Context, string, string, []string) (string, string, error) {
			return "", "", fault.New(fault.Internal, "check mode asks nobody")
		},
	}
}

// unknownResult is what only the run will know. What an earlier run got from the
// same effect is the guess.
func (d *Door) unknownResult(s *site) starlark.Value {
	u := value.NewUnknown("%s(…)", s.call.Decl.Kind)
	value.Stamp(u, s.place)
	if d.Guess != nil && s.key != nil {
		u.Guess = d.Guess(s.branch.Path, s.key)
	}
	return u
}

// Ended notes that the plan does not follow a branch to its end.
func (d *Door) Ended(b *branch.Branch, err error) {
	switch {
	case d.Trace != nil:
		d.Trace.Stop(b.Path, atPosition(err))
	case d.Compare != nil && d.planned.Load(): // else it is an end like any other
		d.Compare.endedEarly(b.Path, atPosition(err))
	}
	if d.WhatIf != nil {
		d.WhatIf.stop(b.Path, atPosition(err))
	}
}

// Failed notes how a plan, or an arm of it, ends in a failure.
func (d *Door) Failed(b *branch.Branch, err error) { d.Trace.Fail(b.Path, atPosition(err)) }

func atPosition(err error) string {
	if e := fault.As(err); e != nil && len(e.Stack) > 0 {
		return e.Stack[0].String() + ": " + err.Error()
	}
	return err.Error()
}
