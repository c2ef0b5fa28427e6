package ssh

import (
	"net"
	"sync"
	"time"
)

// batched is a stream whose writer does not wait for the system. A packet reaches the
// stream beneath in two pieces, the first of which wakes the server in vain; together
// with those that follow, packets go out in one piece, while the next ones are
// encrypted.
//
// That a write succeeded says as little as with a bare stream, whose bytes lie in a
// buffer of the system. When one fails the stream is closed, so that its reader sees
// the end.
type batched struct {
	net.Conn

	mu      sync.Mutex
	changed sync.Cond // of all that follows
	pending []byte
	busy    bool // what was taken from pending is being written
	closed  bool
	err     error
}

// maxBatch is how much may wait: some packets, of which one has 32 KiB and a few bytes.
const maxBatch = 256 << 10

// closeTime is how long a stream that is closed may take to write what waits.
const closeTime = 100 * time.Millisecond

func newBatched(c net.Conn) *batched {
	b := &batched{Conn: c}
	b.changed.L = &b.mu
	go b.send()
	return b
}

func (b *batched) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.pending) > 0 && len(b.pending)+len(p) > maxBatch && b.err == nil && !b.closed {
		b.changed.Wait()
	}
	switch {
	case b.err != nil:
		return 0, b.err
	case b.closed:
		return 0, net.ErrClosed
	}
	b.pending = append(b.pending, p...)
	b.changed.Broadcast()
	return len(p), nil
}

// send writes what waits, until the stream is closed or fails.
func (b *batched) send() {
	var out []byte
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.pending) == 0 && !b.closed {
			b.changed.Wait()
		}
		if len(b.pending) == 0 || b.err != nil {
			return
		}
		out, b.pending = b.pending, out[:0]
		b.busy = true
		b.changed.Broadcast()
		b.mu.Unlock()
		_, err := b.Conn.Write(out)
		b.mu.Lock()
		b.busy = false
		b.changed.Broadcast()
		if err != nil {
			b.err = err
			b.Conn.Close()
			return
		}
	}
}

// Close writes what waits, if the other side takes it at once.
func (b *batched) Close() error {
	late := time.AfterFunc(closeTime, func() { b.Conn.Close() })
	defer late.Stop()
	b.mu.Lock()
	b.closed = true
	b.changed.Broadcast()
	for (len(b.pending) > 0 || b.busy) && b.err == nil {
		b.changed.Wait()
	}
	b.mu.Unlock()
	return b.Conn.Close()
}
