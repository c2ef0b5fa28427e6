// Package isolate evaluates the script of a run in a process of its own.
//
// The process is this program again, with nothing but the interpreter in it, and
// with limits that the system enforces. It has no journal and performs nothing:
// what the script asks for goes through a pipe to the door of the run, which is
// in the process that has started it, the parent.
//
//	e := isolate.New(isolate.Config{Door: d, Loader: l, …})
//	defer e.Close()
//	lines, err := e.Ready("//deploy.star", inputs)
//	v, err := e.Run()
//
// A script that takes too much memory or time, or that brings down the
// interpreter in another way, ends that process: the parent says so in an error,
// and the run can be resumed. The parent takes the other side for an enemy: it
// checks and bounds all that it gets, and ends the process at the first message
// that an interpreter would not send. What it does not keep from is what the
// script may do anyway: all effects of the run, and all of its secrets, which
// the interpreter needs to compute with.
//
// The two take turns as one: places in the journal, texts of errors and what is
// printed are the same as without a second process.
package isolate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

const (
	maxFrame = 160 << 20 // bytes; a value takes up to 128 MiB, see the codec
	atOnce   = 64 << 10  // what a reader allocates before it has seen anything of it
)

// errGarbage is wrapped by every error about a message that the other side cannot
// have meant.
var errGarbage = errors.New("a message makes no sense")

// message is one message of the protocol. fields reads or writes it.
type message interface {
	fields(c *coder)
}

// conn sends and receives messages: the length in four bytes, a byte for the
// kind, and the fields.
type conn struct {
	in  *bufio.Reader
	out io.Writer
	mu  sync.Mutex
}

func newConn(in io.Reader, out io.Writer) *conn {
	c := &conn{out: out}
	if in != nil {
		c.in = bufio.NewReaderSize(in, atOnce)
	}
	return c
}

// send may be called from several goroutines.
func (c *conn) send(m message) error {
	frame, err := appendMessage(make([]byte, 0, 256), m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.out.Write(frame)
	return err
}

// appendMessage appends the frame of a message to buf.
func appendMessage(buf []byte, m message) ([]byte, error) {
	start := len(buf)
	w := coder{buf: append(buf, 0, 0, 0, 0, kindOf(m)), writing: true}
	m.fields(&w)
	n := len(w.buf) - start - 4
	if n > maxFrame {
		return buf, fmt.Errorf("%w: it has %d bytes", errGarbage, n)
	}
	binary.BigEndian.PutUint32(w.buf[start:], uint32(n))
	return w.buf, nil
}

// receive reads the next message of those that make knows. Only one goroutine
// may call it.
func (c *conn) receive(make func(kind byte) message) (message, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 1 || n > maxFrame {
		return nil, fmt.Errorf("%w: it has %d bytes", errGarbage, n)
	}
	m := make(head[4])
	if m == nil {
		return nil, fmt.Errorf("%w: it is of kind %d", errGarbage, head[4])
	}
	body, err := readBody(c.in, int(n)-1)
	if err != nil {
		return nil, err
	}
	return m, decode(body, m)
}

// readBody allocates no more than it has got, as the length may be a lie.
func readBody(in io.Reader, n int) ([]byte, error) {
	if n <= atOnce {
		body := make([]byte, n)
		_, err := io.ReadFull(in, body)
		return body, err
	}
	body := make([]byte, 0, atOnce)
	for len(body) < n {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(n, 2*cap(body)))
			copy(grown, body)
			body = grown
		}
		got, err := io.ReadFull(in, body[len(body):cap(body)])
		body = body[:len(body)+got]
		if err != nil {
			return nil, err
		}
	}
	return body, nil
}

func decode(body []byte, m message) error {
	r := coder{buf: body}
	m.fields(&r)
	if r.err == nil && len(r.buf) > 0 {
		r.err = fmt.Errorf("%w: %d bytes too many", errGarbage, len(r.buf))
	}
	return r.err
}

// coder reads or writes the fields of a message, in the order in which they are
// named. After an error it does nothing more.
type coder struct {
	buf     []byte // what was written; what is left to read
	writing bool
	err     error
}

func (c *coder) fail(what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", errGarbage, what)
	}
	c.buf = nil
}

func (c *coder) number(n *int64) {
	if c.writing {
		c.buf = binary.AppendVarint(c.buf, *n)
		return
	}
	v, size := binary.Varint(c.buf)
	if size <= 0 {
		c.fail("a number is damaged")
		return
	}
	*n, c.buf = v, c.buf[size:]
}

func (c *coder) count(n *int) {
	wide := int64(*n)
	c.number(&wide)
	if !c.writing && (wide < 0 || wide > math.MaxInt32) {
		c.fail("a count is out of range")
		wide = 0
	}
	*n = int(wide)
}

func (c *coder) flag(b *bool) {
	n := int64(0)
	if *b {
		n = 1
	}
	c.number(&n)
	*b = n != 0
}

func (c *coder) float(f *float64) {
	bits := int64(math.Float64bits(*f))
	c.number(&bits)
	*f = math.Float64frombits(uint64(bits))
}

// length reads or writes how many things follow, which take a byte each at least.
func (c *coder) length(n int) int {
	c.count(&n)
	if !c.writing && n > len(c.buf) {
		c.fail("a length is out of range")
		return 0
	}
	return n
}

// data shares the memory of what was received.
func (c *coder) data(b *[]byte) {
	n := c.length(len(*b))
	if c.writing {
		c.buf = append(c.buf, *b...)
		return
	}
	*b, c.buf = c.buf[:n:n], c.buf[n:]
}

func (c *coder) text(s *string) {
	n := c.length(len(*s))
	if c.writing {
		c.buf = append(c.buf, *s...)
		return
	}
	*s, c.buf = string(c.buf[:n]), c.buf[n:]
}

func (c *coder) texts(list *[]string) {
	n := c.length(len(*list))
	if !c.writing {
		*list = make([]string, min(n, 1024))[:0]
	}
	for i := range n {
		var s string
		if c.writing {
			s = (*list)[i]
		}
		if c.text(&s); c.err != nil {
			return
		}
		if !c.writing {
			*list = append(*list, s)
		}
	}
}
