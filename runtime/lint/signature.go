package lint

import (
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// signature is what a function takes.
type signature struct {
	name       string
	text       string   // as people read it
	names      []string // all parameters
	positional []string // those that may be given by position, in order
	required   []string
	options    []string // underscore arguments that it takes
	noOption   string   // why it does not take options, or those of commands
	effect     bool
	varargs    bool
	kwargs     bool
}

// signatureOf reads the signature of a builtin from its text, which has the
// form of a def; nil when it cannot be read.
func signatureOf(fn *module.Func) *signature {
	text := fn.Signature()
	_, params, _ := strings.Cut(text, "(")
	file, err := (&syntax.FileOptions{}).Parse(fn.Name(), "def f("+params+": pass\n", 0)
	if err != nil {
		return nil
	}
	s := signatureOfDef(file.Stmts[0].(*syntax.DefStmt))
	s.name, s.text = fn.Name(), text
	if fn.Decl() == nil {
		s.noOption = "arguments that begin with _ are for effects"
		return s
	}
	s.effect = true
	s.noOption = "this option is for effects that run commands"
	for _, o := range fn.Options() {
		s.options = append(s.options, o.Name)
	}
	return s
}

func isOption(name string) bool {
	for _, o := range module.Options {
		if o.Name == name {
			return true
		}
	}
	return false
}

// refuses says why the function does not take an option.
func (s *signature) refuses(option string) string {
	for _, o := range module.Options {
		if o.Name == option && o.Many && s.effect {
			return "this option is for effects that act on several targets"
		}
	}
	return s.noOption
}

func signatureOfDef(def *syntax.DefStmt) *signature {
	s := &signature{name: def.Name.Name, noOption: "arguments that begin with _ are for effects"}
	keywordOnly := false
	var text []string
	add := func(name, shown string, required bool) {
		s.names = append(s.names, name)
		text = append(text, shown)
		if !keywordOnly {
			s.positional = append(s.positional, name)
		}
		if required {
			s.required = append(s.required, name)
		}
	}
	for _, p := range def.Params {
		switch p := p.(type) {
		case *syntax.Ident:
			add(p.Name, p.Name, true)
		case *syntax.BinaryExpr:
			name := p.X.(*syntax.Ident).Name
			add(name, name+" = …", false)
		case *syntax.UnaryExpr:
			keywordOnly = true
			name := ""
			if id, ok := p.X.(*syntax.Ident); ok {
				name = id.Name
			}
			s.varargs = s.varargs || p.Op == syntax.STAR && name != ""
			s.kwargs = s.kwargs || p.Op == syntax.STARSTAR
			text = append(text, p.Op.String()+name)
		}
	}
	s.text = s.name + "(" + strings.Join(text, ", ") + ")"
	return s
}

// missing are the required parameters that a call leaves out.
func (s *signature) missing(positional int, given map[string]bool) []string {
	byPosition := map[string]bool{}
	for _, name := range s.positional[:min(positional, len(s.positional))] {
		byPosition[name] = true
	}
	var missing []string
	for _, name := range s.required {
		if !given[name] && !byPosition[name] {
			missing = append(missing, `"`+name+`"`)
		}
	}
	return missing
}
