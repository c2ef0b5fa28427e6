package door

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Past is what the journal of a run holds when it is resumed or replayed.
type Past struct {
	byPlace  map[string]*journal.Effect
	lastDone int64
	used     sync.Map // places that a replay has asked for
}

// NewPast makes the past of its effects.
func NewPast(effects []*journal.Effect) *Past {
	p := &Past{byPlace: make(map[string]*journal.Effect, len(effects))}
	for _, e := range effects {
		p.byPlace[e.Place] = e
		p.lastDone = max(p.lastDone, e.Done)
	}
	return p
}

// Has reports whether the journal knows what happened at place.
func (p *Past) Has(place string) bool {
	if p == nil {
		return false
	}
	_, ok := p.byPlace[place]
	return ok
}

// Len is the number of effects.
func (p *Past) Len() int { return len(p.byPlace) }

// Open reports whether the effect at place was begun and has no result.
func (p *Past) Open(place string) bool {
	e := p.byPlace[place]
	return e != nil && e.Status == journal.Intended
}

// TakenBack reports whether a rollback has taken back some of the effects, or
// has begun to.
func (p *Past) TakenBack() bool {
	for _, e := range p.byPlace {
		if e.UndoStatus == journal.Undone || e.UndoStatus == journal.UndoBegun {
			return true
		}
	}
	return false
}

// Unused returns the first recorded effect, in the order in which they were
// begun, that no execution has asked for; nil when there is none. Effects of a
// rollback do not count.
func (p *Past) Unused() *journal.Effect {
	var first *journal.Effect
	for place, e := range p.byPlace {
		if _, ok := p.used.Load(place); ok || place[0] == 'r' {
			continue
		}
		if first == nil || e.Seq < first.Seq {
			first = e
		}
	}
	return first
}

// SetPast gives the door what the journal holds already.
func (d *Door) SetPast(p *Past) {
	d.Past = p
	d.done.Store(p.lastDone)
}

// recorded answers an effect from the journal. A nil value and a nil error say
// that it has to be performed.
func (d *Door) recorded(s *site) (starlark.Value, error) {
	var rec *journal.Effect
	if d.Past != nil {
		rec = d.Past.byPlace[s.place]
	}
	if rec == nil {
		if d.Replay {
			return nil, suspended(s, "the journal ends here: the run never came to %s %s", s.call.Decl.Kind, d.Run.Secrets.Redact(s.call.Describe()))
		}
		return nil, nil
	}
	if d.Replay {
		d.Past.used.Store(s.place, true)
	}
	if rec.Kind != s.call.Decl.Kind || string(rec.Key) != string(s.key) {
		return nil, d.mismatch(s, rec)
	}
	switch rec.Status {
	case journal.Done, journal.Assumed, journal.Skipped:
		d.revivals.note(d, s, rec)
		return d.Codec.Decode(rec.Result)
	case journal.Caught:
		return nil, decodeFault(rec.Result)
	case journal.Erred:
		if d.Replay {
			return nil, decodeFault(rec.Result)
		}
	case journal.Intended:
		if d.Replay {
			return nil, suspended(s, "the journal ends here: %s %s was begun, and its result is not known", s.call.Decl.Kind, rec.Description)
		}
	}
	s.rec = rec
	return nil, nil
}

func suspended(s *site, format string, args ...any) error {
	e := fault.New(fault.Waiting, format, args...)
	e.Cause, e.Place, e.Effect = branch.ErrSuspended, s.place, s.call.Decl.Kind
	return e
}

// past is what an effect gets to see of what is left of it.
type past struct {
	d   *Door
	rec *journal.Effect
}

var _ effect.Past = past{}

func (p past) Begun() time.Time { return p.rec.Begun }

// Remembered decodes what Remember returned.
func (p past) Remembered(into any) error {
	if p.rec.Undo == nil {
		return errors.New("nothing was remembered")
	}
	plain, err := p.d.Box.Open(p.rec.Undo)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

func (p past) Result() starlark.Value {
	if p.rec.Result == nil || (p.rec.Status != journal.Done && p.rec.Status != journal.Assumed) {
		return nil
	}
	v, err := p.d.Codec.Decode(p.rec.Result)
	if err != nil {
		return nil
	}
	return v
}

// encodeMemory makes the stored form of what Remember returned: JSON, sealed,
// because nobody knows what secrets the world held before. nil stays nil.
func (d *Door) encodeMemory(memory any) ([]byte, error) {
	if memory == nil {
		return nil, nil
	}
	data, err := json.Marshal(memory)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "cannot record how to undo it")
	}
	return d.Box.Seal(data), nil
}

func encodeFault(e *fault.Error) []byte {
	data, err := json.Marshal(journal.FaultOf(e))
	if err != nil { // details that have no JSON
		copied := *e
		copied.Details = nil
		data, _ = json.Marshal(journal.FaultOf(&copied))
	}
	return data
}

func decodeFault(data []byte) error {
	var f journal.Fault
	if err := json.Unmarshal(data, &f); err != nil {
		return fault.Wrap(fault.Internal, err, "the record of a failure is damaged")
	}
	e := f.Err()
	e.Stack = nil // the replay has its own
	return e
}

// revivals are effects of the past whose outcome died with the process that
// performed them. They are brought back when the run first acts again, unless
// the journal shows that they were ended before.
type revivals struct {
	mu      sync.Mutex
	pending map[string]func() error // by handle
}

func (r *revivals) note(d *Door, s *site, rec *journal.Effect) {
	if d.Replay || rec.Status == journal.Skipped {
		return
	}
	if ender, ok := s.call.Do.(effect.Ender); ok {
		r.end(&d.Run.Live, ender.Ends())
		return
	}
	reviver, ok := s.call.Do.(effect.Reviver)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending = map[string]func() error{}
	}
	r.pending[reviver.Handle(d.env(s, rec))] = func() error {
		do, err := d.expanded(reviver.(effect.Performer))
		if err != nil {
			return err
		}
		err = do.(effect.Reviver).Revive(d.Cut, d.env(s, rec), past{d, rec})
		if err != nil {
			return fault.Wrap(fault.KindOf(err), err, "cannot bring back %s %s", rec.Kind, rec.Description)
		}
		return nil
	}
}

// end forgets a revival, or ends what another branch has revived too early.
func (r *revivals) end(live *effect.Live, handle string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.pending[handle]; ok {
		delete(r.pending, handle)
		return
	}
	if c, ok := live.Get(handle).(effect.Closer); ok {
		_ = c.Close() // the journal says that it has ended
		live.Drop(handle)
	}
}

func (r *revivals) all() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for handle, revive := range r.pending {
		delete(r.pending, handle)
		if err := revive(); err != nil {
			return err
		}
	}
	return nil
}

// Handled notes that the script goes on after err: a resumed run must take the
// same way, and not try again what failed.
func (d *Door) Handled(err error) {
	for e := fault.As(err); e != nil; e = fault.As(e.Cause) {
		if e.Place == "" {
			continue
		}
		if rec, ok := d.erred.LoadAndDelete(e.Place); ok {
			rec := rec.(*journal.Effect)
			rec.Status = journal.Caught
			_ = d.Record.SetStatus(rec, journal.Caught) // a broken journal stops the next effect
		}
	}
}

// OnRollback registers what rollback calls for the effect at place.
func (d *Door) OnRollback(place string, fn func(thread *starlark.Thread) error) {
	d.rollback.Store(place, fn)
}

// Registered returns what was registered for place; nil for nothing.
func (d *Door) Registered(place string) func(thread *starlark.Thread) error {
	fn, _ := d.rollback.Load(place)
	f, _ := fn.(func(thread *starlark.Thread) error)
	return f
}

// Expanded returns the effect with the secrets in its arguments in the clear.
func (d *Door) Expanded(do effect.Performer) (effect.Performer, error) { return d.expanded(do) }

// Undo takes back the effect that rec is the record of. do is an empty effect of
// its kind, or the one with its arguments.
func (d *Door) Undo(ctx context.Context, do effect.Undoer, rec *journal.Effect) error {
	env := &effect.Env{
		Run: d.Run, Place: rec.Place, Options: effect.NoOptions, Begun: rec.Begun,
		Output: func(stream, line string) { d.output(rec.Place, stream, line) },
	}
	return do.Undo(ctx, env, past{d, rec})
}
