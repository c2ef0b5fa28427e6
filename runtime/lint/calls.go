package lint

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// checkCalls finds members that a module does not have, and calls whose
// arguments do not fit the function.
func (f *file) checkCalls() {
	defs := f.functions()
	walk(f.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			f.checkMember(n)
		case *syntax.CallExpr:
			if fn := f.builtin(n.Fn); fn != nil {
				f.checkCall(n, signatureOf(fn))
			} else if id, ok := n.Fn.(*syntax.Ident); ok && defs[variable(id)] != nil {
				f.checkCall(n, signatureOfDef(defs[variable(id)]))
			}
		}
		return true
	})
}

// functions are the defs of the script by name, without those whose name is
// bound more than once: which of them a call means is not known.
func (f *file) functions() map[*syntax.Ident]*syntax.DefStmt {
	defs := map[*syntax.Ident]*syntax.DefStmt{}
	walk(f.tree, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok {
			if first := variable(def.Name); first != nil && f.names.writes[first] == 1 {
				defs[first] = def
			}
		}
		return true
	})
	return defs
}

// builtin returns the builtin that the expression stands for, or nil.
func (f *file) builtin(e syntax.Expr) *module.Func {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return f.builtin(e.X)
	case *syntax.Ident:
		if scope(e) == resolve.Predeclared {
			return f.bare[e.Name]
		}
	case *syntax.DotExpr:
		m := f.moduleOf(e)
		if m == nil {
			return nil
		}
		for _, fn := range m.Funcs() {
			if fn.Short() == e.Name.Name {
				return fn
			}
		}
	}
	return nil
}

// moduleOf returns the builtin module of an expression such as fs.read, or nil.
func (f *file) moduleOf(e *syntax.DotExpr) *module.Module {
	if id, ok := e.X.(*syntax.Ident); ok && scope(id) == resolve.Predeclared {
		return f.modules[id.Name]
	}
	return nil
}

func (f *file) checkMember(e *syntax.DotExpr) {
	m := f.moduleOf(e)
	if m == nil {
		return
	}
	has := members(m)
	if slices.Contains(has, e.Name.Name) {
		return
	}
	slices.Sort(has)
	near := nearest(e.Name.Name, has)
	if near != "" {
		near = m.Name + "." + near
	}
	f.report(e.Name.NamePos, UnknownMember, "it has "+strings.Join(has, ", "),
		"the module %s has no %q%s", m.Name, e.Name.Name, didYouMean(near))
}

// checkCall compares the arguments of a call with the parameters.
func (f *file) checkCall(call *syntax.CallExpr, s *signature) {
	if s == nil {
		return
	}
	positional, open := 0, false // open: *args or **kwargs may hold anything
	given := map[string]bool{}
	for _, arg := range call.Args {
		if u, ok := arg.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			open = true
			continue
		}
		if id, _, ok := keyword(arg); ok {
			given[id.Name] = true
			f.checkKeyword(id, s)
			continue
		}
		positional++
		if positional > len(s.positional) && !s.varargs {
			f.report(syntax.Start(arg), TooManyArguments, s.text, "%s: takes at most %s", s.name,
				count(len(s.positional), "positional argument"))
			return
		}
	}
	f.checkTwice(call, s, positional, given)
	if missing := s.missing(positional, given); len(missing) > 0 && !open {
		f.report(syntax.Start(call), MissingArgument, s.text, "%s: %s missing: %s", s.name,
			plural(len(missing), "argument"), strings.Join(missing, ", "))
	}
}

func (f *file) checkKeyword(id *syntax.Ident, s *signature) {
	if s.kwargs || slices.Contains(s.names, id.Name) || slices.Contains(s.options, id.Name) {
		return
	}
	if strings.HasPrefix(id.Name, "_") && isOption(id.Name) {
		f.report(id.NamePos, UnknownArgument, s.text, "%s: %s", s.name, s.refuses(id.Name))
		return
	}
	near := nearest(id.Name, append(slices.Clone(s.names), s.options...))
	f.report(id.NamePos, UnknownArgument, s.text, "%s: unexpected argument %q%s", s.name, id.Name, didYouMean(near))
}

// checkTwice finds arguments that are given by position and by name.
func (f *file) checkTwice(call *syntax.CallExpr, s *signature, positional int, given map[string]bool) {
	if s.varargs { // the declaration does not tell which are by name only
		return
	}
	for _, name := range s.positional[:min(positional, len(s.positional))] {
		if given[name] {
			f.report(syntax.Start(call), TooManyArguments, s.text, "%s: the argument %q is given twice", s.name, name)
		}
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func count(n int, word string) string { return fmt.Sprintf("%d %s", n, plural(n, word)) }
