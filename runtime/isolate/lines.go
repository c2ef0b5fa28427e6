package isolate

import (
	"context"
	"fmt"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// This file is the parent of an interpreter whose branches take turns, within an engine
// that repeats runs. Nothing happens beside anything else there: what the process sends
// is read while it computes, until all of its branches wait, and each answer has it
// compute again. That makes no difference to whoever looks at the process: it is as if
// the script were computed in place.

// converse takes what the process sends, until all branches wait.
func (e *Engine) converse() {
	defer e.bound()()
	for !e.isGone() {
		m, err := e.in.receive(fromChild)
		if err == nil {
			_, idle := m.(*tellIdle)
			switch {
			case !idle:
				err = e.take(m)
			case e.active.Load() > 0 || len(e.ends) > 0:
				return
			default:
				err = fmt.Errorf("%w: it waits for nothing", errGarbage)
			}
		}
		if err != nil {
			e.broken(err)
			e.lost()
		}
	}
}

// bound kills a process that computes for too long.
func (e *Engine) bound() (end func()) {
	spell, wall := e.cfg.Spell, e.cfg.Limits.Wall
	why := func() error {
		return fault.New(fault.Limit, "the script has computed for more than %s without an effect", duration.Short(spell)).
			WithHint("a worker has other runs to execute, too; have it compute less at a time, or run it on this machine: --engine local")
	}
	if wall > 0 && (spell == 0 || wall < spell) {
		spell, why = wall, func() error { return sandbox.Exceeded("wall", duration.Short(wall)) }
	}
	if spell == 0 {
		return func() {}
	}
	timer := time.AfterFunc(spell, func() { e.kill(why()) })
	return func() { timer.Stop() }
}

func (e *Engine) isGone() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

// line is that of whoever evaluates the script.
func (e *Engine) line() any { return branch.LineOf(e.now().Stop) }

// begin answers a request for a branch beside what else there is.
func (e *Engine) begin(b *shadow, do func()) {
	lines := e.cfg.Lines
	if lines == nil {
		e.working.Go(do)
		return
	}
	lines.Go(e.line(), func(line any) {
		b.Move(branch.OnLine(b.ctx, line))
		do()
		e.converse()
	})
}

// awaitEnd waits, with lines, until the process has done what it was told, or is gone.
func (e *Engine) awaitEnd() error {
	if e.cfg.Lines == nil {
		return nil
	}
	e.converse()
	return e.cfg.Lines.Await(e.line(), func() bool { return len(e.ends) > 0 || e.isGone() })
}

// awaitGone waits until nothing more is read from a process that was killed.
func (e *Engine) awaitGone() {
	if e.cfg.Lines != nil {
		e.lost() // nobody reads beside the caller
	}
	<-e.gone
}

// awaitEffects waits for what is still under way for a process that is gone.
func (e *Engine) awaitEffects() {
	if e.cfg.Lines == nil {
		e.working.Wait()
		return
	}
	_ = e.cfg.Lines.Await(e.line(), func() bool { return e.active.Load() == 0 }) // it ends with the execution
}

// tellStop passes on, with lines, that the run has to stop: before the next thing that
// the process is told, which is the same one in each repetition.
func (e *Engine) tellStop() {
	ctx := e.now().Stop
	if e.cfg.Lines != nil && !e.stopped && ctx.Err() != nil {
		e.stopped = true
		e.out.send(&stop{carry(context.Cause(ctx))})
	}
}
