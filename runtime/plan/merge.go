package plan

import (
	"slices"
	"sort"
	"strings"
)

// merger makes one tree of traces. They agree until a decision of which they
// took different arms.
type merger struct{}

// branch merges what traces know of the branch at path.
func (m merger) branch(path string, traces []*Trace, decided keys) *Node {
	return &Node{Path: path, Steps: m.steps(path, 0, traces, decided)}
}

// keys are those of decisions that were made on the way: for them there is one
// answer by now.
type keys []string

func (k keys) with(key string) keys { return append(k[:len(k):len(k)], key) }

// steps merges the entries of a branch from index i on.
func (m merger) steps(path string, i int, traces []*Trace, decided keys) []Step {
	steps := []Step{}
	for ; ; i++ {
		if !agree(path, i, traces) {
			return append(steps, m.elsewhere(path, i, traces, decided)...)
		}
		entries := traces[0].branches[path]
		if i >= len(entries) {
			return steps
		}
		e := entries[i]
		switch {
		case e.item != nil:
			steps = append(steps, Step{Effect: e.item})
		case e.stops != "":
			steps = append(steps, Step{Stops: e.stops})
		case e.fails != "":
			steps = append(steps, Step{Fails: e.fails})
		case e.children != "":
			steps = append(steps, m.children(e.children, traces, decided))
		case !slices.Contains(decided, e.decision.Key):
			return append(steps, m.fork(path, i, traces, *e.decision, "", decided)...)
		}
	}
}

func (m merger) children(paths string, traces []*Trace, decided keys) Step {
	var nodes []*Node
	for _, path := range strings.Fields(paths) {
		nodes = append(nodes, m.branch(path, traces, decided))
	}
	sort.Slice(nodes, func(i, j int) bool { return number(nodes[i].Path) < number(nodes[j].Path) })
	return Step{Branches: nodes}
}

// fork makes the arms of a decision. branch says where it was made, if that is
// elsewhere.
func (m merger) fork(path string, i int, traces []*Trace, d Decision, branch string, decided keys) []Step {
	f := &Fork{Question: d.Question, Op: d.Op, Position: d.Position, Branch: branch}
	if branch == "" {
		i++ // its own decision is not in the arms
	}
	first := traces[0].made[d.Key]
	for n := range d.Arms {
		choice := (first.Choice + n) % d.Arms // the likely one first
		arm := &Arm{Answer: answer(d, choice), Likely: first.Likely && choice == first.Choice, Unexplored: true, Steps: []Step{}}
		var taken []*Trace
		for _, t := range traces {
			if made, ok := t.made[d.Key]; ok && made.Choice == choice {
				taken = append(taken, t)
			}
		}
		if len(taken) > 0 {
			arm.Unexplored, arm.Steps = false, m.steps(path, i, taken, decided.with(d.Key))
		}
		f.Arms = append(f.Arms, arm)
	}
	if !first.Likely { // nobody plans to fail
		sort.SliceStable(f.Arms, func(i, j int) bool { return !f.Arms[i].fails() && f.Arms[j].fails() })
	}
	return []Step{{Decision: f}}
}

// fails reports whether an arm ends in a failure, whatever is decided in it.
func (a *Arm) fails() bool {
	if len(a.Steps) == 0 {
		return false
	}
	last := a.Steps[len(a.Steps)-1]
	if f := last.Decision; f != nil {
		return !slices.ContainsFunc(f.Arms, func(a *Arm) bool { return !a.fails() })
	}
	return last.Fails != ""
}

// elsewhere finds the decision in another branch after which the traces go
// different ways.
func (m merger) elsewhere(path string, i int, traces []*Trace, decided keys) []Step {
	at := traces[0].coordinates()
	var differing keys
	for key := range at {
		for _, t := range traces[1:] {
			if made, ok := t.made[key]; ok && made.Choice != traces[0].made[key].Choice {
				differing = append(differing, key)
				break
			}
		}
	}
	sort.Slice(differing, func(a, b int) bool { return less(at[differing[a]][0], at[differing[b]][0]) })
	if len(differing) == 0 { // the world has changed in between: the first one counts
		return m.steps(path, i, traces[:1], decided)
	}
	d := traces[0].made[differing[0]]
	return m.fork(path, i, traces, d, madeIn(traces[0], differing[0]), decided)
}

func madeIn(t *Trace, key string) string {
	for path, entries := range t.branches {
		for _, e := range entries {
			if e.decision != nil && e.decision.Key == key {
				return path
			}
		}
	}
	return ""
}

func answer(d Decision, choice int) string {
	if d.Arms == 3 {
		return [...]string{"none", "one", "more"}[choice]
	}
	return [...]string{"no", "yes"}[choice]
}

// agree reports whether all traces have the same entry at index i of a branch. A
// decision is the same whatever was chosen.
func agree(path string, i int, traces []*Trace) bool {
	first := traces[0].branches[path]
	for _, t := range traces[1:] {
		other := t.branches[path]
		if (i < len(first)) != (i < len(other)) || i < len(first) && !same(first[i], other[i]) {
			return false
		}
	}
	return true
}

func same(a, b entry) bool {
	switch {
	case a.item != nil:
		return b.item != nil && a.item.identity() == b.item.identity()
	case a.decision != nil:
		return b.decision != nil && a.decision.Key == b.decision.Key
	}
	return a == b
}

// identity is the item without what was predicted: with branches beside each
// other, that may depend on which of them came first.
func (item *Item) identity() Item {
	return Item{
		Place: item.Place, Kind: item.Kind, Write: item.Write, Description: item.Description, Position: item.Position,
		Repeats: item.Repeats, Key: item.Key,
	}
}
