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
// effect by itself: their numbers add up instead of multiplying.
type Explorer struct {
	Bound int // 0: the standard

	queue  []*Trace // still to be executed, those with the fewest unlikely arms first
	traces []*Trace
	seen   map[string]bool
}

// Next returns the trace for the next execution to fill; nil when there is
// nothing more to explore, or too much.
func (e *Explorer) Next() *Trace {
	if e.seen == nil {
		e.seen = map[string]bool{}
		e.queue = []*Trace{newArm(nil, "")}
	}
	bound := e.Bound
	if bound == 0 {
		bound = Bound
	}
	if len(e.queue) == 0 || len(e.traces) >= bound {
		return nil
	}
	t := e.queue[0]
	e.queue = e.queue[1:]
	return t
}

// Done takes a trace that Next gave out and an execution has filled.
func (e *Explorer) Done(t *Trace) {
	e.traces = append(e.traces, t)
	at := t.coordinates()
	keys := slices.Collect(maps.Keys(at))
	sort.Slice(keys, func(i, j int) bool { return less(at[keys[i]][0], at[keys[j]][0]) })
	for _, key := range keys {
		if _, ok := t.forced[key]; ok || t.pivot != "" && !follows(at[key], at[t.pivot]) {
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

func (e *Explorer) add(t *Trace, key string, choice int) {
	forced := map[string]int{key: choice}
	maps.Copy(forced, t.forced)
	if id := fmt.Sprint(forced); !e.seen[id] { // maps are printed in the order of their keys
		e.seen[id] = true
		e.queue = append(e.queue, newArm(forced, key))
	}
}

func newArm(forced map[string]int, pivot string) *Trace {
	t := NewTrace()
	t.explores, t.forced, t.pivot = true, forced, pivot
	return t
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
