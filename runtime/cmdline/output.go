package cmdline

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// MaxOutput is how many bytes of one stream a result can hold.
	MaxOutput = 64 << 20
	maxLine   = 64 << 10 // longer lines are shown in pieces
)

// Lines cuts a stream into lines without their ends.
type Lines struct {
	pending []byte // begun, but not ended
	Emit    func(line string)
}

// Write takes the next part of the stream. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		l.add(p[:i])
		l.end()
		p = p[i+1:]
	}
	l.add(p)
	return n, nil
}

// Begun returns what has come of a line that has not ended.
func (l *Lines) Begun() []byte { return l.pending }

// add appends a part of a line, and emits the pieces that are long enough.
func (l *Lines) add(p []byte) {
	for len(l.pending)+len(p) > maxLine {
		n := maxLine - len(l.pending)
		piece := append(l.pending, p[:n]...)
		p = p[n:]
		cut := wholeRunes(piece)
		l.Emit(string(piece[:cut]))
		l.pending = append([]byte(nil), piece[cut:]...)
	}
	l.pending = append(l.pending, p...)
}

// wholeRunes is the length of p without a character that is cut at its end.
func wholeRunes(p []byte) int {
	for i := len(p) - 1; i >= 0 && i >= len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if utf8.FullRune(p[i:]) {
				break
			}
			return i
		}
	}
	return len(p)
}

func (l *Lines) end() {
	l.Emit(string(bytes.TrimSuffix(l.pending, []byte("\r"))))
	l.pending = l.pending[:0]
}

// Flush emits a last line that has no end.
func (l *Lines) Flush() {
	if len(l.pending) > 0 {
		l.end()
	}
}

// Printer passes lines on, one at a time, until it is closed. A nil function
// makes it silent.
type Printer struct {
	mu  sync.Mutex
	Out func(stream, line string)
}

// Print passes a line on.
func (p *Printer) Print(stream, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Out != nil {
		p.Out(stream, line)
	}
}

// Close ends the passing on; lines that come later are dropped.
func (p *Printer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Out = nil
}

// Collector keeps a stream for the result, and prints it as it comes.
type Collector struct {
	all   bytes.Buffer
	lines Lines
	full  func() // called once more than MaxOutput has come
	Full  bool   // more than MaxOutput has come
}

// NewCollector makes one of a stream, "stdout" or "stderr".
func NewCollector(stream string, to *Printer, full func()) *Collector {
	return &Collector{full: full, lines: Lines{Emit: func(line string) { to.Print(stream, line) }}}
}

// Write keeps and prints p. What comes beyond MaxOutput is dropped.
func (c *Collector) Write(p []byte) (int, error) {
	if c.all.Len()+len(p) > MaxOutput {
		c.Full = true
		c.full()
		return len(p), nil // the command is about to be killed
	}
	c.all.Write(p)
	_, _ = c.lines.Write(p)
	return len(p), nil
}

// LastLine returns the last line of text that has anything in it.
func LastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// Tail returns about the last n bytes of text, as it is fit to be seen. It is
// redacted before it is cut: half a secret would not be recognised.
func Tail(text string, n int, redact func(string) string) string {
	if more := len(text) - 16*n; more > 0 {
		text = text[more:]
	}
	text = redact(text)
	if len(text) <= n {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-n:], "")
}

// Flush prints a last line that has no end.
func (c *Collector) Flush() { c.lines.Flush() }

func (c *Collector) String() string { return c.all.String() }
