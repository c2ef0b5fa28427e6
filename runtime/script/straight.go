package script

import (
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

// straight marks, by the hidden argument [rewrite.More], calls that follow each other with nothing between them:
//
//	op.package(web, "nginx")        # marked
//	op.file(web, conf, content = x) # marked
//	op.service(web, "nginx")
//
// Between a marked call and the next one nothing happens that anybody could see:
// what is evaluated there calls no function that is not known to be harmless. So it
// makes no difference to the script when the marked one is performed, as long as
// that is before the next one is.
func (l *Loader) straight(f *syntax.File) {
	if l.Companion == nil {
		return
	}
	s := straightener{companion: l.Companion, bound: map[string]bool{}}
	if !s.names(f) {
		return
	}
	s.block(f.Stmts)
}

type straightener struct {
	companion func(name string) bool
	bound     map[string]bool // names that the file gives a meaning
}

// names notes what the file binds, anywhere, and reports whether it has such calls
// at all.
func (s *straightener) names(f *syntax.File) bool {
	found := false
	bind := func(id *syntax.Ident) { s.bound[id.Name] = true }
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			found = found || s.companion(dotted(n.Fn))
		case *syntax.AssignStmt:
			targets(n.LHS, bind)
		case *syntax.ForStmt:
			targets(n.Vars, bind)
		case *syntax.ForClause:
			targets(n.Vars, bind)
		case *syntax.DefStmt:
			bind(n.Name)
			s.params(n.Params)
		case *syntax.LambdaExpr:
			s.params(n.Params)
		case *syntax.LoadStmt:
			for _, id := range n.To {
				bind(id)
			}
		}
		return true
	})
	return found
}

func (s *straightener) params(params []syntax.Expr) {
	for _, p := range params {
		syntax.Walk(p, func(n syntax.Node) bool {
			if id, ok := n.(*syntax.Ident); ok {
				s.bound[id.Name] = true
			}
			return true
		})
	}
}

func (s *straightener) block(stmts []syntax.Stmt) {
	var before *syntax.CallExpr
	for _, stmt := range stmts {
		call := s.call(stmt)
		if call != nil && before != nil {
			before.Args = append(before.Args, more(before))
		}
		before = call
		switch stmt := stmt.(type) {
		case *syntax.IfStmt:
			s.block(stmt.True)
			s.block(stmt.False)
		case *syntax.ForStmt:
			s.block(stmt.Body)
		case *syntax.DefStmt:
			s.block(stmt.Body)
		}
	}
}

// more is the hidden argument.
func more(call *syntax.CallExpr) syntax.Expr {
	at := call.Rparen
	return &syntax.BinaryExpr{
		X: &syntax.Ident{NamePos: at, Name: rewrite.More}, OpPos: at, Op: syntax.EQ, Y: &syntax.Ident{NamePos: at, Name: "True"},
	}
}

// call returns the call that a statement is, if it is one of a companion whose
// arguments are harmless.
func (s *straightener) call(stmt syntax.Stmt) *syntax.CallExpr {
	e, ok := stmt.(*syntax.ExprStmt)
	if !ok {
		return nil
	}
	call, ok := e.X.(*syntax.CallExpr)
	if !ok {
		return nil
	}
	name := dotted(call.Fn)
	module, _, _ := strings.Cut(name, ".")
	if !s.companion(name) || s.bound[module] || s.bound["True"] {
		return nil
	}
	for _, arg := range call.Args {
		if u, ok := arg.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) || !s.harmless(arg) {
			return nil // the hidden argument could not follow, or the order would matter
		}
	}
	return call
}

// harmlessFunctions only compute, and call nothing back.
var harmlessFunctions = map[string]bool{
	"str": true, "repr": true, "len": true, "int": true, "float": true, "bool": true, "list": true, "tuple": true, "dict": true,
	"range": true, "reversed": true, "enumerate": true, "zip": true, "struct": true,
}

// harmless reports whether the evaluation of an expression does nothing but give a
// value, or fail.
func (s *straightener) harmless(e syntax.Expr) bool {
	ok := true
	syntax.Walk(e, func(n syntax.Node) bool {
		if call, is := n.(*syntax.CallExpr); is {
			ok = ok && s.harmlessCall(call)
		}
		return ok
	})
	return ok
}

func (s *straightener) harmlessCall(call *syntax.CallExpr) bool {
	switch fn := call.Fn.(type) {
	case *syntax.Ident:
		return harmlessFunctions[fn.Name] && !s.bound[fn.Name]
	case *syntax.DotExpr: // a method of a string that is written there
		lit, ok := fn.X.(*syntax.Literal)
		return ok && lit.Token == syntax.STRING
	}
	return false
}

// dotted returns "op.file" for such an expression, else "".
func dotted(e syntax.Expr) string {
	d, ok := e.(*syntax.DotExpr)
	if !ok {
		return ""
	}
	id, ok := d.X.(*syntax.Ident)
	if !ok {
		return ""
	}
	return id.Name + "." + d.Name.Name
}
