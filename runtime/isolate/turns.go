package isolate

import (
	"context"
	"sync"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

// turns lets the branches of an interpreter take turns: a branch goes on until it waits
// for an answer that may take long, and the next one that can go on is the one that has
// waited longest. So what the interpreter sends depends on the answers that it got and
// their order alone, and an engine that repeats a run finds it repeated.
type turns struct {
	idle func() // called when no branch can go on, before another one does

	mu    sync.Mutex
	taken bool
	queue []chan struct{}
}

var _ branch.Lines = (*turns)(nil)

// ask returns what is closed when it is the turn of whoever asks.
func (t *turns) ask() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := make(chan struct{})
	if !t.taken {
		t.taken = true
		close(mine)
		return mine
	}
	t.queue = append(t.queue, mine)
	return mine
}

// take waits for the turn of the caller.
func (t *turns) take() { <-t.ask() }

// give ends the turn of the caller.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) > 0 {
		close(t.queue[0])
		t.queue = t.queue[1:]
		return
	}
	t.idle() // nobody can take the turn meanwhile: it is not free yet
	t.taken = false
}

// Each is [branch.Lines.Each]. The caller goes on with the turn of the last line.
func (t *turns) Each(_ any, n, limit int, run func(i int, line any)) {
	next, left, ended := 0, limit, make(chan struct{})
	for range limit {
		mine := t.ask()
		go func() {
			<-mine
			for next < n { // it has the turn
				i := next
				next++
				run(i, nil)
			}
			if left--; left == 0 {
				close(ended)
				return
			}
			t.give()
		}()
	}
	t.give()
	<-ended
}

// rest tells the parent that all branches wait, and first of those that another one has
// failed beside, in the order in which they have asked.
func (c *child) rest() {
	c.mu.Lock()
	var cancelled []string
	for _, w := range c.asking {
		if !w.told && context.Cause(w.branch.Context()) == error(branch.ErrSibling) {
			w.told = true
			cancelled = append(cancelled, w.branch.Path)
		}
	}
	c.mu.Unlock()
	for _, path := range cancelled {
		_ = c.conn.send(&tellCancel{path}) // without the parent this process ends
	}
	_ = c.conn.send(&tellIdle{})
}

// asking is a branch that waits for an answer.
type asking struct {
	id     int64
	branch *branch.Branch
	told   bool // that it was cancelled
}
