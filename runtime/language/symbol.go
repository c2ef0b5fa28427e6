package language

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
	builtin "github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/partial"
	"github.com/provisioning-systems/provisioning/runtime/reference"
)

// kind is what a symbol is, with the numbers of the protocol for completion.
type kind int

const (
	kindMethod    kind = 2
	kindFunction  kind = 3
	kindField     kind = 5
	kindVariable  kind = 6
	kindModule    kind = 9
	kindProperty  kind = 10
	kindKeyword   kind = 14
	kindFile      kind = 17
	kindFolder    kind = 19
	kindConstant  kind = 21
	kindParameter kind = 6 // the protocol has none of its own
)

// symbol is something that a name stands for, and what there is to say of it.
type symbol struct {
	name   string
	kind   kind
	title  string // its signature, or how it is defined; shown as code
	nature string // a few words on where it comes from
	doc    docstring.Doc
	params []parameter // of a function
	module *builtin.Module
	fields []*symbol // of a struct

	in *document     // where it is defined; nil for builtins
	at partial.Range // of its name there
}

// parameter is a parameter of a function.
type parameter struct {
	name  string
	label string // how the signature writes it
	typ   string // in words; "" when it is not known
	text  string
	stars string // "*" or "**" for those that take any number
	named bool   // only by name
	late  bool   // an option, which the signature does not show
}

// index holds the builtins by name.
type index struct {
	modules  map[string]*symbol
	members  map[string]map[string]*symbol // by module
	bare     map[string]*symbol            // builtins without a module
	language map[string]*symbol            // of the language itself
	predecl  []string
}

func newIndex(opts Options) *index {
	x := &index{
		modules: map[string]*symbol{}, members: map[string]map[string]*symbol{},
		bare: map[string]*symbol{}, language: map[string]*symbol{}, predecl: opts.Predeclared,
	}
	for _, f := range reference.Language().Funcs {
		if starlark.Universe.Has(f.Name) || slices.Contains(opts.Predeclared, f.Name) {
			x.language[f.Name] = librarySymbol(f)
		}
	}
	for name := range starlark.Universe {
		if x.language[name] == nil {
			x.language[name] = &symbol{name: name, kind: kindConstant, title: name, nature: "of the language"}
		}
	}
	for _, name := range opts.Predeclared {
		if x.language[name] == nil {
			x.language[name] = &symbol{name: name, kind: kindFunction, title: name, nature: "builtin"}
		}
	}
	for _, m := range opts.Modules {
		members := x.bare
		if m.Name != "" {
			members = map[string]*symbol{}
			x.members[m.Name] = members
			x.modules[m.Name] = &symbol{name: m.Name, kind: kindModule, title: m.Name, nature: "module", doc: m.Doc, module: m}
		}
		for _, f := range m.Funcs() {
			members[f.Short()] = builtinSymbol(f)
		}
		for _, f := range m.Facts() {
			title := strings.TrimPrefix(m.Name+"."+f.Name, ".")
			members[f.Name] = &symbol{name: f.Name, kind: kindConstant, title: title, nature: "constant of the run", doc: docstring.Parse(f.Doc)}
		}
	}
	return x
}

// global is what a name stands for that the script does not define.
func (x *index) global(name string) *symbol {
	for _, names := range []map[string]*symbol{x.modules, x.bare, x.language} {
		if s := names[name]; s != nil {
			return s
		}
	}
	return nil
}

func builtinSymbol(f *builtin.Func) *symbol {
	s := &symbol{name: f.Short(), kind: kindFunction, title: f.Signature(), nature: f.Nature(), doc: f.Doc()}
	starred := false
	for _, p := range reference.Parameters(f) {
		q := parameter{name: strings.TrimLeft(p.Name, "*"), label: p.Name, typ: p.Type, text: p.Text, named: starred}
		q.stars = p.Name[:len(p.Name)-len(q.name)]
		if p.Default != "" {
			q.label += " = " + p.Default
		}
		starred = starred || q.stars != ""
		s.params = append(s.params, q)
	}
	// The signature calls them args and kwargs, whatever the docstring says.
	s.markNamed()
	for _, o := range f.Options() {
		s.params = append(s.params, parameter{name: o.Name, label: o.Name, typ: o.Type, text: o.Doc, named: true, late: true})
	}
	return s
}

// markNamed finds the parameters behind a bare star, which no list has.
func (s *symbol) markNamed() {
	_, list, ok := strings.Cut(s.title, ", *, ")
	if !ok {
		if _, list, ok = strings.Cut(s.title, "(*, "); !ok {
			return
		}
	}
	for i := range s.params {
		if p := &s.params[i]; strings.Contains(", "+list, ", "+p.label) {
			p.named = true
		}
	}
}

func librarySymbol(f reference.LibraryFunc) *symbol {
	s := &symbol{name: f.Name, kind: kindFunction, title: f.Signature, nature: "function of the language", doc: f.Doc}
	if top := partial.Read("def " + f.Signature + ": pass").Top; len(top.Inner) > 0 {
		s.params = paramsOf(top.Inner[0].Def, f.Doc)
	}
	return s
}

// defSymbol is a function of a script.
func defSymbol(doc *document, d *partial.Def) *symbol {
	s := &symbol{
		name: d.Name, kind: kindFunction, title: d.Statement, doc: docstring.Parse(d.Doc),
		in: doc, at: d.At,
	}
	s.params = paramsOf(d, s.doc)
	return s
}

func paramsOf(d *partial.Def, doc docstring.Doc) []parameter {
	var all []parameter
	named := false
	for _, p := range d.Params {
		if p.Name == "" { // a bare star
			named = true
			continue
		}
		q := parameter{name: p.Name, label: p.Label(), stars: p.Stars, named: named, typ: typeOfText(p.Default)}
		for _, a := range doc.Args {
			if a.Name == p.Name {
				q.text = a.Text
				if a.Type != "" {
					q.typ = a.Type
				}
			}
		}
		named = named || p.Stars != ""
		all = append(all, q)
	}
	return all
}

// typeOfText is the type of a literal; "" for other expressions.
func typeOfText(text string) string {
	switch {
	case text == "":
		return ""
	case text == "True" || text == "False":
		return "bool"
	case strings.ContainsAny(text[:1], `"'`):
		return "string"
	case text[0] == '[':
		return "list"
	case text[0] == '{':
		return "dict"
	case text[0] >= '0' && text[0] <= '9' || text[0] == '-':
		if strings.ContainsAny(text, ".e") && !strings.HasPrefix(text, "0x") {
			return "float"
		}
		return "int"
	}
	return ""
}

// parameterSymbol is a parameter, as something to explain.
func (s *symbol) parameterSymbol(p parameter) *symbol {
	nature := fmt.Sprintf("parameter of %s", s.name)
	if p.late {
		nature = "option of every effect"
	}
	if p.typ != "" && p.stars == "" {
		nature += ", " + p.typ
	}
	return &symbol{name: p.name, kind: kindParameter, title: p.label, nature: nature, doc: docstring.Doc{Summary: p.text}, in: s.in}
}

// parameterNamed returns false when the function has none of that name.
func (s *symbol) parameterNamed(name string) (parameter, bool) {
	for _, p := range s.params {
		if p.name == name && p.stars == "" {
			return p, true
		}
	}
	return parameter{}, false
}
