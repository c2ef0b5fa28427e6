package script

import (
	"os"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/docstring"
)

// Signature is what can be said of an entry function without evaluating its
// script.
type Signature struct {
	Doc    docstring.Doc
	open   bool    // takes any further arguments
	Params []Param // without *args and **kwargs; Default is set only for literals
}

// ReadSignature reads the signature of the function entry ("" for main) in a
// script. A script without such a function has an empty one.
func ReadSignature(file, entry string) (Signature, error) {
	var sig Signature
	src, err := os.ReadFile(file)
	if err != nil {
		kind := fault.Failed
		if os.IsNotExist(err) {
			kind = fault.NotFound
		}
		return sig, fault.New(kind, "cannot read the script %q: %v", file, reason(err))
	}
	return readSignature(file, src, entry)
}

// Signature reads the signature of the function entry of a module, as
// [ReadSignature] does.
func (l *Loader) Signature(name, entry string) (Signature, error) {
	src, err := l.read(name)
	if err != nil {
		return Signature{}, err
	}
	return readSignature(FileName(name), src, entry)
}

func readSignature(file string, src []byte, entry string) (Signature, error) {
	var sig Signature
	f, err := Parse(file, src)
	if err != nil {
		return sig, err
	}
	if entry == "" {
		entry = "main"
	}
	for _, stmt := range f.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && def.Name.Name == entry {
			return signatureOf(def), nil
		}
	}
	return sig, nil
}

// Parse parses the text of a script. The error shows its line.
func Parse(file string, src []byte) (*syntax.File, error) {
	f, err := Options(true).Parse(file, src, 0)
	if err != nil {
		l := &Loader{texts: map[string][]byte{file: src}}
		return nil, l.Explain(err)
	}
	return f, nil
}

// Check finds arguments that are missing or that the function does not have.
func (s Signature) Check(file map[string]starlark.Value, flags map[string][]string) error {
	var names []string
	for _, p := range s.Params {
		names = append(names, p.Name)
		if _, err := p.value(file, flags); err != nil {
			return err
		}
	}
	if s.open {
		return nil
	}
	for _, given := range superfluous(names, file, flags) {
		return unknownParam(given, names, "the script")
	}
	return nil
}

// Values returns the arguments that the parameters had, where they can be told
// without evaluating the script.
func (s Signature) Values(file map[string]starlark.Value, flags map[string][]string) map[string]starlark.Value {
	values := map[string]starlark.Value{}
	for _, p := range s.Params {
		v, err := p.value(file, flags)
		if v == nil && err == nil {
			v = p.Default
		}
		if v != nil && v != starlark.None {
			values[p.Name] = v
		}
	}
	return values
}

func signatureOf(def *syntax.DefStmt) Signature {
	var sig Signature
	if len(def.Body) > 0 {
		if stmt, ok := def.Body[0].(*syntax.ExprStmt); ok {
			if lit, ok := stmt.X.(*syntax.Literal); ok {
				text, _ := lit.Value.(string)
				sig.Doc = docstring.Parse(text)
			}
		}
	}
	types := map[string]string{}
	for _, a := range sig.Doc.Args {
		types[a.Name] = a.Type
	}
	for _, p := range def.Params {
		param := Param{}
		switch p := p.(type) {
		case *syntax.Ident:
			param.Name = p.Name
		case *syntax.BinaryExpr:
			param.Name = p.X.(*syntax.Ident).Name
			thread := new(starlark.Thread)
			thread.SetMaxExecutionSteps(10_000)
			v, err := starlark.EvalExprOptions(Options(false), thread, p.Y, starlark.StringDict{})
			if err != nil {
				v = starlark.None // not a literal: known when the script is evaluated
			}
			param.Default = v
		default:
			sig.open = true
			continue
		}
		param.Help, param.Type = sig.Doc.Arg(param.Name), types[param.Name]
		if param.Default != nil && param.Default != starlark.None {
			param.Type = param.Default.Type()
		}
		if param.Type == "" {
			param.Type = "string"
		}
		sig.Params = append(sig.Params, param)
	}
	return sig
}

// Superfluous returns the names of arguments that the function does not take.
func (s Signature) Superfluous(file map[string]starlark.Value, flags map[string][]string) []string {
	if s.open {
		return nil
	}
	var names []string
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	return superfluous(names, file, flags)
}
