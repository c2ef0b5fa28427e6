package tester

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// finder collects the tests of a file. Whatever has the name of a test and would
// never run is one that fails: nobody would miss it.
type finder struct {
	file  string
	tests []Test
	at    map[string]int // index of a test by its name
}

// testsIn returns the tests of a file in their order.
func testsIn(file string, tree *syntax.File) []Test {
	f := &finder{file: file, at: map[string]int{}}
	f.block(tree.Stmts, true)
	return f.tests
}

// block looks through statements; top says that they are executed in any case.
func (f *finder) block(stmts []syntax.Stmt, top bool) {
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.DefStmt:
			f.function(s.Name, s.Params, top)
		case *syntax.AssignStmt:
			f.assignment(s.LHS, s.RHS, top)
		case *syntax.LoadStmt:
			for i, to := range s.To {
				f.add(to, "%s is loaded, so it does not run as a test", to.Name).
					hint("call it in a test of this file; when it is no test, load it by another name: x = %q", s.From[i].Name)
			}
		case *syntax.IfStmt:
			f.block(s.True, false)
			f.block(s.False, false)
		case *syntax.ForStmt:
			f.block(s.Body, false)
		case *syntax.WhileStmt:
			f.block(s.Body, false)
		}
	}
}

func (f *finder) function(name *syntax.Ident, params []syntax.Expr, top bool) {
	switch {
	case !top:
		f.add(name, "%s is defined under a condition or in a loop, so it may not run as a test", name.Name).
			hint("define it at the top level")
	case slices.ContainsFunc(params, required):
		f.add(name, "a test has no parameters without a default")
	default:
		f.add(name, "")
	}
}

func (f *finder) assignment(to, from syntax.Expr, top bool) {
	switch to := to.(type) {
	case *syntax.Ident:
		switch from := from.(type) {
		case *syntax.LambdaExpr:
			f.function(to, from.Params, top)
		case *syntax.CallExpr, *syntax.Ident, *syntax.DotExpr, *syntax.CondExpr, *syntax.IndexExpr, *syntax.ParenExpr:
			f.noDef(to)
		}
	case *syntax.ParenExpr:
		f.assignment(to.X, from, top)
	case *syntax.TupleExpr:
		f.each(to.List)
	case *syntax.ListExpr:
		f.each(to.List)
	}
}

func (f *finder) each(names []syntax.Expr) {
	for _, x := range names {
		if name, ok := x.(*syntax.Ident); ok {
			f.noDef(name)
		}
	}
}

func (f *finder) noDef(name *syntax.Ident) {
	f.add(name, "%s is no def, so it does not run as a test", name.Name).
		hint("write def %s(): …; when it is no test, give it another name", name.Name)
}

// found is a test to which a hint can be added.
type found struct{ err *fault.Error }

func (x found) hint(format string, args ...any) {
	if x.err != nil {
		_ = x.err.WithHint(format, args...)
	}
}

// add adds a test, if it has the name of one. A message says why it cannot run.
func (f *finder) add(name *syntax.Ident, format string, args ...any) found {
	if !strings.HasPrefix(name.Name, Prefix) {
		return found{}
	}
	line, col := int(name.NamePos.Line), int(name.NamePos.Col)
	frame := fault.Frame{File: f.file, Line: line, Col: col, Func: name.Name}
	if i, again := f.at[name.Name]; again {
		t := &f.tests[i]
		e := fault.New(fault.Script, "%s is defined twice: in line %d and in line %d", t.Name, t.Line, line).
			WithHint("only the last one would run; give one of them another name")
		e.Stack = []fault.Frame{frame, {File: f.file, Line: t.Line, Col: 1, Func: t.Name}}
		t.Err = e
		return found{}
	}
	t := Test{File: f.file, Name: name.Name, Line: line}
	var e *fault.Error
	if format != "" {
		e = fault.New(fault.Script, format, args...)
		e.Stack = []fault.Frame{{File: f.file, Line: line, Col: col}}
		t.Err = e
	}
	f.at[name.Name] = len(f.tests)
	f.tests = append(f.tests, t)
	return found{e}
}

// required reports whether a parameter has to be given.
func required(p syntax.Expr) bool {
	_, ok := p.(*syntax.Ident)
	return ok
}
