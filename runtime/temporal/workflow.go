package temporal

import (
	"context"
	"os"
	"slices"
	"time"

	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// host executes runs within workflows. It is what a worker has to know for that.
type host struct {
	config runtime.Config // what all runs share
	data   converter.DataConverter
}

// execution is one workflow: a run, on a journal that goes away with it. The server
// repeats it from the beginning whenever a worker has lost it, so all that it does is
// a function of its input and of what the server tells it.
type execution struct {
	ctx     workflow.Context
	rt      *runtime.Runtime
	world   *workers
	in      input
	run     string
	events  []event.Event
	first   int // number of the first of them
	turn    int
	refused *journal.Fault // why it did not go on as it was told
	state   journal.State
	current runtime.Interrupt
	packed  *runtime.Parcel // that is being asked for
	unbound func()          // stops the timer of the wall time
	fates   int             // how often it was asked what becomes of the process of an interpreter
	last    *runtime.Parcel // all of the run, when the workflow has ended, and its journal is gone
}

// Emit keeps events for those who follow the run.
func (x *execution) Emit(e event.Event) {
	if e.Type == event.RunStarted && x.in.Quiet {
		x.in.Quiet = false
		return
	}
	x.events = append(x.events, e)
}

// Run is the workflow of a run.
func (h *host) Run(outer workflow.Context, in input) (ending, error) {
	// What the run does is not cut off when the workflow is cancelled: it ends by itself.
	ctx, _ := workflow.NewDisconnectedContext(outer)
	scratch, err := os.MkdirTemp("", "provisioning-run-")
	if err != nil {
		panic(err) // of the worker: the server tries again
	}
	defer os.RemoveAll(scratch)
	x := &execution{ctx: ctx, in: in, run: in.Parcel.Bundle.Run.ID, state: journal.Running, unbound: func() {}, first: in.News.First, events: in.News.Events}
	cfg := h.config
	cfg.Workspace = workspace.Workspace{Root: h.config.Workspace.Root, State: scratch}
	cfg.Events = x
	x.world = &workers{
		root: ctx, run: x.run, key: in.Parcel.Key, limit: in.Limit, slots: workflow.NewSemaphore(ctx, atOnce), bytes: workflow.NewSemaphore(ctx, bytesAtOnce),
		data: h.data,
		home: in.Home, routes: in.Routes, reviving: workflow.NewMutex(ctx), silence: in.Silence, paths: in.Parcel.Bundle.Run.Options.AllowPaths,
		foreign: in.Parcel.Bundle.Run.Options.Foreign,
	}
	if x.world.limit == 0 {
		x.world.limit = longHistory
	}
	if x.world.silence == 0 {
		x.world.silence = heartbeat
	}
	cfg.Elsewhere = &runtime.Elsewhere{
		World: x.world, Lines: lines{}, Clock: newTimers(ctx, x.run), Spell: in.taskTime() / 2, Fate: x.fate,
		Prepared: func(d *door.Door) {
			x.world.door = func() *door.Door { return d }
			x.world.turn = workflow.Now(ctx).UnixMilli() * turns // the clock of the server: later executions have higher ones
			x.world.secrets = func() *value.Secrets { return d.Run.Secrets }
			x.bound(d.Budget)
		},
	}
	x.rt = runtime.New(cfg)
	defer x.rt.Close()
	if err := x.begin(outer); err != nil {
		return ending{}, sdk.NewNonRetryableApplicationError(err.Error(), "internal", err)
	}
	end, err := x.execute()
	if workflow.IsContinueAsNewError(err) {
		return end, err
	}
	x.last, _ = x.rt.Pack(x.run) // else those who ask are told that there is nothing
	if x.last != nil {
		l := &last{x.last, recentOf(x.first, x.events), x.chain()}
		if fits(h.data, l.Parcel.Size()+l.News.size(), l) == nil {
			end.Last = l
		}
	}
	if err != nil {
		return end, failed(end, err)
	}
	return end, nil
}

// chain is the name of all histories of the run since it was begun or resumed.
func (x *execution) chain() string { return workflow.GetInfo(x.ctx).FirstRunID }

// begin takes over the run, and listens.
func (x *execution) begin(outer workflow.Context) error {
	x.in.Parcel.Bundle.Run.Executions-- // this is the one that was counted
	if _, err := x.rt.Unpack(x.in.Parcel); err != nil {
		return err
	}
	stop, cancel := context.WithCancelCause(branch.OnLine(context.Background(), x.ctx))
	cut, cutOff := context.WithCancelCause(branch.OnLine(context.Background(), x.ctx))
	x.current = runtime.Interrupt{Stop: stop, Cut: cut}
	x.world.cut, x.world.outer = cut, outer
	workflow.Go(x.ctx, func(ctx workflow.Context) {
		_ = outer.Done().Receive(ctx, nil) // closed, when it is cancelled
		x.Emit(event.Event{Type: event.Logged, Time: workflow.Now(ctx), Run: x.run, Place: "0", Level: levelStopping, Text: stopping})
		cancel(runtime.Stopped)
	})
	workflow.Go(x.ctx, func(ctx workflow.Context) {
		workflow.GetSignalChannel(ctx, signalCut).Receive(ctx, nil)
		cancel(runtime.Stopped)
		cutOff(runtime.Stopped)
	})
	if err := workflow.SetQueryHandler(x.ctx, queryNews, x.news); err != nil {
		return err
	}
	return workflow.SetQueryHandler(x.ctx, queryRun, x.portion)
}

// portion returns the run, with as many of its effects, from the one numbered from on,
// as fit into an answer.
func (x *execution) portion(from int) (portion, error) {
	if from == 0 || x.packed == nil {
		if x.packed = x.last; x.packed == nil {
			var err error
			if x.packed, err = x.rt.Pack(x.run); err != nil {
				return portion{}, err
			}
		}
	}
	if from == 0 && fits(x.world.data, x.packed.Size(), x.packed) == nil {
		n := len(x.packed.Bundle.Effects)
		return portion{x.packed, n, n}, nil
	}
	all := x.packed.Bundle
	bundle := &journal.Bundle{}
	if from == 0 {
		*bundle = *all
		bundle.Effects = nil
	}
	p := portion{&runtime.Parcel{Bundle: bundle, Key: x.packed.Key}, min(from, len(all.Effects)), len(all.Effects)}
	size := p.Parcel.Size()
	for ; p.Next < p.All; p.Next++ {
		e := all.Effects[p.Next]
		if size += e.Size(); size > surely && len(bundle.Effects) > 0 {
			break
		}
		bundle.Effects = append(bundle.Effects, e)
	}
	return p, nil
}

// What those who follow a run are told when somebody else has stopped it.
const (
	levelStopping = "warn"
	stopping      = "stopping: what is under way may end, nothing new is started"
)

// news returns the events from the one numbered from on.
func (x *execution) news(from int) (news, error) {
	n := news{
		Execution: workflow.GetInfo(x.ctx).WorkflowExecution.RunID, Chain: x.chain(),
		State: x.state, First: x.first, Total: x.first + len(x.events), Turn: x.turn, Refused: x.refused,
	}
	from = max(0, from-x.first)
	to := from
	for size := 0; to < min(len(x.events), from+maxNews) && (to == from || size < surely); to++ {
		size += sizeOf(&x.events[to])
	}
	if from < to {
		n.Events = slices.Clone(x.events[from:to])
	}
	return n, nil
}

// maxNews bounds an answer, as the size of a payload does.
const maxNews = 2000

// execute does what is asked for until the run has ended.
func (x *execution) execute() (ending, error) {
	for {
		out, err := x.once()
		if x.world.full {
			return x.goOn()
		}
		waits := out != nil && out.State == journal.Waiting
		if x.refused = nil; out == nil && x.turn > 0 {
			waits, x.refused, x.in.Rollback = true, journal.FaultOf(err), nil // it goes on waiting
		}
		x.turn++
		if out == nil && !waits {
			return endingOf(nil, err), err
		}
		switch {
		case waits:
			x.state = journal.Waiting
			if !x.wait() {
				x.state = journal.Cancelled
				return x.cancelled()
			}
		case err != nil:
			x.state = out.State
			return endingOf(out, err), err
		default:
			x.state = out.State
			return endingOf(out, nil), nil
		}
	}
}

// once executes the run, or its rollback, as far as that goes.
func (x *execution) once() (*runtime.Outcome, error) {
	if back := x.in.Rollback; back != nil {
		x.state = journal.RollingBack
		return x.rt.Rollback(x.current, x.run, back.To)
	}
	x.state = journal.Running
	defer x.unbound()
	return x.rt.Resume(x.current, x.run, x.in.Resume)
}

// bound stops the run when its wall time is over: with the timer of the server, so that
// the run stops at the same effect whenever the workflow is repeated.
func (x *execution) bound(b *sandbox.Budget) {
	x.unbound()
	wall := b.Limits().Wall
	if wall <= 0 {
		return
	}
	if x.in.Late.IsZero() {
		x.in.Late = workflow.Now(x.ctx).Add(wall)
	}
	ctx, cancel := workflow.WithCancel(x.ctx)
	x.unbound = func() { cancel(); x.unbound = func() {} }
	timer := workflow.NewTimer(ctx, max(0, x.in.Late.Sub(workflow.Now(x.ctx))))
	workflow.Go(ctx, func(ctx workflow.Context) {
		if timer.Get(ctx, nil) == nil {
			b.Late()
		}
	})
}

// goOn begins the next history with all that is known.
func (x *execution) goOn() (ending, error) {
	parcel, err := x.rt.Pack(x.run)
	if err != nil {
		return endingOf(nil, err), err
	}
	x.last = parcel
	if parcel.Bundle.Run.State == journal.RollingBack && x.in.Rollback == nil { // after a failure, unasked
		x.in.Rollback = &takeBack{}
	}
	next := input{Parcel: parcel, Rollback: x.in.Rollback, Home: x.world.home, Routes: x.in.Routes, Quiet: true, Limit: x.in.Limit, Silence: x.in.Silence, Late: x.in.Late,
		News: recentOf(x.first, x.events)}
	err = x.world.fits(parcel.Size()+next.News.size(), next)
	if err != nil { // then those who follow the run may have to ask this history
		next.News = recentOf(x.first+len(x.events), nil)
		err = x.world.fits(parcel.Size(), next)
	}
	if err != nil {
		return x.end(journal.Failed, err)
	}
	return ending{}, workflow.NewContinueAsNewError(workflow.WithWorkflowTaskTimeout(x.ctx, next.taskTime()), workflowRun, next)
}

// wait waits for what a person says about a run that waits. It reports false when
// the run is cancelled.
func (x *execution) wait() bool {
	x.in.Resume, x.in.Late = runtime.Resume{}, time.Time{}
	answers := workflow.GetSignalChannel(x.ctx, signalAnswer)
	resumes := workflow.GetSignalChannel(x.ctx, signalResume)
	rollbacks := workflow.GetSignalChannel(x.ctx, signalRollback)
	for {
		on := false
		s := workflow.NewSelector(x.ctx)
		s.AddReceive(answers, func(c workflow.ReceiveChannel, _ bool) {
			var a answered
			c.Receive(x.ctx, &a)
			x.answer(a)
		})
		s.AddReceive(resumes, func(c workflow.ReceiveChannel, _ bool) {
			c.Receive(x.ctx, &x.in.Resume)
			on = true
		})
		s.AddReceive(rollbacks, func(c workflow.ReceiveChannel, _ bool) {
			x.in.Rollback = &takeBack{}
			c.Receive(x.ctx, x.in.Rollback)
			on = true
		})
		if err := workflow.Await(x.ctx, func() bool { return s.HasPending() || x.current.Stop.Err() != nil }); err != nil {
			return false
		}
		if x.current.Stop.Err() != nil {
			return false
		}
		if s.Select(x.ctx); on {
			return true
		}
	}
}

// answer records what a person has answered.
func (x *execution) answer(a answered) {
	j, err := x.rt.Journal()
	if err != nil {
		return
	}
	if run, err := j.Find(x.run); err == nil {
		_ = run.Answer(a.Place, a.Choice, a.Reason) // where there is no such question nothing happens
	}
}

// cancelled records that a run which waits is cancelled.
func (x *execution) cancelled() (ending, error) {
	return x.end(journal.Cancelled, fault.New(fault.Cancelled, "the run was cancelled"))
}

// end records that the run has ended between two effects.
func (x *execution) end(state journal.State, why error) (ending, error) {
	x.state = state
	j, err := x.rt.Journal()
	if err != nil {
		return endingOf(nil, err), err
	}
	run, err := j.Find(x.run)
	if err == nil {
		err = run.SetState(state, why)
	}
	if err != nil {
		return endingOf(nil, err), err
	}
	return ending{State: state, Fault: journal.FaultOf(why)}, why
}

// failed is the error of the workflow of a run that did not come to its end. What the
// server shows of it has no secrets in it.
func failed(end ending, err error) error {
	return sdk.NewApplicationErrorWithOptions(err.Error(), string(end.State), sdk.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{end},
	})
}
