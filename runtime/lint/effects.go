package lint

import (
	"reflect"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// acting are the functions without an effect of their own that act all the
// same: they call back, wait, or write to the journal.
var acting = map[string]bool{
	"parallel": true, "sleep": true, "approval": true, "checkpoint": true, "wait_until": true,
	"retry": true, "attempt": true, "defer": true, "on_rollback": true,
}

// node is a function of the script, or its top level.
type node struct {
	name    string
	calls   []edge
	effects []action
	state   uint8 // of the search for recursion
}

type edge struct {
	to  *node
	pos syntax.Position
}

type action struct {
	name string
	pos  syntax.Position
}

// graph is who calls whom within the file. Functions are values, so it knows
// only calls by the name that a def or lambda gave.
type graph struct {
	f       *file
	top     *node
	nodes   []*node
	byName  map[*syntax.Ident]*node
	lambdas map[*syntax.LambdaExpr]*node
	defs    map[*syntax.DefStmt]*node
}

// checkEffects finds effects at the top level of a file that others load, and
// recursion, which the interpreter refuses.
func (f *file) checkEffects() {
	g := f.callGraph()
	if !f.opts.Main {
		g.checkTop()
	}
	for _, n := range g.nodes {
		g.checkRecursion(n)
	}
}

func (f *file) callGraph() *graph {
	g := &graph{
		f: f, top: &node{}, byName: map[*syntax.Ident]*node{},
		lambdas: map[*syntax.LambdaExpr]*node{}, defs: map[*syntax.DefStmt]*node{},
	}
	walk(f.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			g.defs[n] = g.newNode(n.Name.Name)
			g.name(n.Name, g.defs[n])
		case *syntax.LambdaExpr:
			if g.lambdas[n] == nil {
				g.lambdas[n] = g.newNode("lambda")
			}
		case *syntax.AssignStmt:
			id, named := n.LHS.(*syntax.Ident)
			lambda, ok := n.RHS.(*syntax.LambdaExpr)
			if named && ok {
				g.lambdas[lambda] = g.newNode(id.Name)
				g.name(id, g.lambdas[lambda])
			}
		}
		return true
	})
	g.scan(f.tree, g.top)
	return g
}

func (g *graph) newNode(name string) *node {
	n := &node{name: name}
	g.nodes = append(g.nodes, n)
	return n
}

func (g *graph) name(id *syntax.Ident, n *node) {
	if first := variable(id); first != nil && g.f.names.writes[first] == 1 {
		g.byName[first] = n
	}
}

// scan notes the calls in n, which run when owner does. The body of a function
// inside runs when that is called; its defaults run where it is defined.
func (g *graph) scan(n syntax.Node, owner *node) {
	walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			g.scanDefaults(n.Params, owner)
			for _, s := range n.Body {
				g.scan(s, g.defs[n])
			}
			return false
		case *syntax.LambdaExpr:
			g.scanDefaults(n.Params, owner)
			g.scan(n.Body, g.lambdas[n])
			return false
		case *syntax.CallExpr:
			g.call(n, owner)
		}
		return true
	})
}

func (g *graph) scanDefaults(params []syntax.Expr, owner *node) {
	for _, p := range params {
		if b, ok := p.(*syntax.BinaryExpr); ok {
			g.scan(b.Y, owner)
		}
	}
}

func (g *graph) call(c *syntax.CallExpr, owner *node) {
	pos := syntax.Start(c)
	if name := g.f.actingName(c.Fn); name != "" {
		owner.effects = append(owner.effects, action{name, pos})
		return
	}
	if to := g.callee(c.Fn); to != nil {
		owner.calls = append(owner.calls, edge{to, pos})
		return
	}
	// sorted(xs, key = fn) calls fn; a function of the script may only keep it.
	if id, ok := c.Fn.(*syntax.Ident); !ok || scope(id) != resolve.Universal {
		return
	}
	for _, arg := range c.Args {
		if _, value, ok := keyword(arg); ok {
			arg = value
		}
		if to := g.callee(arg); to != nil {
			owner.calls = append(owner.calls, edge{to, pos})
		}
	}
}

func (g *graph) callee(e syntax.Expr) *node {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return g.callee(e.X)
	case *syntax.Ident:
		return g.byName[variable(e)]
	case *syntax.LambdaExpr:
		return g.lambdas[e]
	}
	return nil
}

// actingName returns the name of the builtin that e stands for when calling it
// acts on the world.
func (f *file) actingName(e syntax.Expr) string {
	if fn := f.builtin(e); fn != nil {
		controls := fn.Prototype().Implements(reflect.TypeFor[module.Controller]())
		if fn.Decl() != nil || controls && acting[fn.Short()] {
			return fn.Name()
		}
	} else if id, ok := e.(*syntax.Ident); ok && scope(id) == resolve.Predeclared && acting[id.Name] {
		return id.Name
	}
	return ""
}

const topHint = "move it into a function; only the file given to run may act at top level"

func (g *graph) checkTop() {
	for _, e := range g.top.effects {
		g.f.report(e.pos, TopLevelEffect, topHint, "%s acts at the top level of a file that others load", e.name)
	}
	for _, c := range g.top.calls {
		if e := c.to.reaches(map[*node]bool{}); e != nil {
			g.f.report(c.pos, TopLevelEffect, topHint, "%s, called at top level, reaches %s at line %d",
				c.to.name, e.name, e.pos.Line)
		}
	}
}

// reaches returns an effect that calling n can lead to, or nil.
func (n *node) reaches(seen map[*node]bool) *action {
	if seen[n] {
		return nil
	}
	seen[n] = true
	if len(n.effects) > 0 {
		return &n.effects[0]
	}
	for _, c := range n.calls {
		if e := c.to.reaches(seen); e != nil {
			return e
		}
	}
	return nil
}

// checkRecursion reports each call that closes a circle, once.
func (g *graph) checkRecursion(n *node) {
	const open, done = 1, 2
	if n.state != 0 {
		return
	}
	n.state = open
	for _, c := range n.calls {
		if c.to.state == open {
			g.f.report(c.pos, Recursion, "use a loop over a list that it extends",
				"%s calls %s, which is running already: there is no recursion", n.name, c.to.name)
		}
		g.checkRecursion(c.to)
	}
	n.state = done
}
