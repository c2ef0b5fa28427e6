package door

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// What a comparison says of an effect.
const (
	Same     = "same"     // done, and stays
	Inserted = "inserted" // the journal does not have it, although it goes on after it
	Removed  = "removed"  // the script does not ask for it any more
	Changed  = "changed"  // removed, and another one of its kind inserted
	Again    = "again"    // the same, but what it looks at or changes is another thing now
	Retried  = "retried"  // it had failed, and is tried with other arguments
	Open     = "open"     // not compared: what comes before it has to happen first
)

// Difference is one effect of a comparison.
type Difference struct {
	Change         string `json:"change"`
	Kind           string `json:"kind"`
	Write          bool   `json:"write"`
	Place          string `json:"place,omitempty"`     // in the edited script
	OldPlace       string `json:"old_place,omitempty"` // in the journal
	Description    string `json:"description,omitempty"`
	OldDescription string `json:"old_description,omitempty"`
	Position       string `json:"position,omitempty"`
	OldPosition    string `json:"old_position,omitempty"`
	Why            string `json:"why,omitempty"`
	Arguments      string `json:"arguments,omitempty"` // those that differ
	Diff           string `json:"diff,omitempty"`      // what it would change
	Ask            bool   `json:"asks,omitempty"`      // a write that needs a yes
	Undo           bool   `json:"undo,omitempty"`      // the old one can be taken back

	branch string
	seq    int64 // of the old one
}

func (d *Door) difference(change string, s *site, old *journal.Effect) Difference {
	diff := Difference{
		Change: change, Kind: s.call.Decl.Kind, Write: s.call.Decl.Mode == effect.Write, Place: s.place,
		Description: d.Run.Secrets.Redact(s.call.Describe()), Position: s.pos,
	}
	if s.args != nil {
		diff.Arguments = string(s.args) // until it is known what to compare them with
	}
	if old != nil {
		diff.was(old)
		diff.Arguments = ""
	}
	return diff
}

// was says what the old effect is.
func (diff *Difference) was(old *journal.Effect) {
	diff.OldPlace, diff.OldDescription, diff.OldPosition, diff.seq = old.Place, old.Description, old.Pos, old.Seq
}

// Result is what a comparison has found: the differences in the order of the
// script, and what they make of the journal.
type Result struct {
	Differences []Difference
	Revision    journal.Revision
	undoable    []int64
	failed      []int64 // what failed attempts may have left
	leaves      bool
}

// Leaves reports whether the journal has something that the script did not ask
// for as far as it was followed.
func (r *Result) Leaves() bool { return r.leaves }

// Settle gives the revision of the journal; with undo, what was removed is to be
// taken back. What a failed attempt has left is always taken back, as long as
// nothing else has come after it.
func (r *Result) Settle(undo bool) journal.Revision {
	rev := r.Revision
	rev.Undo = slices.Clone(r.failed)
	if undo {
		rev.Undo = append(rev.Undo, r.undoable...)
	}
	return rev
}

// ending puts the result of a comparison together.
type ending struct {
	d      *Door
	c      *Comparison
	result Result
	reopen map[int64]bool
	after  map[string]bool // new forks after the point where the run has stopped

	takenBack []string          // resources of what was removed
	left      []*journal.Effect // what the script did not ask for
	trailing  []asked           // what it asks for after the point where the run has stopped
}

// EndComparison returns what the comparison has found. root says that the main
// line ended early, and why; "" when it did not.
func (d *Door) EndComparison(root string) *Result {
	c := d.Compare
	if root != "" && !c.lines["0"].stopped {
		c.endedEarly("0", root)
	}
	e := &ending{d: d, c: c, reopen: map[int64]bool{}, after: map[string]bool{}}
	e.left = c.unmatched(d)
	e.result.leaves = len(e.left) > 0
	for _, l := range c.order {
		e.line(l)
	}
	for _, f := range c.families {
		for i, old := range f.olds {
			if !f.taken[i] {
				e.removeBranch(f.parent.path, old)
			}
		}
	}
	e.onceMore()
	e.blocked()
	slices.SortStableFunc(e.result.Differences, func(a, b Difference) int { return comparePaths(a.branch, b.branch) })
	rev := &e.result.Revision
	rev.Moved = c.moves
	for _, read := range c.reads {
		if !e.takesBack(read.resources) { // else it is made again when that has been done
			rev.Reads = append(rev.Reads, read.rec)
		}
	}
	rev.Drop = append(rev.Drop, c.dropped...)
	for seq := range e.reopen {
		rev.Reopen = append(rev.Reopen, seq)
	}
	slices.Sort(rev.Reopen)
	return &e.result
}

// takesBack reports whether something that was removed has changed one of the
// resources.
func (e *ending) takesBack(resources []string) bool {
	for _, mine := range resources {
		for _, theirs := range e.takenBack {
			if overlap(mine, theirs) {
				return true
			}
		}
	}
	return false
}

// comparePaths orders branches by their numbers.
func comparePaths(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		if n := cmp.Compare(len(x), len(y)); n != 0 {
			return n
		}
		return cmp.Compare(x, y)
	})
}

// line finds what became of one branch: its steps, and what of the old one is in
// none of them.
func (e *ending) line(l *line) {
	if l.stopped {
		e.reopenAbove(l)
	}
	rest := e.rest(l)
	pairs := e.pairs(l, rest)
	flush := func(before int) {
		for len(rest) > 0 && rest[0] < before {
			if _, paired := pairs[rest[0]]; !paired {
				e.gone(l, rest[0])
			}
			rest = rest[1:]
		}
	}
	paired := map[int]int{}
	for old, step := range pairs {
		paired[step] = old
	}
	next := e.next(l, paired)
	if l.after = l.fam != nil && e.after[l.fam.place]; l.after {
		next = 0
	}
	e.retried(l, next)
	for i := range l.steps {
		st := &l.steps[i]
		if i >= next && st.diff.Change == Inserted {
			e.afterStop(st)
			continue // nothing that was done comes after it
		}
		if st.old >= 0 && !st.moved {
			flush(st.old)
		}
		if st.diff.Change == Retried {
			e.afterStop(st)
			if string(st.key) == string(st.failed) {
				continue // nothing about it has changed
			}
		}
		if st.diff.Change != Same && st.diff.Change != Retried {
			e.reopenAbove(l)
		}
		if old, ok := paired[i]; ok {
			e.pair(l, st, old)
		}
		if st.diff.Change == Again && st.diff.Write {
			st.diff.Undo = e.remove(l.old.recs[st.old])
		}
		st.diff.branch = l.path
		if st.diff.Change == Inserted || st.diff.Change == Same || st.diff.Change == Again {
			st.diff.Arguments = ""
		}
		e.result.Differences = append(e.result.Differences, st.diff)
	}
	if l.old != nil {
		flush(len(l.old.recs))
		if f := l.old.failed; f != nil {
			e.failed(l, f)
		}
	}
}

func (e *ending) rest(l *line) []int {
	var rest []int
	for i, used := range l.used {
		if !used {
			rest = append(rest, i)
		}
	}
	return rest
}

// next is the first step of a branch that the journal has nothing after: what the
// run does next, whether it was edited or not.
func (e *ending) next(l *line, paired map[int]int) int {
	next := len(l.steps)
	if l.stopped && !l.atEdge {
		return next // it may come to the rest of the journal later
	}
	for !l.ended && next > 0 && l.steps[next-1].old < 0 {
		if _, ok := paired[next-1]; ok {
			return next
		}
		next--
	}
	return next
}

// retried finds what the run does next in place of what it has failed at: the
// same, else what stands in its place or looks like it.
func (e *ending) retried(l *line, next int) {
	if l.old == nil || l.old.failed == nil {
		return
	}
	rec := l.old.failed
	loose := e.d.recordArguments(rec)
	for _, alike := range []func(i int, st *step) bool{
		func(_ int, st *step) bool { return string(st.key) == string(rec.Key) },
		func(_ int, st *step) bool { return loose != "" && e.d.stepArguments(st.call, st.args) == loose },
		func(i int, st *step) bool {
			return (i == next || e.d.similar(rec, st)) && e.earlier(st.call, st.args) == nil
		},
	} {
		for i := next; i < len(l.steps); i++ {
			st := &l.steps[i]
			if st.diff.Change != Inserted || st.diff.Kind != rec.Kind || st.call == nil || !alike(i, st) {
				continue
			}
			args := []byte(st.diff.Arguments)
			st.diff.Change, st.diff.Ask, st.failed = Retried, false, rec.Key
			st.diff.was(rec)
			st.diff.Arguments = e.d.argumentDiff(rec, args)
			e.move(rec, st.diff.Place)
			l.old.failed = nil
			return
		}
	}
}

// pairs finds, for what is in the journal only, what is in the script only, of
// the same kind and between the same neighbours. In a branch that was not followed
// to its end it also has to look the same, but for its other arguments: it may
// still be asked for.
func (e *ending) pairs(l *line, rest []int) map[int]int {
	pairs := map[int]int{}
	taken := map[int]bool{}
	byGap := map[int][]int{}
	for k, st := range l.steps {
		again := l.old != nil && l.old.failed != nil && string(l.old.failed.Key) == string(st.key)
		if st.diff.Change == Inserted && st.diff.Kind != effect.KindFork && !again {
			byGap[st.gap] = append(byGap[st.gap], k)
		}
	}
	gaps := gaps(l)
	for _, i := range rest {
		rec := l.old.recs[i]
		for _, k := range byGap[gaps[i]] {
			st := l.steps[k]
			if taken[k] || st.diff.Kind != rec.Kind {
				continue
			}
			if !e.d.similar(rec, &st) || l.stopped && !e.d.sameSubject(rec, []byte(st.diff.Arguments)) {
				continue
			}
			pairs[i], taken[k] = k, true
			break
		}
	}
	return pairs
}

// gaps says, for every recorded effect, where the cursor was when the script came
// by it.
func gaps(l *line) []int {
	gaps := make([]int, len(l.used))
	for _, st := range l.steps {
		if st.old >= 0 && !st.moved && st.old+1 < len(gaps) {
			gaps[st.old+1] = st.old + 1
		}
	}
	for i := 1; i < len(gaps); i++ {
		gaps[i] = max(gaps[i], gaps[i-1])
	}
	return gaps
}

func (e *ending) pair(l *line, st *step, old int) {
	rec := l.old.recs[old]
	args := []byte(st.diff.Arguments)
	st.diff.Change = Changed
	st.diff.was(rec)
	st.diff.Arguments = e.d.argumentDiff(rec, args)
	st.diff.Undo = e.remove(rec)
}

// gone is a recorded effect that the script has not asked for: it was removed, or
// the script was not followed that far.
func (e *ending) gone(l *line, i int) {
	rec := l.old.recs[i]
	diff := Difference{
		Kind: rec.Kind, Write: rec.Write, OldPlace: rec.Place, OldDescription: rec.Description, OldPosition: rec.Pos,
		Description: rec.Description, branch: l.path, seq: rec.Seq,
	}
	if why := e.overtaken(l, rec); why != "" {
		diff.Change, diff.Why, diff.Undo = Removed, why, e.remove(rec)
		e.result.Differences = append(e.result.Differences, diff)
		return
	}
	if l.stopped && !e.c.beyond.gone(rec) {
		diff.Change, diff.Why = Open, l.why
		diff.Place = e.later(l, rec)
		e.result.Differences = append(e.result.Differences, diff)
		return
	}
	diff.Change = Removed
	diff.Undo = e.remove(rec)
	diff.Why = left(rec, diff.Undo)
	e.result.Differences = append(e.result.Differences, diff)
	for _, child := range l.old.children[rec] {
		e.removeBranch(l.path, child)
	}
}

// overtaken says why an effect cannot stay that was not compared: what it looks
// at, or changes, is another thing before the run comes to it.
func (e *ending) overtaken(l *line, rec *journal.Effect) string {
	if !l.stopped || rec.Kind == effect.KindFork || e.c.beyond.gone(rec) {
		return ""
	}
	why := e.d.changedBefore(e.c.touches(e.d, rec), rec)
	if why != "" {
		e.c.passBy(e.d, rec)
	}
	return why
}

func left(rec *journal.Effect, undo bool) string {
	switch {
	case rec.Status == journal.Erred || rec.Status == journal.Caught:
		return "it had failed"
	case rec.Status == journal.Intended && rec.Kind != effect.KindFork:
		return "it is in doubt whether it happened"
	case rec.Write && !undo:
		return "nothing to take back, or no way to"
	}
	return ""
}

// later gives an effect that was not compared the place that it has if the script
// goes on as the journal does.
func (e *ending) later(l *line, rec *journal.Effect) string {
	place := l.path + "#" + strconv.Itoa(l.next)
	l.next++
	e.move(rec, place)
	for _, child := range l.old.children[rec] {
		e.moveBranch(child, childPath(l.path, l.children))
		l.children++
	}
	return place
}

func (e *ending) moveBranch(o *oldBranch, path string) {
	made := 0
	for _, rec := range o.all() {
		if rec != o.failed && rec.Kind != effect.KindFork && e.c.beyond.gone(rec) {
			e.removeOne(path, rec)
			continue
		}
		e.move(rec, path+"#"+strconv.Itoa(ordinal(rec.Place)))
		for _, child := range o.children[rec] {
			e.moveBranch(child, childPath(path, made))
			made++
		}
	}
}

func (e *ending) move(rec *journal.Effect, place string) {
	e.c.moves = append(e.c.moves, journal.Move{Seq: rec.Seq, From: rec.Place, Place: place, Pos: rec.Pos, Description: rec.Description})
}

func (e *ending) removeBranch(path string, o *oldBranch) {
	for _, rec := range o.all() {
		e.removeOne(path, rec)
		for _, child := range o.children[rec] {
			e.removeBranch(path, child)
		}
	}
}

func (e *ending) removeOne(path string, rec *journal.Effect) {
	diff := Difference{
		Change: Removed, Kind: rec.Kind, Write: rec.Write, OldPlace: rec.Place, OldDescription: rec.Description,
		Description: rec.Description, OldPosition: rec.Pos, branch: path, seq: rec.Seq,
	}
	diff.Undo = e.remove(rec)
	diff.Why = left(rec, diff.Undo)
	e.result.Differences = append(e.result.Differences, diff)
}

// failed is the effect that stopped a branch, and that the script does not ask
// for any more, or not yet.
func (e *ending) failed(l *line, rec *journal.Effect) {
	if l.stopped && !l.atEdge {
		e.later(l, rec)
		return
	}
	e.remove(rec)
	e.result.Differences = append(e.result.Differences, Difference{
		Change: Removed, Kind: rec.Kind, Write: rec.Write, OldPlace: rec.Place, OldDescription: rec.Description,
		Description: rec.Description, OldPosition: rec.Pos, Why: "it had failed", branch: l.path, seq: rec.Seq,
	})
}

// remove takes an effect out of the script's part of the journal, and reports
// whether it is to be taken back. One that left something behind, or may have,
// stays in the journal, for a rollback.
func (e *ending) remove(rec *journal.Effect) (undo bool) {
	rev := &e.result.Revision
	if !rec.Write || rec.Status == journal.Skipped || rec.Kind == effect.KindOnRollback || rec.Kind == effect.KindWaitUntil {
		rev.Drop = append(rev.Drop, rec.Seq)
		return false
	}
	do, err := e.c.Restore(rec)
	if err == nil {
		if _, traceless := do.(effect.Traceless); traceless {
			rev.Drop = append(rev.Drop, rec.Seq)
			return false
		}
	}
	err = e.d.Record.Details(rec)
	_, undoer := do.(effect.Undoer)
	failed := rec.Status == journal.Erred || rec.Status == journal.Caught
	switch {
	case err == nil && failed && (!undoer || rec.Undo == nil), err == nil && undoer && rec.Undo == nil:
		rev.Drop = append(rev.Drop, rec.Seq)
		return false
	}
	rev.Park = append(rev.Park, rec.Seq)
	e.takenBack = append(e.takenBack, e.c.touches(e.d, rec)...)
	if failed {
		e.result.failed = append(e.result.failed, rec.Seq)
		return false
	}
	if undoer && rec.UndoStatus != journal.Undone {
		e.result.undoable = append(e.result.undoable, rec.Seq)
		return true
	}
	return false
}

// reopenAbove notes that the forks which made a branch have something to do again.
func (e *ending) reopenAbove(l *line) {
	for ; l.fam != nil; l = l.fam.parent {
		if rec := l.fam.rec; rec != nil && rec.Status == journal.Done {
			e.reopen[rec.Seq] = true
		}
	}
}

// sameSubject reports whether the first arguments of two effects are equal: the
// path of a file, say.
func (d *Door) sameSubject(rec *journal.Effect, args []byte) bool {
	old, now, err := d.bothArguments(rec, args)
	if err != nil || old.Len() == 0 || now.Len() == 0 {
		return false
	}
	equal, err := starlark.Equal(old.Items()[0][1], now.Items()[0][1])
	return err == nil && equal
}

// bothArguments decodes the arguments of a recorded effect and of a new one.
func (d *Door) bothArguments(rec *journal.Effect, args []byte) (old, now *starlark.Dict, err error) {
	stored, err := d.stored(args)
	if err != nil {
		return nil, nil, err
	}
	if err := d.Record.Details(rec); err != nil {
		return nil, nil, err
	}
	before, err1 := d.Codec.Decode(rec.Args)
	after, err2 := d.Codec.Decode(stored)
	old, ok1 := before.(*starlark.Dict)
	now, ok2 := after.(*starlark.Dict)
	if err1 != nil || err2 != nil || !ok1 || !ok2 {
		return nil, nil, codec.ErrCorrupt
	}
	return old, now, nil
}

// argumentDiff says which arguments differ: "content: a -> b".
func (d *Door) argumentDiff(rec *journal.Effect, args []byte) string {
	old, now, err := d.bothArguments(rec, args)
	if err != nil {
		return ""
	}
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, kv := range now.Items() {
		was, found, _ := old.Get(kv[0])
		name := string(kv[0].(starlark.String))
		if !found {
			add("%s: %s is new", name, d.show(kv[1]))
		} else if equal, err := starlark.Equal(was, kv[1]); err != nil || !equal {
			add("%s: %s -> %s", name, d.show(was), d.show(kv[1]))
		}
	}
	for _, kv := range old.Items() {
		if _, found, _ := now.Get(kv[0]); !found {
			add("%s: %s is gone", string(kv[0].(starlark.String)), d.show(kv[1]))
		}
	}
	return strings.Join(lines, "\n")
}

const shown = 80 // runes of an argument

// show is the text of an argument, without secrets: those go before it is cut.
func (d *Door) show(v starlark.Value) string {
	var text []rune
	if s, ok := v.(starlark.String); ok {
		text = []rune(strconv.Quote(d.Run.Secrets.Redact(string(s))))
	} else {
		text = []rune(d.Run.Secrets.Redact(value.Show(v)))
	}
	if len(text) > shown {
		return string(text[:shown]) + "…"
	}
	return string(text)
}
