package partial

import (
	"strings"

	"go.starlark.net/syntax"
)

// File is what could be read of a script.
type File struct {
	Text  string
	Top   *Scope
	Loads []*Load
	Depth int // of its brackets

	tokens []Token
	lined  []line
}

// Scope is a function or, at the top, the file: where names belong to.
type Scope struct {
	Def      *Def // nil for the file
	Outer    *Scope
	Bindings []*Binding // in the order of the text
	Inner    []*Scope
}

// Role is how a name gets its value.
type Role uint8

const (
	Variable Role = iota
	Function
	Parameter
	Loaded
	Element // of a comprehension, or parameter of a lambda
)

// Binding is a place where a name gets a value.
type Binding struct {
	Name       string
	Role       Role
	Start, End int   // of the name
	Value      Range // of the text of the value, for a variable with one name on the left
	Within     Range // where alone the name is known, for an Element
	Def        *Def  // for functions and their parameters
	Load       *Load // for loaded names
	Original   string
}

// Range is a part of the text.
type Range struct{ Start, End int }

// Def is a function.
type Def struct {
	Name      string
	At        Range // of the name
	Start     int
	End       int // of the last statement
	Params    []Param
	Doc       string // the docstring, not taken apart
	Statement string // "def f(x, y = 1)", on one line
	Scope     *Scope
	indent    int
	bodyEnd   int // where the next statement after it begins
}

// Param is a parameter of a function.
type Param struct {
	Name    string
	Stars   string // "", "*" or "**"
	Default string // as it is written
	At      Range  // of the name
}

// Label is how the parameter is written in a signature.
func (p Param) Label() string {
	if p.Default != "" {
		return p.Stars + p.Name + " = " + p.Default
	}
	return p.Stars + p.Name
}

// Load is a load statement.
type Load struct {
	Path  string
	At    Range // of the path, within the quotes
	Names []LoadedName
}

// LoadedName is a name that a load statement takes from the file.
type LoadedName struct {
	Original string
	At       Range // of the original, within the quotes
}

// Read reads a script.
func Read(text string) *File {
	f := &File{Text: text, tokens: scan(text)}
	f.lined = f.lines()
	f.Top = &Scope{}
	scope := f.Top
	for i, l := range f.lined {
		for scope.Def != nil && l.indent <= scope.Def.indent {
			scope.Def.bodyEnd = l.start
			scope = scope.Outer
		}
		for s := scope; s.Def != nil; s = s.Outer {
			s.Def.End = l.end
		}
		scope = f.statement(l.tokens, l, scope, i)
	}
	return f
}

// statement reads a statement, and returns the scope of the next one.
func (f *File) statement(tokens []Token, l line, scope *Scope, index int) *Scope {
	if len(tokens) == 0 {
		return scope
	}
	word := ""
	if tokens[0].Kind == Name {
		word = f.text(tokens[0])
	}
	f.elements(tokens, scope)
	switch word {
	case "def":
		return f.def(tokens, l, scope, index)
	case "for":
		if in := f.find(tokens, "in"); in > 0 {
			f.targets(tokens[1:in], scope, nil)
			tokens = tokens[in:]
		}
		f.afterColon(tokens, scope)
	case "if", "elif", "else", "while":
		f.afterColon(tokens, scope)
	case "load":
		if len(tokens) > 1 && f.is(tokens[1], "(") {
			f.load(tokens, scope)
		}
	default:
		f.simple(tokens, scope)
	}
	return scope
}

// afterColon reads what follows the head of a block on its line.
func (f *File) afterColon(tokens []Token, scope *Scope) {
	if i := f.colon(tokens); i >= 0 {
		f.simple(tokens[i+1:], scope)
	}
}

// colon is where the head of a block ends: a lambda has a colon of its own.
func (f *File) colon(tokens []Token) int {
	from, lambdas := 0, 0
	for {
		i := f.find(tokens[from:], ":", "lambda")
		if i < 0 {
			return -1
		}
		i += from
		switch {
		case f.is(tokens[i], "lambda"):
			lambdas++
		case lambdas > 0:
			lambdas--
		default:
			return i
		}
		from = i + 1
	}
}

// simple reads statements on one line: a = 1; b = 2.
func (f *File) simple(tokens []Token, scope *Scope) {
	for len(tokens) > 0 {
		rest := []Token(nil)
		if i := f.find(tokens, ";"); i >= 0 {
			tokens, rest = tokens[:i], tokens[i+1:]
		}
		if i := f.find(tokens, "=", "+=", "-=", "*=", "/=", "//=", "%=", "&=", "|=", "^=", "<<=", ">>="); i > 0 {
			f.targets(tokens[:i], scope, tokens[i+1:])
		}
		tokens = rest
	}
}

// targets notes the names that an assignment or a loop binds.
func (f *File) targets(tokens []Token, scope *Scope, value []Token) {
	f.names(tokens, func(t Token) {
		b := &Binding{Name: f.text(t), Start: t.Start, End: t.End}
		if len(tokens) == 1 && len(value) > 0 {
			b.Value = Range{value[0].Start, value[len(value)-1].End}
		}
		scope.Bindings = append(scope.Bindings, b)
	})
}

// names calls note for the names in a target: not for x in x.y and x[i].
func (f *File) names(tokens []Token, note func(Token)) {
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		after := i > 0 && (tokens[i-1].Kind == Name || tokens[i-1].Kind == String || f.is(tokens[i-1], ")") || f.is(tokens[i-1], "]"))
		switch {
		case after && (f.is(t, "[") || f.is(t, "(")):
			i = f.closing(tokens, i) // an index or a call
		case t.Kind == Name && !(i > 0 && f.is(tokens[i-1], ".")) && !keyword[f.text(t)]:
			if i+1 < len(tokens) && (f.is(tokens[i+1], ".") || f.is(tokens[i+1], "[") || f.is(tokens[i+1], "(")) {
				continue
			}
			note(t)
		}
	}
}

var keyword = map[string]bool{
	"and": true, "break": true, "continue": true, "def": true, "elif": true, "else": true, "for": true, "if": true,
	"in": true, "lambda": true, "load": true, "not": true, "or": true, "pass": true, "return": true, "while": true,
}

// reach is how many tokens a comprehension or a lambda is followed, so that no
// text takes time with the square of its length.
const reach = 2000

// elements notes the names of comprehensions and lambdas, known only there.
func (f *File) elements(tokens []Token, scope *Scope) {
	var brackets []int // where the open brackets are
	for i, t := range tokens {
		if t.Kind == String {
			continue
		}
		near := tokens[i:min(len(tokens), i+reach)]
		switch f.text(t) {
		case "(", "[", "{":
			brackets = append(brackets, i)
		case ")", "]", "}":
			brackets = brackets[:max(0, len(brackets)-1)]
		case "for":
			if len(brackets) == 0 {
				continue
			}
			start := brackets[len(brackets)-1]
			if in := f.find(near, "in"); in > 0 {
				all := tokens[start:min(len(tokens), start+reach)]
				f.element(near[1:in], scope, Range{tokens[start].Start, f.endOf(all, f.closing(all, 0))})
			}
		case "lambda":
			if colon := f.find(near, ":"); colon > 0 {
				f.element(f.lambdaNames(near[1:colon]), scope, Range{t.Start, f.lambdaEnd(near, colon)})
			}
		}
	}
}

func (f *File) element(tokens []Token, scope *Scope, within Range) {
	f.names(tokens, func(t Token) {
		scope.Bindings = append(scope.Bindings, &Binding{Name: f.text(t), Role: Element, Start: t.Start, End: t.End, Within: within})
	})
}

func (f *File) lambdaNames(tokens []Token) []Token {
	var names []Token
	for _, p := range f.params(tokens) {
		names = append(names, Token{Name, p.At.Start, p.At.End, false}, Token{Op, p.At.End, p.At.End, false})
	}
	return names
}

// lambdaEnd is where the body of a lambda ends: at a comma or a bracket.
func (f *File) lambdaEnd(tokens []Token, colon int) int {
	if i := f.find(tokens[colon+1:], ",", ")", "]", "}", ";"); i >= 0 {
		return tokens[colon+1+i].Start
	}
	return f.endOf(tokens, len(tokens))
}

func (f *File) endOf(tokens []Token, i int) int {
	if i < len(tokens) {
		return tokens[i].End
	}
	return tokens[len(tokens)-1].End
}

func (f *File) load(tokens []Token, scope *Scope) {
	load := &Load{}
	for i, arg := range f.arguments(tokens[2:f.closing(tokens, 1)]) {
		local := Token{}
		if len(arg) == 3 && f.is(arg[1], "=") {
			local, arg = arg[0], arg[2:]
		}
		if len(arg) != 1 || arg[0].Kind != String {
			continue
		}
		at := inQuotes(f.Text, arg[0])
		original := f.Text[at.Start:at.End]
		if i == 0 {
			load.Path, load.At = original, at
			continue
		}
		load.Names = append(load.Names, LoadedName{original, at})
		b := &Binding{Name: original, Role: Loaded, Start: at.Start, End: at.End, Load: load, Original: original}
		if local.End > 0 {
			b.Name, b.Start, b.End = f.text(local), local.Start, local.End
		}
		scope.Bindings = append(scope.Bindings, b)
	}
	f.Loads = append(f.Loads, load)
}

// inQuotes is the range of the text of a string.
func inQuotes(text string, t Token) Range {
	start := stringStart(text, t.Start)
	n := 1
	if q := text[start : start+1]; strings.HasPrefix(text[start:t.End], strings.Repeat(q, 3)) && t.End-start >= 3 {
		n = 3
	}
	r := Range{start + n, t.End}
	if !t.Open {
		r.End -= n
	}
	return Range{min(r.Start, t.End), max(r.End, min(r.Start, t.End))}
}

// docOf is the text of the docstring that a body begins with.
func docOf(text string) string {
	if len(text) > 6 && text[:3] == `"""` && text[len(text)-3:] == `"""` && !strings.ContainsAny(text, "\\\r") {
		return text[3 : len(text)-3] // as nearly all are; the parser takes far longer
	}
	expr, err := (&syntax.FileOptions{}).ParseExpr("", text, 0)
	if err != nil {
		return ""
	}
	lit, ok := expr.(*syntax.Literal)
	if !ok {
		return ""
	}
	doc, _ := lit.Value.(string)
	return doc
}
