package lint

import (
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Site is a place in a script where a builtin with an effect is called, or
// handed on to be called elsewhere.
type Site struct {
	Name string       // "fs.read"; "fs.*" where the whole module is handed on
	Func *module.Func // nil for a whole module
	Line int          // from 1
	Col  int          // from 1, in characters
	Text string       // the source line
	// Args are the arguments as far as the text tells: a *value.Unknown stands for
	// what is computed.
	Args map[string]starlark.Value
	// Open says that not all arguments can be told from the text.
	Open bool
}

// Loaded is a load statement.
type Loaded struct {
	Module string
	Line   int
}

// Sites finds the effects in a script and what it loads, without evaluating it.
// findings say why nothing can be known of a text that is no script.
func Sites(name string, src []byte, opts Options) (sites []Site, loads []Loaded, findings []Finding) {
	f := &file{opts: opts, name: name, lines: strings.Split(string(src), "\n")}
	f.index()
	if !f.parse(src) {
		return nil, nil, f.found
	}
	f.resolve()
	s := siteSearch{f: f, called: map[syntax.Expr]bool{}}
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		if load, ok := n.(*syntax.LoadStmt); ok {
			loads = append(loads, Loaded{load.ModuleName(), int(load.Load.Line)})
		}
		return true
	})
	walk(f.tree, s.visit)
	return s.sites, loads, nil
}

type siteSearch struct {
	f      *file
	called map[syntax.Expr]bool // what a call that was seen calls
	sites  []Site
}

func (s *siteSearch) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.CallExpr:
		if fn := s.f.builtin(n.Fn); fn != nil {
			s.called[unparen(n.Fn)] = true
			if fn.Decl() != nil {
				args, open := literalArgs(n, fn)
				s.add(syntax.Start(n), fn.Name(), fn, args, open)
			}
		}
	case *syntax.DotExpr:
		if fn := s.f.builtin(n); fn != nil {
			if fn.Decl() != nil && !s.called[n] {
				s.add(syntax.Start(n), fn.Name(), fn, nil, true)
			}
			return false
		}
		if s.f.moduleOf(n) != nil {
			return false // a constant, or a name that there is not
		}
	case *syntax.Ident:
		if scope(n) != resolve.Predeclared {
			return true
		}
		if m := s.f.modules[n.Name]; m != nil && acts(m) {
			s.add(n.NamePos, m.Name+".*", nil, nil, true)
		} else if fn := s.f.bare[n.Name]; fn != nil && fn.Decl() != nil && !s.called[n] {
			s.add(n.NamePos, fn.Name(), fn, nil, true)
		}
	}
	return true
}

func acts(m *module.Module) bool {
	for _, fn := range m.Funcs() {
		if fn.Decl() != nil {
			return true
		}
	}
	return false
}

func (s *siteSearch) add(pos syntax.Position, name string, fn *module.Func, args map[string]starlark.Value, open bool) {
	s.sites = append(s.sites, Site{
		Name: name, Func: fn, Line: int(pos.Line), Col: int(pos.Col), Text: strings.TrimSpace(s.f.text(int(pos.Line))),
		Args: args, Open: open,
	})
}

func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}

// literalArgs reads the arguments of a call. open says that *args or **kwargs may
// hold more.
func literalArgs(call *syntax.CallExpr, fn *module.Func) (args map[string]starlark.Value, open bool) {
	args = map[string]starlark.Value{}
	params, n := fn.Params(), 0
	for _, arg := range call.Args {
		if u, ok := arg.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			open = true
			continue
		}
		if id, v, ok := keyword(arg); ok {
			args[id.Name] = literal(v)
			continue
		}
		if n < len(params) {
			args[params[n]] = literal(arg)
		}
		n++
	}
	return args, open
}

// literal evaluates what the text alone tells.
func literal(e syntax.Expr) starlark.Value {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return literal(e.X)
	case *syntax.Literal:
		return literalOf(e)
	case *syntax.Ident:
		switch {
		case scope(e) != resolve.Universal:
		case e.Name == "True":
			return starlark.True
		case e.Name == "False":
			return starlark.False
		case e.Name == "None":
			return starlark.None
		}
	case *syntax.ListExpr:
		return starlark.NewList(literals(e.List))
	case *syntax.TupleExpr:
		return starlark.Tuple(literals(e.List))
	case *syntax.DictExpr:
		return literalDict(e)
	case *syntax.BinaryExpr:
		x, isText := literal(e.X).(starlark.String)
		y, both := literal(e.Y).(starlark.String)
		if e.Op == syntax.PLUS && isText && both {
			return x + y
		}
	}
	return computed(e)
}

func computed(e syntax.Expr) *value.Unknown {
	pos := syntax.Start(e)
	return value.NewUnknown("computed at line %d", pos.Line)
}

func literalOf(e *syntax.Literal) starlark.Value {
	switch v := e.Value.(type) {
	case string:
		if e.Token == syntax.BYTES {
			return starlark.Bytes(v)
		}
		return starlark.String(v)
	case int64:
		return starlark.MakeInt64(v)
	case float64:
		return starlark.Float(v)
	}
	return computed(e)
}

func literals(list []syntax.Expr) []starlark.Value {
	values := make([]starlark.Value, len(list))
	for i, e := range list {
		values[i] = literal(e)
	}
	return values
}

func literalDict(e *syntax.DictExpr) starlark.Value {
	d := starlark.NewDict(len(e.List))
	for _, entry := range e.List {
		kv, ok := entry.(*syntax.DictEntry)
		if !ok {
			return computed(e)
		}
		k, ok := literal(kv.Key).(starlark.String)
		if !ok {
			return computed(e)
		}
		if err := d.SetKey(k, literal(kv.Value)); err != nil {
			return computed(e)
		}
	}
	return d
}
