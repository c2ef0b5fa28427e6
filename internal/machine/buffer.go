package machine

import (
	"bytes"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Buffer keeps what is written to it, up to a bound.
type Buffer struct {
	Max    int  // 0: no bound
	Strict bool // more than Max is an error, which stops the line that writes
	Full   bool // more was written than Max; the rest is dropped
	buf    bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	n := len(p)
	if b.Max > 0 && b.buf.Len()+n > b.Max {
		p, b.Full = p[:max(b.Max-b.buf.Len(), 0)], true
	}
	b.buf.Write(p)
	if b.Full && b.Strict {
		return len(p), fault.New(fault.TooLarge, "it prints more than %d bytes", b.Max).
			WithHint("have it write to a file there, or filter what it prints")
	}
	return n, nil
}

// Bytes returns what was kept.
func (b *Buffer) Bytes() []byte { return b.buf.Bytes() }

func (b *Buffer) String() string { return b.buf.String() }
