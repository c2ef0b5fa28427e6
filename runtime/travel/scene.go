package travel

import (
	"context"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Stage is the execution that a scene is of.
type Stage struct {
	Loader  *script.Loader
	Secrets *value.Secrets
	// Thread makes a thread on which effects are refused.
	Thread func(name string) (thread *starlark.Thread, b *branch.Branch, done func())
	// Outcome is what the journal answers an effect with.
	Outcome func(*journal.Effect) (starlark.Value, error)
	// Session are the names that the earlier statements of a session have bound;
	// empty for a script. It is called while the script stands still.
	Session func() starlark.StringDict
}

func (s Stage) session() starlark.StringDict {
	if s.Session == nil {
		return nil
	}
	return s.Session()
}

// Scene is what there is to see of a branch that stands still. It must not be
// used any more when the branch goes on.
type Scene struct {
	Stage  Stage
	Frames []Frame // innermost first
	At     int     // the frame that is selected
}

// NewScene returns what there is to see of a thread, and of those that wait for it.
func NewScene(stage Stage, thread *starlark.Thread, waiting ...*starlark.Thread) *Scene {
	s := &Scene{Stage: stage, Frames: Stack(thread)}
	for _, t := range waiting {
		s.Frames = append(s.Frames, Stack(t)...)
	}
	return s
}

// Frame is the frame that is selected; nil when there is none.
func (s *Scene) Frame() *Frame {
	if s.At >= len(s.Frames) {
		return nil
	}
	return &s.Frames[s.At]
}

// Select selects a frame; 0 is the innermost one.
func (s *Scene) Select(n int) error {
	if n < 0 || n >= len(s.Frames) {
		return fault.New(fault.Usage, "there is no frame %d", n).WithHint("there are the frames 0 to %d: see :where", len(s.Frames)-1)
	}
	s.At = n
	return nil
}

// Where is the call stack, innermost first, with the lines of the source.
func (s *Scene) Where() string {
	var b strings.Builder
	for i, f := range s.Frames {
		mark := " "
		if i == s.At {
			mark = ">"
		}
		in := ""
		if i > 0 && f.Branch != s.Frames[i-1].Branch {
			in = "   (branch " + f.Branch + ", which waits for " + s.Frames[i-1].Branch + ")"
		}
		fmt.Fprintf(&b, "%s %d  %s  %s%s\n       | %s\n", mark, i, f.Pos, f.Func, in,
			s.redact(strings.TrimSpace(s.Stage.Loader.Line(f.Pos.Filename(), int(f.Pos.Line)))))
	}
	return strings.TrimRight(b.String(), "\n")
}

// maxShown is how much of a value is shown among others.
const maxShown = 300

// Locals are the locals of the selected frame, a line each.
func (s *Scene) Locals() string {
	f := s.Frame()
	if f == nil {
		return ""
	}
	var lines []string
	for _, l := range f.Locals {
		lines = append(lines, l.Name+" = "+s.Show(l.Value, maxShown))
	}
	if f.Func == "<toplevel>" || len(lines) == 0 {
		for _, name := range f.fn.Globals().Keys() {
			v := f.fn.Globals()[name]
			if _, isFunction := v.(*starlark.Function); !isFunction && !script.Hidden(name) {
				lines = append(lines, name+" = "+s.Show(v, maxShown)+"   (global)")
			}
		}
		session := s.Stage.session()
		for _, name := range session.Keys() {
			v := session[name]
			if _, isFunction := v.(*starlark.Function); !isFunction && !f.fn.Globals().Has(name) {
				lines = append(lines, name+" = "+s.Show(v, maxShown)+"   (session)")
			}
		}
	}
	if len(lines) == 0 {
		return f.Func + " has no locals"
	}
	return strings.Join(lines, "\n")
}

// Show is the text of a value for people: without secrets, and at most limit
// bytes.
func (s *Scene) Show(v starlark.Value, limit int) string {
	return clip(s.redact(v.String()), limit)
}

func (s *Scene) redact(text string) string { return s.Stage.Secrets.Redact(text) }

func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xC0 == 0x80 {
		limit--
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:limit], len(text))
}

// Names are the names that an expression can use.
func (s *Scene) Names() starlark.StringDict {
	all := starlark.StringDict{}
	for name, v := range s.Stage.Loader.Predeclared {
		all[name] = v
	}
	for name, v := range s.Stage.session() {
		all[name] = v
	}
	if f := s.Frame(); f != nil {
		for name, v := range f.names() {
			all[name] = v
		}
	}
	return all
}

const expressionFile = "expression"

// Eval evaluates an expression as the selected frame sees it, and returns what it
// prints. It changes nothing of the script, and acts on nothing.
func (s *Scene) Eval(ctx context.Context, src string) (starlark.Value, []string, error) {
	e, err := script.SessionOptions().ParseExpr(expressionFile, src, 0)
	if err != nil {
		return nil, nil, s.Stage.Loader.Explain(err)
	}
	if s.Stage.Loader.Check {
		e = rewrite.Expr(e)
	}
	thread, b, done := s.Stage.Thread(expressionFile)
	defer done()
	defer context.AfterFunc(ctx, func() { thread.Cancel("interrupted") })()
	v, err := starlark.EvalExprOptions(script.SessionOptions(), thread, e, s.env(e))
	var printed []string
	for _, l := range b.Pure.Lines() {
		printed = append(printed, s.redact(l.Text))
	}
	if b.Pure.Refused.Load() { // also where the expression handles the refusal: what it gives then is not true
		v, err = nil, fault.New(fault.Usage, "the expression has an effect, and nothing is done here").
			WithHint("what an effect of the run gave is in the variables of the script; see :locals and :effect")
	}
	return v, printed, s.Stage.Loader.Explain(err)
}

// env are copies of the values that an expression uses.
func (s *Scene) env(e syntax.Expr) starlark.StringDict {
	env := starlark.StringDict{}
	c := copier{seen: map[starlark.Value]starlark.Value{}}
	f, session := s.Frame(), s.Stage.session()
	syntax.Walk(e, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		if !ok {
			return true
		}
		var v starlark.Value
		if f != nil {
			v = f.lookUp(id.Name)
		}
		if v == nil {
			v = session[id.Name]
		}
		if v == nil {
			v = s.Stage.Loader.Predeclared[id.Name]
		}
		if v != nil {
			env[id.Name] = c.copy(v)
		}
		return true
	})
	return env
}
