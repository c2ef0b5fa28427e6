package lint

import (
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// names is what the script does with its variables. A variable is known by the
// identifier that binds it first.
type names struct {
	bound  []bound
	reads  map[*syntax.Ident]bool
	writes map[*syntax.Ident]int // how often it is bound
	loads  map[string]*syntax.Ident
}

// bound is a place where a name gets a value.
type bound struct {
	id *syntax.Ident
	by binder
}

type binder uint8

const (
	byAssign binder = iota
	byDef
	byParam
	byLoad
)

// variable returns the identifier that first binds what id stands for; nil for
// builtins and undefined names.
func variable(id *syntax.Ident) *syntax.Ident {
	if b, ok := id.Binding.(*resolve.Binding); ok && b != nil {
		return b.First
	}
	return nil
}

// scope tells a local name from a global and a builtin.
func scope(id *syntax.Ident) resolve.Scope {
	if b, ok := id.Binding.(*resolve.Binding); ok && b != nil {
		return b.Scope
	}
	return resolve.Undefined
}

func (ns *names) collect(tree *syntax.File) {
	ns.reads, ns.writes = map[*syntax.Ident]bool{}, map[*syntax.Ident]int{}
	ns.loads = map[string]*syntax.Ident{}
	targets := map[*syntax.Ident]bool{} // identifiers that are written, not read
	bind := func(e syntax.Expr, by binder, read bool) {
		eachTarget(e, func(id *syntax.Ident) {
			targets[id] = !read
			ns.bound = append(ns.bound, bound{id, by})
			ns.writes[variable(id)]++
		})
	}
	walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			for _, id := range n.To {
				bind(id, byLoad, false)
				ns.loads[id.Name] = id
			}
		case *syntax.AssignStmt:
			bind(n.LHS, byAssign, n.Op != syntax.EQ) // x += 1 reads x too
		case *syntax.ForStmt:
			bind(n.Vars, byAssign, false)
		case *syntax.ForClause:
			bind(n.Vars, byAssign, false)
		case *syntax.DefStmt:
			bind(n.Name, byDef, false)
			eachParam(n.Params, func(id *syntax.Ident) { bind(id, byParam, false) })
		case *syntax.LambdaExpr:
			eachParam(n.Params, func(id *syntax.Ident) { bind(id, byParam, false) })
		case *syntax.Ident:
			if first := variable(n); first != nil && !targets[n] {
				ns.reads[first] = true
			}
		}
		return true
	})
}

// eachTarget calls f for the names that an assignment to e binds.
func eachTarget(e syntax.Expr, f func(*syntax.Ident)) {
	switch e := e.(type) {
	case *syntax.Ident:
		f(e)
	case *syntax.ParenExpr:
		eachTarget(e.X, f)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			eachTarget(x, f)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			eachTarget(x, f)
		}
	}
}

// eachParam calls f for the names of the parameters of a function.
func eachParam(params []syntax.Expr, f func(*syntax.Ident)) {
	for _, p := range params {
		switch p := p.(type) {
		case *syntax.Ident:
			f(p)
		case *syntax.BinaryExpr:
			f(p.X.(*syntax.Ident))
		case *syntax.UnaryExpr:
			if id, ok := p.X.(*syntax.Ident); ok {
				f(id)
			}
		}
	}
}

// walk is syntax.Walk without the identifiers that are no variables: names of
// attributes and of keyword arguments, and what a load statement says.
func walk(n syntax.Node, f func(syntax.Node) bool) {
	syntax.Walk(n, func(n syntax.Node) bool {
		if n == nil || !f(n) {
			return false
		}
		switch n := n.(type) {
		case *syntax.LoadStmt:
			return false
		case *syntax.DotExpr:
			walk(n.X, f)
			return false
		case *syntax.CallExpr:
			walk(n.Fn, f)
			for _, arg := range n.Args {
				if _, value, ok := keyword(arg); ok {
					arg = value
				}
				walk(arg, f)
			}
			return false
		}
		return true
	})
}

// keyword takes name = value, as an argument, apart.
func keyword(arg syntax.Expr) (name *syntax.Ident, value syntax.Expr, ok bool) {
	b, ok := arg.(*syntax.BinaryExpr)
	if !ok || b.Op != syntax.EQ {
		return nil, nil, false
	}
	name, ok = b.X.(*syntax.Ident)
	return name, b.Y, ok
}

// checkNames finds loads and local variables that nothing reads.
func (f *file) checkNames() {
	for _, b := range f.names.bound {
		if variable(b.id) != b.id || f.names.reads[b.id] || strings.HasPrefix(b.id.Name, "_") {
			continue
		}
		local := scope(b.id) == resolve.Local || scope(b.id) == resolve.Cell
		switch {
		case b.by == byLoad:
			f.report(b.id.NamePos, UnusedLoad, "", "%s is loaded and never used", b.id.Name)
		case b.by != byParam && local:
			f.report(b.id.NamePos, UnusedVariable, "a name that begins with _ may be unused",
				"%s is never used", b.id.Name)
		}
	}
}

// checkShadowing finds names that hide a builtin or a loaded name.
func (f *file) checkShadowing() {
	for _, b := range f.names.bound {
		name, pos := b.id.Name, b.id.NamePos
		global := scope(b.id) == resolve.Global
		load := f.names.loads[name]
		switch {
		case load != nil && load != b.id && variable(b.id) == load && b.by != byLoad:
			f.report(pos, AssignedLoad, "choose another name", "%s is loaded at line %d and cannot be assigned", name, load.NamePos.Line)
		case load != nil && load != b.id && b.by != byLoad:
			f.report(pos, ShadowedLoad, "choose another name", "%s hides the name loaded at line %d", name, load.NamePos.Line)
		case f.modules[name] != nil:
			f.report(pos, ShadowedBuiltin, "choose another name", "%s hides the builtin module %s", name, name)
		case f.bare[name] != nil && (global || b.by == byLoad):
			// A local variable called like a function harms nobody.
			f.report(pos, ShadowedBuiltin, "choose another name", "%s hides the builtin %s", name, name)
		}
	}
}
