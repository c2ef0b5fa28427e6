package inspect

import (
	"regexp"
	"strconv"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/script"
)

// tree is the text of a script, to find in it where something is written.
type tree struct {
	name string
	file *syntax.File
	top  map[string]syntax.Expr // what the names of the top level are set to
}

// parse reads a script; nil when it cannot be read, which its own findings say.
func parse(name string, src []byte) *tree {
	file, err := script.Parse(name, src)
	if err != nil {
		return nil
	}
	t := &tree{name: name, file: file, top: map[string]syntax.Expr{}}
	for _, stmt := range file.Stmts {
		if a, ok := stmt.(*syntax.AssignStmt); ok && a.Op == syntax.EQ {
			if id, ok := a.LHS.(*syntax.Ident); ok {
				t.top[id.Name] = a.RHS
			}
		}
	}
	return t
}

// calls goes through all calls.
func (t *tree) calls(do func(*syntax.CallExpr)) {
	syntax.Walk(t.file, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			do(call)
		}
		return true
	})
}

// callAt is the call whose parenthesis stands there: that is where the interpreter says
// a call is.
func (t *tree) callAt(line, col int) *syntax.CallExpr {
	var found *syntax.CallExpr
	t.calls(func(c *syntax.CallExpr) {
		if int(c.Lparen.Line) == line && int(c.Lparen.Col) == col {
			found = c
		}
	})
	return found
}

// callOf is the last call of a function, such as "taskserv.declare".
func (t *tree) callOf(function string) *syntax.CallExpr {
	var found *syntax.CallExpr
	t.calls(func(c *syntax.CallExpr) {
		if dotted(c.Fn) == function {
			found = c
		}
	})
	return found
}

// dotted is a name with its module; "" for what is none.
func dotted(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Ident:
		return e.Name
	case *syntax.DotExpr:
		if x := dotted(e.X); x != "" {
			return x + "." + e.Name.Name
		}
	}
	return ""
}

var steps = regexp.MustCompile(`[^.\[\]"]+`)

// argument is where what a path leads to is written, as far as it is written literally:
// "versions[1]" is the second element of the argument versions.
func (t *tree) argument(call *syntax.CallExpr, path string) syntax.Position {
	all := steps.FindAllString(path, -1)
	if len(all) == 0 {
		return start(call)
	}
	pos, e := argumentOf(call, all[0])
	for _, step := range all[1:] {
		next, inner := t.inside(e, step)
		if inner == nil {
			break
		}
		pos, e = next, inner
	}
	return pos
}

func argumentOf(call *syntax.CallExpr, name string) (syntax.Position, syntax.Expr) {
	for _, arg := range call.Args {
		if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ && dotted(b.X) == name {
			return start(b), b.Y
		}
	}
	if len(call.Args) > 0 && name == "name" { // the one that is given without its name
		return start(call.Args[0]), call.Args[0]
	}
	return start(call), nil
}

// inside is an element of a list, or the entry of a dict.
func (t *tree) inside(e syntax.Expr, step string) (syntax.Position, syntax.Expr) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return t.inside(e.X, step)
	case *syntax.Ident:
		if v := t.top[e.Name]; v != nil && v != syntax.Expr(e) {
			return t.inside(v, step)
		}
	case *syntax.ListExpr:
		if i, err := strconv.Atoi(step); err == nil && i < len(e.List) {
			return start(e.List[i]), e.List[i]
		}
	case *syntax.DictExpr:
		for _, x := range e.List {
			entry := x.(*syntax.DictEntry)
			if lit, ok := entry.Key.(*syntax.Literal); ok && lit.Value == step {
				return start(entry), entry.Value
			}
		}
	case *syntax.CallExpr:
		if fn := dotted(e.Fn); fn == "dict" || fn == "struct" {
			if pos, v := argumentOf(e, step); v != nil {
				return pos, v
			}
		}
	}
	return syntax.Position{}, nil
}

func start(n syntax.Node) syntax.Position {
	pos, _ := n.Span()
	return pos
}

// line is a line of a text, without what surrounds it.
func line(text []byte, n int) string {
	for l := range strings.Lines(string(text)) {
		if n--; n == 0 {
			return strings.TrimSpace(l)
		}
	}
	return ""
}
