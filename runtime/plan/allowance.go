package plan

import (
	"encoding/json"
	"maps"
	"sort"
	"strings"
	"sync"
)

// Allowance is the writes that a plan has, in whichever arm. It is safe for
// concurrent use.
type Allowance struct {
	mu   sync.Mutex
	left map[write]int
}

// write tells writes apart: by their content key, or by the calls that lead to
// them when an argument was not known.
type write struct{ Kind, Key, Trail string }

// unlimited is the count of what a loop repeats.
const unlimited = 1 << 30

// Allowance returns the writes of the plan: of each as many as the arm has that
// has most of them.
func (p *Plan) Allowance() *Allowance {
	return &Allowance{left: count(p.root.Steps, false)}
}

func count(steps []Step, repeated bool) map[write]int {
	sum := map[write]int{}
	for _, s := range steps {
		if item := s.Effect; item != nil && item.Write {
			sum[writeOf(item)]++
			if item.Repeats || item.Tried || repeated {
				sum[writeOf(item)] = unlimited
			}
		}
		for _, n := range s.Branches {
			for w, n := range count(n.Steps, repeated) {
				sum[w] += n
			}
		}
		if s.Decision != nil {
			for w, n := range s.Decision.most(repeated) {
				sum[w] += n
			}
		}
	}
	return sum
}

// most counts for each write the arm that has most of it. Branches that are made
// for each of something unknown are as many as there will be.
func (f *Fork) most(repeated bool) map[write]int {
	most := map[write]int{}
	for _, arm := range f.Arms {
		for w, n := range count(arm.Steps, repeated) {
			most[w] = max(most[w], n)
		}
		if f.Op != "for" || arm.Answer != "more" {
			continue
		}
		for _, s := range arm.Steps {
			for _, n := range s.Branches {
				for w := range count(n.Steps, true) {
					most[w] = unlimited
				}
			}
		}
	}
	return most
}

func writeOf(item *Item) write {
	if item.Key != "" {
		return write{Kind: item.Kind, Key: item.Key}
	}
	return write{Kind: item.Kind, Trail: item.Trail}
}

// Use takes one write out of the allowance and reports whether there was one.
func (a *Allowance) Use(kind, key, trail string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range []write{{Kind: kind, Key: key}, {Kind: kind, Trail: trail}} {
		if n := a.left[w]; n > 0 {
			if n < unlimited/2 {
				a.left[w]--
			}
			return true
		}
	}
	return false
}

// Spend takes a write that was made before out of the allowance. The calls that
// led to it are not known any more, but where the last one was.
func (a *Allowance) Spend(kind, key, position string) {
	if a.Use(kind, key, "") {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for w, n := range a.left {
		if w.Kind == kind && w.Key == "" && n > 0 && n < unlimited/2 && strings.HasPrefix(w.Trail, position+" ") {
			a.left[w]--
			return
		}
	}
}

// Clone returns an allowance of its own.
func (a *Allowance) Clone() *Allowance {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &Allowance{left: maps.Clone(a.left)}
}

type allowed struct {
	Kind  string `json:"kind"`
	Key   string `json:"key,omitempty"`
	Trail string `json:"trail,omitempty"`
	Times int    `json:"times"` // 0: any number
}

// MarshalJSON writes the allowance in an order of its own.
func (a *Allowance) MarshalJSON() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := []allowed{}
	for w, n := range a.left {
		if n == 0 {
			continue
		}
		if n >= unlimited/2 {
			n = 0
		}
		list = append(list, allowed{w.Kind, w.Key, w.Trail, n})
	}
	sort.Slice(list, func(i, j int) bool {
		x, y := list[i], list[j]
		return x.Kind+x.Key+x.Trail < y.Kind+y.Key+y.Trail
	})
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (a *Allowance) UnmarshalJSON(data []byte) error {
	var list []allowed
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	a.left = map[write]int{}
	for _, w := range list {
		if w.Times <= 0 {
			w.Times = unlimited
		}
		a.left[write{w.Kind, w.Key, w.Trail}] = w.Times
	}
	return nil
}
