// Package textdiff compares texts line by line, in the form of diff -u.
package textdiff

import (
	"fmt"
	"strings"
)

const (
	diffContext = 3         // lines around a change
	diffCells   = 4_000_000 // of the table; above, all of the middle is one change
)

// Options say what is shown. The zero value shows everything.
type Options struct {
	Limit   int  // lines at most; 0: all
	HideOld bool // the lines that go are not shown: they may hold a secret
}

// Unified is the difference of two texts; "" when there is none. name is what
// the header calls both.
func Unified(name, before, after string, opts Options) string {
	if before == after {
		return ""
	}
	return unified(name, compare(splitLines(before), splitLines(after)), opts)
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// line is one of both texts: op is ' ', '-' or '+'.
type line struct {
	op   byte
	text string
}

func compare(a, b []string) []line {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	lines := mark(nil, ' ', a[:head])
	lines = append(lines, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return mark(lines, ' ', a[len(a)-tail:])
}

func mark(lines []line, op byte, texts []string) []line {
	for _, text := range texts {
		lines = append(lines, line{op, text})
	}
	return lines
}

// middle keeps the longest common subsequence.
func middle(a, b []string) []line {
	if len(a)*len(b) > diffCells {
		return mark(mark(nil, '-', a), '+', b)
	}
	width := len(b) + 1
	common := make([]int32, (len(a)+1)*width) // of a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i*width+j] = common[(i+1)*width+j+1] + 1
			} else {
				common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
			}
		}
	}
	var lines []line
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			lines = append(lines, line{' ', a[i]})
			i, j = i+1, j+1
		case common[(i+1)*width+j] >= common[i*width+j+1]:
			lines = append(lines, line{'-', a[i]})
			i++
		default:
			lines = append(lines, line{'+', b[j]})
			j++
		}
	}
	return mark(mark(lines, '-', a[i:]), '+', b[j:])
}

func unified(name string, lines []line, opts Options) string {
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	shown, oldAt, newAt := 0, 1, 1
	for at := 0; at < len(lines); {
		start, end := hunk(lines, at)
		if start == end {
			break
		}
		for ; at < start; at++ { // only equal lines lie between hunks
			oldAt, newAt = oldAt+1, newAt+1
		}
		olds, news := count(lines[start:end])
		fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", oldAt, olds, newAt, news)
		for _, l := range lines[start:end] {
			if shown++; opts.Limit > 0 && shown > opts.Limit {
				fmt.Fprintf(&out, "... %d more lines\n", len(lines)-at)
				return out.String()
			}
			if l.op == '-' && opts.HideOld {
				l.text = "«not shown: the file holds secrets»"
			}
			fmt.Fprintf(&out, "%c%s\n", l.op, l.text)
			at++
		}
		oldAt, newAt = oldAt+olds, newAt+news
	}
	return out.String()
}

// hunk returns the next stretch of changes with the lines around it; an empty
// one when there is no more.
func hunk(lines []line, from int) (start, end int) {
	first := from
	for first < len(lines) && lines[first].op == ' ' {
		first++
	}
	if first == len(lines) {
		return first, first
	}
	last := first
	for i := first; i < len(lines) && i <= last+2*diffContext; i++ {
		if lines[i].op != ' ' {
			last = i
		}
	}
	return max(from, first-diffContext), min(len(lines), last+diffContext+1)
}

func count(lines []line) (olds, news int) {
	for _, l := range lines {
		if l.op != '+' {
			olds++
		}
		if l.op != '-' {
			news++
		}
	}
	return olds, news
}
