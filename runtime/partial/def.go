package partial

import "strings"

// def reads the head of a function. What follows on the same line belongs to
// it, and if that is nothing, the lines that are indented more.
func (f *File) def(tokens []Token, l line, scope *Scope, index int) *Scope {
	if len(tokens) < 2 || tokens[1].Kind != Name {
		return scope
	}
	name := tokens[1]
	d := &Def{
		Name: f.text(name), At: Range{name.Start, name.End}, Start: l.start, End: l.end,
		indent: l.indent, bodyEnd: len(f.Text),
	}
	d.Scope = &Scope{Def: d, Outer: scope}
	scope.Inner = append(scope.Inner, d.Scope)
	scope.Bindings = append(scope.Bindings, &Binding{Name: d.Name, Role: Function, Start: name.Start, End: name.End, Def: d})
	body := tokens[2:]
	if len(body) > 0 && f.is(body[0], "(") {
		end := f.closing(body, 0)
		d.Params = f.params(body[1:end])
		body = body[min(len(body), end+1):]
	}
	for _, p := range d.Params {
		d.Scope.Bindings = append(d.Scope.Bindings, &Binding{
			Name: p.Name, Role: Parameter, Start: p.At.Start, End: p.At.End, Def: d,
		})
	}
	d.Statement = "def " + d.Name + "(" + strings.Join(labels(d.Params), ", ") + ")"
	if i := f.colon(body); i >= 0 {
		body = body[i+1:]
	} else {
		body = nil
	}
	if len(body) > 0 {
		d.Doc = f.doc(body)
		f.simple(body, d.Scope)
		d.bodyEnd = l.end
		return scope // one line, so the next statement is not its
	}
	if index+1 < len(f.lined) && f.lined[index+1].indent > l.indent {
		d.Doc = f.doc(f.lined[index+1].tokens)
	}
	return d.Scope
}

func (f *File) doc(tokens []Token) string {
	if len(tokens) == 0 || tokens[0].Kind != String || len(tokens) > 1 && !f.is(tokens[1], ";") {
		return ""
	}
	return docOf(f.text(tokens[0]))
}

// params reads a list of parameters.
func (f *File) params(tokens []Token) []Param {
	var all []Param
	for _, arg := range f.arguments(tokens) {
		p := Param{}
		if len(arg) > 0 && (f.is(arg[0], "*") || f.is(arg[0], "**")) {
			p.Stars, arg = f.text(arg[0]), arg[1:]
		}
		if len(arg) > 0 && arg[0].Kind == Name {
			p.Name, p.At = f.text(arg[0]), Range{arg[0].Start, arg[0].End}
		} else if p.Stars == "" {
			continue
		}
		if len(arg) > 2 && f.is(arg[1], "=") {
			p.Default = strings.Join(strings.Fields(f.Text[arg[2].Start:arg[len(arg)-1].End]), " ")
		}
		all = append(all, p)
	}
	return all
}

func labels(params []Param) []string {
	all := make([]string, len(params))
	for i, p := range params {
		all[i] = p.Label()
	}
	return all
}

// Doc is the docstring of the file.
func (f *File) Doc() string {
	if len(f.lined) == 0 {
		return ""
	}
	return f.doc(f.lined[0].tokens)
}

// ScopeAt is the innermost scope at an offset. A blank line after a function
// belongs to it when it is indented.
func (f *File) ScopeAt(offset int) *Scope {
	scope := f.Top
	for i := 0; i < len(scope.Inner); i++ {
		if d := scope.Inner[i].Def; offset > d.At.End && f.holds(d, offset) {
			scope, i = scope.Inner[i], -1
		}
	}
	return scope
}

func (f *File) holds(d *Def, offset int) bool {
	if offset <= d.End {
		return true
	}
	if offset > d.bodyEnd {
		return false
	}
	start := offset
	for start > d.End && f.Text[start-1] != '\n' && f.Text[start-1] != '\r' {
		start--
	}
	if start == d.End { // behind the last statement, on its line
		return true
	}
	return f.indent(offset) > d.indent && strings.TrimLeft(f.Text[start:offset], " \t") == ""
}

// Lookup finds what a name means at an offset: the binding of the innermost
// scope that has one, the last one before the offset where there are several.
func (f *File) Lookup(name string, offset int) *Binding {
	for scope := f.ScopeAt(offset); scope != nil; scope = scope.Outer {
		var best *Binding
		for _, b := range scope.Bindings {
			if b.Name != name || !b.Visible(offset) {
				continue
			}
			if best == nil || b.Start <= offset {
				best = b
			}
			if b.Role == Element {
				best = b
				break
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// Visible reports whether the name is known at an offset of its scope.
func (b *Binding) Visible(offset int) bool {
	return b.Role != Element || b.Within.Start <= offset && offset <= b.Within.End
}

// Exports are the names that other files can load.
func (f *File) Exports() []*Binding {
	var all []*Binding
	seen := map[string]bool{}
	for _, b := range f.Top.Bindings {
		if b.Role == Variable || b.Role == Function {
			if !seen[b.Name] && !strings.HasPrefix(b.Name, "_") {
				seen[b.Name] = true
				all = append(all, b)
			}
		}
	}
	return all
}
