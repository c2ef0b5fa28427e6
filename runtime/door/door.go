// Package door is the one way from a script to the world. Every effect of a run
// goes through [Door.Effect], which keeps the promises of the product for all of
// them at once:
//
//	options → validation → place and key → journal (answers what has happened)
//	→ plan (check mode ends here) → limits → intent → perform, retry → result
//
// with an event before and after.
package door

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Recorder is what the door needs of a journal; *journal.Run is one.
type Recorder interface {
	Intend(*journal.Effect) error                    // on disk when it returns
	Record(*journal.Effect) error                    // on disk before the next intent is
	Finish(*journal.Effect) error                    // on disk before the next intent is
	SetStatus(*journal.Effect, journal.Status) error // on disk before the next intent is
	Details(*journal.Effect) error                   // reads Args
	Log(journal.Line) error
	Ask(journal.Question) error
	Questions() ([]journal.Question, error)
	Forget(place string) error // removes a question; on disk when it returns
}

// Person answers questions while the run goes on. A run without one waits.
type Person interface {
	// Ask returns ok false when there is no answer now.
	Ask(ctx context.Context, q journal.Question) (answer, reason string, ok bool)
}

// Door performs the effects of one run. Its exported fields are set before the
// first effect.
type Door struct {
	Run    *effect.Run
	Codec  *codec.Codec
	Box    *seal.Box // keeps what undo remembers
	Events event.Sink
	Budget *sandbox.Budget
	Trace  *plan.Trace // not nil: check mode
	Reads  *Reads      // of a plan, also of one that is applied; may be nil
	// Allowed are the writes of the plan that is applied; nil allows all.
	Allowed *plan.Allowance
	// Compare, when not nil, follows an edited script; see [Door.StartComparison].
	Compare *Comparison
	Record  Recorder // nil in check mode
	Past    *Past    // what the journal holds already, see SetPast; may be nil
	Replay  bool     // act on nothing: whatever is not in the journal is a mismatch
	Person  Person   // may be nil
	Guard   Guard    // nil: everything is allowed
	Watch   Watcher  // may be nil
	World   World    // performs effects elsewhere; nil: they are performed here
	WhatIf  *WhatIf  // not nil: the script is not the one that the past is of
	Answers Answers  // of a test; may be nil
	Now     func() time.Time
	// Guess returns what an earlier run got from the effect with a content key in
	// a branch, for check mode; nil, and a Guess that is nil, for not known.
	Guess func(branch string, key []byte) starlark.Value

	// Observe is told of every effect, by its place, and of the code that led to
	// it, before anything else happens; nil for nobody. It may be called from
	// several goroutines.
	Observe func(place string, modules []string)

	// Cut ends when effects under way are to be cut off, too.
	Cut context.Context

	pureEnv  *effect.Env
	blind    atomic.Bool  // check mode: a write was planned that may change anything
	done     atomic.Int64 // order of completion
	breakers sync.Map     // endpoint → *circuit
	rollback sync.Map     // place → what rollback calls for it
	planned  atomic.Bool  // check mode: a write was planned
	left     sync.Map     // place → leaving
	erred    sync.Map     // place → *journal.Effect that failed and was not handled so far
	revivals revivals
	answers  sync.Mutex
}

// New prepares a door.
func New(d *Door) *Door {
	d.pureEnv = &effect.Env{Run: d.Run, Options: effect.NoOptions}
	if d.Now == nil {
		d.Now = d.Run.Time().Now
	}
	return d
}

// Env is what functions without effect get.
func (d *Door) Env() *effect.Env { return d.pureEnv }

// Check reports whether unknown values may occur.
func (d *Door) Check() bool { return d.Trace != nil || d.Compare != nil }

// site is one effect at its place in the script.
type site struct {
	branch *branch.Branch
	caller Caller
	call   *effect.Call
	place  string
	pos    string
	args   []byte // codec: dict of the given arguments
	key    []byte
	rec    *journal.Effect // not nil: recorded before, to be performed again
	party  *party          // may be nil
	began  time.Time       // when this execution began to perform it

	foreign *[]string // see Door.foreign; nil: not looked for yet
}

// Effect performs a call, or answers it from the journal, or plans it.
func (d *Door) Effect(thread *starlark.Thread, call *effect.Call) (starlark.Value, error) {
	return d.EffectOf(onThread{thread}, call)
}

// EffectOf is Effect for a caller that may be in another process.
func (d *Door) EffectOf(caller Caller, call *effect.Call) (starlark.Value, error) {
	b := caller.Branch()
	if b.Pure != nil {
		return nil, Refuse(b.Pure, call)
	}
	if d.holds(call) {
		return starlark.None, d.hold(caller, call)
	}
	return d.together(b, &held{caller, call})
}

// alone performs one call, or answers it from the journal, or plans it.
func (d *Door) alone(caller Caller, call *effect.Call, p *party) (starlark.Value, error) {
	b := caller.Branch()
	if !call.Options.When {
		return starlark.None, nil
	}
	if v, ok := call.Do.(effect.Validator); ok && call.Unknown == nil {
		if err := v.Validate(); err != nil {
			return nil, named(err, call, "")
		}
	}
	Route(b, call)
	s := &site{branch: b, caller: caller, call: call, place: b.NextPlace(), party: p}
	if d.Observe != nil {
		d.Observe(s.place, caller.Modules())
	}
	v, err := d.effectOrWatched(s)
	if err == nil {
		d.note(s, v)
	}
	return v, err
}

// Route gives an effect the queue of its branch, as if the script had named it: so the
// journal has it, and what takes the effect back goes the same way.
func Route(b *branch.Branch, call *effect.Call) {
	if b.Queue == "" || call.Options.Queue != "" || effect.OfTheRun(call.Decl.Kind) {
		return
	}
	call.Options.Queue, call.Routed = b.Queue, true
	call.Under = append(call.Under[:len(call.Under):len(call.Under)], starlark.Tuple{starlark.String("_queue"), starlark.String(b.Queue)})
}

func (d *Door) effectOrWatched(s *site) (starlark.Value, error) {
	if d.Watch != nil {
		return d.watched(s)
	}
	return d.effect(s)
}

func (d *Door) effect(s *site) (starlark.Value, error) {
	call := s.call
	if d.WhatIf != nil {
		return d.whatIf(s)
	}
	if d.Compare != nil {
		return d.compare(s)
	}
	if d.Trace != nil {
		return d.plan(s)
	}
	if err := d.identify(s); err != nil {
		return nil, named(err, call, s.place)
	}
	v, err := d.recorded(s)
	if v == nil && err == nil {
		v, err = d.live(s)
	} else if d.Answers != nil {
		_, _ = d.Answers.Answer(d.request(s)) // the answer that it had is used up
	}
	return v, named(err, call, s.place)
}

// Refuse is the answer to an effect at a top level that has none.
func Refuse(p *branch.Pure, call *effect.Call) error {
	p.Refused.Store(true)
	return fault.New(fault.Script, "%s cannot be used at the top level of a loaded module", call.Decl.Kind).
		WithHint("the top level of a module is pure: move the effect into a function, and call it from main")
}

// named says which effect an error is of. Errors are shared by journals and
// retries, so it changes a copy.
func named(err error, call *effect.Call, place string) error {
	if err == nil {
		return nil
	}
	e := fault.As(err)
	if e == nil {
		e = &fault.Error{Kind: fault.Failed, Msg: err.Error(), Cause: err}
	}
	if e.Effect != "" || e.Kind == fault.Cancelled {
		return err
	}
	copied := *e
	copied.Effect, copied.Place = call.Decl.Kind, place
	return &copied
}

// live performs an effect that the journal does not answer.
func (d *Door) live(s *site) (starlark.Value, error) {
	if s.branch.Context().Err() != nil {
		return nil, context.Cause(s.branch.Context())
	}
	if err := d.Budget.Effect(); err != nil {
		return nil, err
	}
	if err := d.revivals.all(); err != nil {
		return nil, err
	}
	s.pos = s.caller.Position()
	rec, err := d.newRecord(s)
	if err != nil {
		return nil, err
	}
	if err := d.guarded(s, rec); err != nil {
		return nil, d.fail(s, rec, err)
	}
	if d.Answers != nil {
		if v, err := d.Answers.Answer(d.request(s)); v != nil || err != nil {
			return d.finish(s, rec, journal.Done, v, err)
		}
	}
	if d.abroad(s.call.Do, rec.Kind) {
		return d.liveAbroad(s, rec)
	}
	do, err := d.expanded(s.call.Do)
	if err != nil {
		return nil, d.fail(s, rec, err)
	}
	env := d.env(s, rec)
	env.Party = d.scout(d.Cut, s.party, env, do)
	if err := d.allow(s, rec); err != nil {
		return nil, d.fail(s, rec, err)
	}
	if q, ok := do.(effect.Queued); ok {
		var release func()
		d.Run.Time().Idle(func() { release, err = q.Enter(s.branch.Context(), env) })
		if err != nil {
			return nil, err // it was not begun, and leaves no record
		}
		defer release()
	}
	if s.rec != nil && s.rec.Status == journal.Intended && !d.repeatable(s, do) {
		result, status, err := d.settle(s, do, env, rec, nil)
		if err != nil || status != journal.Intended {
			return d.finish(s, rec, status, result, err)
		}
	} else if s.call.Decl.Mode == effect.Write {
		if err := d.remember(d.Cut, do, env, rec); err != nil {
			return nil, d.fail(s, rec, err)
		}
		if rec.Seq != 0 || !idle(do) {
			if err := d.Record.Intend(rec); err != nil {
				return nil, err
			}
		}
	}
	return d.act(s, do, env, rec)
}

// liveAbroad is live for an effect that is performed in another process. What undo
// needs is remembered there.
func (d *Door) liveAbroad(s *site, rec *journal.Effect) (starlark.Value, error) {
	if err := d.World.Enter(); err != nil {
		return nil, err
	}
	if err := d.allow(s, rec); err != nil {
		return nil, d.fail(s, rec, err)
	}
	do, env := s.call.Do, d.env(s, rec)
	if s.rec != nil && s.rec.Status == journal.Intended && !d.repeatable(s, do) {
		result, status, err := d.settle(s, do, env, rec, nil)
		if err != nil || status != journal.Intended {
			return d.finish(s, rec, status, result, err)
		}
	} else if rec.Write {
		if err := d.Record.Intend(rec); err != nil {
			return nil, err
		}
	}
	return d.act(s, do, env, rec)
}

// act performs an effect that is written down.
func (d *Door) act(s *site, do effect.Performer, env *effect.Env, rec *journal.Effect) (starlark.Value, error) {
	d.emit(event.Event{Type: event.EffectStarted, Place: s.place, Kind: s.call.Decl.Kind,
		Write: rec.Write, Text: rec.Description, Time: rec.Begun})
	s.began = d.Now()
	result, status, err := d.perform(s, do, env, rec)
	return d.finish(s, rec, status, result, err)
}

func (d *Door) newRecord(s *site) (*journal.Effect, error) {
	args, err := d.stored(s.args)
	if err != nil {
		return nil, err
	}
	rec := &journal.Effect{
		Place: s.place, Kind: s.call.Decl.Kind, Write: s.call.Decl.Mode == effect.Write, Key: s.key, Pos: s.pos,
		Description: d.Run.Secrets.Redact(s.call.Describe()), Args: args, Begun: d.Now(),
	}
	if old := s.rec; old != nil {
		if old.Status == journal.Intended { // it may have happened: what it found before is what counts
			rec.Seq, rec.Undo, rec.Begun, rec.Origin = old.Seq, old.Undo, old.Begun, old.Origin
		} else {
			_ = d.Record.SetStatus(old, journal.Dropped) // the intent that follows reports a broken journal
			_ = d.Record.Forget(s.place)                 // an answer was to the question of the time before
		}
	}
	return rec, nil
}

func (d *Door) env(s *site, rec *journal.Effect) *effect.Env {
	return &effect.Env{
		Run: d.Run, Place: s.place, Options: s.call.Options, Begun: rec.Begun, Origin: rec.Origin,
		Again:  s.rec != nil && s.rec.Status == journal.Erred,
		Taken:  s.branch.Take,
		Output: func(stream, line string) { d.output(s.place, stream, line) },
		Progress: func(done, total int64, note string) {
			d.emit(event.Event{Type: event.Progressed, Place: s.branch.Path, Done: done, Total: total, Text: note})
		},
		Ask: func(ctx context.Context, kind, text string, choices []string) (string, string, error) {
			return d.ask(ctx, s, kind, text, choices)
		},
	}
}

// remember notes in the intent how the effect is taken back.
func (d *Door) remember(ctx context.Context, do effect.Performer, env *effect.Env, rec *journal.Effect) error {
	if u, ok := do.(effect.Undoer); ok && rec.Undo == nil {
		memory, err := u.Remember(ctx, env)
		if err != nil {
			return err
		}
		if rec.Undo, err = d.encodeMemory(memory); err != nil {
			return err
		}
	}
	return nil
}

// idle reports whether a write has nothing to do. What changes nothing cannot be in
// doubt, so it needs no intent: without one it does not wait for the disk, and a
// play that finds everything as it shall be is as fast as its questions.
func idle(do effect.Performer) bool {
	s, ok := do.(effect.Sparing)
	return ok && s.Idle()
}

// finish records the outcome and gives it to the script.
func (d *Door) finish(s *site, rec *journal.Effect, status journal.Status, result any, err error) (starlark.Value, error) {
	rec.Ended = d.Now()
	if s.began.IsZero() {
		s.began = rec.Begun
	}
	if err != nil {
		return nil, d.fail(s, rec, err)
	}
	v := value.Of(result)
	rec.Result, err = d.Codec.Encode(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot record the result")
	}
	rec.Status, rec.Done = status, d.done.Add(1)
	if err := d.save(rec); err != nil {
		return nil, err
	}
	d.emit(event.Event{Type: event.EffectEnded, Place: s.place, Kind: rec.Kind, Write: rec.Write,
		Text: rec.Description, Status: status.String(), Duration: rec.Ended.Sub(s.began), Attempt: rec.Attempts, Changed: saysChanged(v)})
	if d.Run.Secrets.Empty() {
		return v, nil
	}
	return d.Codec.Decode(rec.Result) // with the secrets that it has in it marked
}

// saysChanged is what a result says of itself: operations have the field changed. nil
// where there is none.
func saysChanged(v starlark.Value) *bool {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		return nil
	}
	field, err := s.Attr("changed")
	if b, is := field.(starlark.Bool); err == nil && is {
		is = bool(b)
		return &is
	}
	return nil
}

// fail records an outcome that is an error. One that leaves the effect in doubt
// is not an outcome: the intent stays open, and the run waits.
func (d *Door) fail(s *site, rec *journal.Effect, err error) error {
	e := fault.As(err)
	if e == nil {
		e = &fault.Error{Kind: fault.Failed, Msg: err.Error(), Cause: err}
	}
	status := "failed"
	switch e.Kind {
	case fault.Waiting:
		status = "waiting"
	case fault.Cancelled:
		status = "cancelled"
	}
	d.emit(event.Event{Type: event.EffectEnded, Place: s.place, Kind: rec.Kind, Write: rec.Write, Text: rec.Description,
		Status: status, Error: d.Run.Secrets.Redact(e.Msg), Duration: rec.Ended.Sub(s.began), Attempt: rec.Attempts})
	if e.Kind == fault.Waiting || e.InDoubt || errors.Is(err, branch.ErrSuspended) {
		return err
	}
	if e.Kind == fault.Cancelled {
		return err // a read that was not made, or a wait that goes on later
	}
	recorded := d.recordable(e)
	recorded.Effect, recorded.Place = rec.Kind, rec.Place
	rec.Status, rec.Done = journal.Erred, d.done.Add(1)
	rec.Result = d.encodeFault(recorded)
	if serr := d.save(rec); serr != nil {
		return serr
	}
	d.erred.Store(rec.Place, rec)
	return recorded
}

// save records an outcome: of a write with its intent, of anything else as a
// whole.
func (d *Door) save(rec *journal.Effect) error {
	if rec.Write && rec.Seq != 0 {
		return d.Record.Finish(rec)
	}
	return d.Record.Record(rec)
}

func (d *Door) emit(e event.Event) {
	if e.Time.IsZero() {
		e.Time = d.Now()
	}
	e.Run = d.Run.ID
	d.Events.Emit(e)
}
