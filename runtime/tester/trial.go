package tester

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// trial is one run of a test in a world of its own, over as many executions as it
// takes: each is what a process would be.
type trial struct {
	s       *Suite
	test    Test
	world   *World
	chance  chance // answers of another run; may be nil
	history *history
	now     time.Time // when the next execution begins
	watch   func(Test, event.Event)
}

func (s *Suite) newTrial(ctx context.Context, t Test, c chance) (*trial, error) {
	w, err := NewWorld(s.Workspace, ctx.Done())
	if err != nil {
		return nil, err
	}
	return &trial{s: s, test: t, world: w, chance: c, history: newHistory(s.Runtime.Modules), now: clock.Epoch}, nil
}

// executed is how an execution ended.
type executed struct {
	out     *runtime.Outcome
	err     error
	died    bool
	effects []*journal.Effect
	secret  bool   // it knows secrets
	shared  string // see Suite.shared
	waits   []runtime.Answer
	sink    *recorder
	stage   *stage
	watcher *watcher
	cut     context.Context
}

// verb is what an execution is to do.
type verb func(*runtime.Runtime, runtime.Interrupt) (*runtime.Outcome, error)

func (x *trial) start(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
	return rt.Start(in, runtime.Start{
		Script: filepath.Join(x.world.Workspace.Root, filepath.FromSlash(x.test.File)), Entry: x.test.Name, Limits: x.s.Limits,
	})
}

func resume(answers []runtime.Answer) verb {
	return func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
		return rt.Resume(in, "last", runtime.Resume{Answers: answers})
	}
}

func rollback(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
	return rt.Rollback(in, "last", "")
}

// dying is how long effects of other branches may go on when the process dies.
const dying = 10 * time.Second

// execute runs a process, until it ends or dies.
func (x *trial) execute(ctx context.Context, do verb, at *kill) (e executed) {
	e.secret = true
	e.sink = &recorder{test: x.test, to: x.watch}
	e.stage = newStage(x.test, x.world.Workspace.Root, x.s.Runtime.Modules)
	cut, cancelCut := context.WithTimeoutCause(ctx, x.s.Timeout, fault.New(fault.Timeout, "the test took longer than %s", duration.Short(x.s.Timeout)))
	defer cancelCut()
	stop, cancelStop := context.WithCancel(cut)
	defer cancelStop()
	e.cut = cut

	cfg := x.s.config(x.world, e.stage, e.sink)
	cfg.Test.Journal.Lazy = true
	cfg.Test.Answers = chanceOr{x.chance, &e.stage.deck}
	var virtual *clock.Virtual
	if !x.s.RealTime {
		virtual = clock.NewVirtualAt(x.now)
		cfg.Test.Clock = virtual
	}
	var rt *runtime.Runtime
	e.watcher = &watcher{history: x.history, at: at, intended: map[string]bool{}, die: func(lose bool) {
		if j, err := rt.Journal(); err == nil {
			j.Kill(lose)
		}
		cancelStop()
		time.AfterFunc(dying, cancelCut)
	}}
	cfg.Test.Record = func(run *journal.Run) door.Recorder {
		e.watcher.to = run
		return e.watcher
	}
	rt = runtime.New(cfg)
	e.out, e.err = do(rt, runtime.Interrupt{Stop: stop, Cut: cut})
	if virtual != nil {
		x.now = virtual.Now()
	}
	e.died = e.watcher.dead
	if e.died {
		e.err = ctx.Err()
		_ = rt.Close() // says that it was killed
		return e
	}
	e.err = errors.Join(e.err, x.look(rt, &e), rt.Close())
	return e
}

// look takes from the journal what is asked of it later.
func (x *trial) look(rt *runtime.Runtime, e *executed) error {
	if e.out == nil || e.out.Run == nil {
		return nil
	}
	secrets, err := rt.Secrets(e.out.Run)
	if err != nil {
		return err
	}
	e.secret = !secrets.Empty()
	if e.effects, err = e.out.Run.Effects(); err != nil {
		return err
	}
	if e.shared, err = x.s.shared(e.out.Run, e.effects, x.world.Workspace.Root); err != nil || e.out.State != journal.Waiting {
		return err
	}
	questions, err := e.out.Run.Questions()
	if err != nil {
		return err
	}
	open := map[string]bool{}
	for _, q := range questions {
		open[q.Place] = q.Answer == "" && q.Kind == "in_doubt"
	}
	for _, rec := range e.effects {
		if rec.Status == journal.Intended && open[rec.Place] {
			e.waits = append(e.waits, x.history.truth(rec.Place))
		}
	}
	return nil
}

// truth is what somebody would answer who has seen what happened.
func (h *history) truth(place string) runtime.Answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.happened[place] {
		return runtime.Answer{Place: place, Choice: door.AnswerDone}
	}
	h.redone[place] = true
	return runtime.Answer{Place: place, Choice: door.AnswerRedo}
}

// maxExecutions ends a run that comes to no end.
const maxExecutions = 20

// survived is how a run ended that was killed.
type survived struct {
	executed
	deaths []passing        // where it died
	waited []journal.Effect // effects that waited for an answer
}

// survive executes the test to its end, killed as told, answering by what happened
// to effects in doubt.
func (x *trial) survive(ctx context.Context, kills []kill) (s survived) {
	do := verb(x.start)
	for i := range maxExecutions {
		var at *kill
		if i < len(kills) {
			at = &kills[i]
		}
		s.executed = x.execute(ctx, do, at)
		var answers []runtime.Answer
		switch {
		case ctx.Err() != nil:
			s.err = ctx.Err()
			return s
		case s.died:
			s.deaths = append(s.deaths, s.watcher.passed[len(s.watcher.passed)-1])
		case len(s.waits) > 0:
			answers = s.waits
			s.waited = append(s.waited, s.effectsAt(answers)...)
		default:
			return s
		}
		do = resume(answers)
	}
	s.err = fault.New(fault.Failed, "it came to no end after it was resumed %d times", maxExecutions-1)
	return s
}

func (e *executed) effectsAt(answers []runtime.Answer) []journal.Effect {
	var found []journal.Effect
	for _, a := range answers {
		for _, rec := range e.effects {
			if rec.Place == a.Place {
				found = append(found, *rec)
			}
		}
	}
	return found
}

// chance is what the clock and the dice said in a run, by place, so that another
// one can be told the same. What they say is no difference between worlds.
type chance map[string]said

type said struct {
	kind  string
	value starlark.Value
}

// chanceOf takes the results of the effects of modules that ask nothing else.
func chanceOf(passed []passing, modules []*module.Module) chance {
	kinds := map[string]bool{}
	for _, m := range modules {
		for _, f := range m.Funcs() {
			kinds[f.Name()] = true
		}
	}
	c := chance{}
	for _, p := range passed {
		if p.Moment != AfterResult || p.effect.Write || p.effect.Status != journal.Done || !kinds[p.effect.Kind] {
			continue
		}
		v, err := new(codec.Codec).Decode(p.effect.Result)
		if err != nil {
			continue // a secret, which is another one in each run
		}
		v.Freeze()
		c[p.Place] = said{p.effect.Kind, v}
	}
	return c
}

// chanceOr answers from a chance, else from somebody else.
type chanceOr struct {
	chance chance
	or     door.Answers
}

func (c chanceOr) Answer(r door.Request) (starlark.Value, error) {
	v, err := c.or.Answer(r)
	if known, ok := c.chance[r.Place]; v == nil && err == nil && ok && known.kind == r.Decl.Kind {
		return known.value, nil
	}
	return v, err
}
