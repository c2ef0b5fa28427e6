package repl

import (
	"errors"
	"io"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Lines is where input comes from.
type Lines interface {
	// Line returns the next line, without its end. more says that it goes on
	// with a statement. The error is io.EOF at the end, and ErrInterrupted when a
	// person gives the line up.
	Line(more bool) (string, error)
	// Remember keeps an item for the history.
	Remember(item string)
}

// ErrInterrupted is the error of a line that a person has given up.
var ErrInterrupted = errors.New("interrupted")

// newlineMark stands for the end of a line in an item of the history: an editor
// of lines can show only one.
const newlineMark = "⏎"

// reader puts lines together to statements.
type reader struct {
	lines Lines
	typed bool // a blank line ends a block; else what is not indented does

	pending []string // lines that are there already
	partial string   // of the statement that is being read
}

// next returns the text of the next statement, or the next command.
func (r *reader) next() (string, error) {
	defer func() { r.partial = "" }()
	first, err := r.line(false)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(strings.TrimSpace(first), ":") {
		return strings.TrimSpace(first), nil
	}
	r.pending = append([]string{first}, r.pending...)
	return r.statement()
}

// line takes a line that is pending, or reads one. An item of the history may
// have several in it.
func (r *reader) line(more bool) (string, error) {
	if len(r.pending) == 0 {
		line, err := r.lines.Line(more)
		if err != nil {
			return "", err
		}
		r.pending = strings.Split(line, newlineMark)
		if len(r.pending) > 1 {
			r.pending = append(r.pending, "") // ends its block
		}
	}
	line := r.pending[0]
	r.pending = r.pending[1:]
	return line, nil
}

// statement reads lines until the parser has a whole statement, or a mistake.
func (r *reader) statement() (string, error) {
	var got []string
	var failed error
	eof := false
	f, err := script.SessionOptions().ParseCompoundStmt("", func() ([]byte, error) {
		for {
			line, err := r.line(len(got) > 0)
			if errors.Is(err, io.EOF) {
				eof = true
				return nil, nil
			}
			if err != nil {
				failed = err
				return nil, err
			}
			got = append(got, line)
			r.partial = strings.Join(got, "\n") + "\n"
			if len(got) == 1 || !r.passes(line) {
				return []byte(line + "\n"), nil
			}
		}
	})
	if failed != nil {
		r.pending = nil
		return "", failed
	}
	// The parser looked at the line after a block to see that the block ends.
	if last := len(got) - 1; err == nil && !eof && last > 0 && isBlock(f) && got[last] != "" && !strings.ContainsAny(got[last][:1], " \t") {
		r.pending = append([]string{got[last]}, r.pending...)
		got = got[:last]
	}
	return strings.Join(got, "\n"), nil
}

// passes reports whether a line is kept from the parser, which takes it for the
// end of the block: a comment, and in a file a blank line too.
func (r *reader) passes(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" && !r.typed || strings.HasPrefix(line, "#") && !strings.ContainsAny(line, `"'`)
}

func isBlock(f *syntax.File) bool {
	if len(f.Stmts) == 0 {
		return false
	}
	switch f.Stmts[0].(type) {
	case *syntax.DefStmt, *syntax.IfStmt, *syntax.ForStmt, *syntax.WhileStmt:
		return true
	}
	return false
}

// isBlank reports whether there is nothing in text to execute.
func isBlank(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}
