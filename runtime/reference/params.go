package reference

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Parameter is one parameter of a builtin.
type Parameter struct {
	Name     string // with its stars, for those that take any number
	Type     string // in words; "any number" for those that take any number
	Default  string // as it is written; "" when there is none
	Required bool
	Text     string // from the docstring
}

// Parameters returns the parameters of a builtin, in the order of the call. It
// reads the signature, which has the form of a def; what cannot be read so is
// left to the declaration's own list.
func Parameters(f *module.Func) []Parameter {
	_, list, _ := strings.Cut(f.Signature(), "(")
	const head = "def f("
	src := head + list + ": pass\n"
	file, err := (&syntax.FileOptions{}).Parse(f.Name(), src, 0)
	if err != nil {
		return plain(f)
	}
	def := file.Stmts[0].(*syntax.DefStmt)
	starred := starredDocs(f)
	var params []Parameter
	for _, p := range def.Params {
		param := parameter(p, []rune(src))
		switch {
		case param.Name == "":
			continue
		case param.Name[0] != '*': // no stars
			param.Type, param.Text = f.ParamType(param.Name), f.Doc().Arg(param.Name)
		case len(starred) > 0:
			stars := param.Name[:strings.LastIndex(param.Name, "*")+1]
			param.Name, param.Text = stars+starred[0].Name, starred[0].Text
			starred = starred[1:]
		}
		params = append(params, param)
	}
	return params
}

// starredDocs are the entries of the docstring for *args and **kwargs, whose
// own names the signature does not keep.
func starredDocs(f *module.Func) []docstring.Argument {
	names := f.Params()
	return slices.DeleteFunc(slices.Clone(f.Doc().Args), func(a docstring.Argument) bool {
		return slices.Contains(names, a.Name)
	})
}

func parameter(e syntax.Expr, src []rune) Parameter {
	switch e := e.(type) {
	case *syntax.Ident:
		return Parameter{Name: e.Name, Required: true}
	case *syntax.BinaryExpr:
		start, end := e.Y.Span()
		return Parameter{Name: e.X.(*syntax.Ident).Name, Default: string(src[start.Col-1 : end.Col-1])}
	case *syntax.UnaryExpr:
		if id, ok := e.X.(*syntax.Ident); ok {
			return Parameter{Name: e.Op.String() + id.Name, Type: "any number"}
		}
	}
	return Parameter{} // a bare *
}

func plain(f *module.Func) []Parameter {
	var params []Parameter
	for _, name := range f.Params() {
		params = append(params, Parameter{Name: name, Type: f.ParamType(name), Text: f.Doc().Arg(name)})
	}
	return params
}
