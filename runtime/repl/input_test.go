package repl

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"go.starlark.net/syntax"
)

// SessionTestOptions is a dialect for fixtures.
var SessionTestOptions = &syntax.FileOptions{Set: true}

// typist gives the lines of a person.
type typist struct{ lines []string }

func (p *typist) Line(bool) (string, error) {
	if len(p.lines) == 0 {
		return "", io.EOF
	}
	line := p.lines[0]
	p.lines = p.lines[1:]
	if line == "^C" {
		return "", ErrInterrupted
	}
	return line, nil
}

func (p *typist) Remember(string) {}

func read(r *reader) []string {
	var got []string
	for {
		text, err := r.next()
		switch {
		case errors.Is(err, ErrInterrupted):
			got = append(got, "^C")
		case err != nil:
			return got
		case !isBlank(text):
			got = append(got, strings.TrimRight(text, "\n"))
		}
	}
}

func TestReadTyped(t *testing.T) {
	for _, c := range []struct{ lines, want []string }{
		{[]string{"1 + 1", "", "x = 2"}, []string{"1 + 1", "x = 2"}},
		{[]string{"def f():", "    # why", "    return 1", "", "f()"}, []string{"def f():\n    # why\n    return 1", "f()"}},
		{[]string{"def f(): return 1", "f()", "2"}, []string{"def f(): return 1", "f()", "2"}},
		{[]string{"x = [", "1,", "]", "x"}, []string{"x = [\n1,\n]", "x"}},
		{[]string{"def f():", "^C", "1"}, []string{"^C", "1"}},
		{[]string{":undo all", "1"}, []string{":undo all", "1"}},
		{[]string{"def f():⏎    return 1", "f()"}, []string{"def f():\n    return 1", "f()"}}, // from the history
		{[]string{"x = )", "1"}, []string{"x = )", "1"}},
		{[]string{"if x:", "    1", "else:", "    2", "", "3"}, []string{"if x:\n    1\nelse:\n    2", "3"}},
	} {
		if got := read(&reader{lines: &typist{c.lines}, typed: true}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q:\ngot  %q\nwant %q", c.lines, got, c.want)
		}
	}
}

// TestReadPipe: in a file, a block ends where the indentation does.
func TestReadPipe(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"def f():\n    x = 1\n\n    return x\nf()\n", []string{"def f():\n    x = 1\n\n    return x", "f()"}},
		{"def f():\n    return 1\ndef g():\n    return 2\n", []string{"def f():\n    return 1", "def g():\n    return 2"}},
		{"def f():\n    return '''\nend\n'''", []string{"def f():\n    return '''\nend\n'''"}},
		{"if a:\n  1\n# why\nelse:\n  2\n\n\n3", []string{"if a:\n  1\n# why\nelse:\n  2", "3"}},
		{"1\r\n2", []string{"1", "2"}},
	} {
		if got := read(&reader{lines: NewPipe(strings.NewReader(c.text))}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q:\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
}
