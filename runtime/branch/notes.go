package branch

import (
	"slices"
	"sync"
	"sync/atomic"
)

// notes are what a branch knows of changes. Branches that it has made add to them
// at any time.
type notes struct {
	mu  sync.Mutex
	all []*note
}

func (n *notes) add(one *note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, one)
}

func (n *notes) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.all, func(o *note) bool { return o.name == name && !o.taken.Load() })
}

// note says that something has changed, under a name. It is one for the branch
// where that was and for all that this branch is within: whoever takes it first
// has it.
type note struct {
	name  string
	taken atomic.Bool
}

// Note keeps, under each of the names, that something has changed.
func (b *Branch) Note(names ...string) {
	for _, name := range names {
		if b.notes.has(name) { // and so have all that b is within
			continue
		}
		n := &note{name: name}
		for at := b; at != nil; at = at.within {
			at.notes.add(n)
		}
	}
}

// Take reports whether something has changed under name, in b or in a branch that
// b has made, and forgets it.
func (b *Branch) Take(name string) bool {
	taken := false
	b.notes.mu.Lock()
	defer b.notes.mu.Unlock()
	b.notes.all = slices.DeleteFunc(b.notes.all, func(n *note) bool {
		if n.name != name {
			return n.taken.Load()
		}
		taken = n.taken.CompareAndSwap(false, true) || taken
		return true
	})
	return taken
}
