package language

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

// maxHops bounds how far names are followed from one to the next, through
// assignments and loads, which may go in a circle.
const maxHops = 8

// resolve finds what a dotted name stands for at an offset; nil when that is
// not known.
func (s *server) resolve(doc *document, path []string, offset, hops int) *symbol {
	if len(path) == 0 || hops > maxHops {
		return nil
	}
	var found *symbol
	if b := doc.read().Lookup(path[0], offset); b != nil {
		found = s.bound(doc, b, hops)
	} else {
		found = s.index.global(path[0])
	}
	for _, name := range path[1:] {
		found = s.member(found, name)
	}
	return found
}

func (s *server) member(of *symbol, name string) *symbol {
	if of == nil {
		return nil
	}
	if of.kind == kindModule {
		return s.index.members[of.name][name]
	}
	for _, f := range of.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// bound is what a binding stands for.
func (s *server) bound(doc *document, b *partial.Binding, hops int) *symbol {
	at := partial.Range{Start: b.Start, End: b.End}
	switch b.Role {
	case partial.Function:
		return defSymbol(doc, b.Def)
	case partial.Parameter:
		fn := defSymbol(doc, b.Def)
		for _, p := range fn.params {
			if p.name == b.Name {
				found := fn.parameterSymbol(p)
				found.at, found.fields = at, methodsOfType(p.typ)
				return found
			}
		}
	case partial.Loaded:
		if found := s.exported(doc, b.Load.Path, b.Original, hops+1); found != nil {
			return found
		}
		return &symbol{name: b.Name, kind: kindVariable, title: b.Name, nature: "loaded from " + b.Load.Path, in: doc, at: at}
	case partial.Variable:
		return s.variable(doc, b, at, hops)
	}
	return &symbol{name: b.Name, kind: kindVariable, title: b.Name, nature: "element", in: doc, at: at}
}

// variable looks at what is assigned: another name for a function, or a struct.
func (s *server) variable(doc *document, b *partial.Binding, at partial.Range, hops int) *symbol {
	v := &symbol{name: b.Name, kind: kindVariable, title: b.Name, nature: "variable", in: doc, at: at}
	if b.Value.End == 0 {
		return v
	}
	text := doc.content[b.Value.Start:b.Value.End]
	line, _, more := strings.Cut(text, "\n")
	if v.title += " = " + strings.TrimRight(line, "\r"); more {
		v.title += " …"
	}
	file := doc.read()
	if path := file.Path(b.Value); path != nil && path[0] != b.Name {
		if same := s.resolve(doc, path, b.Value.Start, hops+1); same != nil && (same.kind == kindFunction || same.kind == kindModule) {
			alias := *same
			alias.in, alias.at = doc, at
			return &alias
		}
	}
	if strings.HasPrefix(text, "lambda") {
		v.nature = "function"
	}
	v.fields = s.fieldsOf(doc, b.Value)
	return v
}

// fieldsOf are the fields of struct(a = 1, b = 2), and the methods of literals.
func (s *server) fieldsOf(doc *document, value partial.Range) []*symbol {
	file := doc.read()
	tokens := file.Tokens(value)
	if methods := methodsOf(doc.content[value.Start:value.End], tokens); methods != nil {
		return methods
	}
	var fields []*symbol
	for _, f := range file.StructFields(tokens) {
		fields = append(fields, &symbol{
			name: f.Name, kind: kindField, title: doc.content[f.Start:f.Value.End], nature: "field",
			in: doc, at: partial.Range{Start: f.Start, End: f.End},
		})
	}
	return fields
}

// methodsOf are the methods of what an expression gives, where its text alone
// tells its type: "x", [x], {x: y}.
func methodsOf(text string, tokens []partial.Token) []*symbol {
	switch {
	case len(tokens) == 0:
	case len(tokens) == 1 && tokens[0].Kind == partial.String && strings.HasPrefix(text, "b"):
		return methodsOfType("bytes")
	case len(tokens) == 1 && tokens[0].Kind == partial.String:
		return methodsOfType("string")
	case partial.Enclosed(text, tokens) && text[0] == '[':
		return methodsOfType("list")
	case partial.Enclosed(text, tokens) && text[0] == '{':
		return methodsOfType("dict")
	}
	return nil
}

func methodsOfType(typ string) []*symbol {
	switch typ {
	case "string":
		return methods(typ, starlark.String(""))
	case "bytes":
		return methods(typ, starlark.Bytes(""))
	case "list":
		return methods(typ, new(starlark.List))
	case "dict":
		return methods(typ, new(starlark.Dict))
	}
	return nil
}

func methods(of string, v starlark.HasAttrs) []*symbol {
	var all []*symbol
	for _, name := range v.AttrNames() {
		all = append(all, &symbol{
			name: name, kind: kindMethod, title: of + "." + name, nature: "method of the language",
			doc: docText("Explained at https://github.com/bazelbuild/starlark/blob/master/spec.md#" + of + "·" + name),
		})
	}
	return all
}

// exported is what a script that doc loads calls name.
func (s *server) exported(doc *document, path, name string, hops int) *symbol {
	if hops > maxHops || strings.HasPrefix(name, "_") {
		return nil
	}
	from, err := s.files.load(doc, path)
	if err != nil {
		return nil
	}
	for _, b := range from.read().Exports() {
		if b.Name == name {
			found := s.bound(from, b, hops)
			if found.in == from && found.kind == kindFunction {
				found.nature = "of " + from.name
			}
			return found
		}
	}
	return nil
}

// callee is the function of the call that the cursor is in; nil when it is not
// known.
func (s *server) callee(doc *document, c partial.Cursor) *symbol {
	if c.Call == nil {
		return nil
	}
	fn := s.resolve(doc, doc.read().Path(c.Call.Callee), c.Call.Callee.Start, 0)
	if fn == nil || fn.kind != kindFunction {
		return nil
	}
	return fn
}

// target is what the name at an offset stands for, and the range of that name.
func (s *server) target(doc *document, offset int) (*symbol, partial.Range) {
	file := doc.read()
	c := file.At(offset)
	switch {
	case c.Comment, c.Numeral:
		return nil, partial.Range{}
	case c.Text:
		return s.loadTarget(doc, c)
	case c.Word.Start == c.Word.End:
		return nil, partial.Range{}
	}
	name := file.Text[c.Word.Start:c.Word.End]
	if c.Dotted {
		return s.fieldTarget(doc, c, name), c.Word
	}
	if c.Call != nil && c.Call.Fresh && file.NamesArgument(c.Word) {
		if fn := s.callee(doc, c); fn != nil {
			if p, ok := fn.parameterNamed(name); ok {
				found := fn.parameterSymbol(p)
				found.at = s.whereParameter(fn, name)
				return found, c.Word
			}
		}
		return nil, partial.Range{}
	}
	return s.resolve(doc, []string{name}, c.Word.Start, 0), c.Word
}

func (s *server) fieldTarget(doc *document, c partial.Cursor, name string) *symbol {
	for _, f := range s.receiver(doc, c) {
		if f.name == name {
			return f
		}
	}
	return nil
}

// receiver are the members of the expression before the dot.
func (s *server) receiver(doc *document, c partial.Cursor) []*symbol {
	file := doc.read()
	if len(c.Receiver) == 0 {
		return nil
	}
	r := partial.Range{Start: c.Receiver[0].Start, End: c.Receiver[len(c.Receiver)-1].End}
	path := file.PathOf(c.Receiver)
	if path == nil {
		return s.fieldsOf(doc, r)
	}
	of := s.resolve(doc, path, r.Start, 0)
	switch {
	case of == nil:
		return nil
	case of.kind == kindModule:
		return sortedSymbols(s.index.members[of.name])
	}
	return of.fields
}

// whereParameter is where a function of a script has its parameter.
func (s *server) whereParameter(fn *symbol, name string) partial.Range {
	if fn.in == nil {
		return partial.Range{}
	}
	for _, b := range fn.in.read().ScopeAt(fn.at.End + 1).Bindings {
		if b.Name == name && b.Role == partial.Parameter {
			return partial.Range{Start: b.Start, End: b.End}
		}
	}
	return fn.at
}

// loadTarget is what a string in a load statement names.
func (s *server) loadTarget(doc *document, c partial.Cursor) (*symbol, partial.Range) {
	for _, l := range doc.read().Loads {
		if l.At == c.Quoted {
			from, err := s.files.load(doc, l.Path)
			if err != nil {
				return nil, partial.Range{}
			}
			return &symbol{name: l.Path, kind: kindFile, title: from.name, nature: "script", doc: docOf(from), in: from}, c.Quoted
		}
		for _, n := range l.Names {
			if n.At == c.Quoted {
				return s.exported(doc, l.Path, n.Original, 0), c.Quoted
			}
		}
	}
	return nil, partial.Range{}
}
