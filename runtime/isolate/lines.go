package isolate

import (
	"context"
	"fmt"
	"sync"
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

// converse takes what the process sends, until all branches wait, or it is gone.
func (e *Engine) converse() {
	if e.isGone() {
		return
	}
	e.listen()
	var why error
	if e.isGone() {
		if why = e.death(); e.killedOutside() {
			panic(why) // the machine's doing: what the run does is not decided by that
		}
	}
	if e.cfg.Fate != nil {
		why = e.cfg.Fate(why)
	}
	if why != nil {
		e.fate = why
		e.kill(nil)
		e.lost()
	}
}

// killedOutside reports whether the process was killed, and neither by this program nor
// for a limit.
func (e *Engine) killedOutside() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cause == nil && e.process.killedOutside(e.cfg.Limits)
}

// listen takes what the process sends, until all branches wait.
func (e *Engine) listen() {
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

// bound kills a process that computes for too long, or has too much memory.
func (e *Engine) bound() (end func()) {
	b := &bounds{e: e, began: time.Now()}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.timer = time.AfterFunc(watchInterval, b.look)
	return b.end
}

// bounds are those of a process while it computes.
type bounds struct {
	e     *Engine
	began time.Time

	mu    sync.Mutex
	timer *time.Timer
	looks int // how often it was looked at: a machine that stands still does not look
	over  bool
}

func (b *bounds) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.timer.Stop()
}

// look looks at the process, again and again.
func (b *bounds) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	if why := b.exceeded(); why != nil {
		b.e.kill(why)
		return
	}
	b.timer.Reset(watchInterval)
}

func (b *bounds) exceeded() error {
	b.looks++
	spell := b.e.cfg.Spell
	switch l := b.e.cfg.Limits; {
	case l.Memory > 0 && resident(b.e.process.cmd.Process.Pid) > hardMemory(l.Memory):
		return memoryExceeded(l.Memory)
	case l.Wall > 0 && time.Since(b.began) >= l.Wall:
		return sandbox.Exceeded("wall", duration.Short(l.Wall))
	case spell > 0 && time.Duration(b.looks)*watchInterval >= spell:
		return fault.New(fault.Limit, "the script has computed for more than %s without an effect", duration.Short(spell)).
			WithHint("a worker has other runs to execute, too; have it compute less at a time, or run it on this machine: --engine local")
	}
	return nil
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
