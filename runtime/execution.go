package runtime

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// execution is one process executing a run, once.
type execution struct {
	rt       *Runtime
	in       Interrupt
	run      *journal.Run // nil until it is in the journal, and in check mode
	lease    *journal.Lease
	box      *seal.Box
	shared   *effect.Run
	door     *door.Door
	star     *interpreter.Interpreter
	engine   engine // evaluates the script: star, or an interpreter in another process
	budget   *sandbox.Budget
	limits   sandbox.Limits
	isolated bool     // engine is in another process
	session  *Session // that is replayed; nil for scripts

	sources func() []journal.Source // modules that were read before there was a run
	printed []branch.Line           // what was printed then

	stop   context.Context
	halt   context.CancelCauseFunc // ends stop
	deafen func()                  // stops listening to interruptions
	settle func()                  // ends the contexts
	end    func()                  // releases everything
}

// request is what an execution has to know of a run before it begins.
type request struct {
	id         string
	infra      string
	allowPaths []string
	limits     map[string]string
	trace      *plan.Trace    // not nil: check mode
	reads      *door.Reads    // shared by the arms of a plan
	secrets    *value.Secrets // the same; nil: its own
	ordered    bool           // branches follow each other
	quiet      bool           // it repeats what was shown before
	replay     bool
	box        *seal.Box
	isolated   bool              // evaluate the script in another process
	foreign    []string          // elsewhere: files that are not the user's own
	sources    map[string][]byte // nil: from the disk
}

// prepare puts the parts of an execution together.
func (r *Runtime) prepare(in Interrupt, req request) (*execution, error) {
	events := r.cfg.Events
	if req.quiet {
		events = event.Discard
	}
	l, err := limits(req.limits, req.isolated)
	if err != nil {
		return nil, err
	}
	files, err := sandbox.OpenFiles(r.cfg.Workspace.Root, r.cfg.Workspace.State, req.allowPaths...)
	if err != nil {
		return nil, err
	}
	if req.secrets == nil {
		req.secrets = value.NewSecrets(req.box.Key)
	}
	x := &execution{rt: r, in: in, box: req.box, limits: l, isolated: req.isolated}
	if req.isolated {
		l.Memory = sandbox.DefaultLimits.Memory // the limit is that of the other process
	}
	cut := x.listen(in, l)
	x.shared = &effect.Run{
		ID: req.id, Infra: req.infra, Check: req.trace != nil, Replay: req.replay, Files: files, State: r.cfg.Workspace.State,
		Secrets: req.secrets, Program: r.program, Terminal: r.cfg.Terminal,
	}
	test := r.cfg.Test
	if test == nil {
		test = &Test{}
	}
	x.shared.Stage, x.shared.Clock = test.Stage, test.Clock
	if v, ok := test.Clock.(*clock.Virtual); ok {
		v.Paced = x.shared.Live.Any
	}
	away := r.cfg.Elsewhere
	if away == nil || req.replay {
		away = &Elsewhere{}
	}
	if away.Clock != nil {
		x.shared.Clock = away.Clock
	}
	if r.cfg.Key != nil {
		x.shared.Seal, x.shared.Unseal = r.cfg.Key.Seal, r.cfg.Key.Unseal
	}
	x.door = door.New(&door.Door{
		Run: x.shared, Box: req.box, Events: events, Budget: x.budget,
		Codec:  &codec.Codec{Secrets: x.shared.Secrets},
		Replay: req.replay, Person: r.cfg.Person, Cut: cut, Trace: req.trace, Reads: req.reads, Answers: test.Answers,
		World: away.World,
	})
	if away.Prepared != nil {
		away.Prepared(x.door)
	}
	x.star = interpreter.New(interpreter.Config{
		Run: x.shared, Host: x.door, Modules: r.cfg.Modules, Globals: r.cfg.Globals, Events: events,
		Budget: x.budget, Stop: x.stop, Held: x.flush,
		Workspace: r.cfg.Workspace.Root, Stdlib: r.cfg.Stdlib, Sources: req.sources, CacheDir: r.cfg.CacheDir, Instrument: test.Instrument,
	})
	x.star.Tree.Ordered, x.star.Tree.Lines = req.ordered, away.Lines
	switch {
	case req.replay: // it acts on nothing
	case r.cfg.Elsewhere != nil:
		x.star.Loader.MayLoad = mayLoad(req.foreign)
	case r.cfg.Guard != nil:
		guard := r.cfg.Guard(files)
		x.door.Guard, x.star.Loader.MayLoad = guard, guard.MayLoad
	}
	x.star.Tree.Break, x.star.Tree.Asserts = x.breakpoint, test.Stage != nil
	x.engine = here{x.star, x.door}
	if req.isolated {
		x.isolate(req, events)
	}
	x.end = sync.OnceFunc(func() {
		x.deafen()
		x.engine.Close()
		x.shared.Live.CloseAll()
		if x.door.World != nil {
			x.door.World.Close()
		}
		x.settle()
		files.Close()
		if x.lease != nil {
			x.lease.Release()
		}
	})
	return x, nil
}

// listen makes the contexts and the budget that end what x executes from now on.
// It returns the context that ends when effects are to be cut off.
func (x *execution) listen(in Interrupt, l sandbox.Limits) context.Context {
	if x.rt.cfg.Elsewhere != nil {
		return x.obey(in, l)
	}
	stop, halt := context.WithCancelCause(context.Background())
	cut, cutOff := context.WithCancelCause(context.Background())
	forward := []func() bool{
		context.AfterFunc(in.Stop, func() { halt(Stopped) }),
		context.AfterFunc(in.Cut, func() { halt(Stopped); cutOff(Stopped) }),
	}
	late := context.AfterFunc(stop, func() { time.AfterFunc(grace, func() { cutOff(Stopped) }) })
	x.in, x.stop, x.halt = in, stop, halt
	x.budget = sandbox.NewBudget(l, func(err error) { halt(err) })
	x.budget.Guard(cut)
	x.deafen = func() {
		for _, stopForwarding := range forward {
			stopForwarding()
		}
	}
	x.settle = func() {
		late()
		halt(nil)
		cutOff(nil)
	}
	return cut
}

// obey is listen for an engine that repeats executions: what stops the run does so in
// the same moment, and not whenever a goroutine comes to it. The time of such a run, and
// its memory, are the business of the engine.
func (x *execution) obey(in Interrupt, l sandbox.Limits) context.Context {
	stop, halt := context.WithCancelCause(in.Stop)
	cut, cutOff := context.WithCancelCause(in.Cut)
	x.in, x.stop, x.halt = in, stop, halt
	x.budget = sandbox.NewBudget(l, func(err error) { halt(err) })
	x.deafen = func() {}
	x.settle = func() {
		halt(nil)
		cutOff(nil)
	}
	return cut
}

// flush prints what the top level of a loaded module has printed: at once, or
// when there is a run. An execution that repeats another one does not print it
// again.
func (x *execution) flush(lines []branch.Line) {
	switch {
	case x.door.Past != nil:
	case x.door.Record == nil && x.door.Trace == nil:
		x.printed = append(x.printed, lines...)
	default:
		_ = x.door.Print("0", lines) // a limit stops the run
	}
}

// record attaches the execution to its run in the journal, which it takes for
// this process.
func (x *execution) record(run *journal.Run) error {
	j, err := x.rt.Journal()
	if err != nil {
		return err
	}
	if x.lease, err = run.Acquire(); err != nil {
		return err
	}
	x.run = run
	x.door.Record = run
	if test := x.rt.cfg.Test; test != nil && test.Record != nil {
		x.door.Record = test.Record(run)
	}
	x.keepLarge(j)
	keep := func(name, plain string) {
		_ = run.AddSecret(journal.Secret{Name: name, Sealed: x.box.Seal([]byte(plain))}) // a broken journal stops the next effect
	}
	if run.Executions == 1 {
		x.shared.Secrets.Each(keep) // those that a pure top level made
	}
	x.shared.Secrets.OnAdd = func(name, plain string) {
		keep(name, plain)
		x.engine.Secret(name, plain)
	}
	x.shared.Generation = run.Generation
	return nil
}

// keepLarge has large outputs kept beside the database, unless that goes away with an
// engine.
func (x *execution) keepLarge(j *journal.Journal) {
	if x.rt.cfg.Elsewhere == nil {
		x.door.Codec.Blobs, x.door.Codec.Limit = j.Blobs, maxInline
	}
}

// maxInline is the size from which outputs are kept beside the database.
const maxInline = 64 << 10

// conclude records how the execution ended and says it.
func (x *execution) conclude(v starlark.Value, err error) (*Outcome, error) {
	out := &Outcome{Run: x.run, Value: x.shared.Secrets.Shown(v), State: journal.Completed}
	why := x.explain(err)
	switch {
	case why == nil:
	case errors.Is(why, branch.ErrSuspended) && fault.Is(why, fault.Waiting):
		out.State = journal.Waiting
	case fault.Is(why, fault.Cancelled):
		out.State = journal.Cancelled
	default:
		out.State = journal.Failed
	}
	if x.run == nil {
		return out, why
	}
	if why == nil {
		x.keepResult(v)
	}
	serr := x.run.SetState(out.State, why)
	switch {
	case serr == nil && out.State == journal.Completed:
		x.finish()
	case serr != nil && why == nil:
		why = serr
	}
	x.emitEnd(out.State, why)
	return out, why
}

// finish clears away what the effects of a complete run have left.
func (x *execution) finish() {
	x.shared.Live.FinishAll()
	if x.door.World == nil {
		return
	}
	if orders, err := x.door.Leaving(); err == nil && len(orders) > 0 { // else something stays that harms nobody
		x.door.World.Finish(orders)
	}
}

func (x *execution) emitEnd(state journal.State, why error) {
	e := event.Event{Type: event.RunEnded, Time: time.Now(), Run: x.run.ID, Status: string(state), Duration: time.Since(x.run.Created)}
	if why != nil {
		e.Error = why.Error()
	}
	x.rt.cfg.Events.Emit(e)
}

// keepResult records what the entry function returned, where that can be kept.
func (x *execution) keepResult(v starlark.Value) {
	if data, err := x.door.Codec.Encode(v); err == nil && v != starlark.None {
		_ = x.run.SetResult(data) // the state that is recorded next says whether the journal works
	}
}

// explain gives an error its positions, and removes secrets from it.
func (x *execution) explain(err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(x.stop); cause != nil && !errors.Is(err, branch.ErrSuspended) {
		// Whatever the stop made of it: the limit, or the interruption, is why.
		if e := fault.As(x.star.Loader.Explain(err)); e != nil && (e.Kind == fault.Script || e.Kind == fault.Cancelled) {
			copied := *fault.As(cause)
			copied.Stack = e.Stack
			return &copied
		}
	}
	e := fault.As(x.star.Loader.Explain(err))
	if e == nil {
		return err
	}
	copied := *e
	copied.Msg, copied.Hint = x.shared.Secrets.Redact(e.Msg), x.shared.Secrets.Redact(e.Hint)
	copied.Stack = append([]fault.Frame(nil), e.Stack...)
	for i := range copied.Stack {
		copied.Stack[i].Text = x.shared.Secrets.Redact(copied.Stack[i].Text)
	}
	return &copied
}

// runKey is the stored form of the key of a run.
func (r *Runtime) sealKey(box *seal.Box) (string, error) {
	return r.cfg.Key.Seal(hex.EncodeToString(box.Key))
}

// openKey reads what sealKey has written; of says whose key it is.
func (r *Runtime) openKey(sealed, of string) (*seal.Box, error) {
	text, err := r.cfg.Key.Unseal(sealed)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != 32 {
		return nil, fault.New(fault.Failed, "the key of %s is damaged", of)
	}
	return seal.BoxOf(key), nil
}
