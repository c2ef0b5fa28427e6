package runtime

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Report is what a rollback did.
type Report struct {
	To     string   `json:"to,omitempty"` // name of the checkpoint
	Undone []Undone `json:"undone"`
	Failed []Undone `json:"failed"`
	Left   []Undone `json:"left"` // there is no way to take these back
}

// Undone is one effect in a Report.
type Undone struct {
	Place       string `json:"place"`
	Kind        string `json:"kind"`
	Description string `json:"description"`
	Position    string `json:"position"`
	Error       string `json:"error,omitempty"`
}

// Rollback takes back the effects of a run, newest first: all of them, or those
// that came after the checkpoint called to. It goes on past those that fail. An
// interrupted rollback goes on when it is called again.
func (r *Runtime) Rollback(in Interrupt, id, to string) (*Outcome, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	if run.State == journal.RolledBack {
		return nil, fault.New(fault.Usage, "the run %s was rolled back already", run.ID[:8])
	}
	x, _, err := r.reopen(in, run, false, nil)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	back, err := x.toUndo(to)
	if err != nil {
		return nil, err
	}
	registered, done, err := r.registered(in, run, back)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := run.SetState(journal.RollingBack, nil); err != nil {
		return nil, err
	}
	rb := &rollback{x: x, registered: registered, report: &Report{To: to, Undone: []Undone{}, Failed: []Undone{}, Left: []Undone{}}}
	if err := rb.all(back); err != nil {
		return &Outcome{Run: run, State: journal.RollingBack, Rollback: rb.report}, err
	}
	return rb.conclude(run, back)
}

// RollbackPlan says what a rollback would take back, and what it would leave. It
// changes nothing.
func (r *Runtime) RollbackPlan(in Interrupt, id, to string) (*Report, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	x, _, err := r.reopen(in, run, true, nil)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	back, err := x.toUndo(to)
	if err != nil {
		return nil, err
	}
	rb := &rollback{x: x}
	report := &Report{To: to, Undone: []Undone{}, Failed: []Undone{}, Left: []Undone{}}
	for _, e := range back {
		item := Undone{Place: e.Place, Kind: e.Kind, Description: e.Description, Position: e.Pos}
		switch undo, err := rb.undoOf(e); {
		case errors.Is(err, errNoUndo):
			report.Left = append(report.Left, item)
		case err != nil:
			item.Error = err.Error()
			report.Failed = append(report.Failed, item)
		case undo != nil:
			report.Undone = append(report.Undone, item)
		}
	}
	return report, nil
}

// rollBackAfter rolls back a run that has just failed with why.
func (x *execution) rollBackAfter(out *Outcome, why error) (*Outcome, error) {
	x.end() // gives the run up, for the rollback to take it
	rolled, err := x.rt.Rollback(x.in, out.Run.ID, "")
	if rolled != nil {
		out.State, out.Rollback, out.Run = rolled.State, rolled.Rollback, rolled.Run
	}
	if err != nil {
		return out, errors.Join(why, err)
	}
	return out, why
}

// toUndo returns the effects to take back, newest first.
func (x *execution) toUndo(to string) ([]*journal.Effect, error) {
	effects, err := x.run.Effects()
	if err != nil {
		return nil, err
	}
	after := &journal.Effect{}
	if to != "" {
		if after, err = findCheckpoint(effects, to); err != nil {
			return nil, err
		}
	}
	var back []*journal.Effect
	for _, e := range effects {
		begun := e.Done == 0 && e.Seq > after.Seq || e.Done > after.Done
		if e.Write && begun && e.UndoStatus != journal.Undone && e.Status != journal.Skipped && !strings.HasPrefix(e.Place, "r") {
			back = append(back, e)
		}
	}
	// By the order of the intents and not of the ends: what undo restores was
	// remembered with the intent, and two branches may have overlapped.
	sort.Slice(back, func(i, j int) bool { return back[i].Seq > back[j].Seq })
	return back, nil
}

func findCheckpoint(effects []*journal.Effect, name string) (*journal.Effect, error) {
	var names []string
	for _, e := range effects {
		if e.Kind == effect.KindCheckpoint && e.Status == journal.Done {
			if e.Description == name {
				return e, nil
			}
			names = append(names, e.Description)
		}
	}
	err := fault.New(fault.NotFound, "the run has no checkpoint %q", name)
	if len(names) > 0 {
		err.Hint = "it has " + strings.Join(names, ", ")
	}
	return nil, err
}

// registered finds the functions that on_rollback was given, by replaying the
// run: functions are not in the journal, but the script is. done ends what has
// replayed it.
func (r *Runtime) registered(in Interrupt, run *journal.Run, back []*journal.Effect) (registered engine, done func(), err error) {
	needed := false
	for _, e := range back {
		needed = needed || e.Kind == effect.KindOnRollback
	}
	if !needed {
		return nil, func() {}, nil
	}
	x, inputs, err := r.reopen(in, run, true, nil)
	if err == nil {
		_, err = x.execute(run.Script, inputs)
		if err = x.explain(err); !fault.Is(err, fault.Mismatch, fault.Internal, fault.Limit) {
			return x.engine, x.end, nil
		}
	}
	if x != nil {
		x.end()
	}
	return nil, nil, err
}

type rollback struct {
	x          *execution
	registered engine // calls what on_rollback has registered
	report     *Report
}

func (rb *rollback) all(back []*journal.Effect) error {
	for _, e := range back {
		if rb.x.stop.Err() != nil {
			return Stopped
		}
		if err := rb.one(e); err != nil {
			return err
		}
	}
	return nil
}

// one takes back one effect. Its error is one of the journal, or of a run that
// has to stop; a failing undo is in the report.
func (rb *rollback) one(e *journal.Effect) error {
	item := Undone{Place: e.Place, Kind: e.Kind, Description: e.Description, Position: e.Pos}
	undo, err := rb.undoOf(e)
	if err == nil && undo == nil {
		return nil // it left nothing
	}
	if errors.Is(err, errNoUndo) {
		rb.report.Left = append(rb.report.Left, item)
		return rb.x.run.SetUndo(e, journal.NoUndo, "")
	}
	began := time.Now()
	rb.emit(event.UndoStarted, e, "", nil, 0)
	if err == nil {
		if err := rb.x.run.SetUndo(e, journal.UndoBegun, ""); err != nil {
			return err
		}
		err = undo()
	}
	if errors.Is(err, branch.ErrSuspended) || rb.x.stop.Err() != nil && err != nil {
		return err
	}
	if err != nil {
		item.Error = rb.x.explain(err).Error()
		rb.report.Failed = append(rb.report.Failed, item)
		rb.emit(event.UndoEnded, e, "failed", err, time.Since(began))
		return rb.x.run.SetUndo(e, journal.UndoFailed, item.Error)
	}
	rb.report.Undone = append(rb.report.Undone, item)
	rb.emit(event.UndoEnded, e, "undone", nil, time.Since(began))
	return rb.x.run.SetUndo(e, journal.Undone, "")
}

func (rb *rollback) emit(t event.Type, e *journal.Effect, status string, err error, took time.Duration) {
	ev := event.Event{Type: t, Time: time.Now(), Run: rb.x.run.ID, Place: e.Place, Kind: e.Kind, Write: true, Text: e.Description, Status: status, Duration: took}
	if err != nil {
		ev.Error = rb.x.explain(err).Error()
	}
	rb.x.rt.cfg.Events.Emit(ev)
}

var errNoUndo = errors.New("there is no way to take it back")

// undoOf returns what takes e back; nil for nothing to do.
func (rb *rollback) undoOf(e *journal.Effect) (func() error, error) {
	if e.Kind == effect.KindOnRollback {
		return func() error { return rb.registered.Undo(e, rb.x) }, nil
	}
	if effect.OfTheRun(e.Kind) {
		return nil, nil // a wait or a mark: the world is as it was
	}
	f := rb.x.rt.function(e.Kind)
	if f == nil {
		return nil, fault.New(fault.Internal, "this program has no builtin %s any more", e.Kind)
	}
	if err := rb.x.run.Details(e); err != nil {
		return nil, err
	}
	do, options, err := rb.restore(e)
	if err != nil {
		return nil, err
	}
	if _, ok := do.(effect.Traceless); ok {
		return nil, nil
	}
	undoer, ok := do.(effect.Undoer)
	if !ok {
		if e.Status == journal.Erred || e.Status == journal.Caught {
			return nil, nil // it failed, and says what it left in its error
		}
		return nil, errNoUndo
	}
	if e.Undo == nil {
		return nil, nil
	}
	if rb.x.door.Irreversible(undoer, e) {
		return nil, errNoUndo
	}
	return func() error { return rb.x.door.Undo(rb.x.door.Cut, undoer, options, e) }, nil
}

// restore makes an effect, and its options, of its record.
func (rb *rollback) restore(e *journal.Effect) (effect.Performer, effect.Options, error) {
	args, err := rb.x.door.Codec.Decode(e.Args)
	if err != nil {
		return nil, effect.NoOptions, err
	}
	dict, ok := args.(*starlark.Dict)
	if !ok {
		return nil, effect.NoOptions, fault.New(fault.Failed, "the arguments of %s %s are damaged", e.Kind, e.Place)
	}
	do, options, err := rb.x.rt.function(e.Kind).Restore(dict)
	if err != nil {
		return nil, options, err
	}
	do, err = rb.x.door.Expanded(do)
	return do, options, err
}

// conclude records the end of the rollback. After one to a checkpoint the run can
// be resumed from there.
func (rb *rollback) conclude(run *journal.Run, back []*journal.Effect) (*Outcome, error) {
	state := journal.RolledBack
	var why error
	if to := rb.report.To; to != "" {
		state = journal.Cancelled
		why = fault.New(fault.Cancelled, "rolled back to the checkpoint %q", to)
	}
	n := len(rb.report.Failed)
	if to := rb.report.To; to != "" && n == 0 {
		if err := rb.dropAfter(run, to); err != nil {
			return nil, err
		}
	}
	if n > 0 {
		state = journal.Failed
		why = fault.New(fault.Failed, "%d of %d effects could not be taken back", n, len(back)).
			WithHint("see to what is in the way, then try again: provisioning rollback %s", run.ID[:8])
	}
	if err := run.SetState(state, why); err != nil {
		return nil, err
	}
	out := &Outcome{Run: run, State: state, Rollback: rb.report}
	rb.x.emitEnd(state, nil)
	if state == journal.Failed {
		return out, why
	}
	return out, nil
}

func (rb *rollback) dropAfter(run *journal.Run, to string) error {
	effects, err := run.Effects()
	if err != nil {
		return err
	}
	checkpoint, err := findCheckpoint(effects, to)
	if err != nil {
		return err
	}
	return run.DropAfter(checkpoint)
}

func (u Undone) String() string {
	text := fmt.Sprintf("%s %s  %s", u.Kind, u.Description, u.Position)
	if u.Error != "" {
		text += ": " + u.Error
	}
	return text
}
