// Package textedit changes single lines and blocks of configuration files.
//
// All changes are idempotent: what has been changed once is left alone the next
// time. Everything else in a file stays as it is to the byte, with its kind of line
// endings and with bytes that are no text.
package textedit

import (
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Place is where something new goes: after the last line that After matches, else
// before the first one that Before matches, else to the end.
type Place struct{ After, Before *regexp.Regexp }

// file is a text as lines, with what it takes to put it together again.
type file struct {
	lines []string // without "\n"; a "\r" before it is a part of the line
	cr    string   // "\r" where new lines have one
	ends  bool     // whether the last line has an end
}

// parse splits a text. The end of the first line decides what new lines end with;
// a file with both kinds keeps those that it has.
func parse(text string) *file {
	f := &file{ends: true}
	if text == "" {
		return f
	}
	f.lines = strings.Split(text, "\n")
	if last := len(f.lines) - 1; f.lines[last] == "" {
		f.lines = f.lines[:last]
	} else {
		f.ends = false
	}
	f.cr = returnOf(f.lines[0])
	return f
}

// returnOf is what a line has before its "\n".
func returnOf(line string) string {
	if strings.HasSuffix(line, "\r") {
		return "\r"
	}
	return ""
}

// at is the text of a line.
func (f *file) at(i int) string { return strings.TrimSuffix(f.lines[i], "\r") }

func (f *file) String() string {
	if len(f.lines) == 0 {
		return ""
	}
	text := strings.Join(f.lines, "\n")
	if f.ends || f.lines[len(f.lines)-1] == "" { // else the last one would not be there
		text += "\n"
	}
	return text
}

// index is where lines go that are new.
func (f *file) index(p Place) int {
	if p.After != nil {
		for i := len(f.lines) - 1; i >= 0; i-- {
			if p.After.MatchString(f.at(i)) {
				return i + 1
			}
		}
	}
	if p.Before != nil {
		for i := range f.lines {
			if p.Before.MatchString(f.at(i)) {
				return i
			}
		}
	}
	return len(f.lines)
}

// insert puts lines before the line at i. What comes before them has an end.
func (f *file) insert(i int, lines []string) {
	if i == len(f.lines) && !f.ends {
		if returnOf(f.lines[i-1]) == "" {
			f.lines[i-1] += f.cr
		}
		f.ends = true
	}
	all := append(make([]string, 0, len(f.lines)+len(lines)), f.lines[:i]...)
	for _, line := range lines {
		all = append(all, line+f.cr)
	}
	f.lines = append(all, f.lines[i:]...)
}

// SetLine makes line be in the text, as the only one that match matches. The
// first of the lines that match becomes it, and the others go. Where none
// matches and line is not there, it is inserted. Without a match line is only
// looked for, and inserted.
func SetLine(text, line string, match *regexp.Regexp, p Place) string {
	f := parse(text)
	stays, same := -1, false
	for i := range f.lines {
		if f.at(i) == line && !same {
			stays, same = i, true
		}
		if stays < 0 && match != nil && match.MatchString(f.at(i)) {
			stays = i
		}
	}
	if stays < 0 {
		f.insert(f.index(p), []string{line})
		return f.String()
	}
	f.lines[stays] = line + returnOf(f.lines[stays])
	f.drop(func(i int) bool { return i != stays && match != nil && match.MatchString(f.at(i)) })
	return f.String()
}

// DropLines removes the lines that are equal to line, and those that match
// matches. An empty line with a match stands for no line.
func DropLines(text, line string, match *regexp.Regexp) string {
	f := parse(text)
	f.drop(func(i int) bool {
		return match != nil && match.MatchString(f.at(i)) || f.at(i) == line && (line != "" || match == nil)
	})
	return f.String()
}

// drop removes lines.
func (f *file) drop(gone func(i int) bool) {
	var kept []string
	last := true // whether the last line is gone; what comes before it has an end
	for i := range f.lines {
		if last = gone(i); !last {
			kept = append(kept, f.lines[i])
		}
	}
	f.ends = f.ends || last
	f.lines = kept
}

// Markers are the lines around a block.
type Markers struct{ Begin, End string }

// SetBlock makes content be between the markers, which are inserted when they are
// not there.
func SetBlock(text, content string, m Markers, p Place) (string, error) {
	f := parse(text)
	first, last, err := f.block(m)
	if err != nil {
		return "", err
	}
	block := []string{m.Begin}
	for i, c := 0, parse(content); i < len(c.lines); i++ {
		block = append(block, c.at(i))
	}
	at := first
	if first < 0 {
		at = f.index(p)
	} else {
		f.drop(func(i int) bool { return i >= first && i <= last })
	}
	f.insert(at, append(block, m.End))
	return f.String(), nil
}

// DropBlock removes a block with its markers.
func DropBlock(text string, m Markers) (string, error) {
	f := parse(text)
	first, last, err := f.block(m)
	if err != nil || first < 0 {
		return text, err
	}
	f.drop(func(i int) bool { return i >= first && i <= last })
	return f.String(), nil
}

// block finds the markers: -1 when there are none. A text in which they do not
// pair is refused: nobody knows where the block ends.
func (f *file) block(m Markers) (first, last int, err error) {
	first, last = -1, -1
	for i := range f.lines {
		switch l := f.at(i); {
		case l == m.Begin && first >= 0:
			return 0, 0, fault.New(fault.Invalid, "the line %q is there twice, in line %d and %d", m.Begin, first+1, i+1).
				WithHint("remove one of the blocks by hand, or give the block another name")
		case l == m.Begin:
			first = i
		case l == m.End && (first < 0 || last >= 0):
			return 0, 0, fault.New(fault.Invalid, "the line %q in line %d has no %q before it", m.End, i+1, m.Begin).
				WithHint("remove it by hand")
		case l == m.End:
			last = i
		}
	}
	if first >= 0 && last < 0 {
		return 0, 0, fault.New(fault.Invalid, "the block that begins with %q in line %d has no end", m.Begin, first+1).
			WithHint("put the line %q where it ends", m.End)
	}
	return first, last, nil
}
