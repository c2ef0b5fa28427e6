package document

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Config is the global that a Starlark file sets.
const Config = "config"

const maxSteps = 1_000_000 // of a file that only computes a value

// star evaluates a file with nothing but the functions of the language.
func (r *reader) star(source value.Document) error {
	if source.Secret {
		return fault.New(fault.Config, "a Starlark file cannot be a secret as a whole").
			WithHint("give it as JSON, TOML or YAML")
	}
	file, err := dialect.Parse(r.doc.Name, source.Text, 0)
	if err != nil {
		return r.badStar(err)
	}
	thread := &starlark.Thread{Name: r.doc.Name, Print: func(*starlark.Thread, string) {}}
	thread.SetMaxExecutionSteps(maxSteps)
	env := starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)}
	prog, err := starlark.FileProgram(file, env.Has)
	if err != nil {
		return r.badStar(err)
	}
	globals, err := prog.Init(thread, env)
	if err != nil {
		return r.badStar(err)
	}
	globals.Freeze()
	if r.doc.Value = globals[Config]; r.doc.Value == nil {
		return fault.New(fault.Config, "the file sets no %s", Config).WithHint("write %s = {…}", Config)
	}
	r.noteStar(file)
	return nil
}

var dialect = &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}

// noteStar goes through what the file sets config to, the last time.
func (r *reader) noteStar(file *syntax.File) {
	literals := map[string]syntax.Expr{}
	for _, stmt := range file.Stmts {
		if a, ok := stmt.(*syntax.AssignStmt); ok && a.Op == syntax.EQ {
			if name, ok := a.LHS.(*syntax.Ident); ok {
				literals[name.Name] = a.RHS
			}
		}
	}
	if e := literals[Config]; e != nil {
		r.noteExpr("", e, literals, 0)
	}
}

const (
	maxNesting = 500     // of names that stand for what has such names in it
	maxPaths   = 100_000 // that names can make of a short text
)

// noteExpr notes what is in a literal. Names stand for the literals that they are
// set to.
func (r *reader) noteExpr(path string, e syntax.Expr, named map[string]syntax.Expr, depth int) {
	if depth > maxNesting || len(r.doc.At) > maxPaths {
		return
	}
	at := func(path string, key, v syntax.Expr) {
		start, _ := key.Span()
		r.note(path, int(start.Line), int(start.Col))
		r.noteExpr(path, v, named, depth+1)
	}
	switch e := e.(type) {
	case *syntax.ParenExpr:
		r.noteExpr(path, e.X, named, depth+1)
	case *syntax.Ident:
		if v := named[e.Name]; v != nil {
			r.noteExpr(path, v, named, depth+1)
		}
	case *syntax.DictExpr:
		for _, x := range e.List {
			entry := x.(*syntax.DictEntry)
			if lit, ok := entry.Key.(*syntax.Literal); ok && lit.Token == syntax.STRING {
				at(value.FieldPath(path, lit.Value.(string)), entry.Key, entry.Value)
			}
		}
	case *syntax.ListExpr:
		for i, x := range e.List {
			at(value.ItemPath(path, i), x, x)
		}
	case *syntax.TupleExpr:
		for i, x := range e.List {
			at(value.ItemPath(path, i), x, x)
		}
	case *syntax.CallExpr: // dict(port = 1), struct(port = 1)
		if fn, ok := e.Fn.(*syntax.Ident); !ok || fn.Name != "dict" && fn.Name != "struct" {
			return
		}
		for _, arg := range e.Args {
			if b, ok := arg.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
				at(value.FieldPath(path, b.X.(*syntax.Ident).Name), b.X, b.Y)
			}
		}
	}
}

// badStar gives an error of the language its place.
func (r *reader) badStar(err error) error {
	var syn syntax.Error
	var eval *starlark.EvalError
	e := fault.New(fault.Config, "%s", err)
	switch {
	case errors.As(err, &syn):
		e.Msg = syn.Msg
		e.Stack = []fault.Frame{r.frame(syn.Pos)}
	case errors.As(err, &eval):
		e.Msg = fmt.Sprintf("cannot evaluate the file: %s", eval.Msg)
		for i := range eval.CallStack {
			if pos := eval.CallStack.At(i).Pos; pos.Line > 0 { // a function of the language has none
				e.Stack = []fault.Frame{r.frame(pos)}
				break
			}
		}
	}
	return e.WithHint("a configuration file has no modules and loads nothing: it sets %s to a dict", Config)
}

// frame has no text: which of the values on the line are secrets is not known.
func (r *reader) frame(pos syntax.Position) fault.Frame {
	return fault.Frame{File: r.doc.Name, Line: int(pos.Line), Col: int(pos.Col)}
}
