package partial

import "sort"

// Cursor is what is being typed at an offset.
type Cursor struct {
	Offset   int
	Text     bool    // within a string
	Comment  bool    // within a comment
	Quoted   Range   // the text of the string, up to its end
	Word     Range   // the name at the offset; empty where there is none
	Numeral  bool    // the word is a number
	Receiver []Token // the expression before the dot, when the word follows one
	Dotted   bool
	Inside   bool  // within brackets
	Call     *Call // the innermost call whose arguments are typed; may be nil
	Before   Token // what comes before the word; its End is 0 when the line begins
}

// Call is a call that the cursor is in.
type Call struct {
	Callee   Range    // the expression that is called
	Given    []string // names of the arguments that are given, except the present one
	Argument int      // index of the present argument
	Keyword  string   // its name, once it has one
	Fresh    bool     // nothing but the word belongs to the present argument
}

// At says what is being typed at an offset.
func (f *File) At(offset int) Cursor {
	offset = min(max(offset, 0), len(f.Text))
	c := Cursor{Offset: offset, Word: Range{offset, offset}}
	// The first token that ends at the offset or behind it.
	i := sort.Search(len(f.tokens), func(i int) bool { return f.tokens[i].End >= offset })
	if i < len(f.tokens) {
		t := f.tokens[i]
		switch {
		case t.Kind == Comment && t.Start < offset:
			c.Comment = true
			return c
		case t.Kind == String && t.Start < offset && (offset < t.End || t.Open):
			c.Text, c.Quoted = true, inQuotes(f.Text, t)
		case t.Kind != Name && t.End == offset && i+1 < len(f.tokens) && f.tokens[i+1].Start == offset:
			i++ // the word begins here
		}
		if t := f.tokens[i]; (t.Kind == Name || t.Kind == Number) && t.Start <= offset {
			c.Word, c.Numeral = Range{t.Start, t.End}, t.Kind == Number
		}
	}
	f.around(&c)
	return c
}

// around finds the call and the expression that the cursor belongs to.
func (f *File) around(c *Cursor) {
	limit := c.Word.Start
	if c.Text {
		limit = c.Quoted.Start
	}
	l := sort.Search(len(f.lined), func(i int) bool { return f.lined[i].start >= limit }) - 1
	if l < 0 {
		return
	}
	tokens := f.lined[l].tokens
	n := sort.Search(len(tokens), func(i int) bool { return tokens[i].Start >= limit })
	if n > 0 && c.Text { // the string itself
		n--
	}
	if f.ended(tokens[:n], c.Offset) {
		return
	}
	before := tokens[:n]
	if n > 0 {
		c.Before = before[n-1]
		if c.Dotted = f.is(before[n-1], "."); c.Dotted {
			c.Receiver = f.primary(before[:n-1])
		}
	}
	f.call(c, tokens, n)
}

// ended reports whether the statement was complete before the line of the offset.
func (f *File) ended(before []Token, offset int) bool {
	if len(before) == 0 {
		return true
	}
	depth := 0
	for _, t := range before {
		if t.Kind != String {
			switch f.Text[t.Start] {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth = max(0, depth-1)
			}
		}
	}
	if depth > 0 {
		return false
	}
	last := before[len(before)-1].End
	for i := sort.Search(len(f.tokens), func(i int) bool { return f.tokens[i].Start >= last }); i < len(f.tokens) && f.tokens[i].Start < offset; i++ {
		if f.tokens[i].Kind == Newline {
			return true
		}
	}
	return false
}

// call finds the brackets around the token n, and what the innermost call has.
func (f *File) call(c *Cursor, tokens []Token, n int) {
	var open []int
	for i, t := range tokens[:n] {
		if t.Kind != Op {
			continue
		}
		switch f.Text[t.Start] {
		case '(', '[', '{':
			open = append(open, i)
		case ')', ']', '}':
			open = open[:max(0, len(open)-1)]
		}
	}
	if len(open) == 0 {
		return
	}
	c.Inside = true
	start := open[len(open)-1]
	if !f.is(tokens[start], "(") {
		return
	}
	callee := f.primary(tokens[:start])
	if start == 1 && f.is(tokens[0], "load") { // a keyword, and called all the same
		callee = tokens[:1]
	}
	if len(callee) == 0 || start > 1 && f.is(tokens[start-2], "def") {
		return
	}
	call := &Call{Callee: Range{callee[0].Start, callee[len(callee)-1].End}}
	at := start + 1
	for i, arg := range f.arguments(tokens[at:f.closing(tokens, start)]) {
		name := ""
		if len(arg) > 1 && arg[0].Kind == Name && f.is(arg[1], "=") {
			name = f.text(arg[0])
		}
		if first, last := at, at+len(arg); n >= first && n <= last {
			call.Argument, call.Fresh = i, n == first
			if n > first+1 {
				call.Keyword = name
			}
		} else if name != "" {
			call.Given = append(call.Given, name)
		}
		at += len(arg) + 1
	}
	if n >= at { // behind the last comma
		call.Argument, call.Fresh = len(f.arguments(tokens[start+1:n])), true
	}
	if n == start+1 {
		call.Fresh = true
	}
	c.Call = call
}

// primary is the expression at the end of tokens that a dot or a bracket would
// apply to: x.y, x(…).z, [1, 2], "text".
func (f *File) primary(tokens []Token) []Token {
	end := len(tokens)
	i := end
	for i > 0 {
		t := tokens[i-1]
		switch {
		case t.Kind == Name && !keyword[f.text(t)], t.Kind == String:
			i--
		case t.Kind == Op && (f.text(t) == ")" || f.text(t) == "]" || f.text(t) == "}"):
			j := f.opening(tokens, i-1)
			if j < 0 {
				return tokens[i:end]
			}
			i = j
			if i > 0 && f.text(tokens[i]) != "{" && f.applies(tokens[i-1]) {
				continue // a call or an index: what it applies to comes before
			}
		default:
			return tokens[i:end]
		}
		if i == 0 || !f.is(tokens[i-1], ".") {
			break
		}
		i--
	}
	return tokens[i:end]
}

// applies reports whether a bracket after the token is a call or an index.
func (f *File) applies(t Token) bool {
	switch t.Kind {
	case Name:
		return !keyword[f.text(t)]
	case String:
		return true
	}
	return f.is(t, ")") || f.is(t, "]")
}

func (f *File) opening(tokens []Token, i int) int {
	depth := 0
	for ; i >= 0; i-- {
		if tokens[i].Kind != Op {
			continue
		}
		switch f.Text[tokens[i].Start] {
		case ')', ']', '}':
			depth++
		case '(', '[', '{':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// Path is the dotted name that a part of the text is, such as ["fs", "read"];
// nil when it is something else.
func (f *File) Path(r Range) []string {
	i := sort.Search(len(f.tokens), func(i int) bool { return f.tokens[i].Start >= r.Start })
	return f.PathOf(f.within(i, r.End))
}

func (f *File) within(i, end int) []Token {
	j := i
	for j < len(f.tokens) && f.tokens[j].End <= end {
		j++
	}
	return f.tokens[i:j]
}

// PathOf is Path for tokens.
func (f *File) PathOf(tokens []Token) []string {
	var path []string
	for i, t := range tokens {
		switch {
		case i%2 == 0 && t.Kind == Name && !keyword[f.text(t)]:
			path = append(path, f.text(t))
		case i%2 == 1 && f.is(t, "."):
		default:
			return nil
		}
	}
	if len(tokens)%2 == 0 {
		return nil
	}
	return path
}

// Tokens are those of a part of the text.
func (f *File) Tokens(r Range) []Token {
	i := sort.Search(len(f.tokens), func(i int) bool { return f.tokens[i].Start >= r.Start })
	return f.within(i, r.End)
}

// NamesArgument reports whether a word is the name in name = value.
func (f *File) NamesArgument(word Range) bool {
	i := sort.Search(len(f.tokens), func(i int) bool { return f.tokens[i].Start >= word.End })
	return i < len(f.tokens) && f.is(f.tokens[i], "=")
}

// StructFields are the fields that struct(a = 1, b = 2) makes; none for another
// expression.
func (f *File) StructFields(tokens []Token) []*Binding {
	if len(tokens) < 3 || !f.is(tokens[0], "struct") || !f.is(tokens[1], "(") {
		return nil
	}
	end := f.closing(tokens, 1)
	if end < len(tokens)-1 {
		return nil // more than the call
	}
	var fields []*Binding
	for _, arg := range f.arguments(tokens[2:end]) {
		if len(arg) > 2 && arg[0].Kind == Name && f.is(arg[1], "=") {
			fields = append(fields, &Binding{
				Name: f.text(arg[0]), Start: arg[0].Start, End: arg[0].End,
				Value: Range{arg[2].Start, arg[len(arg)-1].End},
			})
		}
	}
	return fields
}

// Enclosed reports whether the first token is a bracket that the last one
// closes. text is that of the tokens.
func Enclosed(text string, tokens []Token) bool {
	depth, from := 0, tokens[0].Start
	for i, t := range tokens {
		if t.Kind != Op {
			continue
		}
		switch text[t.Start-from] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i == len(tokens)-1
			}
		}
	}
	return false
}

// TokenAt is the token that begins at an offset or goes on there; an empty one
// where there is none.
func (f *File) TokenAt(offset int) Token {
	i := sort.Search(len(f.tokens), func(i int) bool { return f.tokens[i].End > offset })
	if i == len(f.tokens) || f.tokens[i].Start > offset || f.tokens[i].Kind == Newline {
		return Token{Start: offset, End: offset}
	}
	return f.tokens[i]
}

// Names reports whether the word at the cursor is a new name: that of a function,
// of a parameter or of a loop.
func (f *File) Names(c Cursor) bool {
	if c.Before.End == 0 || c.Dotted {
		return false
	}
	return f.is(c.Before, "def") || f.is(c.Before, "for") || f.is(c.Before, "lambda")
}

// Holds reports whether a string is one of the names of the load statement.
func (l *Load) Holds(quoted Range) bool {
	for _, n := range l.Names {
		if n.At == quoted {
			return true
		}
	}
	return false
}

// Takes reports whether the load statement takes a name already, besides the one
// at quoted.
func (l *Load) Takes(name string, quoted Range) bool {
	for _, n := range l.Names {
		if n.Original == name && n.At != quoted {
			return true
		}
	}
	return false
}
