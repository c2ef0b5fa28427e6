// Package rewrite makes check mode honest. The interpreter compares, formats
// and tests a [value.Unknown] as if it were an ordinary value: u == "a" is
// False, "%s" % u is a string. [File] replaces these operations in a parsed
// file, before it is compiled, by hidden ones that ask; [Predeclared] has them,
// and honest versions of str, len, sorted and the like:
//
//	f, err := opts.Parse(name, src, 0)
//	rewrite.File(f)
//	prog, err := starlark.FileProgram(f, env.Has) // env holds rewrite.Predeclared()
//	globals, err := prog.Init(thread, env)
//
// An operation on an unknown gives one of three things: the answer, if it is
// the same for every value the unknown may turn out to have; a new unknown that
// describes the expression; or, where the script must know in order to go on
// (if, for, a key of a dict, a change in place), an error *[value.Undecided].
// Without unknowns everything is as in the plain interpreter: values, order of
// evaluation, messages, positions and backtraces. (One exception: the error of a
// slice whose last bound is a bare universal name, x["a":len], has the position
// of that name. The interpreter takes the last one that it met.)
//
// Hidden names begin with [Prefix], which no script can write. An infix
// operation x == y becomes (·eq ^ x) ^ y: ·eq is a value that takes its operands
// through ^, so nothing is called and the stack shows nothing. Only conditions
// and loops are calls, ·if(x), because a [Decider] needs the thread; [Trim] takes
// their frames out of a backtrace.
//
// Unknowns are found in lists, tuples, dicts and structs. A host's own
// container and a builtin of a module have to look after theirs.
package rewrite

import "go.starlark.net/syntax"

// Prefix begins the names of the hidden operators.
const Prefix = "·"

// More is the hidden argument of a call whose value nobody looks at, and that another
// one follows at once: see effect.Companion. It is not of check mode.
const More = Prefix + "more"

// File rewrites f in place. It must not have been resolved yet, and must not be
// rewritten twice.
func File(f *syntax.File) { stmts(f.Stmts) }

// Expr returns the rewritten e, for a host that evaluates expressions. Parts of
// e are reused.
func Expr(e syntax.Expr) syntax.Expr { return expr(e) }

func stmts(list []syntax.Stmt) {
	for _, s := range list {
		stmt(s)
	}
}

func stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		s.X = expr(s.X)
	case *syntax.AssignStmt:
		assign(s)
	case *syntax.IfStmt:
		s.Cond = condition("if", s.If, s.Cond)
		stmts(s.True)
		stmts(s.False)
	case *syntax.WhileStmt:
		s.Cond = condition("while", s.While, s.Cond)
		stmts(s.Body)
	case *syntax.ForStmt:
		s.X = iterated(s.For, s.Vars, expr(s.X))
		target(s.Vars)
		stmts(s.Body)
	case *syntax.DefStmt:
		params(s.Params)
		stmts(s.Body)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			s.Result = expr(s.Result)
		}
	}
}

func assign(s *syntax.AssignStmt) {
	s.RHS = expr(s.RHS)
	switch {
	case s.Op == syntax.EQ:
		if shape := shapeOf(s.LHS); shape != "" {
			s.RHS = infixed("unpack", s.OpPos, text(s.OpPos, shape), s.RHS)
		}
	case isConstant(s.RHS):
	case s.Op == syntax.PLUS_EQ || s.Op == syntax.PIPE_EQ:
		s.RHS = prefixed("into", s.OpPos, s.RHS)
	case augmented[s.Op] != "":
		s.RHS = prefixed(augmented[s.Op], s.OpPos, s.RHS)
		s.Op = syntax.CIRCUMFLEX_EQ
	}
	target(s.LHS)
}

// target rewrites the left side of an assignment: who changes a part has to
// know the whole and the key.
func target(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		target(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			target(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			target(x)
		}
	case *syntax.DotExpr:
		e.X = prefixed("target", e.Dot, expr(e.X))
	case *syntax.IndexExpr:
		e.X = prefixed("target", e.Lbrack, expr(e.X))
		if e.Y = expr(e.Y); !isConstant(e.Y) {
			e.Y = prefixed("key", e.Lbrack, e.Y)
		}
	}
}

// iterated guards the operand of for. If the loop unpacks, so must the guard,
// as an unknown element is as good as a tuple of unknowns.
func iterated(pos syntax.Position, vars, x syntax.Expr) syntax.Expr {
	if shape := shapeOf(vars); shape != "" {
		return asked("each", pos, text(pos, shape), x)
	}
	return asked("for", pos, x)
}

// shapeOf describes the nesting of the targets of an assignment, (..(..)) for
// a, b, (c, d); it is empty for a single one.
func shapeOf(e syntax.Expr) string {
	var list []syntax.Expr
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return shapeOf(e.X)
	case *syntax.TupleExpr:
		list = e.List
	case *syntax.ListExpr:
		list = e.List
	default:
		return ""
	}
	shape := "("
	for _, x := range list {
		if inner := shapeOf(x); inner != "" {
			shape += inner
		} else {
			shape += "."
		}
	}
	return shape + ")"
}

func params(list []syntax.Expr) {
	for _, p := range list {
		if p, ok := p.(*syntax.BinaryExpr); ok { // name = default
			p.Y = expr(p.Y)
		}
	}
}
