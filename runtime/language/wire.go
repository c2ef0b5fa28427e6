package language

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/creachadair/jrpc2/channel"
)

// Limits of what is read. An editor sends a whole document when it opens one,
// and scripts are a megabyte at most.
const (
	maxMessage = 64 << 20
	maxHeader  = 4 << 10
)

// wire reads and writes messages, each after a header with its length.
type wire struct {
	out  io.Writer
	read chan message

	mu      sync.Mutex // orders the writes
	once    sync.Once
	closed  chan struct{}
	pending int        // requests that have no answer yet
	settled *sync.Cond // of mu; pending has changed
}

var _ channel.Channel = (*wire)(nil)

type message struct {
	data []byte
	err  error
}

// newWire reads in the background: closing a wire does not wait for an input
// that may never come.
func newWire(in io.Reader, out io.Writer) *wire {
	w := &wire{out: out, read: make(chan message), closed: make(chan struct{})}
	w.settled = sync.NewCond(&w.mu)
	go func() {
		r := bufio.NewReaderSize(in, maxHeader)
		for {
			data, err := readMessage(r)
			if err != nil {
				w.drain() // the end would drop what is not answered yet
			}
			if has(data, "id") && has(data, "method") {
				w.note()
			}
			select {
			case w.read <- message{data, err}:
			case <-w.closed:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return w
}

// Recv returns the next message.
func (w *wire) Recv() ([]byte, error) {
	select {
	case m := <-w.read:
		return m.data, m.err
	case <-w.closed:
		return nil, io.EOF
	}
}

// Send writes a message, also after Close: answers that are under way arrive.
func (w *wire) Send(data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	framed := make([]byte, 0, len(data)+32)
	framed = fmt.Appendf(framed, "Content-Length: %d\r\n\r\n", len(data))
	_, err := w.out.Write(append(framed, data...))
	if has(data, "id") && w.pending > 0 {
		w.pending--
		w.settled.Broadcast()
	}
	return err
}

// note counts a request.
func (w *wire) note() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending++
}

// maxDrain bounds how long the end waits for answers that are under way.
const maxDrain = time.Second

// drain waits until the requests that were read are answered.
func (w *wire) drain() {
	late := false
	timer := time.AfterFunc(maxDrain, func() {
		w.mu.Lock()
		late = true
		w.mu.Unlock()
		w.settled.Broadcast()
	})
	defer timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.pending > 0 && !late {
		w.settled.Wait()
	}
}

// has reports whether a message has a field.
func has(data []byte, field string) bool {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil || name == field {
			return err == nil
		}
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return false
		}
	}
	return false
}

// Close ends Recv.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// readMessage reads a header and what it announces.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length := -1
	for lines := 0; ; lines++ {
		raw, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull) || lines > 100:
			return nil, errors.New("the header of a message is too long")
		case err == io.EOF && (lines > 0 || len(raw) > 0):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		line := strings.TrimRight(string(raw), "\r\n")
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%q is no header of a message", line)
		}
		if !strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
		if err != nil || n > maxMessage {
			return nil, fmt.Errorf("a message cannot have the length %q", strings.TrimSpace(value))
		}
		length = int(n)
	}
	if length < 0 {
		return nil, errors.New("the header of a message has no Content-Length")
	}
	return readBody(r, length)
}

// readBody takes memory for what comes, not for what was announced.
func readBody(r io.Reader, length int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && len(data) < length {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}
