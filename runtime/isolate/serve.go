package isolate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Bounds of what the interpreter may ask for.
const (
	maxName     = 4 << 10 // bytes of a name, a path or a position
	maxStack    = 10_000  // functions that lead to an effect
	maxChildren = 1 << 20 // branches of one fork
	maxSecrets  = 10_000  // that one script may derive: each is looked for in all that is printed
	maxSecret   = 16 << 20
	maxActive   = 1 << 20
	maxSources  = 10_000 // requests for the text of a module
)

// caller is a place in the script, as the interpreter has told it.
type caller struct {
	branch *branch.Branch
	site   *site
}

var _ door.Caller = caller{}

func (c caller) Branch() *branch.Branch      { return c.branch }
func (c caller) Position() string            { return c.site.Pos }
func (c caller) Functions() iter.Seq[string] { return slices.Values(c.site.Functions) }

// Modules are the files of all code that led to it.
func (c caller) Modules() []string { return c.site.Modules }

// Trail are the positions of the calls that led to it.
func (c caller) Trail() string { return c.site.Trail }

// check refuses a site that no interpreter sends.
func (s *site) check() error {
	ok := len(s.Path) <= maxName && len(s.Pos) <= maxName && len(s.Trail) <= maxName*16 && len(s.Functions) <= maxStack && len(s.Modules) <= maxStack
	for _, name := range slices.Concat(s.Functions, s.Modules) {
		ok = ok && len(name) <= maxName
	}
	if !ok {
		return fmt.Errorf("%w: its place is no place", errGarbage)
	}
	return nil
}

// take deals with one message. Its error ends the process.
func (e *Engine) take(m message) error {
	switch m := m.(type) {
	case *askEffect:
		return e.inBranch(&m.site, m.Kind, func(b *shadow, a *answer) error { return e.effect(b, m, a) })
	case *askSettle:
		return e.inBranch(&m.site, "", func(b *shadow, a *answer) error {
			a.Fault = carry(e.now().Door.SettleOf(caller{b.Branch, &m.site}))
			return nil
		})
	case *askFork:
		if m.N < 0 || m.N > maxChildren {
			return fmt.Errorf("%w: %d branches", errGarbage, m.N)
		}
		return e.inBranch(&m.site, "", func(b *shadow, a *answer) error { return e.fork(b, m, a) })
	case *askJoin:
		return e.inBranch(&m.site, "", func(b *shadow, a *answer) error { return e.join(b, m, a) })
	case *askDecide:
		return e.inBranch(&m.site, "", func(b *shadow, a *answer) error { return e.decide(b, m, a) })
	case *askPass:
		return e.inline(&m.site, func(b *shadow) error {
			if e.now().Door.Trace != nil {
				e.now().Door.Trace.Pass(b.Path, m.N, m.Was)
			}
			return nil
		})
	case *askLoad:
		var err error
		if may := e.cfg.Loader.MayLoad; may != nil {
			err = may(clipName(m.Name), clipName(m.From))
		}
		e.out.send(&answer{ID: m.ID, Fault: carry(err)})
	case *askLog:
		return e.inline(&m.site, func(b *shadow) error { return e.now().Door.Log(b.Branch, level(m.Level), m.Text) })
	case *askProgress:
		return e.inline(&m.site, func(b *shadow) error {
			e.now().Door.Progress(b.Branch, m.Done, m.Total, m.Note)
			return nil
		})
	case *askEnded:
		return e.inline(&m.site, func(b *shadow) error {
			why := m.Why.err(e.codec.Secrets)
			if why == nil {
				return fmt.Errorf("%w: a branch has ended for nothing", errGarbage)
			}
			e.now().Door.Ended(b.Branch, why)
			return nil
		})
	case *askHandled:
		for _, place := range m.Places {
			e.now().Door.Handled(&fault.Error{Place: place})
		}
		e.out.send(&answer{ID: m.ID})
	case *askHeld:
		e.cfg.Held(m.Lines)
		e.out.send(&answer{ID: m.ID})
	case *askSource:
		if e.sources++; e.sources > maxSources {
			return fmt.Errorf("%w: it asks for too many modules", errGarbage)
		}
		src, err := e.source(m.Name)
		e.out.send(&answer{ID: m.ID, Value: src, Fault: carry(err)})
	case *secret:
		return e.learn(m)
	case *tellBranch:
		return e.announce(m)
	case *tellCancel:
		return e.cancel(m.Path)
	case *tellHalt:
		return e.halt(m)
	case *tellIdle: // see converse
		return fmt.Errorf("%w: its branches take no turns", errGarbage)
	case *done:
		select {
		case e.ends <- m:
		default:
			return fmt.Errorf("%w: it ends twice", errGarbage)
		}
	}
	return nil
}

// now is what requests act on at present.
func (e *Engine) now() Acting {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.acting
}

// level is one that scripts can print with.
func level(l string) string {
	switch l {
	case "print", "debug", "info", "warn", "error":
		return l
	}
	return "print"
}

// inline answers a request at once.
func (e *Engine) inline(s *site, do func(b *shadow) error) error {
	b, err := e.enter(s)
	if err != nil {
		return err
	}
	err = do(b)
	e.leave(b, &answer{ID: s.ID, Fault: carry(err), Ordinal: b.Ordinal()})
	return nil
}

// inBranch answers a request that may take long. An error of do is garbage.
func (e *Engine) inBranch(s *site, kind string, do func(b *shadow, a *answer) error) error {
	b, err := e.enter(s)
	if err != nil {
		return err
	}
	if e.active.Load() > maxActive {
		return fmt.Errorf("%w: it is one of too many", errGarbage)
	}
	if s.Pos != "" {
		e.last.Store(&place{s.Pos, kind})
	}
	e.active.Add(1)
	e.begin(b, func() {
		a := &answer{ID: s.ID}
		planned := b.Planned
		perform := func() error { return do(b, a) }
		if e.cfg.Lines == nil { // else a panic may be the engine's, which has to see it
			perform = func() error { return guarded(func() error { return do(b, a) }) }
		}
		err := perform()
		a.Ordinal, a.Planned = b.Ordinal(), b.Planned-planned
		e.active.Add(-1) // before the answer, which may be the last one
		e.leave(b, a)
		if err != nil {
			e.kill(err)
		}
	})
	return nil
}

// guarded keeps a defect that a strange message finds from ending the parent.
func guarded(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.New(fault.Internal, "a defect of this program: %v", r)
		}
	}()
	return do()
}

// enter finds the branch of a request, which has no other one.
func (e *Engine) enter(s *site) (*shadow, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.find(s.Path)
	if err != nil {
		return nil, err
	}
	if b.busy {
		return nil, fmt.Errorf("%w: the branch %s asks for two things at a time", errGarbage, s.Path)
	}
	b.busy = true
	if s.Cancelled && strings.Contains(s.Path, ".") {
		b.Cancel(branch.ErrSibling)
	}
	return b, nil
}

func (e *Engine) leave(b *shadow, a *answer) {
	e.mu.Lock()
	b.busy = false
	e.mu.Unlock()
	e.tellStop()
	e.out.send(a)
}

// find returns the branch with the given path, if one that was made has it.
func (e *Engine) find(name string) (*shadow, error) {
	if b := e.shadows[name]; b != nil {
		return b, nil
	}
	dot := strings.LastIndexByte(name, '.')
	if dot > 0 {
		n, err := strconv.Atoi(name[dot+1:])
		parent := e.shadows[name[:dot]]
		if parent == nil || err != nil || strconv.Itoa(n) != name[dot+1:] {
			parent = &shadow{}
		}
		for _, id := range parent.forks {
			if f := e.forks[id]; n >= f.first && n < f.first+f.n {
				b := newShadow(parent.Child(f.ctx, n, f.Fork))
				e.shadows[name] = b
				f.made = append(f.made, name)
				return b, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: there is no branch %.100q", errGarbage, name)
}

// effect performs an effect.
func (e *Engine) effect(b *shadow, m *askEffect, a *answer) error {
	var call *effect.Call
	err := guarded(func() (err error) { call, err = e.call(m); return err })
	if err != nil {
		if errors.Is(err, errGarbage) {
			return err
		}
		if fault.As(err) == nil {
			return fmt.Errorf("%w: %w", errGarbage, err)
		}
		a.Fault = carry(err) // a value that could not cross whole
		return nil
	}
	v, err := e.now().Door.EffectOf(caller{b.Branch, &m.site}, call)
	if err == nil {
		if a.Value, err = e.codec.Encode(v); err == nil && codec.StandsIn(a.Value) {
			err = fault.New(fault.TooLarge, "the result of %s is too large for an isolated run, or no data", m.Kind)
		}
	}
	if err != nil {
		a.Value, a.Fault = nil, carry(err)
	}
	return nil
}

func (e *Engine) fork(b *shadow, m *askFork, a *answer) error {
	if err := e.now().Budget.Branches(m.N, b.Depth()+1); err != nil {
		a.Fault = carry(err)
		return nil
	}
	b.Width, b.Keeps = m.Limit, m.Keeps
	f, err := e.now().Door.ForkOf(caller{b.Branch, &m.site}, m.Fn, m.N)
	if err != nil {
		a.Fault = carry(err)
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forked++
	made := &fork{Fork: f, parent: b, first: b.Reserve(m.N), n: m.N}
	made.ctx, made.cancel = context.WithCancelCause(b.Context())
	b.forks = append(b.forks, e.forked)
	e.forks[e.forked] = made
	a.Fork = forked{Place: f.Place, Closed: f.Closed, Err: carry(f.Err), ID: e.forked}
	return nil
}

func (e *Engine) join(b *shadow, m *askJoin, a *answer) error {
	e.mu.Lock()
	f := e.forks[m.Fork]
	if f == nil || f.parent != b {
		e.mu.Unlock()
		return fmt.Errorf("%w: it ends branches that there are not", errGarbage)
	}
	if e.anyBusy(f) {
		e.mu.Unlock()
		return fmt.Errorf("%w: it ends branches within effects", errGarbage)
	}
	e.drop(m.Fork)
	e.mu.Unlock()
	given := m.Err.err(e.codec.Secrets)
	f.Fork.Results = m.Results
	err := e.now().Door.Join(f.Fork, given)
	switch {
	case err == nil:
	case err == given:
		a.Same = true
	default:
		a.Fault = carry(err)
		if c := fault.As(err); c != nil && given != nil && c.Cause == given {
			a.Wraps = true
			a.Fault.Chain, a.Fault.Details = a.Fault.Chain[:1], a.Fault.Details[:1]
		}
	}
	return nil
}

func (e *Engine) anyBusy(f *fork) bool {
	for _, name := range f.made {
		if e.shadows[name].busy {
			return true
		}
	}
	return false
}

// drop forgets the branches of a fork, with those that they have made.
func (e *Engine) drop(id int) {
	f := e.forks[id]
	delete(e.forks, id)
	f.cancel(nil)
	f.parent.forks = slices.DeleteFunc(f.parent.forks, func(i int) bool { return i == id })
	for _, name := range f.made {
		for _, inner := range slices.Clone(e.shadows[name].forks) { // of a branch that has failed
			e.drop(inner)
		}
		delete(e.shadows, name)
	}
}

// maxDecisions bounds what a plan has to remember.
const maxDecisions = 1 << 20

func (e *Engine) decide(b *shadow, m *askDecide, a *answer) error {
	v, err := e.codec.Decode(m.Unknown)
	unknown, ok := v.(*value.Unknown)
	if err != nil || !ok || !e.now().Door.Check() || e.decisions.Add(1) > maxDecisions {
		return fmt.Errorf("%w: there is nothing to decide", errGarbage)
	}
	u := &value.Undecided{Unknown: unknown, Op: clipName(m.Op)}
	a.Arm, err = e.now().Door.DecideOf(caller{b.Branch, &m.site}, u)
	if err == error(u) {
		a.Same = true
		return nil
	}
	a.Fault = carry(err)
	return nil
}

// source gives the text of a module. A script can load no more than a module of
// the workspace or of the standard library, and what lies around it. Of files that are
// no scripts, which may be anything, it gets those that a load in a script names.
func (e *Engine) source(name string) ([]byte, error) {
	if name != e.main {
		rest, std := strings.CutPrefix(name, "@std//")
		if !std {
			rest = strings.TrimPrefix(name, "//")
		}
		outside := strings.HasPrefix(e.main, "/") && !strings.HasPrefix(e.main, "//") && path.IsAbs(name) && path.Clean(name) == name
		if !outside && (rest == name || !filepath.IsLocal(rest) || path.Clean(rest) != rest) || len(name) > maxName {
			return nil, fault.New(fault.Permission, "cannot load %.100q: it is outside of the workspace", name)
		}
		if !script.IsScript(name) && !e.cfg.Loader.Reaches(e.main, func(reached string) bool { return reached == name }) {
			return nil, fault.New(fault.Permission, "cannot load %.100q: no script of the run loads it", name)
		}
	}
	return e.cfg.Loader.Source(name)
}

// learn takes a secret that the script has derived.
func (e *Engine) learn(m *secret) error {
	if e.secrets++; e.secrets > maxSecrets {
		return fault.New(fault.Limit, "the script has made more than %d secrets", maxSecrets).
			WithHint("compute with fewer of them; an isolated run may not have more")
	}
	if len(m.Name) > maxName || len(m.Plain) > maxSecret {
		return fault.New(fault.Limit, "the script has made a secret of more than %d MiB", maxSecret>>20)
	}
	e.told.Store(*m, true)
	e.codec.Secrets.Add(m.Name, m.Plain)
	return nil
}

// announce passes on that a branch has begun or ended, once each.
func (e *Engine) announce(m *tellBranch) error {
	if len(m.Path) > maxName {
		return fmt.Errorf("%w: its place is no place", errGarbage)
	}
	if strings.HasPrefix(m.Path, "load ") {
		return nil // of a pure top level
	}
	e.mu.Lock()
	b, err := e.find(m.Path)
	if err == nil && (b.ended || b.seen != m.Ended) {
		err = fmt.Errorf("%w: the branch %s has begun or ended twice", errGarbage, m.Path)
	}
	if err == nil {
		b.seen, b.ended = true, m.Ended
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	redact := e.codec.Secrets.Redact
	ev := event.Event{Type: event.BranchStarted, Time: time.Now(), Run: e.now().Door.Run.ID, Place: m.Path, Text: redact(clipName(m.Text))}
	if m.Ended {
		ev.Type, ev.Status, ev.Error, ev.Duration = event.BranchEnded, "done", redact(m.Error), time.Duration(m.Took)
		if m.Status == "failed" || m.Status == "unknown" {
			ev.Status = m.Status
		}
	}
	e.cfg.Events.Emit(ev)
	return nil
}

func clipName(s string) string { return s[:min(len(s), maxName)] }

// cancel stops what a branch waits for, as another one has failed.
func (e *Engine) cancel(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.shadows[name]; b != nil && strings.Contains(name, ".") {
		b.Cancel(branch.ErrSibling)
	}
	return nil
}

// halt stops the run for a limit that the interpreter has reached.
func (e *Engine) halt(m *tellHalt) error {
	why := fault.As(m.Why.err(e.codec.Secrets))
	if why == nil || why.Kind != fault.Limit {
		return fmt.Errorf("%w: it stops the run for no limit", errGarbage)
	}
	e.cfg.Halt(why)
	return nil
}
