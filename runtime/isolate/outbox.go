package isolate

import (
	"io"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Bounds of what the parent keeps for a process that does not take it.
const (
	maxQueued = 512 << 20 // bytes
	maxBehind = 1 << 18   // messages: a branch has one at a time
)

// outbox sends messages in their order without ever waiting: whoever has
// something to say may hold a lock that the whole run needs.
type outbox struct {
	conn *conn
	full func(error)

	mu     sync.Mutex
	queued []byte
	behind int // messages in it
	wake   chan struct{}
}

func newOutbox(to io.Writer, full func(error)) *outbox {
	o := &outbox{full: full, wake: make(chan struct{}, 1)}
	o.conn = newConn(nil, to)
	return o
}

// start writes what is sent until that fails, or quit is closed.
func (o *outbox) start(quit <-chan struct{}) {
	go func() {
		for {
			select {
			case <-quit:
				return
			case <-o.wake:
			}
			o.mu.Lock()
			batch := o.queued
			o.queued, o.behind = nil, 0
			o.mu.Unlock()
			if len(batch) == 0 {
				continue
			}
			if _, err := o.conn.out.Write(batch); err != nil {
				return // the reader finds out why
			}
		}
	}()
}

func (o *outbox) send(m message) {
	o.mu.Lock()
	before := len(o.queued)
	grown, err := appendMessage(o.queued, m)
	if err == nil {
		o.queued = grown
		o.behind++
	}
	late := len(o.queued) > maxQueued && before > 0 || o.behind > maxBehind
	o.mu.Unlock()
	if err == nil && late {
		err = fault.New(fault.Internal, "the interpreter of the run does not take its answers")
	}
	if err != nil {
		o.full(err)
		return
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}
