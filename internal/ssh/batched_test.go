package ssh

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// blocked is a stream whose writes wait until they are let through.
type blocked struct {
	net.Conn
	entered chan int // the length of a write that has begun
	let     chan error
	got     bytes.Buffer
}

func (b *blocked) Write(p []byte) (int, error) {
	b.entered <- len(p)
	if err := <-b.let; err != nil {
		return 0, err
	}
	return b.got.Write(p)
}

func newBlocked() *blocked {
	a, z := net.Pipe()
	_ = z.Close()
	return &blocked{Conn: a, entered: make(chan int, 8), let: make(chan error, 8)}
}

// TestBatchedJoins has what comes during a write go out in one piece after it.
func TestBatchedJoins(t *testing.T) {
	under := newBlocked()
	b := newBatched(under)
	for i, p := range []string{"one", "two", "three"} {
		if n, err := b.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		if i == 0 {
			if n := <-under.entered; n != 3 {
				t.Fatalf("the first write has %d bytes", n)
			}
		}
	}
	under.let <- nil
	if n := <-under.entered; n != len("twothree") {
		t.Errorf("the second write has %d bytes", n)
	}
	under.let <- nil
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := under.got.String(); got != "onetwothree" {
		t.Errorf("%q", got)
	}
	if _, err := b.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
}

// TestBatchedBounds has a writer wait that is faster than the stream.
func TestBatchedBounds(t *testing.T) {
	a, z := net.Pipe()
	b := newBatched(a)
	data := bytes.Repeat([]byte("0123456789abcdef"), maxBatch/4)
	wrote := make(chan error, 1)
	go func() {
		for rest := data; len(rest) > 0; rest = rest[4096:] {
			if _, err := b.Write(rest[:4096]); err != nil {
				wrote <- err
				return
			}
			b.mu.Lock()
			waiting := len(b.pending)
			b.mu.Unlock()
			if waiting > maxBatch {
				wrote <- errors.New("too much waits")
				return
			}
		}
		wrote <- b.Close()
	}()
	got, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came: %v", len(got), len(data), err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// TestBatchedFails has a failure reach the writer, and the reader of the stream.
func TestBatchedFails(t *testing.T) {
	under, broken := newBlocked(), errors.New("broken")
	b := newBatched(under)
	_, _ = b.Write([]byte("one"))
	<-under.entered
	under.let <- broken
	b.mu.Lock()
	for b.err == nil {
		b.changed.Wait()
	}
	b.mu.Unlock()
	if _, err := b.Write([]byte("two")); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := under.Read(make([]byte, 1)); err == nil {
		t.Error("the reader does not see the end")
	}
	_ = b.Close()
}

// TestBatchedClosesInTime closes a stream whose other side reads nothing.
func TestBatchedClosesInTime(t *testing.T) {
	a, z := net.Pipe()
	defer z.Close()
	b := newBatched(a)
	_, _ = b.Write([]byte("nobody reads this"))
	_ = b.Close() // comes back
	if _, err := a.Write([]byte("x")); err == nil {
		t.Error("the stream is open")
	}
}
