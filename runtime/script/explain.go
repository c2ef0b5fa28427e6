package script

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Explain turns an error of the parser, the resolver or the interpreter into a
// fault that knows its place in the script. Other errors are returned as they
// are. An error that has been explained within a branch gets the frames of the
// thread that it passes through added.
func (l *Loader) Explain(err error) error {
	var syn syntax.Error
	if errors.As(err, &syn) {
		return l.at(syn.Pos, syn.Msg)
	}
	var unresolved resolve.ErrorList
	if errors.As(err, &unresolved) {
		return l.unresolved(unresolved)
	}
	var eval *starlark.EvalError
	if errors.As(err, &eval) {
		return l.evalFault(eval)
	}
	if e := fault.As(err); e != nil && e.At != "" { // it came to light when the function had ended
		copied := *e
		copied.Stack, copied.At = append([]fault.Frame{l.frameAt(e.At, fault.Frame{File: fileOf(e.At)})}, e.Stack...), ""
		return &copied
	}
	return err
}

func fileOf(at string) string {
	for range 2 { // line and column
		if i := strings.LastIndexByte(at, ':'); i >= 0 {
			at = at[:i]
		}
	}
	return at
}

func (l *Loader) at(pos syntax.Position, msg string) *fault.Error {
	e := fault.New(fault.Script, "%s", msg)
	e.Stack = []fault.Frame{l.frame(pos, "")}
	return e
}

// unresolved reports the first undefined name in full and the others in the hint.
func (l *Loader) unresolved(list resolve.ErrorList) error {
	e := l.at(list[0].Pos, list[0].Msg)
	var others []string
	for _, o := range list[1:min(len(list), 10)] {
		others = append(others, l.frame(o.Pos, "").String()+": "+o.Msg)
	}
	if len(others) > 0 {
		e.Hint = "also:\n" + strings.Join(others, "\n")
	}
	return e
}

func (l *Loader) evalFault(eval *starlark.EvalError) *fault.Error {
	e := &fault.Error{Kind: fault.Script, Msg: eval.Msg, Cause: eval}
	if inner := fault.As(eval.Unwrap()); inner != nil {
		copied := *inner
		e = &copied
	} else {
		e.Hint = hintFor(eval.Msg)
	}
	frames := l.frames(eval.CallStack)
	if e.At != "" && len(frames) > 0 {
		frames[0], e.At = l.frameAt(e.At, frames[0]), ""
	}
	e.Stack = append(e.Stack[:len(e.Stack):len(e.Stack)], frames...)
	return e
}

// frames returns the script positions of a call stack, innermost first. Builtins
// have none, and the frames of the rewrite (their names begin with "·") are not
// the author's.
func (l *Loader) frames(stack starlark.CallStack) []fault.Frame {
	var frames []fault.Frame
	for i := len(stack) - 1; i >= 0; i-- {
		f := stack[i]
		if f.Pos.Filename() == "<builtin>" || strings.HasPrefix(f.Name, "·") || f.Pos.Line == 0 {
			continue
		}
		frames = append(frames, l.frame(f.Pos, f.Name))
	}
	return frames
}

func (l *Loader) frame(pos syntax.Position, fn string) fault.Frame {
	return fault.Frame{
		File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col), Func: fn,
		Text: l.Line(pos.Filename(), int(pos.Line)),
	}
}

// frameAt is a frame at another position in its function.
func (l *Loader) frameAt(at string, f fault.Frame) fault.Frame {
	var line, col int
	rest, ok := strings.CutPrefix(at, f.File+":")
	if n, err := fmt.Sscanf(rest, "%d:%d", &line, &col); !ok || n != 2 || err != nil {
		return f
	}
	f.Line, f.Col, f.Text = line, col, l.Line(f.File, line)
	return f
}

// Line returns a line of a module that was loaded; "" when there is none.
func (l *Loader) Line(file string, line int) string {
	l.mu.Lock()
	src := l.texts[file]
	l.mu.Unlock()
	for n := 1; len(src) > 0; n++ {
		text, rest, _ := bytes.Cut(src, []byte("\n"))
		if n == line {
			return string(text)
		}
		src = rest
	}
	return ""
}

func hintFor(msg string) string {
	switch {
	case strings.Contains(msg, "frozen"):
		return "values that cross to other branches or modules are frozen; build a new one, or return it as a result"
	case strings.Contains(msg, "called recursively"):
		return "the language has no recursion; use a loop over a list of things to do"
	case strings.HasPrefix(msg, "cannot load"):
		return ""
	}
	return ""
}
