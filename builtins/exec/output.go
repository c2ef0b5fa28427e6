package exec

import (
	"bytes"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	maxOutput = 64 << 20 // bytes of one stream that a result can hold
	maxLine   = 64 << 10 // longer lines are shown in pieces
)

// lines cuts a stream into lines without their ends.
type lines struct {
	pending []byte // begun, but not ended
	emit    func(line string)
}

func (l *lines) write(p []byte) {
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
}

// add appends a part of a line, and emits the pieces that are long enough.
func (l *lines) add(p []byte) {
	for len(l.pending)+len(p) > maxLine {
		n := maxLine - len(l.pending)
		piece := append(l.pending, p[:n]...)
		p = p[n:]
		cut := wholeRunes(piece)
		l.emit(string(piece[:cut]))
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

func (l *lines) end() {
	l.emit(string(bytes.TrimSuffix(l.pending, []byte("\r"))))
	l.pending = l.pending[:0]
}

// flush emits a last line that has no end.
func (l *lines) flush() {
	if len(l.pending) > 0 {
		l.end()
	}
}

// printer passes lines on, one at a time, until it is closed. A nil function
// makes it silent.
type printer struct {
	mu  sync.Mutex
	out func(stream, line string)
}

func (p *printer) print(stream, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out != nil {
		p.out(stream, line)
	}
}

func (p *printer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = nil
}

// collector keeps a stream for the result, and prints it as it comes.
type collector struct {
	all      bytes.Buffer
	lines    lines
	full     func() // called once more than maxOutput has come
	overflow bool
}

func newCollector(stream string, to *printer, full func()) *collector {
	return &collector{full: full, lines: lines{emit: func(line string) { to.print(stream, line) }}}
}

func (c *collector) Write(p []byte) (int, error) {
	if c.all.Len()+len(p) > maxOutput {
		c.overflow = true
		c.full()
		return len(p), nil // the command is about to be killed
	}
	c.all.Write(p)
	c.lines.write(p)
	return len(p), nil
}

// lastLine returns the last line of text that has anything in it.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

// tail returns about the last n bytes of text, as it is fit to be seen. It is
// redacted before it is cut: half a secret would not be recognised.
func tail(text string, n int, redact func(string) string) string {
	if more := len(text) - 16*n; more > 0 {
		text = text[more:]
	}
	text = redact(text)
	if len(text) <= n {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-n:], "")
}
