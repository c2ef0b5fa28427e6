package plan

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Bound is how many arms a plan explores before it says that there are more.
const Bound = 64

// Explorer chooses the arms that are explored. Decisions that follow each other
// are combined; those of branches that run side by side are not, as each has its
// effect by itself: their numbers add up instead of multiplying. Where what comes
// after the branches may depend on what they returned, those are combined last.
type Explorer struct {
	Bound int // 0: the standard
	// Likely are the arms that are likely, by the keys of decisions, in place of
	// those of earlier runs; nil for these.
	Likely map[string]int

	queue   []*Trace // still to be executed, those with the fewest unlikely arms first
	traces  []*Trace
	seen    map[string]bool
	telling map[string]bool // decisions that change what their branch returns; nil: not known yet
}

// Next returns the trace for the next execution to fill; nil when there is
// nothing more to explore, or too much.
func (e *Explorer) Next() *Trace {
	if e.seen == nil {
		e.seen = map[string]bool{}
		e.queue = []*Trace{e.newArm(nil, "")}
	}
	bound := e.Bound
	if bound == 0 {
		bound = Bound
	}
	if len(e.queue) == 0 && e.telling == nil {
		e.combine()
	}
	if len(e.queue) == 0 || len(e.traces) >= bound {
		return nil
	}
	t := e.queue[0]
	e.queue = e.queue[1:]
	return t
}

// Again returns a trace for a second execution of the likely arms, in place of
// one that was not Done.
func (e *Explorer) Again() *Trace { return e.newArm(nil, "") }

// Done takes a trace that Next gave out and an execution has filled.
func (e *Explorer) Done(t *Trace) {
	e.traces = append(e.traces, t)
	e.follow(t)
}

// follow asks for the other arms of the decisions of a trace that come after the
// one that it was made for.
func (e *Explorer) follow(t *Trace) {
	at := t.coordinates()
	keys := slices.Collect(maps.Keys(at))
	sort.Slice(keys, func(i, j int) bool { return less(at[keys[i]][0], at[keys[j]][0]) })
	for _, key := range keys {
		if _, ok := t.forced[key]; ok || t.pivot != "" && !follows(at[key], at[t.pivot]) && !e.beside(t, key, at) {
			continue
		}
		d := t.made[key]
		for choice := range d.Arms {
			if choice != d.Choice {
				e.add(t, key, choice)
			}
		}
	}
}

// beside reports whether a decision in another branch than the pivot has to be
// combined with it.
func (e *Explorer) beside(t *Trace, key string, at map[string][]coordinate) bool {
	return e.telling[key] && e.telling[t.pivot] && len(at[t.pivot]) > 0 &&
		!follows(at[t.pivot], at[key]) && less(at[t.pivot][0], at[key][0])
}

// combine finds the decisions that change what their branch returns: what comes
// after the branches may depend on any combination of them.
func (e *Explorer) combine() {
	e.telling = map[string]bool{}
	for _, t := range e.traces {
		if len(t.forced) != 1 {
			continue
		}
		for path := madeIn(t, t.pivot); strings.Contains(path, "."); path = path[:strings.LastIndexByte(path, '.')] {
			e.telling[t.pivot] = e.telling[t.pivot] || t.results[path] != e.traces[0].results[path]
		}
	}
	for _, t := range e.traces {
		if t.pivot != "" {
			e.follow(t)
		}
	}
}

func (e *Explorer) add(t *Trace, key string, choice int) {
	forced := map[string]int{key: choice}
	maps.Copy(forced, t.forced)
	if id := fmt.Sprint(forced); !e.seen[id] { // maps are printed in the order of their keys
		e.seen[id] = true
		e.queue = append(e.queue, e.newArm(forced, key))
	}
}

func (e *Explorer) newArm(forced map[string]int, pivot string) *Trace {
	t := NewTrace()
	t.explores, t.forced, t.pivot, t.likely = true, forced, pivot, e.Likely
	return t
}

// Answers are the arms that earlier runs made likely, for [Explorer.Likely].
func (e *Explorer) Answers() map[string]int {
	answers := map[string]int{}
	for _, t := range e.traces {
		for key, d := range t.made {
			if _, forced := t.forced[key]; d.Likely && !forced {
				answers[key] = d.Choice
			}
		}
	}
	return answers
}

// Plan returns the plan of what was explored.
func (e *Explorer) Plan() *Plan {
	p := Of(e.traces...)
	p.left = len(e.queue)
	return p
}

// A coordinate is where in a run something is: an index into the entries of the
// main line; for what is in a branch, that of its fork, the number of the
// branch, and an index into its entries; and so on.
type coordinate []int

// coordinates returns where each decision was made.
func (t *Trace) coordinates() map[string][]coordinate {
	at := map[string][]coordinate{}
	t.walk("0", nil, func(c coordinate, e entry) {
		if e.decision != nil {
			at[e.decision.Key] = append(at[e.decision.Key], c)
		}
	})
	return at
}

func (t *Trace) walk(path string, above coordinate, visit func(coordinate, entry)) {
	for i, e := range t.branches[path] {
		here := append(above[:len(above):len(above)], i)
		visit(here, e)
		for n, child := range strings.Fields(e.children) {
			t.walk(child, append(here[:len(here):len(here)], n), visit)
		}
	}
}

func less(a, b coordinate) bool { return slices.Compare(a, b) < 0 }

// follows reports whether something at one of as comes after something at one of
// bs, and not beside it.
func follows(as, bs []coordinate) bool {
	for _, a := range as {
		for _, b := range bs {
			if follow(a, b) {
				return true
			}
		}
	}
	return false
}

func follow(a, b coordinate) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i%2 == 0 && a[i] > b[i] // an odd index numbers branches
		}
	}
	return len(a) > len(b)
}

// number is the last part of the path of a branch.
func number(path string) int {
	n, _ := strconv.Atoi(path[strings.LastIndexByte(path, '.')+1:])
	return n
}
