package door

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// oldBranch is a branch of a run as the journal has it.
type oldBranch struct {
	recs     []*journal.Effect // in their order
	failed   *journal.Effect   // what stopped it; it is going to be tried again
	children map[*journal.Effect][]*oldBranch
}

// first is the first effect of the branch; nil when it has none.
func (o *oldBranch) first() *journal.Effect {
	if len(o.recs) > 0 {
		return o.recs[0]
	}
	return o.failed
}

// all is every effect of the branch itself.
func (o *oldBranch) all() []*journal.Effect {
	if o.failed == nil {
		return o.recs
	}
	return append(slices.Clone(o.recs), o.failed)
}

// oldTree puts the effects of a run in the order of its branches.
func oldTree(p *Past) *oldBranch {
	byPath := map[string][]*journal.Effect{}
	for place, e := range p.byPlace {
		if place[0] == '0' { // not those of a rollback
			path, _, _ := strings.Cut(place, "#")
			byPath[path] = append(byPath[path], e)
		}
	}
	return oldBranchAt("0", byPath, false)
}

func oldBranchAt(path string, byPath map[string][]*journal.Effect, settled bool) *oldBranch {
	recs := byPath[path]
	slices.SortFunc(recs, func(a, b *journal.Effect) int { return ordinal(a.Place) - ordinal(b.Place) })
	o := &oldBranch{children: map[*journal.Effect][]*oldBranch{}}
	made := 0
	for _, e := range recs {
		if e.Kind != effect.KindFork && e.Status == journal.Erred && !settled {
			o.failed = e
			continue
		}
		o.recs = append(o.recs, e)
		if e.Kind != effect.KindFork {
			continue
		}
		under := settled || e.Status == journal.Caught
		for range forkItems(e) {
			o.children[e] = append(o.children[e], oldBranchAt(childPath(path, made), byPath, under))
			made++
		}
	}
	return o
}

// writes reports whether an effect changes something, or those in its branches do.
func (o *oldBranch) writes(rec *journal.Effect) bool {
	for _, child := range o.children[rec] {
		if slices.ContainsFunc(child.all(), child.writes) {
			return true
		}
	}
	return rec.Write
}

func childPath(path string, i int) string { return path + "." + strconv.Itoa(i) }

// forkItems is how many branches a fork made, which its description says.
func forkItems(e *journal.Effect) int {
	_, text, _ := cutLast(e.Description, " for ")
	n, _ := strconv.Atoi(strings.TrimSuffix(text, " items"))
	return n
}

func forkFunction(e *journal.Effect) string {
	fn, _, _ := cutLast(e.Description, " for ")
	return fn
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// line is a branch of the edited script, followed along an old one.
type line struct {
	path     string
	fam      *family
	index    int // within fam
	old      *oldBranch
	assigned bool // what old is has been decided
	used     []bool
	cursor   int // of old: what comes after everything that was found in order
	next     int // ordinal of the next effect
	children int // branches that it has made
	ended    bool
	settled  bool
	steps    []step
	stopped  bool   // it, or a branch that it made, was not followed to its end
	atEdge   bool   // because its journal ends there
	why      string // why it stopped where the journal goes on
	after    bool   // all of it comes after where the run has stopped
}

// step is an effect that the edited script asks for.
type step struct {
	old     int // index of the recorded effect; -1 for none
	gap     int // what the cursor was
	moved   bool
	renamed bool
	key     []byte // content key of a step that the journal does not have
	call    *effect.Call
	args    []byte
	failed  []byte // content key of the failed effect that it takes the place of
	diff    Difference
}

// family is the branches of one fork.
type family struct {
	rec     *journal.Effect // the fork in the journal; nil for one that is new
	place   string          // of one that is new
	parent  *line
	olds    []*oldBranch
	taken   []bool
	lines   []*line
	ended   bool
	settled bool
}

// remains reports whether the journal has more of the branch.
func (l *line) remains() bool {
	return l.old != nil && slices.Contains(l.used, false)
}

func (l *line) follow(o *oldBranch) {
	l.old, l.used = o, make([]bool, len(o.recs))
}

// assign decides which old branch a new one is: the one that begins alike.
func (l *line) assign(forced map[string]int, alike ...func(*journal.Effect) bool) {
	if l.assigned {
		return
	}
	l.assigned = true
	if l.fam == nil {
		return
	}
	take := func(i int) {
		l.fam.taken[i] = true
		l.follow(l.fam.olds[i])
	}
	if i, ok := forced[l.path]; ok && i < len(l.fam.olds) {
		take(i)
		return
	}
	free := func(i int, alike func(*journal.Effect) bool) bool {
		first := l.fam.olds[i].first()
		return !l.fam.taken[i] && first != nil && alike(first)
	}
	for _, alike := range alike {
		if l.index < len(l.fam.olds) && free(l.index, alike) {
			take(l.index)
			return
		}
		for i := range l.fam.olds {
			if free(i, alike) {
				take(i)
				return
			}
		}
	}
}

// find looks for a recorded effect: what comes next, then what was passed over.
func (l *line) find(same func(*journal.Effect) bool, passed func(i int) bool) int {
	if l.old == nil {
		return -1
	}
	for i := l.cursor; i < len(l.old.recs); i++ {
		if !l.used[i] && same(l.old.recs[i]) {
			return i
		}
	}
	for i := 0; i < l.cursor; i++ {
		if !l.used[i] && same(l.old.recs[i]) && passed(i) {
			return i
		}
	}
	return -1
}

// candidates reports whether there are old branches that nobody has taken.
func (f *family) candidates() bool {
	return f != nil && slices.Contains(f.taken, false)
}

// unlike pairs the branches of a fork that begin like none of the others: by how
// many effects they have in common, then, where there are as many as there were,
// by their number. It returns nil when there are none. Two that have nothing in
// common are better not taken for the same: what the old one did is then removed,
// which is shown.
func (f *family) unlike(d *Door) map[string]int {
	var lines []*line
	for _, l := range f.lines {
		if l.assigned && l.old == nil {
			lines = append(lines, l)
		}
	}
	pairs := map[string]int{}
	take := func(l *line, i int) {
		if _, ok := pairs[l.path]; !ok && i < len(f.olds) && !f.taken[i] && f.olds[i].first() != nil {
			pairs[l.path] = i
			f.taken[i] = true
		}
	}
	if len(lines) > 0 && f.candidates() {
		for _, loose := range []bool{false, true} {
			for _, p := range f.common(d, lines, loose) {
				take(p.line, p.old)
			}
		}
		if len(f.lines) == len(f.olds) {
			for _, l := range lines {
				take(l, l.index)
			}
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	for _, l := range f.lines {
		if l.old != nil {
			pairs[l.path] = slices.Index(f.olds, l.old)
		}
	}
	return pairs
}

// kinship is how much a branch has in common with an old one.
type kinship struct {
	line  *line
	old   int
	score int
}

// common finds the branches that have effects in common, closest first; loose
// leaves out the names of functions. What many branches have tells nothing.
func (f *family) common(d *Door, lines []*line, loose bool) []kinship {
	const many = 16
	decls := map[string]*effect.Decl{}
	wanted := map[*line]map[string]int{}
	for _, l := range lines {
		wanted[l] = map[string]int{}
		for _, st := range l.steps {
			if st.key == nil {
				continue
			}
			decls[st.diff.Kind] = st.call.Decl
			if !loose {
				wanted[l][st.diff.Kind+string(st.key)]++
			} else if args, err := d.stored(st.args); err == nil {
				wanted[l][st.diff.Kind+d.arguments(st.call.Decl, args)]++
			}
		}
	}
	having := map[string][]int{}
	for i, o := range f.olds {
		if f.taken[i] {
			continue
		}
		for _, rec := range o.all() {
			switch decl := decls[rec.Kind]; {
			case decl == nil:
			case !loose:
				having[rec.Kind+string(rec.Key)] = append(having[rec.Kind+string(rec.Key)], i)
			case d.Record.Details(rec) == nil:
				key := rec.Kind + d.arguments(decl, rec.Args)
				having[key] = append(having[key], i)
			}
		}
	}
	var all []kinship
	for _, l := range lines {
		scores := map[int]int{}
		for key := range wanted[l] {
			if olds := having[key]; len(olds) <= many {
				for _, i := range olds {
					scores[i]++
				}
			}
		}
		for i, n := range scores {
			all = append(all, kinship{l, i, n})
		}
	}
	slices.SortFunc(all, func(a, b kinship) int {
		return cmp.Or(b.score-a.score, a.line.index-b.line.index, a.old-b.old)
	})
	return all
}

// forkAt reports whether the recorded effect i is a fork that nothing has asked for.
func (l *line) forkAt(i int) bool {
	return l.old != nil && i >= 0 && i < len(l.used) && !l.used[i] && l.old.recs[i].Kind == effect.KindFork
}

// unlikeForks pairs the forks that neither have the function nor the number of
// branches of another one, in their order.
func (l *line) unlikeForks() map[string]int {
	pairs := map[string]int{}
	next := 0
	for _, st := range l.steps {
		if st.diff.Kind != effect.KindFork || st.old >= 0 {
			continue
		}
		for next < len(l.used) && !l.forkAt(next) {
			next++
		}
		if next == len(l.used) {
			break
		}
		pairs[st.diff.Place] = next
		next++
	}
	return pairs
}
