package travel

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/script"
)

// What in the text of a function made it come to a place.

// Reason is a condition or a loop that led to an effect.
type Reason struct {
	Position string  `json:"position"`
	Text     string  `json:"text"` // as in the source: "if r.code != 0"
	Held     bool    `json:"held"` // the condition was true; or it is a loop
	Values   []Value `json:"values,omitempty"`
}

// source is the text of a file, with its tree.
type source struct {
	tree  *syntax.File
	lines [][]rune
}

func readSource(l *script.Loader, file string) (*source, error) {
	tree, err := parseFile(l, file)
	if err != nil {
		return nil, err
	}
	s := &source{tree: tree}
	for line := range strings.SplitSeq(string(l.Text(file)), "\n") {
		s.lines = append(s.lines, []rune(line))
	}
	return s, nil
}

// text is the text of a node, on one line.
func (s *source) text(n syntax.Node) string {
	start, end := n.Span()
	var b strings.Builder
	for line := int(start.Line); line <= int(end.Line) && line <= len(s.lines); line++ {
		runes := s.lines[line-1]
		from, to := 0, len(runes)
		if line == int(start.Line) {
			from = min(int(start.Col)-1, to)
		}
		if line == int(end.Line) {
			to = min(int(end.Col)-1, to)
		}
		if from < to {
			b.WriteString(" " + string(runes[from:to]))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// branching is a reason as the tree has it.
type branching struct {
	pos   syntax.Position
	text  string
	held  bool
	names []syntax.Node // whose names have values that say more
}

// reasons are the conditions and loops in the statements of one function that led
// to a position, outermost first.
func (s *source) reasons(body []syntax.Stmt, pos syntax.Position) []branching {
	var found []branching
	for _, stmt := range body {
		if !spans(stmt, pos) {
			if guard, ok := stmt.(*syntax.IfStmt); ok && guard.False == nil && leaves(guard.True) && !after(syntax.Start(stmt), pos) {
				last := s.text(guard.True[len(guard.True)-1])
				found = append(found, branching{guard.If, "if " + s.text(guard.Cond) + ": " + last, false, []syntax.Node{guard.Cond}})
			}
			continue
		}
		return append(found, s.inside(stmt, pos)...)
	}
	return nil // it is in none of them
}

func (s *source) inside(stmt syntax.Stmt, pos syntax.Position) []branching {
	switch stmt := stmt.(type) {
	case *syntax.IfStmt:
		if spans(stmt.Cond, pos) {
			return s.within(stmt.Cond, pos)
		}
		if inner := s.reasons(stmt.True, pos); inner != nil || contains(stmt.True, pos) {
			return append([]branching{{stmt.If, "if " + s.text(stmt.Cond), true, []syntax.Node{stmt.Cond}}}, inner...)
		}
		return append([]branching{{stmt.If, "if " + s.text(stmt.Cond), false, []syntax.Node{stmt.Cond}}}, s.reasons(stmt.False, pos)...)
	case *syntax.ForStmt:
		if !contains(stmt.Body, pos) {
			return s.within(stmt.X, pos)
		}
		loop := branching{stmt.For, "for " + s.text(stmt.Vars) + " in " + s.text(stmt.X), true, []syntax.Node{stmt.Vars}}
		return append([]branching{loop}, s.reasons(stmt.Body, pos)...)
	}
	return s.within(stmt, pos)
}

// within finds conditions in expressions.
func (s *source) within(n syntax.Node, pos syntax.Position) []branching {
	var found []branching
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CondExpr:
			if !spans(n.Cond, pos) && spans(n, pos) {
				found = append(found, branching{n.If, "if " + s.text(n.Cond), spans(n.True, pos), []syntax.Node{n.Cond}})
			}
		case *syntax.Comprehension:
			if spans(n.Body, pos) {
				for _, c := range n.Clauses {
					found = append(found, s.clause(c))
				}
			}
		case *syntax.BinaryExpr:
			if (n.Op == syntax.AND || n.Op == syntax.OR) && spans(n.Y, pos) {
				found = append(found, branching{n.OpPos, s.text(n.X) + " " + n.Op.String(), n.Op == syntax.AND, []syntax.Node{n.X}})
			}
		}
		return true
	})
	return found
}

func (s *source) clause(n syntax.Node) branching {
	if c, ok := n.(*syntax.ForClause); ok {
		return branching{c.For, "for " + s.text(c.Vars) + " in " + s.text(c.X), true, []syntax.Node{c.Vars}}
	}
	c := n.(*syntax.IfClause)
	return branching{c.If, "if " + s.text(c.Cond), true, []syntax.Node{c.Cond}}
}

func contains(body []syntax.Stmt, pos syntax.Position) bool {
	for _, s := range body {
		if spans(s, pos) {
			return true
		}
	}
	return false
}

// leaves reports whether statements never go on to what comes after them.
func leaves(body []syntax.Stmt) bool {
	switch s := body[len(body)-1].(type) {
	case *syntax.ReturnStmt:
		return true
	case *syntax.BranchStmt:
		return s.Token != syntax.PASS
	case *syntax.ExprStmt:
		call, ok := s.X.(*syntax.CallExpr)
		if !ok {
			return false
		}
		id, ok := call.Fn.(*syntax.Ident)
		return ok && id.Name == "fail"
	}
	return false
}

// call finds the call whose parenthesis is at a position.
func (s *source) call(pos syntax.Position) *syntax.CallExpr {
	var found *syntax.CallExpr
	syntax.Walk(s.tree, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CallExpr); ok && samePosition(c.Lparen, pos) {
			found = c
		}
		return found == nil
	})
	return found
}

// valuesOf are the names in nodes that have a value worth showing: no functions and
// no modules.
func (f *Frame) valuesOf(nodes ...syntax.Node) []Local {
	var found []Local
	seen := map[string]bool{}
	for _, n := range nodes {
		syntax.Walk(n, func(n syntax.Node) bool {
			if c, ok := n.(*syntax.CallExpr); ok {
				for _, arg := range c.Args { // the name of a keyword argument is none
					if kw, ok := arg.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
						if id, ok := kw.X.(*syntax.Ident); ok {
							seen[id.Name] = seen[id.Name] || f.lookUp(id.Name) == nil
						}
					}
				}
			}
			id, ok := n.(*syntax.Ident)
			if !ok || seen[id.Name] {
				return true
			}
			seen[id.Name] = true
			v := f.lookUp(id.Name)
			if _, isFunction := v.(starlark.Callable); v != nil && !isFunction {
				found = append(found, Local{id.Name, v})
			}
			return true
		})
	}
	return found
}
