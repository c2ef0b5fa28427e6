package tester

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Status of a test that has ended.
type Status string

const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped" // not run: another one failed before, or the tests were stopped
)

// Result is what became of a test.
type Result struct {
	Test
	Status  Status
	Err     error // why it failed
	Took    time.Duration
	Output  []Line
	Effects int
	Unused  []string // effects of its cassettes that it never asked for
	Kept    string   // directory of its world; "" when that is gone
	Crash   *CrashReport
	Undo    *UndoReport
}

// Line is one that a test has printed, or that an effect of it has.
type Line struct{ Level, Text string }

// run executes one test.
func (s *Suite) run(ctx context.Context, t Test) (r Result) {
	began := time.Now()
	r = Result{Test: t, Status: Failed, Err: t.Err}
	defer func() { r.Took = time.Since(began) }()
	if t.Err != nil {
		return r
	}
	w, err := NewWorld(s.Workspace, ctx.Done())
	if err != nil {
		if ctx.Err() != nil {
			r.Status = Skipped
		}
		r.Err = err
		return r
	}
	defer func() {
		if s.Keep {
			r.Kept, r.Err = w.Dir, errors.Join(r.Err, w.Keep())
			return
		}
		if err := w.Remove(); err != nil {
			r.Status, r.Err = Failed, errors.Join(r.Err, fault.Wrap(fault.Failed, err, "cannot remove what the test left"))
		}
	}()
	s.runIn(ctx, w, &r)
	return r
}

// torment executes a test in peace, and when that has passed, kills it and rolls it
// back everywhere.
func (s *Suite) torment(ctx context.Context, t Test) (r Result) {
	began := time.Now()
	r = Result{Test: t, Status: Failed, Err: t.Err}
	defer func() { r.Took = time.Since(began) }()
	if t.Err != nil {
		return r
	}
	ref := s.undisturbed(ctx, &r)
	quiet := *s
	quiet.Cover, quiet.Keep = nil, s.keepsPoint()
	if ref != nil && s.Crash != nil {
		quiet.crash(ctx, &r, ref)
	}
	if ref != nil && s.Undo != nil {
		r.Err = errors.Join(r.Err, quiet.undo(ctx, &r, ref))
	}
	switch {
	case ctx.Err() != nil:
		r.Status = Skipped
	case r.Err == nil:
		r.Status = Passed
	}
	return r
}

// runIn executes the test of r in a world.
func (s *Suite) runIn(ctx context.Context, w *World, r *Result) {
	sink := &recorder{test: r.Test, to: s.Watch}
	stage := newStage(r.Test, w.Workspace.Root, s.Runtime.Modules)
	rt := runtime.New(s.config(w, stage, sink))
	cut, cancel := context.WithTimeoutCause(ctx, s.Timeout, fault.New(fault.Timeout, "the test took longer than %s", duration.Short(s.Timeout)))
	defer cancel()
	out, err := rt.Start(runtime.Interrupt{Stop: cut, Cut: cut}, runtime.Start{
		Script: filepath.Join(w.Workspace.Root, filepath.FromSlash(r.File)), Entry: r.Name, Limits: s.Limits,
	})
	if out != nil && out.Run != nil {
		err = errors.Join(err, s.look(out.Run, r))
	}
	err = errors.Join(err, rt.Close())
	r.Output, r.Unused = sink.lines(), stage.deck.Unused()
	if r.Err = verdict(cut, stage, err); r.Err == nil {
		r.Err = stage.deck.Missing()
	}
	switch {
	case r.Err == nil:
		r.Status = Passed
	case ctx.Err() != nil:
		r.Status = Skipped
	}
}

// config is that of a runtime in which a test runs.
func (s *Suite) config(w *World, stage *stage, sink event.Sink) runtime.Config {
	cfg := s.Runtime
	cfg.Workspace, cfg.Key, cfg.Events, cfg.Person = w.Workspace, w.Key, sink, stage
	cfg.Test = &runtime.Test{Stage: stage, Answers: &stage.deck}
	cfg.Test.Journal.Unsynced = true // no world outlives a power cut
	if !s.RealTime {
		cfg.Test.Clock = clock.NewVirtual()
	}
	if s.Cover != nil {
		cfg.Test.Instrument = s.Cover.Instrument
		globals := s.Cover.Globals()
		maps.Copy(globals, cfg.Globals)
		cfg.Globals = globals
	}
	return cfg
}

// look takes from the journal of a test what is told of it.
func (s *Suite) look(run *journal.Run, r *Result) error {
	effects, err := run.Effects()
	r.Effects = len(effects)
	if s.Cover != nil {
		s.Cover.Performed(effects)
	}
	return err
}

// verdict says why a test failed in the words of tests.
func verdict(cut context.Context, stage *stage, err error) error {
	e := fault.As(err)
	if e == nil {
		return err
	}
	copied := *e
	switch {
	case fault.Is(context.Cause(cut), fault.Timeout):
		why := fault.As(context.Cause(cut))
		copied.Kind, copied.Msg, copied.Effect = why.Kind, why.Msg, ""
		copied.Hint = "waits take no time in tests, but commands do; allow more with --timeout"
	case stage.wrong != nil:
		copied.Kind, copied.Msg, copied.Hint = fault.Invalid, stage.wrong.Error(), ""
	case e.Kind == fault.Waiting:
		copied.Msg = fmt.Sprintf("the test waits for an answer to: %s", e.Msg)
		copied.Hint = fmt.Sprintf("give it before, with: answers({%q: \"…\"})", regexp.QuoteMeta(e.Msg))
	}
	return &copied
}

// recorder keeps what a test prints, and passes the events on.
type recorder struct {
	test Test
	to   func(Test, event.Event) // nil: nobody
	mu   sync.Mutex
	kept []Line
}

func (r *recorder) Emit(e event.Event) {
	if e.Type == event.Logged {
		r.mu.Lock()
		r.kept = append(r.kept, Line{e.Level, e.Text})
		r.mu.Unlock()
	}
	if r.to != nil {
		r.to(r.test, e)
	}
}

func (r *recorder) lines() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}
