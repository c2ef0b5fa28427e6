package travel

import (
	"context"
	"strings"
	"time"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
)

// Explanation says why an effect was made, and which values led to it.
type Explanation struct {
	Run         string     `json:"run"`
	Number      int        `json:"number"`
	Place       string     `json:"place"`
	Kind        string     `json:"kind"`
	Write       bool       `json:"write"`
	Description string     `json:"description"`
	Position    string     `json:"position"`
	Status      string     `json:"status"`
	Undo        string     `json:"undo,omitempty"`
	Took        float64    `json:"took_s,omitempty"`
	Attempts    int        `json:"attempts"`
	Retry       int        `json:"retry,omitempty"` // the attempt of the retry around it, from the second on
	Arguments   []Argument `json:"arguments"`
	Result      string     `json:"result,omitempty"`
	Error       string     `json:"error,omitempty"`
	Calls       []Call     `json:"calls"` // that led to it, outermost first
}

// Argument of an effect.
type Argument struct {
	Value
	Expression string  `json:"expression,omitempty"` // in the script
	Uses       []Value `json:"uses,omitempty"`       // names in the expression
}

// Value is a name with its value, and where that may come from.
type Value struct {
	Name  string   `json:"name"`
	Value string   `json:"value"`
	From  []Origin `json:"from,omitempty"`
}

// Call is a call of a function of the script that led to the effect.
type Call struct {
	Function  string   `json:"function"`
	Branch    string   `json:"branch"`
	Position  string   `json:"position"`
	Line      string   `json:"line"`
	Arguments []Value  `json:"arguments,omitempty"`
	Because   []Reason `json:"because,omitempty"`
}

// Explain goes to an effect and says why it was made.
func (j *Journey) Explain(ctx context.Context, n int) (*Explanation, error) {
	if err := j.GoTo(ctx, n); err != nil {
		return nil, err
	}
	at, rec := j.Sight(), j.Effect(n)
	if at == nil || rec == nil {
		return nil, fault.New(fault.NotFound, "there is no effect %d", n).WithHint("%s", j.extent())
	}
	x := &explainer{j: j, scene: j.scene, from: j.candidates(n)}
	e := &Explanation{
		Run: j.rec.Run().ID, Number: n, Place: at.Place, Kind: at.Kind, Write: at.Write, Description: rec.Description,
		Position: at.Position, Status: rec.Progress(), Undo: rec.UndoStatus.String(), Attempts: max(rec.Attempts, 1),
	}
	if !rec.Ended.IsZero() {
		e.Took = rec.Ended.Sub(rec.Begun).Round(time.Microsecond).Seconds()
	}
	if again := branch.Of(at.Thread).Attempt; again > 1 {
		e.Retry = again
	}
	switch v, err := j.scene.Stage.Outcome(rec); {
	case err != nil:
		e.Error = j.scene.redact(err.Error())
	case v != nil:
		e.Result = j.scene.Show(v, maxValue)
	}
	e.Arguments = x.arguments(at)
	for i := len(j.scene.Frames) - 1; i >= 0; i-- {
		c := x.call(&j.scene.Frames[i])
		if i == len(j.scene.Frames)-1 {
			for k := range c.Arguments {
				c.Arguments[k].From = nil // they come from outside
			}
		}
		e.Calls = append(e.Calls, c)
	}
	return e, nil
}

// candidates are what values may come from that were there before effect n: the
// parameters, and what effects gave. What an effect only repeats of its own
// arguments does not come from it.
func (j *Journey) candidates(n int) []candidate {
	var all []candidate
	if last := len(j.scene.Frames) - 1; last >= 0 {
		main := &j.scene.Frames[last]
		for _, p := range parameters(main) {
			for _, l := range leavesOf(p.Value) {
				all = append(all, candidate{leaf: l, what: "parameter " + p.Name + " of " + main.Func})
			}
		}
	}
	h := j.play.hold
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, before := range j.order[:j.rankOf(n)] {
		e := j.effects[before-1]
		r, ok := h.results[e.Place]
		if !ok || r.err != nil {
			continue
		}
		own := map[string]bool{}
		for _, arg := range Arguments(r.sight) {
			for _, l := range leavesOf(arg.Value) {
				own[l.v.String()] = true
			}
		}
		for _, l := range leavesOf(r.value) {
			if !own[l.v.String()] {
				all = append(all, candidate{l, e.Place, strings.TrimSpace(e.Kind + " " + firstLine(e.Description)), e.Place, j.number[e.Place]})
			}
		}
	}
	return all
}

// parameters are those of the function of a frame, with their present values.
func parameters(f *Frame) []Local {
	var all []Local
	for _, l := range f.Locals {
		if isParameter(f, l.Name) {
			all = append(all, l)
		}
	}
	return all
}

type explainer struct {
	j     *Journey
	scene *Scene
	from  []candidate
}

func (x *explainer) value(l Local) Value {
	return Value{Name: l.Name, Value: x.scene.Show(l.Value, maxShown), From: originsOf(l.Value, x.from)}
}

func (x *explainer) values(all []Local) []Value {
	var out []Value
	for _, l := range all {
		out = append(out, x.value(l))
	}
	return out
}

// arguments are those of the effect, with their text in the script where it was
// called there by name.
func (x *explainer) arguments(at *door.Sight) []Argument {
	out := []Argument{}
	exprs := map[string]syntax.Expr{}
	var src *source
	var f *Frame
	if len(x.scene.Frames) > 0 {
		f = &x.scene.Frames[0]
		if src, _ = readSource(x.scene.Stage.Loader, f.Pos.Filename()); src != nil {
			exprs = src.argumentsOf(src.call(f.Pos), at)
		}
	}
	for _, arg := range Arguments(at) {
		a := Argument{Value: x.value(arg)}
		if e := exprs[arg.Name]; e != nil {
			a.Expression = x.scene.redact(src.text(e))
			if _, isLiteral := e.(*syntax.Literal); isLiteral {
				a.From = nil // it says itself where it comes from
			}
			if id, isName := e.(*syntax.Ident); !isName || f.lookUp(id.Name) == nil {
				a.Uses = x.values(f.valuesOf(e))
			}
		}
		out = append(out, a)
	}
	return out
}

// argumentsOf are the expressions of the arguments of a call, by name. Calls of
// another function than that of the effect, such as retry, have none.
func (s *source) argumentsOf(call *syntax.CallExpr, at *door.Sight) map[string]syntax.Expr {
	exprs := map[string]syntax.Expr{}
	if call == nil || at.Call == nil || s.text(call.Fn) != at.Kind {
		return exprs
	}
	for i, arg := range call.Args {
		switch arg := arg.(type) {
		case *syntax.BinaryExpr:
			if id, ok := arg.X.(*syntax.Ident); ok && arg.Op == syntax.EQ {
				exprs[id.Name] = arg.Y
				continue
			}
		case *syntax.UnaryExpr:
			if arg.Op == syntax.STAR || arg.Op == syntax.STARSTAR {
				return exprs
			}
		}
		if i < len(at.Call.Decl.Params) {
			exprs[at.Call.Decl.Params[i]] = arg
		}
	}
	return exprs
}

// call says how a frame came to where it is.
func (x *explainer) call(f *Frame) Call {
	c := Call{
		Function: f.Func, Branch: f.Branch, Position: f.Pos.String(), Arguments: x.values(parameters(f)),
		Line: x.scene.redact(strings.TrimSpace(x.scene.Stage.Loader.Line(f.Pos.Filename(), int(f.Pos.Line)))),
	}
	src, err := readSource(x.scene.Stage.Loader, f.Pos.Filename())
	if err != nil {
		return c // the text is not there: the call itself is all that is known
	}
	for _, r := range src.reasons(bodyOf(src.tree, f), f.Pos) {
		c.Because = append(c.Because, Reason{
			Position: r.pos.String(), Text: x.scene.redact(r.text), Held: r.held, Values: x.values(f.valuesOf(r.names...)),
		})
	}
	return c
}
