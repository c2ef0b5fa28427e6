package door

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
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
	Parked   []*journal.Effect // those that an edit of the script has removed
	byPlace  map[string]*journal.Effect
	lastDone int64
	used     sync.Map // places that the execution has asked for
}

// NewPast makes the past of its effects.
func NewPast(effects []*journal.Effect) *Past {
	p := &Past{byPlace: make(map[string]*journal.Effect, len(effects))}
	for _, e := range effects {
		if e.Parked() {
			p.Parked = append(p.Parked, e)
		} else {
			p.byPlace[e.Place] = e
		}
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

// InDoubt reports whether the effect at place was begun, has no result, and only
// the world or a person can tell whether it happened.
func (p *Past) InDoubt(place string) bool {
	return p.Open(place) && p.byPlace[place].Kind != effect.KindFork && p.byPlace[place].Kind != effect.KindApproval
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

// Missed returns the first effect that a resumed execution never came to though it
// went on to the end of its script; nil when there is none. now is what the journal
// has by then. Branches that were stopped because another one had failed, which the
// script has handled, need not have come to all of theirs.
func (p *Past) Missed(now []*journal.Effect) *journal.Effect {
	branches := map[string][]*journal.Effect{}
	for _, e := range now {
		if !e.Parked() {
			path := branch.PathOf(e.Place)
			branches[path] = append(branches[path], e)
		}
	}
	for _, effects := range branches {
		slices.SortFunc(effects, func(a, b *journal.Effect) int { return ordinal(a.Place) - ordinal(b.Place) })
	}
	for _, e := range now { // in the order in which they were begun
		if _, used := p.used.Load(e.Place); used || !p.Has(e.Place) || e.Place[0] == 'r' {
			continue
		}
		if !cutShort(branch.PathOf(e.Place), branches) {
			return e
		}
	}
	return nil
}

// cutShort reports whether a branch, or one that it is part of, belongs to a fork
// whose failure was handled.
func cutShort(path string, branches map[string][]*journal.Effect) bool {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return false
	}
	fork := forkOf(path[i+1:], branches[path[:i]])
	return fork != nil && fork.Status == journal.Caught || cutShort(path[:i], branches)
}

// DropTrailing takes out, and returns, the reads that came last in branches that
// have not ended. A failed run may have failed because of what they said; when it
// is resumed they are made again, and nothing that was done depends on them.
func (p *Past) DropTrailing() []*journal.Effect {
	branches := map[string][]*journal.Effect{}
	for place, e := range p.byPlace {
		path := branch.PathOf(place)
		branches[path] = append(branches[path], e)
	}
	var dropped []*journal.Effect
	for _, effects := range branches {
		slices.SortFunc(effects, func(a, b *journal.Effect) int { return ordinal(a.Place) - ordinal(b.Place) })
	}
	for path, effects := range branches {
		if path[0] == 'r' || p.ended(path, branches) {
			continue
		}
		for i := len(effects) - 1; i >= 0 && !effects[i].Write && effects[i].Kind != effect.KindFork; i-- {
			dropped = append(dropped, effects[i])
			delete(p.byPlace, effects[i].Place)
		}
	}
	return dropped
}

// ended reports whether the journal knows a branch to its end: then its fork, or
// that of a branch that it is part of, has an outcome.
func (p *Past) ended(path string, branches map[string][]*journal.Effect) bool {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return false
	}
	fork := forkOf(path[i+1:], branches[path[:i]])
	if fork == nil {
		return true // made by a top level, or by a damaged journal: leave it alone
	}
	return fork.Status == journal.Done || fork.Status == journal.Caught || p.ended(path[:i], branches)
}

// forkOf finds, among the effects of a branch, the fork that made the branch with
// a number: they are numbered through.
func forkOf(number string, effects []*journal.Effect) *journal.Effect {
	n, _ := strconv.Atoi(number)
	for _, e := range effects {
		if e.Kind != effect.KindFork {
			continue
		}
		made := forkItems(e)
		if n < made {
			return e
		}
		n -= made
	}
	return nil
}

func ordinal(place string) int {
	_, n, _ := strings.Cut(place, "#")
	i, _ := strconv.Atoi(n)
	return i
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
		if s.branch.Settled {
			return nil, branch.ErrSibling // that is where it was stopped
		}
		if s.branch.Closed {
			return nil, fault.New(fault.Mismatch, "the script goes on at %s where its journal says that the branch has ended", s.place)
		}
		if d.Replay {
			return nil, suspended(s, "the journal ends here: the run never came to %s %s", s.call.Decl.Kind, d.Run.Secrets.Redact(s.call.Describe()))
		}
		return nil, nil
	}
	d.Past.used.Store(s.place, true)
	failed := rec.Status == journal.Erred && !d.Replay && !s.branch.Settled
	if !failed && (rec.Kind != s.call.Decl.Kind || string(rec.Key) != string(s.key)) {
		return nil, d.mismatch(s, rec)
	}
	if left, ok := s.call.Do.(effect.Leaver); ok && !d.Replay && rec.Status != journal.Skipped {
		if d.World != nil {
			d.leaves(s.call.Do, s.call.Options, rec)
		} else {
			left.Left(d.env(s, rec))
		}
	}
	switch rec.Status {
	case journal.Done, journal.Assumed, journal.Skipped:
		if d.World != nil && !d.Replay && rec.Status != journal.Skipped {
			d.lives(s, s.call.Do, rec)
		}
		d.revivals.note(d, s, rec)
		return d.Codec.Decode(rec.Result)
	case journal.Caught:
		return nil, d.decodeFault(rec.Result, false)
	case journal.Erred:
		if d.Replay || s.branch.Settled {
			return nil, d.decodeFault(rec.Result, false)
		}
	case journal.Intended:
		if s.branch.Settled {
			return nil, branch.ErrSibling
		}
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

// revivals are effects of the past whose outcome died with the process that
// performed them. They are brought back when the run first acts again, unless
// the journal shows that they were ended before.
type revivals struct {
	mu      sync.Mutex
	pending []revival // in the order in which they were begun
}

type revival struct {
	handle string
	seq    int64
	revive func() error
}

func (r *revivals) note(d *Door, s *site, rec *journal.Effect) {
	if d.Replay || d.World != nil || rec.Status == journal.Skipped {
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
	env := d.env(s, rec)
	refusal := d.guarded(s, nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, revival{reviver.Handle(env), rec.Seq, func() error {
		do, err := d.expanded(reviver.(effect.Performer))
		if refusal != nil {
			err = refusal
		}
		if err == nil {
			err = do.(effect.Reviver).Revive(d.Cut, env, past{d, rec})
		}
		if err == nil {
			return nil
		}
		// Not the failure of the effect that comes next, and nothing for a script
		// to handle: the run stops, and can be resumed.
		e := fault.Wrap(fault.KindOf(err), err, "cannot bring back %s %s", rec.Kind, rec.Description)
		e.Cause, e.Effect, e.Place = branch.ErrSuspended, rec.Kind, rec.Place
		return e
	}})
	slices.SortFunc(r.pending, func(a, b revival) int { return int(a.seq - b.seq) })
}

// end forgets a revival, or ends what another branch has revived too early.
func (r *revivals) end(live *effect.Live, handle string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.pending)
	r.pending = slices.DeleteFunc(r.pending, func(p revival) bool { return p.handle == handle })
	if len(r.pending) < n {
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
	for len(r.pending) > 0 {
		if err := r.pending[0].revive(); err != nil {
			return err
		}
		r.pending = r.pending[1:]
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
// its kind, or the one with its arguments; options are those that it was called with,
// since what root has made only root can take back.
func (d *Door) Undo(ctx context.Context, do effect.Undoer, options effect.Options, rec *journal.Effect) error {
	if do, ok := do.(effect.Performer); ok && d.abroad(do, rec.Kind) {
		return d.sendUndo(ctx, do.(effect.Undoer), options, rec)
	}
	env := &effect.Env{
		Run: d.Run, Place: rec.Place, Options: options, Begun: rec.Begun, Origin: rec.Origin,
		Output: func(stream, line string) { d.output(rec.Place, stream, line) },
	}
	return do.Undo(ctx, env, past{d, rec})
}

// Irreversible reports whether an effect remembers that it cannot be taken back.
func (d *Door) Irreversible(do effect.Undoer, rec *journal.Effect) bool {
	i, ok := do.(effect.Irreversible)
	return ok && i.Irreversible(past{d, rec})
}
