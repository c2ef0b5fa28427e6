package door

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

// Known is what earlier comparisons of the same text have found out.
type Known struct {
	Branches map[string]int // which old branch a new one is, by its path; which old fork, by its place
	GoAhead  bool           // follow the text past where the run has stopped
	Beyond   *Ahead         // what was found there
}

// Ahead is what the text asks for after the point where the run has stopped, as
// far as check mode can tell. A comparison ends at that point: this is to know
// what becomes of the rest of the journal.
type Ahead struct {
	found map[int64]bool // what the journal has of it
	asked []asked
	short string // why the text could not be followed to its end; "" when it was
}

// asked is a write that the text asks for and the journal does not have.
type asked struct {
	kind    string
	content string // "" when it is not known by now
	diff    Difference
}

func (a *Ahead) find(rec *journal.Effect) {
	if a != nil {
		a.found[rec.Seq] = true
	}
}

func (a *Ahead) cut(format string, args ...any) {
	if a != nil && a.short == "" {
		a.short = fmt.Sprintf(format, args...)
	}
}

// gone reports whether the text does certainly not ask for a recorded effect, or not
// before something that comes first has changed what it looks at or changes.
func (a *Ahead) gone(rec *journal.Effect) bool {
	return a != nil && a.short == "" && !a.found[rec.Seq]
}

// EndAhead returns what was found ahead. why says that the script ended early.
func (d *Door) EndAhead(why string) *Ahead {
	a := d.Compare.ahead
	if why != "" {
		a.cut("%s", why)
	}
	for _, l := range d.Compare.order {
		for _, st := range l.steps {
			failed := l.old != nil && l.old.failed != nil && string(l.old.failed.Key) == string(st.key)
			if (st.diff.Change == Inserted || st.diff.Change == Again) && st.diff.Ask && !failed {
				a.asked = append(a.asked, d.askedFor(&st))
			}
		}
	}
	return a
}

func (d *Door) askedFor(st *step) asked {
	diff := st.diff
	diff.Change, diff.OldPlace, diff.OldDescription, diff.OldPosition = Inserted, "", "", ""
	diff.Arguments, diff.branch, diff.seq = "", pathOf(diff.Place), 0
	return asked{kind: diff.Kind, content: d.stepArguments(st.call, st.args), diff: diff}
}

func pathOf(place string) string {
	path, _, _ := strings.Cut(place, "#")
	return path
}

// planAhead goes on after a write that is in doubt as if it had happened.
func (d *Door) planAhead(s *site) (starlark.Value, error) {
	v, err := d.planWrite(s, &plan.Item{})
	d.planned.Store(true)
	return v, err
}

// stepArguments are the arguments that identify an effect; "" when they are not known.
func (d *Door) stepArguments(call *effect.Call, args []byte) string {
	if call == nil || args == nil {
		return ""
	}
	stored, err := d.stored(args)
	if err != nil {
		return ""
	}
	return d.arguments(call.Decl, stored)
}

// unmatched are the recorded effects that the text did not ask for, without those
// that it comes to later.
func (c *Comparison) unmatched(d *Door) []*journal.Effect {
	matched := map[int64]bool{}
	for _, m := range c.moves {
		matched[m.Seq] = true
	}
	for _, l := range c.order {
		for _, st := range l.steps {
			if st.old >= 0 {
				matched[l.old.recs[st.old].Seq] = true
			}
		}
	}
	var left []*journal.Effect
	for place, rec := range d.Past.byPlace {
		ahead := c.beyond != nil && c.beyond.found[rec.Seq]
		if place[0] == '0' && !matched[rec.Seq] && !ahead && rec.Status != journal.Erred && rec.Status != journal.Caught {
			left = append(left, rec)
		}
	}
	slices.SortFunc(left, func(a, b *journal.Effect) int { return int(a.Seq - b.Seq) })
	return left
}

// mayHaveHappened reports whether doing an effect again would do it twice.
func (e *ending) mayHaveHappened(rec *journal.Effect) bool {
	if !rec.Write || rec.Kind == effect.KindFork || rec.Kind == effect.KindOnRollback || rec.Status == journal.Skipped {
		return false
	}
	do, err := e.c.Restore(rec)
	_, traceless := do.(effect.Traceless)
	return err == nil && !traceless
}

// afterStop notes a write that comes after the point where the run has stopped.
func (e *ending) afterStop(st *step) {
	if st.diff.Kind == effect.KindFork {
		e.after[st.diff.Place] = true
	}
	if st.diff.Write && string(st.key) != string(st.failed) {
		e.trailing = append(e.trailing, e.d.askedFor(st))
	}
}

// earlier is what was done, is not in its place any more, and is the same as what
// the text asks for elsewhere; nil for nothing.
func (e *ending) earlier(call *effect.Call, args []byte) *journal.Effect {
	if call == nil {
		return nil
	}
	return e.twin(call.Decl.Kind, e.d.stepArguments(call, args))
}

func (e *ending) twin(kind, content string) *journal.Effect {
	for _, rec := range e.left {
		if rec.Kind == kind && (content == "" || e.d.recordArguments(rec) == content) && e.mayHaveHappened(rec) {
			return rec
		}
	}
	return nil
}

// onceMore lets nothing be done a second time without a yes, wherever the text has
// it now: what comes after the point where the run has stopped needs none else.
func (e *ending) onceMore() {
	shown := map[string]int{}
	for i, diff := range e.result.Differences {
		if diff.Place != "" && diff.Change != Open {
			shown[diff.Place] = i
		}
	}
	later := e.trailing
	if b := e.c.beyond; b != nil {
		later = append(slices.Clone(later), b.asked...)
	}
	for _, w := range later {
		rec := e.twin(w.kind, w.content)
		if rec == nil {
			continue
		}
		why := fmt.Sprintf("the same was done as %s", rec.Place)
		if w.content == "" {
			why = fmt.Sprintf("it may be the same as %s, which was done", rec.Place)
		}
		i, ok := shown[w.diff.Place]
		if !ok {
			i = len(e.result.Differences)
			shown[w.diff.Place] = i
			e.result.Differences = append(e.result.Differences, w.diff)
		}
		diff := &e.result.Differences[i]
		if diff.Change == Same || diff.Ask && ok {
			continue
		}
		if diff.Ask = true; diff.Why == "" {
			diff.Why = why
		}
	}
	e.unseen()
}

// unseen asks about what was done and cannot be taken back, where nobody can tell
// whether the text comes to it again.
func (e *ending) unseen() {
	b := e.c.beyond
	if b == nil || b.short == "" {
		return
	}
	left := map[int64]*journal.Effect{}
	for _, rec := range e.left {
		left[rec.Seq] = rec
	}
	for i := range e.result.Differences {
		diff := &e.result.Differences[i]
		if rec := left[diff.seq]; diff.Change == Removed && !diff.Undo && rec != nil && e.mayHaveHappened(rec) {
			diff.Ask, diff.Why = true, "it is done again if the script comes to it later, which cannot be told: "+b.short
		}
	}
}

// blocked finds what cannot be taken back because something that stays has changed
// the same after it.
func (e *ending) blocked() {
	undone := map[int64]bool{}
	for _, seq := range slices.Concat(e.result.undoable, e.result.failed) {
		undone[seq] = true
	}
	var writes []*journal.Effect // newest first
	for _, rec := range e.d.Past.byPlace {
		writes = append(writes, rec)
	}
	writes = append(writes, e.d.Past.Parked...)
	writes = slices.DeleteFunc(writes, func(rec *journal.Effect) bool {
		return !rec.Write || rec.Status == journal.Skipped || rec.Status == journal.Dropped || rec.UndoStatus == journal.Undone
	})
	slices.SortFunc(writes, func(a, b *journal.Effect) int { return int(b.Seq - a.Seq) })
	stays := map[string]*journal.Effect{}
	for _, rec := range writes {
		touched := e.touched(rec)
		if undone[rec.Seq] {
			if by := within(stays, touched); by != nil {
				e.keep(rec, by)
			} else {
				continue
			}
		}
		for _, r := range touched {
			stays[r] = rec
		}
	}
}

// within finds what has changed one of the resources, or something in it.
func within(stays map[string]*journal.Effect, resources []string) *journal.Effect {
	for _, mine := range resources {
		for theirs, rec := range stays {
			if theirs == mine || strings.HasPrefix(theirs, mine+"/") {
				return rec
			}
		}
	}
	return nil
}

// touched are the resources that a recorded effect has changed.
func (e *ending) touched(rec *journal.Effect) []string {
	do, err := e.c.Restore(rec)
	t, ok := do.(effect.Toucher)
	if err != nil || !ok {
		return nil
	}
	return t.Touches(e.d.recordedEnv(rec))
}

// keep leaves a removed effect in the world.
func (e *ending) keep(rec, by *journal.Effect) {
	is := func(seq int64) bool { return seq == rec.Seq }
	e.result.undoable = slices.DeleteFunc(e.result.undoable, is)
	e.result.failed = slices.DeleteFunc(e.result.failed, is)
	for i := range e.result.Differences {
		if diff := &e.result.Differences[i]; diff.seq == rec.Seq && diff.Undo {
			diff.Undo, diff.Why = false, fmt.Sprintf("kept: %s %s, which stays, has changed the same after it", by.Kind, by.Description)
		}
	}
}

// similar reports whether an effect may stand for a recorded one: they are called
// at the same place in the text, or have most of their arguments in common.
func (d *Door) similar(rec *journal.Effect, st *step) bool {
	if rec.Pos != "" && rec.Pos == st.diff.Position {
		return true
	}
	old, now, err := d.bothArguments(rec, st.args)
	if err != nil {
		return false
	}
	before, after := words(old), words(now)
	common := 0
	for w := range after {
		if before[w] {
			common++
		}
	}
	return 2*common >= max(len(before), len(after))
}

// words are the parts that arguments are made of; those that are not given do
// not count.
func words(args *starlark.Dict) map[string]bool {
	all := map[string]bool{}
	var add func(name string, v starlark.Value)
	add = func(name string, v starlark.Value) {
		switch v := v.(type) {
		case starlark.String:
			for _, w := range strings.Fields(string(v)) {
				all[name+"="+w] = true
			}
		case starlark.Indexable:
			for i := range v.Len() {
				add(name, v.Index(i))
			}
		case starlark.NoneType, starlark.Bool:
		default:
			all[name+"="+v.String()] = true
		}
	}
	for _, kv := range args.Items() {
		name, _ := starlark.AsString(kv[0])
		add(name, kv[1])
	}
	return all
}
