package rewrite

import "go.starlark.net/syntax"

// infixes are the operators that are replaced. The others ask their operands:
// value.Unknown has a method Binary.
var infixes = map[syntax.Token]string{
	syntax.EQL: "eq", syntax.NEQ: "ne", syntax.LT: "lt", syntax.LE: "le", syntax.GT: "gt", syntax.GE: "ge",
	syntax.IN: "in", syntax.NOT_IN: "notin", syntax.PERCENT: "mod", syntax.LTLT: "shl", syntax.GTGT: "shr",
}

// augmented are the assignments of which the interpreter does not ask the right
// operand. They become x ^= (·modby ^ y), which does.
var augmented = map[syntax.Token]string{
	syntax.PERCENT_EQ: "modby", syntax.LTLT_EQ: "shlby", syntax.GTGT_EQ: "shrby",
}

// nowhere is the position of an instruction that leaves the last one in force.
var nowhere syntax.Position

// expr rewrites in place or returns a replacement, in parentheses that give it
// the extent of the original: the resolver reports where an argument begins.
func expr(e syntax.Expr) syntax.Expr {
	x := replace(e)
	if x == e {
		return e
	}
	start, end := e.Span()
	return &syntax.ParenExpr{Lparen: start, X: x, Rparen: end}
}

func replace(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		e.X = expr(e.X)
	case *syntax.ListExpr:
		exprs(e.List)
	case *syntax.TupleExpr:
		exprs(e.List)
	case *syntax.DictExpr:
		exprs(e.List)
	case *syntax.DictEntry:
		e.Key, e.Value = expr(e.Key), expr(e.Value)
	case *syntax.CondExpr:
		e.Cond = condition("if", nowhere, e.Cond)
		e.True, e.False = expr(e.True), expr(e.False)
	case *syntax.LambdaExpr:
		params(e.Params)
		e.Body = expr(e.Body)
	case *syntax.Comprehension:
		clauses(e.Clauses)
		e.Body = expr(e.Body)
	case *syntax.UnaryExpr:
		return unary(e)
	case *syntax.BinaryExpr:
		return binary(e)
	case *syntax.CallExpr:
		call(e)
	case *syntax.DotExpr:
		return dot(e)
	case *syntax.IndexExpr:
		return index(e)
	case *syntax.SliceExpr:
		return slice(e)
	}
	return e
}

func exprs(list []syntax.Expr) {
	for i, e := range list {
		list[i] = expr(e)
	}
}

func clauses(list []syntax.Node) {
	for _, c := range list {
		switch c := c.(type) {
		case *syntax.ForClause:
			c.X = iterated(c.For, c.Vars, expr(c.X))
			target(c.Vars)
		case *syntax.IfClause:
			c.Cond = condition("if", nowhere, c.Cond)
		}
	}
}

func unary(e *syntax.UnaryExpr) syntax.Expr {
	e.X = expr(e.X)
	if e.Op == syntax.NOT {
		return prefixed("not", e.OpPos, e.X)
	}
	return e
}

func binary(e *syntax.BinaryExpr) syntax.Expr {
	switch e.Op {
	case syntax.OR:
		e.X, e.Y = condition("or", nowhere, e.X), expr(e.Y)
		return e
	case syntax.AND:
		e.X, e.Y = condition("and", nowhere, e.X), expr(e.Y)
		return circumflex(hidden("value", nowhere), nowhere, e)
	}
	e.X, e.Y = expr(e.X), expr(e.Y)
	if name := infixes[e.Op]; name != "" {
		return infixed(name, e.OpPos, e.X, e.Y)
	}
	return e
}

func call(e *syntax.CallExpr) {
	e.Fn = expr(e.Fn)
	for i, arg := range e.Args {
		switch arg := arg.(type) {
		case *syntax.BinaryExpr:
			if arg.Op == syntax.EQ { // name = value
				arg.Y = expr(arg.Y)
				continue
			}
		case *syntax.UnaryExpr:
			switch arg.Op {
			case syntax.STAR:
				arg.X = prefixed("args", arg.OpPos, expr(arg.X))
				continue
			case syntax.STARSTAR:
				arg.X = prefixed("kwargs", arg.OpPos, expr(arg.X))
				continue
			}
		}
		e.Args[i] = expr(arg)
	}
}

func dot(e *syntax.DotExpr) syntax.Expr {
	e.X = expr(e.X)
	if !guarded[e.Name.Name] {
		return e
	}
	return prefixed("method", e.Dot, e)
}

func index(e *syntax.IndexExpr) syntax.Expr {
	e.X, e.Y = expr(e.X), expr(e.Y)
	if isConstant(e.Y) {
		return e // a known value is asked for a known part, an unknown one has Get
	}
	return infixed("index", e.Lbrack, e.X, e.Y)
}

// slice keeps to the interpreter's position of a failed slice, which is that of
// the last instruction with a position, so it has none of its own.
func slice(e *syntax.SliceExpr) syntax.Expr {
	bounds := []syntax.Expr{e.Lo, e.Hi, e.Step}
	for i, b := range bounds {
		if b == nil {
			bounds[i] = &syntax.Ident{Name: Prefix + "none"}
		} else {
			bounds[i] = expr(b)
		}
	}
	first := circumflex(hidden("slice", e.Lbrack), nowhere, expr(e.X))
	return circumflex(first, nowhere, &syntax.TupleExpr{Lparen: e.Lbrack, List: bounds, Rparen: e.Rbrack})
}

// isConstant reports that e cannot be unknown.
func isConstant(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal:
		return true
	case *syntax.ParenExpr:
		return isConstant(e.X)
	case *syntax.UnaryExpr:
		return isConstant(e.X)
	}
	return false
}

// condition lets a Decider see what is tested; of not x that is x. Within an
// expression pos is zero: the error is then where the operand is, and a slice
// around it, which has no position of its own, keeps its own.
func condition(name string, pos syntax.Position, e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		e.X = condition(name, pos, e.X)
		return e
	case *syntax.UnaryExpr:
		if e.Op == syntax.NOT {
			e.X = condition(name, pos, e.X)
			return e
		}
	}
	e = expr(e)
	if isConstant(e) {
		return e
	}
	return asked(name, pos, e)
}

// asked is a call of the hidden function name; it has the extent of its last
// argument.
func asked(name string, pos syntax.Position, args ...syntax.Expr) syntax.Expr {
	start, end := args[len(args)-1].Span()
	test := &syntax.CallExpr{Fn: hidden(name, pos), Lparen: pos, Args: args, Rparen: pos}
	return &syntax.ParenExpr{Lparen: start, X: test, Rparen: end}
}

func prefixed(name string, pos syntax.Position, x syntax.Expr) syntax.Expr {
	return circumflex(hidden(name, pos), pos, x)
}

func infixed(name string, pos syntax.Position, x, y syntax.Expr) syntax.Expr {
	return circumflex(prefixed(name, pos, x), pos, y)
}

func circumflex(x syntax.Expr, pos syntax.Position, y syntax.Expr) syntax.Expr {
	return &syntax.BinaryExpr{X: x, OpPos: pos, Op: syntax.CIRCUMFLEX, Y: y}
}

func hidden(name string, pos syntax.Position) *syntax.Ident {
	return &syntax.Ident{Name: Prefix + name, NamePos: pos}
}

func text(pos syntax.Position, s string) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: pos, Value: s}
}
