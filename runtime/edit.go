package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Edit says how a run is brought to another text of its script.
type Edit struct {
	Params map[string][]string // arguments in place of those that the run had, and further ones
	// Decide sees the comparison and says whether to go on: an error leaves the run
	// as it is. undo says that removed writes are to be taken back. It is asked
	// once more when the run comes to what could not be compared before.
	Decide func(c *Compared) (undo bool, err error)
}

// Compared is an edited script beside the journal of its run.
type Compared struct {
	Run         string            `json:"run"`
	Changed     []string          `json:"changed_files"`
	Notes       []string          `json:"notes,omitempty"`
	Differences []door.Difference `json:"effects"`

	sources map[string][]byte
	result  *door.Result
	done    bool // the edited script ends where the run has ended
}

// Count returns how many effects there are of which f holds.
func (c *Compared) Count(f func(door.Difference) bool) int {
	n := 0
	for _, d := range c.Differences {
		if f(d) {
			n++
		}
	}
	return n
}

// Asks is how many writes need a yes.
func (c *Compared) Asks() int { return c.Count(func(d door.Difference) bool { return d.Ask }) }

// Undoable is how many removed writes can be taken back.
func (c *Compared) Undoable() int { return c.Count(func(d door.Difference) bool { return d.Undo }) }

// summary is what is kept with the run of an edit.
func (c *Compared) summary() string {
	counts := map[string]int{}
	for _, d := range c.Differences {
		counts[d.Change]++
	}
	var parts []string
	for _, change := range []string{door.Same, door.Inserted, door.Removed, door.Changed, door.Again, door.Retried, door.Open} {
		if n := counts[change]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, change))
		}
	}
	return strings.Join(parts, ", ")
}

const (
	maxComparisons = 12 // to find out which branches belong together: one for each depth
	maxRounds      = 50 // of comparing and going on
)

// ResumeEdited goes on with a run by the present text of its script. What the
// journal has, and the new text asks for, is not done again. Unless Decide agrees
// nothing is changed.
func (r *Runtime) ResumeEdited(in Interrupt, id string, with Resume, edit Edit) (*Outcome, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	fromDisk := true
	for range maxRounds {
		c, err := r.revise(in, run, &with, edit, fromDisk)
		if err != nil {
			return nil, err
		}
		if c.done {
			return &Outcome{Run: run, State: run.State, Value: starlark.None}, nil
		}
		with.revised = true
		out, err := r.Resume(in, run.ID, with)
		if out == nil || !fault.Is(err, fault.Mismatch) {
			return out, err
		}
		// It has come to what the comparison could not see: the text is in the
		// journal by now, and so is what it depended on.
		with.Answers, with.KeepRemoved, edit.Params, fromDisk = nil, false, nil, false
		if err := run.Reload(); err != nil {
			return out, err
		}
	}
	return nil, fault.New(fault.Internal, "the edited script and the journal of run %s do not come together", run.ID[:8])
}

// revise compares, asks, and puts the new text in place of the old one.
func (r *Runtime) revise(in Interrupt, run *journal.Run, with *Resume, edit Edit, fromDisk bool) (*Compared, error) {
	if err := editable(run); err != nil {
		return nil, err
	}
	var known door.Known
	for n := 1; ; n++ {
		x, inputs, err := r.openEdited(in, run, edit.Params, fromDisk, known)
		if x != nil {
			defer x.end()
		}
		if err != nil {
			return nil, err
		}
		c, err := x.compare(inputs)
		if err != nil {
			return nil, err
		}
		if more := x.door.Unlike(); more != nil && n < maxComparisons {
			known.Branches = more
			x.end()
			continue
		}
		if known.Beyond == nil && c.result.Leaves() {
			x.end()
			if known.Beyond, err = r.goAhead(in, run, edit, fromDisk, known); err != nil {
				return nil, err
			}
			continue
		}
		c.Notes = x.notes
		if c.done {
			return c, nil
		}
		undo, err := edit.Decide(c)
		if err != nil {
			return nil, err
		}
		return c, x.commit(c, inputs, with, undo)
	}
}

// goAhead follows the new text past where the run has stopped, as check mode does:
// what the journal has, and the text does not ask for where it was, may come there.
func (r *Runtime) goAhead(in Interrupt, run *journal.Run, edit Edit, fromDisk bool, known door.Known) (*door.Ahead, error) {
	known.GoAhead = true
	x, inputs, err := r.openEdited(in, run, edit.Params, fromDisk, known)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	if _, err := x.engine.Ready(x.run.Script, inputs); err != nil {
		return nil, x.explain(err)
	}
	why := ""
	if _, err := x.engine.Run(); err != nil {
		if why = x.explain(err).Error(); x.stop.Err() != nil {
			return nil, x.explain(err)
		}
	}
	return x.door.EndAhead(why), nil
}

// editable refuses runs that there is nothing to go on with.
func editable(run *journal.Run) error {
	id := run.ID[:8]
	switch {
	case run.Options.Session:
		return fault.New(fault.Usage, "the run %s is a session of the interactive shell, which has no script to edit", id)
	case run.State == journal.RollingBack:
		return halfRolledBack(run)
	case run.State == journal.RolledBack:
		return fault.New(fault.Usage, "the run %s was rolled back; there is nothing to resume", id).
			WithHint("start it again with: provisioning run %s", script.FileName(run.Script))
	}
	return nil
}

// edited is an execution that compares.
type edited struct {
	*execution
	notes   []string
	read    map[string][]byte // the modules of the new text
	old     map[string][]byte
	secrets []journal.Secret
	dropped []*journal.Effect
}

// openEdited prepares the comparison of a run with its script: with the text on
// the disk, or with that in the journal.
func (r *Runtime) openEdited(in Interrupt, run *journal.Run, params map[string][]string, fromDisk bool, known door.Known) (*edited, interpreter.Inputs, error) {
	inputs, err := interpreter.DecodeInputs(run.Entry, run.Params)
	if err != nil {
		return nil, inputs, fault.Wrap(fault.Failed, err, "cannot read the parameters of run %s", run.ID)
	}
	box, err := r.openKey(run.Key, "the run "+run.ID)
	if err != nil {
		return nil, inputs, err
	}
	e := &edited{read: map[string][]byte{}}
	if e.old, err = run.Sources(); err != nil {
		return nil, inputs, err
	}
	var sources map[string][]byte
	if !fromDisk {
		sources = e.old
		maps.Copy(e.read, e.old)
	}
	bounds := maps.Clone(run.Options.Limits)
	if bounds == nil {
		bounds = map[string]string{}
	}
	for _, name := range []string{"wall", "effects", "branches", "output"} { // it is not the run that goes on
		bounds[name] = "none"
	}
	e.execution, err = r.prepare(in, request{
		id: run.ID, infra: run.Options.Infra, allowPaths: run.Options.AllowPaths, limits: bounds,
		trace: plan.NewTrace(), quiet: true, box: box, sources: sources, isolated: run.Options.Isolate || r.cfg.Isolate,
	})
	if err != nil {
		return nil, inputs, err
	}
	e.star.Tree.Compares, e.door.Trace, e.door.Person = true, nil, nil
	e.star.Loader.OnSource = func(name string, content []byte) error {
		e.read[name] = content
		return nil
	}
	if err := e.hold(run, known); err != nil {
		return e, inputs, err
	}
	if err := e.adapt(run, &inputs, params); err != nil {
		return e, inputs, err
	}
	return e, inputs, nil
}

// hold takes the run, and gives the comparison its past.
func (x *edited) hold(run *journal.Run, known door.Known) (err error) {
	if err := openSecrets(run, x.box, x.shared.Secrets); err != nil {
		return err
	}
	x.shared.Secrets.OnAdd = func(name, plain string) {
		x.secrets = append(x.secrets, journal.Secret{Name: name, Sealed: x.box.Seal([]byte(plain))})
		x.engine.Secret(name, plain)
	}
	if x.lease, err = run.Hold(); err != nil {
		return err
	}
	j, err := x.rt.Journal()
	if err != nil {
		return err
	}
	if err := run.Reload(); err != nil { // another process may have had it until now
		return err
	}
	x.run, x.door.Record = run, run
	x.door.Codec.Blobs, x.door.Codec.Limit = j.Blobs, maxInline
	x.shared.Generation = run.Generation + 1
	effects, err := run.Effects()
	if err != nil {
		return err
	}
	past := door.NewPast(effects)
	if past.TakenBack() {
		return halfRolledBack(run)
	}
	if run.State == journal.Failed {
		x.dropped = past.DropTrailing()
	}
	x.door.SetPast(past)
	rb := &rollback{x: x.execution}
	restored := map[*journal.Effect]effect.Performer{}
	x.door.StartComparison(run.State == journal.Completed, known, func(e *journal.Effect) (effect.Performer, error) {
		if do := restored[e]; do != nil {
			return do, nil
		}
		if x.rt.function(e.Kind) == nil {
			return nil, fault.New(fault.NotFound, "there is no builtin %s", e.Kind)
		}
		if err := run.Details(e); err != nil {
			return nil, err
		}
		do, _, err := rb.restore(e)
		restored[e] = do
		return do, err
	}, x.rt.decl)
	return nil
}

// decl is what is known of the effects of a kind; nil for the runtime's own.
func (r *Runtime) decl(kind string) *effect.Decl {
	if f := r.function(kind); f != nil {
		return f.Decl()
	}
	return nil
}

// adapt gives the inputs of the run the form that the new text wants: with what
// was given now, and without parameters that are gone.
func (x *edited) adapt(run *journal.Run, inputs *interpreter.Inputs, params map[string][]string) error {
	sig, err := x.star.Loader.Signature(run.Script, inputs.Entry)
	if err != nil {
		return err
	}
	for _, name := range sig.Superfluous(inputs.File, inputs.Flags) {
		delete(inputs.File, name)
		delete(inputs.Flags, name)
		x.notes = append(x.notes, fmt.Sprintf("the script has no parameter %q any more; its value is left out", name))
	}
	for name, texts := range params {
		inputs.Flags[name] = texts
	}
	err = sig.Check(inputs.File, inputs.Flags)
	if fault.Is(err, fault.Usage) {
		e := *fault.As(err)
		return e.WithHint("give it with --param NAME=VALUE; nothing was changed")
	}
	return err
}

// compare follows the new text as far as the journal goes.
func (x *edited) compare(inputs interpreter.Inputs) (*Compared, error) {
	if _, err := x.engine.Ready(x.run.Script, inputs); err != nil {
		return nil, x.explain(err)
	}
	_, err := x.engine.Run()
	why := ""
	switch {
	case err == nil:
	case x.stop.Err() != nil:
		return nil, x.explain(err)
	case errors.Is(err, branch.ErrSuspended): // its journal ends
	case undecided(err), x.door.Planned():
		why = x.explain(err).Error()
	default:
		return nil, x.failsEarly(err)
	}
	c := &Compared{Run: x.run.ID, Changed: []string{}, Differences: []door.Difference{}, sources: x.closure(), result: x.door.EndComparison(why)}
	c.Differences = append(c.Differences, c.result.Differences...)
	for name, src := range c.sources {
		if old, ok := x.old[name]; !ok || !bytes.Equal(old, src) {
			c.Changed = append(c.Changed, script.FileName(name))
		}
	}
	slices.Sort(c.Changed)
	same := c.Count(func(d door.Difference) bool { return d.Change != door.Same }) == 0
	c.done = x.run.State == journal.Completed && err == nil && same
	return c, nil
}

// failsEarly is the error of a script that does not even come to where the run
// has stopped.
func (x *edited) failsEarly(err error) error {
	why := x.explain(err)
	e := fault.As(why)
	if e == nil {
		return why
	}
	copied := *e
	hint := "the edited script fails before it does anything new; nothing was changed"
	if copied.Hint != "" {
		hint = copied.Hint + "\n" + hint
	}
	copied.Hint = hint
	return &copied
}

// closure returns the modules that were read, and those that they load: a
// comparison may not have come to all of them, but the run will.
func (x *edited) closure() map[string][]byte {
	queue := slices.Sorted(maps.Keys(x.read))
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		f, err := script.Options(true).Parse(name, x.read[name], 0)
		if err != nil {
			continue // a module that was never compiled: whoever loads it hears of it
		}
		for _, stmt := range f.Stmts {
			load, ok := stmt.(*syntax.LoadStmt)
			if !ok {
				continue
			}
			loaded, err := script.ModuleName(load.ModuleName(), name)
			if err != nil || x.read[loaded] != nil {
				continue
			}
			if src, err := x.star.Loader.OnDisk(loaded); err == nil {
				x.read[loaded] = src
				queue = append(queue, loaded)
			}
		}
	}
	return x.read
}

// commit puts the new text, and what the comparison makes of the journal, in
// place of what the run had.
func (x *edited) commit(c *Compared, inputs interpreter.Inputs, with *Resume, undo bool) error {
	rev := c.result.Settle(undo)
	places := map[string]string{}
	for _, m := range rev.Moved {
		places[m.From] = m.Place
	}
	for i, a := range with.Answers {
		place, ok := places[a.Place]
		if !ok {
			return fault.New(fault.Usage, "the effect %q is not in doubt in the edited script", a.Place).WithHint("nothing was changed")
		}
		with.Answers[i].Place = place
	}
	var err error
	if rev.Params, err = inputs.Encode(); err != nil {
		return fault.Wrap(fault.Usage, err, "cannot record the parameters")
	}
	for _, e := range x.dropped {
		rev.Drop = append(rev.Drop, e.Seq)
	}
	for name, content := range c.sources {
		rev.Sources = append(rev.Sources, journal.Source{Name: name, Content: content})
	}
	rev.Secrets, rev.Note = x.secrets, c.summary()
	if err := x.run.Revise(rev); err != nil {
		return err
	}
	x.end() // gives the run up, for the resume to take it
	return x.run.Reload()
}

// keepRemoved leaves in the world what was to be taken back.
func (x *execution) keepRemoved() error {
	for _, e := range x.door.Past.Parked {
		if e.UndoStatus == journal.UndoBegun || e.UndoStatus == journal.UndoFailed {
			if err := x.run.SetUndo(e, journal.NotUndone, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeBackRemoved undoes what an edit has removed, newest first, before anything
// new is done: so that comes upon the world as it was without. What is begun is
// begun again by the next resume.
func (x *execution) takeBackRemoved() (*Outcome, error) {
	var back []*journal.Effect
	for _, e := range x.door.Past.Parked {
		if e.UndoStatus == journal.UndoBegun || e.UndoStatus == journal.UndoFailed {
			back = append(back, e)
		}
	}
	if len(back) == 0 {
		return nil, nil
	}
	slices.SortFunc(back, func(a, b *journal.Effect) int { return int(b.Seq - a.Seq) })
	rb := &rollback{x: x, report: &Report{Undone: []Undone{}, Failed: []Undone{}, Left: []Undone{}}}
	err := rb.all(back)
	if n := len(rb.report.Failed); err == nil && n > 0 {
		id := x.run.ID[:8]
		err = fault.New(fault.Waiting, "%d of %d removed effects could not be taken back: %s", n, len(back), rb.report.Failed[0]).
			WithHint("see to what is in the way, then one of\nprovisioning resume %[1]s                  (try again)\nprovisioning resume %[1]s --keep-removed   (leave it; a rollback tries again)", id)
	}
	if err == nil {
		return nil, nil
	}
	out := &Outcome{Run: x.run, State: journal.Cancelled, Rollback: rb.report}
	if fault.Is(err, fault.Waiting) {
		out.State = journal.Waiting
	}
	if serr := x.run.SetState(out.State, err); serr != nil {
		return out, serr
	}
	return out, err
}
