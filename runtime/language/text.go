package language

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

// text is a document's text with where its lines begin.
type text struct {
	content string
	lines   []int // offset of each line
}

// newText finds the lines: they end with \n, \r\n or \r.
func newText(content string) text {
	t := text{content, []int{0}}
	for i := 0; i < len(content); i++ {
		switch content[i] {
		case '\r':
			if i+1 < len(content) && content[i+1] == '\n' {
				continue
			}
			t.lines = append(t.lines, i+1)
		case '\n':
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// line is the range of a line without its end.
func (t text) line(n int) (start, end int) {
	start, end = t.lines[n], len(t.content)
	if n+1 < len(t.lines) {
		end = t.lines[n+1]
	}
	return start, start + len(strings.TrimRight(t.content[start:end], "\r\n"))
}

// offset is where a position lies. One behind the end of its line means the end,
// as the protocol says; one within a character means its beginning.
func (t text) offset(p position) int {
	switch {
	case p.Line < 0:
		return 0
	case p.Line >= len(t.lines):
		return len(t.content)
	}
	start, end := t.line(p.Line)
	at, units := start, 0
	for at < end {
		r, size := utf8.DecodeRuneInString(t.content[at:end])
		if units += utf16Len(r); units > p.Character {
			break
		}
		at += size
	}
	return at
}

// position is the inverse of offset.
func (t text) position(offset int) position {
	offset = min(max(offset, 0), len(t.content))
	line := sort.SearchInts(t.lines, offset+1) - 1
	return position{line, utf16Units(t.content[t.lines[line]:offset])}
}

func (t text) span(r partial.Range) span {
	return span{t.position(r.Start), t.position(r.End)}
}

// all is the span of the whole text.
func (t text) all() span { return t.span(partial.Range{End: len(t.content)}) }

// fromColumn is the offset of a position of the parser: both from 1, the column
// in characters.
func (t text) fromColumn(line, col int) int {
	if line < 1 || line > len(t.lines) {
		return len(t.content)
	}
	start, end := t.line(line - 1)
	for ; col > 1 && start < end; col-- {
		_, size := utf8.DecodeRuneInString(t.content[start:end])
		start += size
	}
	return start
}

// apply replaces a part of the text.
func (t text) apply(c change) text {
	if c.Range == nil {
		return newText(c.Text)
	}
	start, end := t.offset(c.Range.Start), t.offset(c.Range.End)
	if start > end {
		start, end = end, start
	}
	return newText(t.content[:start] + c.Text + t.content[end:])
}

// utf16Len is how many units of UTF-16 a character has.
func utf16Len(r rune) int {
	if r >= 0x10000 {
		return 2
	}
	return 1
}

func utf16Units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16Len(r)
	}
	return n
}
