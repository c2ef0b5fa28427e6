package door

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

// Comparison follows an edited script along the journal of its run, as far as the
// journal goes. What the journal has is answered by it; reads that it does not
// have are made, and writes are planned, as in check mode.
//
// The order of a branch tells which recorded effect the script asks for: the next
// one with the same content key, else one that was passed over before.
type Comparison struct {
	Restore func(*journal.Effect) (effect.Performer, error) // makes a recorded effect again
	Decl    func(kind string) *effect.Decl                  // nil for a kind that scripts do not have

	forced   map[string]int // which old branch a new one is, by its path; which old fork, by its place
	lines    map[string]*line
	order    []*line
	families []*family
	loose    map[*journal.Effect]string
	passed   map[string]map[int64]bool // resources of writes that were passed over, by those
	moves    []journal.Move
	reads    []madeRead
	dropped  []int64 // reads that are made again

	ahead  *Ahead // what this comparison finds by going past where the run has stopped; nil when it does not
	beyond *Ahead // what another one has found so
}

// madeRead is a read that the comparison has made.
type madeRead struct {
	rec       *journal.Effect
	resources []string
}

// StartComparison begins a comparison. ended says that the run had come to its end;
// known is what earlier comparisons have found out.
func (d *Door) StartComparison(ended bool, known Known, restore func(*journal.Effect) (effect.Performer, error), decl func(string) *effect.Decl) {
	root := &line{path: "0", next: 1, ended: ended, assigned: true}
	root.follow(oldTree(d.Past))
	d.Compare = &Comparison{
		Restore: restore, Decl: decl, forced: known.Branches, beyond: known.Beyond, lines: map[string]*line{"0": root}, order: []*line{root},
		loose: map[*journal.Effect]string{}, passed: map[string]map[int64]bool{},
	}
	if known.GoAhead {
		d.Compare.ahead = &Ahead{found: map[int64]bool{}}
	}
}

// Unlike returns what to force in another comparison, because branches were left
// over on both sides; nil for nothing.
func (d *Door) Unlike() map[string]int {
	c := d.Compare
	found := false
	forced := map[string]int{}
	for path, i := range c.forced {
		forced[path] = i
	}
	for _, l := range c.order {
		for place, i := range l.unlikeForks() {
			if known, ok := forced[place]; !ok || known != i { // else it cannot be that one
				forced[place], found = i, true
			}
		}
	}
	for _, f := range c.families {
		for path, i := range f.unlike(d) {
			forced[path], found = i, true
		}
	}
	if !found {
		return nil
	}
	return forced
}

// compare is what a comparison does instead of acting.
func (d *Door) compare(s *site) (starlark.Value, error) {
	c := d.Compare
	s.pos = s.caller.Position()
	if s.branch.Context().Err() != nil {
		return nil, context.Cause(s.branch.Context())
	}
	l := c.lines[s.branch.Path]
	l.next = ordinal(s.place) + 1
	if u := s.call.Unknown; u != nil {
		l.assign(c.forced)
		if l.remains() {
			return nil, c.stop(l, s, "what comes next depends on %s", u.Text)
		}
		return d.unrecorded(l, s)
	}
	if err := d.identify(s); err != nil {
		return nil, named(err, s.call, s.place)
	}
	exact := func(rec *journal.Effect) bool {
		return rec.Kind == s.call.Decl.Kind && string(rec.Key) == string(s.key)
	}
	loose := d.alike(s)
	l.assign(c.forced, exact, loose)
	passed := func(i int) bool { return !c.crosses(d, l, i, d.resources(s.call.Do, d.planEnv(s))) }
	i := l.find(exact, passed)
	renamed := i < 0
	if renamed {
		i = l.find(loose, passed)
	}
	if i < 0 {
		return d.unrecorded(l, s)
	}
	rec := l.old.recs[i]
	if moved := i < l.cursor; moved {
		c.unpass(rec)
	} else {
		c.pass(d, l, i)
	}
	if why := d.affected(s); why != "" {
		return d.again(l, s, i, why)
	}
	return d.found(l, s, i, renamed)
}

// found answers an effect that the journal has.
func (d *Door) found(l *line, s *site, i int, renamed bool) (starlark.Value, error) {
	c := d.Compare
	rec := l.old.recs[i]
	l.used[i] = true
	st := step{old: i, gap: l.cursor, moved: i < l.cursor, renamed: renamed, diff: d.difference(Same, s, rec)}
	switch {
	case st.moved:
		st.diff.Why = "in another order"
	case renamed:
		st.diff.Why = "the functions that lead to it have other names"
	}
	l.cursor = max(l.cursor, i+1)
	l.steps = append(l.steps, st)
	c.ahead.find(rec)
	m := journal.Move{Seq: rec.Seq, From: rec.Place, Place: s.place, Pos: s.pos, Description: d.Run.Secrets.Redact(s.call.Describe())}
	if renamed {
		m.Key = s.key
	}
	c.moves = append(c.moves, m)
	switch rec.Status {
	case journal.Done, journal.Assumed, journal.Skipped:
		return d.Codec.Decode(rec.Result)
	case journal.Caught, journal.Erred:
		return nil, d.decodeFault(rec.Result, false)
	}
	if l.settled {
		return nil, branch.ErrSibling
	}
	if c.ahead != nil && rec.Write {
		return d.planAhead(s)
	}
	return nil, c.pause(l, s, true, "it is in doubt whether %s %s happened", rec.Kind, rec.Description)
}

// unrecorded goes on after an effect that the journal does not have.
func (d *Door) unrecorded(l *line, s *site) (starlark.Value, error) {
	c := d.Compare
	if l.settled {
		l.next--
		return nil, branch.ErrSibling
	}
	// A branch that may turn out to be one of the old ones is followed a little.
	if !l.ended && !l.remains() && c.ahead == nil && !(l.old == nil && l.fam.candidates() && len(l.steps) < lookahead) {
		return nil, d.edge(l, s)
	}
	if s.call.Decl.Kind == effect.KindPause {
		return nil, c.stop(l, s, "what comes next depends on what is found after a pause")
	}
	return d.insert(l, s, step{old: -1, gap: l.cursor, key: s.key, call: s.call, args: s.args, diff: d.difference(Inserted, s, nil)})
}

// lookahead is how many effects of a branch that begins like none of the old ones
// are looked at, to find the one that it is.
const lookahead = 32

// again goes on after an effect that the journal has, and that has to be made
// again because what it looks at, or changes, is going to be another thing.
func (d *Door) again(l *line, s *site, i int, why string) (starlark.Value, error) {
	rec := l.old.recs[i]
	l.used[i] = true
	st := step{old: i, gap: l.cursor, key: s.key, call: s.call, args: s.args, diff: d.difference(Again, s, rec)}
	st.diff.Why = why
	l.cursor = max(l.cursor, i+1)
	if !rec.Write {
		d.Compare.dropped = append(d.Compare.dropped, rec.Seq)
	}
	return d.insert(l, s, st)
}

// insert makes a read, or plans a write.
func (d *Door) insert(l *line, s *site, st step) (v starlark.Value, err error) {
	if err := d.Budget.Effect(); err != nil {
		return nil, err
	}
	if err := d.guarded(s, nil); err != nil {
		return nil, named(err, s.call, s.place)
	}
	item := plan.Item{}
	if s.call.Decl.Mode == effect.Write {
		s.branch.Planned++
		_, traceless := s.call.Do.(effect.Traceless)
		v, err = d.planWrite(s, &item)
		d.planned.Store(true)
		st.diff.Ask = !traceless && s.call.Decl.Kind != effect.KindOnRollback
		st.diff.Diff = item.Diff
	} else if v, err = d.planRead(s, &item); err == nil && !d.planned.Load() && len(d.Compare.passed) == 0 {
		v, err = d.keepRead(s, v)
	}
	if err != nil {
		return nil, named(err, s.call, s.place)
	}
	if item.Depends != "" {
		st.diff.Why = "depends on " + item.Depends
	}
	l.steps = append(l.steps, st)
	return v, nil
}

// keepRead keeps a read for the journal: what was compared is then what the run
// goes on with.
func (d *Door) keepRead(s *site, v starlark.Value) (starlark.Value, error) {
	result, err := d.Codec.Encode(v)
	if err != nil { // it has unknown parts
		return v, nil //nolint:nilerr // the run makes it again
	}
	rec, err := d.newRecord(s)
	if err != nil {
		return nil, err
	}
	rec.Ended, rec.Attempts, rec.Result, rec.Status, rec.Done = d.Now(), 1, result, journal.Done, d.done.Add(1)
	d.Compare.reads = append(d.Compare.reads, madeRead{rec, d.resources(s.call.Do, d.planEnv(s))})
	return d.Codec.Decode(result)
}

// edge ends a branch where its journal does: from here on it acts.
func (d *Door) edge(l *line, s *site) error {
	if l.old != nil && l.old.failed != nil && l.old.failed.Kind == s.call.Decl.Kind {
		rec := l.old.failed
		if string(rec.Key) != string(s.key) { // the end finds out whether it stands for the other
			l.steps = append(l.steps, step{old: -1, gap: l.cursor, key: s.key, call: s.call, args: s.args, diff: d.difference(Inserted, s, nil)})
			l.atEdge = true
			return d.Compare.pause(l, s, false, "the journal ends here")
		}
		d.Compare.moves = append(d.Compare.moves, journal.Move{
			Seq: rec.Seq, From: rec.Place, Place: s.place, Key: s.key, Pos: s.pos, Description: d.Run.Secrets.Redact(s.call.Describe()),
		})
		l.old.failed = nil
		return d.Compare.pause(l, s, true, "the journal ends here")
	}
	l.atEdge = true
	return d.Compare.pause(l, s, false, "the journal ends here")
}

// stop ends a branch where the comparison cannot follow it, though its journal
// goes on: the rest is compared when the run has come here.
func (c *Comparison) stop(l *line, s *site, format string, args ...any) error {
	l.why = fmt.Sprintf(format, args...)
	return c.pause(l, s, false, format, args...)
}

// pause ends a branch, and those that it is part of, at an effect. What is left
// of the old branch comes where the new one has stopped; taken says that the
// journal has something for that very place.
func (c *Comparison) pause(l *line, s *site, taken bool, format string, args ...any) error {
	c.ahead.cut(format, args...)
	if !taken {
		l.next--
	}
	for path := l.path; ; {
		c.lines[path].stopped = true
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			break
		}
		path = path[:i]
	}
	return suspended(s, format, args...)
}

// endedEarly notes that a branch depends on what nobody knows.
func (c *Comparison) endedEarly(path, why string) {
	l := c.lines[path]
	l.assign(c.forced)
	l.stopped, l.why = true, why
}

// compareFork is Fork for a comparison.
func (d *Door) compareFork(b *branch.Branch, f branch.Fork, rec *journal.Effect, fn string, n int) (branch.Fork, error) {
	c := d.Compare
	l := c.lines[b.Path]
	l.next = ordinal(f.Place) + 1
	exact := func(old *journal.Effect) bool {
		return old.Kind == effect.KindFork && string(old.Key) == string(rec.Key)
	}
	named := func(old *journal.Effect) bool { return old.Kind == effect.KindFork && forkFunction(old) == fn }
	counted := func(old *journal.Effect) bool { return old.Kind == effect.KindFork && forkItems(old) == n }
	l.assign(c.forced, exact, named, counted)
	passed := func(i int) bool { return !c.crosses(d, l, i, c.reaches(d, l.old, l.old.recs[i])) }
	i, ok := c.forced[f.Place]
	for _, same := range []func(*journal.Effect) bool{exact, named, counted} {
		if ok && l.forkAt(i) && (i >= l.cursor || passed(i)) {
			break
		}
		if i = l.find(same, passed); i >= 0 {
			break
		}
	}
	fam := &family{parent: l}
	if i < 0 {
		s := &site{branch: b, place: f.Place, call: &effect.Call{Decl: &effect.Decl{Kind: effect.KindFork}}}
		switch {
		case l.settled:
			l.next--
			return f, branch.ErrSibling
		case !l.ended && !l.remains() && c.ahead == nil:
			l.atEdge = true
			return f, c.pause(l, s, false, "the journal ends here")
		}
		fam.ended, fam.place = true, f.Place
		l.steps = append(l.steps, step{old: -1, gap: l.cursor, diff: Difference{
			Change: Inserted, Kind: effect.KindFork, Place: f.Place, Position: rec.Pos, Description: rec.Description,
		}})
	} else {
		f = d.foundFork(l, f, fam, i, rec)
	}
	for k := range n {
		child := &line{path: childPath(l.path, l.children), fam: fam, index: k, next: 1, ended: fam.ended, settled: fam.settled}
		l.children++
		fam.lines = append(fam.lines, child)
		c.lines[child.path] = child
		c.order = append(c.order, child)
	}
	c.families = append(c.families, fam)
	return f, nil
}

func (d *Door) foundFork(l *line, f branch.Fork, fam *family, i int, rec *journal.Effect) branch.Fork {
	c := d.Compare
	old := l.old.recs[i]
	if i >= l.cursor {
		c.pass(d, l, i)
	}
	l.used[i] = true
	c.ahead.find(old)
	fam.rec, fam.olds = old, l.old.children[old]
	fam.taken = make([]bool, len(fam.olds))
	fam.ended, fam.settled = old.Status == journal.Done, l.settled || old.Status == journal.Caught
	diff := Difference{Change: Same, Kind: effect.KindFork, Place: f.Place, OldPlace: old.Place, Position: rec.Pos, OldPosition: old.Pos, Description: rec.Description}
	l.steps = append(l.steps, step{old: i, gap: l.cursor, moved: i < l.cursor, diff: diff})
	l.cursor = max(l.cursor, i+1)
	c.moves = append(c.moves, journal.Move{Seq: old.Seq, From: old.Place, Place: f.Place, Key: rec.Key, Pos: rec.Pos, Description: rec.Description})
	switch {
	case old.Status == journal.Caught, l.settled && old.Status == journal.Erred:
		f.Closed, f.Err = true, d.decodeFault(old.Result, true)
	case l.settled && old.Status != journal.Done:
		f.Closed, f.Err = true, branch.ErrSibling
	}
	return f
}

// alike finds effects that differ from s in the names of functions at most.
func (d *Door) alike(s *site) func(*journal.Effect) bool {
	mine := ""
	return func(rec *journal.Effect) bool {
		if rec.Kind != s.call.Decl.Kind {
			return false
		}
		if mine == "" {
			args, err := d.stored(s.args)
			if err != nil {
				return false
			}
			mine = d.arguments(s.call.Decl, args)
		}
		return mine != "" && mine == d.recordArguments(rec)
	}
}

// recordArguments are the arguments that identify a recorded effect; "" when they
// cannot be read.
func (d *Door) recordArguments(rec *journal.Effect) string {
	c := d.Compare
	text, known := c.loose[rec]
	if known {
		return text
	}
	if decl := c.Decl(rec.Kind); decl != nil && d.Record.Details(rec) == nil {
		text = d.arguments(decl, rec.Args)
	}
	c.loose[rec] = text
	return text
}

// arguments are the arguments that identify an effect, in their order; "" when
// they cannot be read.
func (d *Door) arguments(decl *effect.Decl, stored []byte) string {
	v, err := d.Codec.Decode(stored)
	dict, ok := v.(*starlark.Dict)
	if err != nil || !ok {
		return ""
	}
	plain := codec.Codec{}
	buf := []byte("(")
	add := func(name string) {
		v, found, _ := dict.Get(starlark.String(name))
		if !found || err != nil {
			return
		}
		if buf, err = plain.Append(buf, starlark.String(name)); err == nil {
			buf, err = plain.Append(buf, v)
		}
	}
	for i, name := range decl.Params {
		if !decl.Tuning[i] {
			add(name)
		}
	}
	for _, name := range optionNames {
		add(name)
	}
	if err != nil {
		return ""
	}
	return string(buf)
}

var optionNames = []string{"_sudo", "_user", "_env", "_cwd", "_once"}

// resources are what an effect looks at or changes.
func (d *Door) resources(do effect.Performer, env *effect.Env) []string {
	var all []string
	if t, ok := do.(effect.Toucher); ok {
		all = t.Touches(env)
	}
	if l, ok := do.(effect.Looker); ok {
		all = append(all, l.Looks(env)...)
	}
	return all
}

// affected says which resource of s an edit changes before it; "" for none.
func (d *Door) affected(s *site) string {
	return d.changedBefore(d.resources(s.call.Do, d.planEnv(s)), nil)
}

// changedBefore says which of the resources an edit changes, but for what rec does.
func (d *Door) changedBefore(resources []string, rec *journal.Effect) string {
	for _, mine := range resources {
		for theirs, by := range d.Compare.passed {
			if rec != nil && len(by) == 1 && by[rec.Seq] {
				continue
			}
			if overlap(mine, theirs) {
				return d.resourceName(theirs) + " is another one by then"
			}
		}
		found := ""
		d.Run.Planned.Range(func(theirs string, v starlark.Value) {
			if v == starlark.None && theirs != mine {
				return // a directory, which says nothing of what is in it
			}
			if overlap(mine, theirs) {
				found = theirs
			}
		})
		if found != "" {
			return d.resourceName(found) + " is another one by then"
		}
	}
	return ""
}

// resourceName is how people call a resource.
func (d *Door) resourceName(resource string) string {
	_, name, _ := strings.Cut(resource, ":")
	return strings.TrimPrefix(name, filepath.Dir(d.Run.State)+"/")
}

// overlap reports whether one resource is, or is within, the other.
func overlap(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// pass notes that the script came by the writes before the recorded effect i
// without asking for them: they may be gone.
func (c *Comparison) pass(d *Door, l *line, i int) {
	for k := l.cursor; k < i; k++ {
		if rec := l.old.recs[k]; !l.used[k] && rec.Write {
			c.passBy(d, rec)
		}
	}
}

func (c *Comparison) passBy(d *Door, rec *journal.Effect) {
	for _, r := range c.touches(d, rec) {
		if c.passed[r] == nil {
			c.passed[r] = map[int64]bool{}
		}
		c.passed[r][rec.Seq] = true
	}
}

// unpass takes back that a write was passed.
func (c *Comparison) unpass(rec *journal.Effect) {
	for r, by := range c.passed {
		if delete(by, rec.Seq); len(by) == 0 {
			delete(c.passed, r)
		}
	}
}

// crosses reports whether the recorded effect i, which concerns the resources
// mine, cannot change places with those that came after it and that the script
// asked for before it.
func (c *Comparison) crosses(d *Door, l *line, i int, mine []string) bool {
	for k := i + 1; k < l.cursor; k++ {
		if !l.used[k] || !l.old.writes(l.old.recs[i]) && !l.old.writes(l.old.recs[k]) {
			continue
		}
		for _, theirs := range c.reaches(d, l.old, l.old.recs[k]) {
			for _, r := range mine {
				if overlap(r, theirs) {
					return true
				}
			}
		}
	}
	return false
}

// reaches are the resources of a recorded effect, or of all in the branches that
// it made.
func (c *Comparison) reaches(d *Door, o *oldBranch, rec *journal.Effect) []string {
	if rec.Kind != effect.KindFork {
		return c.touches(d, rec)
	}
	var all []string
	for _, child := range o.children[rec] {
		for _, e := range child.all() {
			all = append(all, c.reaches(d, child, e)...)
		}
	}
	return all
}

// touches are the resources of a recorded effect, as far as they can be told.
func (c *Comparison) touches(d *Door, rec *journal.Effect) []string {
	do, err := c.Restore(rec)
	if err != nil {
		return nil // no builtin: a mark of the runtime itself
	}
	return d.resources(do, d.recordedEnv(rec))
}

func (d *Door) recordedEnv(rec *journal.Effect) *effect.Env {
	return &effect.Env{Run: d.Run, Place: rec.Place, Origin: rec.Origin, Options: effect.NoOptions, Begun: rec.Begun}
}

// Planned reports whether a write was planned: what the script finds after it may
// be wrong, and so may be a failure that comes of it.
func (d *Door) Planned() bool { return d.planned.Load() }
