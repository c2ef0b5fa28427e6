package travel

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

var errGivenUp = errors.New("given up")

// typed are lines; one that is "^C" is given up, and the end is Ctrl-D.
type typed struct{ lines []string }

func (l *typed) Remember(string) {}

func (l *typed) Prompt(string) (string, error) {
	if len(l.lines) == 0 {
		return "", io.EOF
	}
	line := l.lines[0]
	l.lines = l.lines[1:]
	if line == "^C" {
		return "", errGivenUp
	}
	return line, nil
}

// Only :continue goes on with a run that stands at a breakpoint.
func TestLeaveBreakpoint(t *testing.T) {
	for _, c := range []struct {
		lines string
		stops bool
	}{
		{":continue", false},
		{":c", false},
		{"^C :continue", false},
		{":quit", true},
		{":q", true},
		{"quit", true},
		{":abort", true},
		{":help", true}, // and Ctrl-D
		{"", true},
		{"^C", true},
	} {
		var said strings.Builder
		say := func(text string) { said.WriteString(text + "\n") }
		s := &Shell{
			Lines: &typed{strings.Fields(c.lines)}, Person: true, Interrupted: errGivenUp, Print: say, Note: say,
			Report: func(err error) { t.Error(err) },
			Do:     func(do func(context.Context)) { do(t.Context()) },
			Halt:   &Halt{Scene: &Scene{}, Path: "0", Next: "0#1"},
		}
		if err := s.Loop(); errors.Is(err, ErrAbort) != c.stops {
			t.Errorf("%q: %v", c.lines, err)
		}
		if strings.Contains(said.String(), "the run stops here") != c.stops || strings.Contains(said.String(), "ends this") {
			t.Errorf("%q: it says\n%s", c.lines, said.String())
		}
	}
}
