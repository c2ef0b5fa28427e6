package script

import (
	"maps"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

// Names are the names of a session. Inputs see them as predeclared, so that a
// function finds the value that a name has when the function is called.
type Names struct {
	Env starlark.StringDict

	// kept are the globals of inputs that define functions: a function goes on
	// seeing them, also when the session has given the names to other values.
	kept []starlark.StringDict
}

// Chunk is one input of a session, compiled.
type Chunk struct {
	prog    *starlark.Program
	rebinds []string // names of the session that the chunk binds
	defines bool     // it has functions
}

// Names that no input can write: the value of the last expression, and what a
// name stood for before the chunk that binds it anew.
const (
	valueName = rewrite.Prefix + "repl.value"
	wasName   = rewrite.Prefix + "repl.was."
)

// Hidden reports whether a name is not for people.
func Hidden(name string) bool { return strings.HasPrefix(name, rewrite.Prefix) }

// SessionOptions is the dialect of a session: that of a main module, where a
// load makes names of the session.
func SessionOptions() *syntax.FileOptions {
	opts := Options(true)
	opts.LoadBindsGlobally = true
	return opts
}

// Chunk compiles an input called name. definitions leaves out all statements
// but those that load or define functions.
func (l *Loader) Chunk(name string, src []byte, names *Names, definitions bool) (*Chunk, error) {
	file := FileName(name)
	l.remember(file, src)
	f, err := SessionOptions().Parse(file, src, 0)
	if err != nil {
		return nil, l.Explain(err)
	}
	if definitions {
		f.Stmts = onlyDefinitions(f.Stmts)
	}
	c := &Chunk{defines: definesFunctions(f)}
	keepValue(f)
	if l.Check {
		rewrite.File(f)
	}
	c.rebind(f, names)
	has := func(name string) bool { return names.Env.Has(name) || strings.HasPrefix(name, wasName) }
	if c.prog, err = starlark.FileProgram(f, has); err != nil {
		return nil, l.Explain(err)
	}
	return c, nil
}

// ReadChunk reads and compiles the module called name as an input.
func (l *Loader) ReadChunk(name string, names *Names, definitions bool) (*Chunk, error) {
	src, err := l.read(name)
	if err != nil {
		return nil, err
	}
	return l.Chunk(name, src, names, definitions)
}

// Forget makes the next load of a module read it again, as it may have been
// edited since.
func (l *Loader) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.modules)
}

// Run evaluates a chunk. It returns the value of its last statement, if that is
// an expression, and what the chunk has bound, also when it fails.
func (n *Names) Run(thread *starlark.Thread, c *Chunk) (starlark.Value, starlark.StringDict, error) {
	for _, name := range c.rebinds {
		n.Env[wasName+name] = n.lookUp(name)
	}
	globals, err := c.prog.Init(thread, n.Env)
	for _, name := range c.rebinds {
		delete(n.Env, wasName+name)
	}
	v := globals[valueName]
	delete(globals, valueName)
	maps.Copy(n.Env, globals)
	if c.defines {
		n.kept = append(n.kept, globals)
	}
	if v == nil {
		v = starlark.None
	}
	return v, globals, err
}

func (n *Names) lookUp(name string) starlark.Value {
	if v, ok := n.Env[name]; ok {
		return v
	}
	return starlark.Universe[name]
}

// Freeze freezes what functions of the session can reach.
func (n *Names) Freeze() {
	n.Env.Freeze()
	for _, globals := range n.kept {
		globals.Freeze()
	}
}

// keepValue gives a name to the value of the last statement.
func keepValue(f *syntax.File) {
	if len(f.Stmts) == 0 {
		return
	}
	last := len(f.Stmts) - 1
	if s, ok := f.Stmts[last].(*syntax.ExprStmt); ok {
		start, _ := s.Span()
		f.Stmts[last] = &syntax.AssignStmt{OpPos: start, Op: syntax.EQ, LHS: &syntax.Ident{NamePos: start, Name: valueName}, RHS: s.X}
	}
}

// rebind lets the names that f binds begin with the values that they have in the
// session: x += 1 is then what it looks like.
func (c *Chunk) rebind(f *syntax.File, names *Names) {
	if len(f.Stmts) == 0 {
		return
	}
	start, _ := f.Stmts[0].Span()
	var prelude []syntax.Stmt
	for _, name := range bound(f.Stmts) {
		if names.lookUp(name) == nil {
			continue
		}
		c.rebinds = append(c.rebinds, name)
		prelude = append(prelude, &syntax.AssignStmt{
			OpPos: start, Op: syntax.EQ,
			LHS: &syntax.Ident{NamePos: start, Name: name}, RHS: &syntax.Ident{NamePos: start, Name: wasName + name},
		})
	}
	f.Stmts = append(prelude, f.Stmts...)
}

// bound are the names that statements at the top level bind.
func bound(stmts []syntax.Stmt) []string {
	var all []string
	seen := map[string]bool{}
	note := func(id *syntax.Ident) {
		if !seen[id.Name] && id.Name != valueName {
			seen[id.Name] = true
			all = append(all, id.Name)
		}
	}
	for _, s := range stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt:
				note(n.Name)
				return false
			case *syntax.LoadStmt:
				for _, id := range n.To {
					note(id)
				}
			case *syntax.ForStmt:
				targets(n.Vars, note)
			case *syntax.AssignStmt:
				targets(n.LHS, note)
			case syntax.Expr:
				return false // what comprehensions and lambdas bind is theirs
			}
			return true
		})
	}
	return all
}

// targets calls note for the names on the left side of an assignment.
func targets(e syntax.Expr, note func(*syntax.Ident)) {
	switch e := e.(type) {
	case *syntax.Ident:
		note(e)
	case *syntax.ParenExpr:
		targets(e.X, note)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			targets(x, note)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			targets(x, note)
		}
	}
}

func definesFunctions(f *syntax.File) bool {
	found := false
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			found = true
		}
		return !found
	})
	return found
}

func onlyDefinitions(stmts []syntax.Stmt) []syntax.Stmt {
	var kept []syntax.Stmt
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.DefStmt, *syntax.LoadStmt:
			kept = append(kept, s)
		case *syntax.AssignStmt:
			if _, ok := s.RHS.(*syntax.LambdaExpr); ok {
				kept = append(kept, s)
			}
		}
	}
	return kept
}
