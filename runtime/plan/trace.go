package plan

import (
	"strings"
	"sync"
)

// Trace is what one execution in check mode came to: for every branch, in order,
// its effects, its decisions and the branches that it made. It is filled by
// several branches at once; read it when they have ended.
type Trace struct {
	explores bool           // it is one of several: decisions are taken
	forced   map[string]int // the arms to take, by Decision.Key
	pivot    string         // the last decision that was forced; "" for the likely arms

	mu       sync.Mutex
	branches map[string][]entry
	made     map[string]Decision // by Key
	again    map[string]int      // by branch: how many loops it is in the second pass of
	results  map[string]string   // by branch: a text that tells what it returned from other values
	likely   map[string]int      // arms that are likely, by Key, whatever earlier runs did; nil: as those did
}

// entry is one thing that happens in a branch: exactly one field is set.
type entry struct {
	item     *Item
	decision *Decision
	children string // paths of the branches that were made, separated by spaces
	stops    string
	fails    string
}

// Decision is a choice that only the run can make.
type Decision struct {
	Key      string // tells what is decided on; the same is decided once
	Question string
	Op       string
	Position string
	Arms     int  // how many there are: 2 for a condition, 3 for a loop
	Choice   int  // the arm that was taken
	Likely   bool // because an earlier run went that way
}

// NewTrace returns an empty trace of an execution that ends where it cannot
// decide. Those of an [Explorer] go on.
func NewTrace() *Trace {
	return &Trace{branches: map[string][]entry{}, made: map[string]Decision{}, again: map[string]int{}, results: map[string]string{}}
}

func (t *Trace) add(path string, e entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.branches[path] = append(t.branches[path], e)
}

// Add adds an effect to the branch at path.
func (t *Trace) Add(path string, item Item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := path; ; p = p[:strings.LastIndexByte(p, '.')] {
		item.Repeats = item.Repeats || t.again[p] > 0
		if !strings.Contains(p, ".") {
			break
		}
	}
	t.branches[path] = append(t.branches[path], entry{item: &item})
}

// Fork notes that the branch at path makes branches.
func (t *Trace) Fork(path string, children []string) {
	if len(children) > 0 {
		t.add(path, entry{children: strings.Join(children, " ")})
	}
}

// Join notes what branches returned.
func (t *Trace) Join(paths, results []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, path := range paths {
		if i < len(results) {
			t.results[path] = results[i]
		}
	}
}

// Stop notes why the plan does not follow the branch at path to its end.
func (t *Trace) Stop(path, why string) { t.add(path, entry{stops: why}) }

// Fail notes how the branch at path would fail.
func (t *Trace) Fail(path, how string) { t.add(path, entry{fails: how}) }

// Decide takes a decision in the branch at path: the arm that the trace is to
// explore, else the one that d.Choice calls likely.
func (t *Trace) Decide(path string, d Decision) (choice int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.likely != nil {
		likely, ok := t.likely[d.Key]
		if d.Likely = ok; ok && likely < d.Arms {
			d.Choice = likely
		}
	}
	if before, ok := t.made[d.Key]; ok { // it is known by now
		d.Choice, d.Likely = before.Choice, before.Likely
	} else if forced, ok := t.forced[d.Key]; ok {
		d.Choice, d.Likely = forced, d.Likely && forced == d.Choice
	}
	t.made[d.Key] = d
	t.branches[path] = append(t.branches[path], entry{decision: &d})
	return d.Choice
}

// Pass notes that a loop over something unknown begins its nth pass in the
// branch at path, or, with 0, that it has ended after was passes.
func (t *Trace) Pass(path string, n, was int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case n == 2:
		t.again[path]++
	case n == 0 && was >= 2:
		t.again[path]--
	}
}

// Explores reports whether decisions are taken.
func (t *Trace) Explores() bool { return t.explores }

// maxDecisions bounds what one execution may decide: a plan with more is of no
// use to anybody.
const maxDecisions = 300

// Full reports whether the execution has taken as many decisions as one may.
func (t *Trace) Full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.made) >= maxDecisions
}

// Forks reports whether the execution made branches.
func (t *Trace) Forks() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.results) > 0
}

// Decided reports whether the execution came to a decision.
func (t *Trace) Decided() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.made) > 0
}
