package runtime

import (
	"context"
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/travel"
)

// Recording is a run that can be executed again from its journal, for those who
// look at it on the way.
type Recording struct {
	rt      *Runtime
	run     *journal.Run
	effects []*journal.Effect
}

var _ travel.Recording = (*Recording)(nil)

// Recording returns a run of the journal. What is added to the journal later is no
// part of it.
func (r *Runtime) Recording(id string) (*Recording, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	effects, err := run.Effects()
	return &Recording{rt: r, run: run, effects: effects}, err
}

func (c *Recording) Run() *journal.Run          { return c.run }
func (c *Recording) Effects() []*journal.Effect { return c.effects }

// Play executes the run again, acting on nothing.
func (c *Recording) Play(p travel.Play) error {
	rt := &Runtime{cfg: c.rt.cfg, program: c.rt.program, journal: c.rt.journal}
	rt.cfg.Events, rt.cfg.Person = p.Events, nil
	x, inputs, err := rt.reopen(Interrupt{Stop: p.Stop, Cut: p.Stop}, c.run, true, nil)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return err
	}
	x.engine = here{x.star, x.door} // a debugger looks at the threads of the interpreter
	x.door.Watch = p.Watch
	if p.WhatIf != nil {
		x.star.AllowUnknown()
		x.door.Trace, x.door.WhatIf = plan.NewTrace(), p.WhatIf
	}
	x.star.Loader.Edit = p.Edit
	for name, v := range p.Names {
		x.star.Loader.Predeclared[name] = v
	}
	p.Ready(x.stage())
	v, err := x.execute(c.run.Script, inputs)
	return x.played(v, err)
}

// stage is what a debugger needs of the execution.
func (x *execution) stage() travel.Stage {
	return travel.Stage{
		Loader: x.star.Loader, Secrets: x.shared.Secrets, Thread: x.star.PureThread, Outcome: x.door.Outcome,
		Session: func() starlark.StringDict {
			if x.session == nil {
				return nil
			}
			return x.session.bound()
		},
	}
}

// played says how an execution ended that somebody has looked at. Where the
// journal ends, the script cannot go on: that is no error.
func (x *execution) played(v starlark.Value, err error) error {
	if x.door.WhatIf != nil {
		return x.explain(err)
	}
	_, err = x.replayed(x.run, v, err)
	if fault.Is(err, fault.Cancelled) {
		return nil
	}
	return err
}

// breakpoint lets a person look at a branch that has called breakpoint. What an
// earlier execution has passed is passed again.
func (x *execution) breakpoint(thread *starlark.Thread) error {
	b := branch.Of(thread)
	if x.shared.Check || x.shared.Replay || b.Closed || x.door.Past.Has(b.PeekPlace()) {
		return nil
	}
	ask := x.rt.cfg.Breakpoint
	switch {
	case b.Pure != nil:
		return x.door.Log(b, "warn", "the breakpoint at "+branch.Position(thread)+" is passed: the top level has no effects")
	case ask == nil:
		return x.door.Log(b, "warn", "the breakpoint at "+branch.Position(thread)+" is passed: there is no terminal")
	}
	err := ask(x.stop, &travel.Halt{Scene: travel.NewScene(x.stage(), thread), Path: b.Path, Next: b.PeekPlace()})
	if errors.Is(err, travel.ErrAbort) {
		x.halt(aborted)
		return aborted
	}
	if x.stop.Err() != nil {
		return context.Cause(x.stop)
	}
	return err
}

// aborted is the cause of a run that a person has told to stop at a breakpoint.
var aborted = fault.New(fault.Cancelled, "the run was stopped at a breakpoint")
