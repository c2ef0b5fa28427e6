package door

import (
	"context"
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
	decl := s.call.Decl
	item := plan.Item{
		Place: s.place, Kind: decl.Kind, Write: decl.Mode == effect.Write, Position: s.pos,
		Description: d.Run.Secrets.Redact(s.call.Describe()),
	}
	var v starlark.Value
	var err error
	if item.Write {
		s.branch.Planned++
		d.planned.Store(true)
		v, err = d.planWrite(s, &item)
	} else {
		v, err = d.planRead(s, &item)
	}
	if err != nil {
		return nil, named(err, s.call, s.place)
	}
	d.Plan.Add(s.branch.Path, item)
	return v, nil
}

func (d *Door) planRead(s *site, item *plan.Item) (starlark.Value, error) {
	if u := s.call.Unknown; u != nil {
		item.Depends = u.Text
		return unknownResult(s), nil
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
					return unknownResult(s), nil
				}
			}
		}
	}
	if d.blind.Load() {
		item.After = true
	}
	result, err := d.once(s, do, env)
	if err != nil && d.planned.Load() && fault.KindOf(err) != fault.Cancelled {
		// What it looks for may be what the planned writes are going to make.
		item.Depends = "the writes before it: " + d.Run.Secrets.Redact(err.Error())
		s.branch.Planned++
		return unknownResult(s), nil
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
		d.touch(s)
		d.blind.Store(true)
		return unknownResult(s), nil
	}
	if s.call.Decl.Quality == effect.Blind {
		d.blind.Store(true)
	}
	predictor, ok := s.call.Do.(effect.Predictor)
	if !ok {
		d.touch(s)
		return unknownResult(s), nil
	}
	p, err := predictor.Predict(s.branch.Context(), d.planEnv(s))
	if err != nil {
		var undecided *value.Undecided
		if !errors.As(err, &undecided) {
			return nil, err
		}
		item.Depends = undecided.Unknown.Text
		d.touch(s)
		return unknownResult(s), nil
	}
	item.Change, item.Diff, item.Quality = p.Change, d.Run.Secrets.Redact(p.Diff), s.call.Decl.Quality.String()
	return value.Of(p.Result), nil
}

// touch notes that nobody knows what a planned write makes of its resources.
func (d *Door) touch(s *site) {
	t, ok := s.call.Do.(effect.Toucher)
	if !ok {
		return
	}
	for _, resource := range t.Touches(d.planEnv(s)) {
		d.Run.Planned.Set(resource, unknownResult(s))
	}
}

func (d *Door) planEnv(s *site) *effect.Env {
	return &effect.Env{
		Run: d.Run, Place: s.place, Options: s.call.Options, Begun: d.Now(),
		Output: func(string, string) {},
		Ask: func(context.Context, string, string, []string) (string, string, error) {
			return "", "", fault.New(fault.Internal, "check mode asks nobody")
		},
	}
}

func unknownResult(s *site) starlark.Value { return value.NewUnknown("%s(…)", s.call.Decl.Kind) }

// Ended notes that the plan does not follow a branch to its end.
func (d *Door) Ended(b *branch.Branch, err error) {
	if d.Plan == nil {
		return
	}
	why := err.Error()
	if e := fault.As(err); e != nil && len(e.Stack) > 0 {
		why = e.Stack[0].String() + ": " + why
	}
	d.Plan.Stop(b.Path, why)
}

// Decide takes the place of an unknown in a condition. A plan that follows one
// arm only ends there.
func (d *Door) Decide(_ *starlark.Thread, u *value.Undecided) (bool, error) { return false, u }
