package tester

import (
	"reflect"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Moment is one of those at which a process can die over an effect.
type Moment string

const (
	BeforeIntent Moment = "before-intent" // nothing says that it was to come
	AfterIntent  Moment = "after-intent"  // the journal has it, the world has not
	AfterEffect  Moment = "after-effect"  // the world has it, the journal no result
	AfterResult  Moment = "after-result"  // both have it, the script does not know yet
)

var moments = []Moment{BeforeIntent, AfterIntent, AfterEffect, AfterResult}

// words of a moment, for people.
func (m Moment) words() string { return strings.ReplaceAll(string(m), "-", " ") }

// Point is a moment of an effect of a run.
type Point struct {
	Place  string
	Moment Moment
}

func (p Point) String() string { return p.Place + ":" + string(p.Moment) }

// ParsePoint reads what String writes.
func ParsePoint(text string) (Point, error) {
	i := strings.LastIndexByte(text, ':')
	for _, m := range moments {
		if i > 0 && text[i+1:] == string(m) {
			return Point{text[:i], m}, nil
		}
	}
	return Point{}, fault.New(fault.Usage, "%q is no point of a run", text).
		WithHint("it is the place of an effect and a moment, such as 0#3:%s", AfterEffect)
}

// errDead is what a dead process would come to see, if it saw anything.
var errDead = &fault.Error{Kind: fault.Cancelled, Msg: "the process has died", Cause: branch.ErrSuspended}

// watcher stands between the effects of one execution and the journal. It notes
// what happens, and can let the execution die: from then on nothing of it reaches
// the journal, and no write begins. An effect that another branch performs just
// then runs to its end, like a command that outlives who has started it; its
// result is lost.
type watcher struct {
	to      door.Recorder
	history *history
	die     func(lose bool)
	at      *kill // nil: it lives

	mu       sync.Mutex
	passed   []passing
	dead     bool
	intended map[string]bool // places, in this execution
}

// kill says when a process dies: at a point, or at the nth moment that it comes to.
type kill struct {
	point Point
	nth   int
	lose  bool // of what was written, all that nobody has waited for
}

// passing is a point that an execution has come to.
type passing struct {
	Point
	effect journal.Effect
}

// history is what is known of the effects of a run over all its executions, and
// what a person would find out by looking at the world.
type history struct {
	mortal   map[string]bool // kinds of effects whose outcome dies with its process
	mu       sync.Mutex
	intended map[string]bool // places, in any execution
	happened map[string]bool // places of writes that were performed, and did not fail
	redone   map[string]bool // places that were to be done again
	twice    []journal.Effect
}

func newHistory(modules []*module.Module) *history {
	h := &history{mortal: map[string]bool{}, intended: map[string]bool{}, happened: map[string]bool{}, redone: map[string]bool{}}
	for _, m := range modules {
		for _, f := range m.Funcs() {
			if f.Prototype().Implements(reviver) {
				h.mortal[f.Name()] = true
			}
		}
	}
	return h
}

var reviver = reflect.TypeFor[effect.Reviver]()

var _ door.Recorder = (*watcher)(nil)

// pass notes that the execution has come to a moment of e. Its error says that it
// is dead.
func (w *watcher) pass(e *journal.Effect, m Moment) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errDead
	}
	w.passed = append(w.passed, passing{Point{e.Place, m}, copyOf(e)})
	if k := w.at; k != nil && (k.nth == len(w.passed) || k.nth == 0 && k.point == Point{e.Place, m}) {
		w.dead = true
		w.die(k.lose)
		return errDead
	}
	return nil
}

// copyOf leaves out the number, which the writer of the journal gives meanwhile.
func copyOf(e *journal.Effect) journal.Effect {
	return journal.Effect{
		Place: e.Place, Kind: e.Kind, Write: e.Write, Key: e.Key, Pos: e.Pos, Description: e.Description,
		Status: e.Status, Result: e.Result, Attempts: e.Attempts,
	}
}

// alive performs do unless the execution is dead.
func (w *watcher) alive(do func() error) error {
	w.mu.Lock()
	dead := w.dead
	w.mu.Unlock()
	if dead {
		return errDead
	}
	return do()
}

func (w *watcher) begin(e *journal.Effect, record func(*journal.Effect) error) error {
	if err := w.pass(e, BeforeIntent); err != nil {
		return err
	}
	if err := record(e); err != nil {
		return err
	}
	w.mu.Lock()
	w.intended[e.Place] = true
	w.mu.Unlock()
	w.history.begun(e)
	return w.pass(e, AfterIntent)
}

func (w *watcher) end(e *journal.Effect, record func(*journal.Effect) error) error {
	w.mu.Lock()
	again := w.intended[e.Place] // the effect says that it may be repeated
	w.mu.Unlock()
	w.history.ended(e, again)
	if err := w.pass(e, AfterEffect); err != nil {
		return err
	}
	if err := record(e); err != nil {
		return err
	}
	return w.pass(e, AfterResult)
}

// begun notes an intent.
func (h *history) begun(e *journal.Effect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.intended[e.Place] = true
}

// ended notes an outcome.
func (h *history) ended(e *journal.Effect, again bool) {
	if !e.Write || e.Status != journal.Done || e.Attempts == 0 {
		return // it failed, or was not performed
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.intended[e.Place] {
		return // it had nothing to do: it may look as often as it likes
	}
	if h.happened[e.Place] && !again && !h.redone[e.Place] && !h.mortal[e.Kind] {
		h.twice = append(h.twice, copyOf(e))
	}
	h.happened[e.Place] = true
}

func (w *watcher) Intend(e *journal.Effect) error { return w.begin(e, w.to.Intend) }
func (w *watcher) Finish(e *journal.Effect) error { return w.end(e, w.to.Finish) }

// Record is for what has no intent, and for forks, which begin by it.
func (w *watcher) Record(e *journal.Effect) error {
	if e.Status == journal.Intended {
		return w.begin(e, w.to.Record)
	}
	return w.end(e, w.to.Record)
}

func (w *watcher) SetStatus(e *journal.Effect, s journal.Status) error {
	return w.alive(func() error { return w.to.SetStatus(e, s) })
}

func (w *watcher) Log(l journal.Line) error {
	return w.alive(func() error { return w.to.Log(l) })
}

func (w *watcher) Ask(q journal.Question) error {
	return w.alive(func() error { return w.to.Ask(q) })
}

func (w *watcher) Forget(place string) error {
	return w.alive(func() error { return w.to.Forget(place) })
}

func (w *watcher) Details(e *journal.Effect) error {
	return w.alive(func() error { return w.to.Details(e) })
}

func (w *watcher) Questions() (questions []journal.Question, err error) {
	err = w.alive(func() error { questions, err = w.to.Questions(); return err })
	return questions, err
}
