package partial

// line is a logical line: a statement, or the head of a block with what follows
// it on the line.
type line struct {
	tokens []Token // without ends of lines and comments; not empty
	indent int     // columns before the first token
	start  int
	end    int
}

// Words that begin a statement and are in no expression.
var statementWords = map[string]bool{
	"def": true, "return": true, "pass": true, "break": true, "continue": true, "elif": true, "while": true,
}

// lines puts the tokens together to logical lines. A bracket that lacks its end
// would swallow the rest of the text, so a line ends at a word that can only
// begin a statement, and where one bracket is left open at the end of the text,
// at every word without indentation.
func (f *File) lines() []line {
	found, open := f.split(false)
	if open {
		found, _ = f.split(true)
	}
	return found
}

func (f *File) split(strict bool) (found []line, open bool) {
	var current []Token
	depth := 0
	end := func() {
		if len(current) > 0 {
			first, last := current[0], current[len(current)-1]
			found = append(found, line{current, f.indent(first.Start), first.Start, last.End})
		}
		current, depth = nil, 0
	}
	for i, t := range f.tokens {
		switch {
		case t.Kind == Comment:
		case t.Kind == Newline:
			if depth == 0 || f.startsStatement(i+1, strict) {
				end()
			}
		default:
			current = append(current, t)
			switch f.Text[t.Start] {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth = max(0, depth-1)
			}
			f.Depth = max(f.Depth, depth)
		}
	}
	open = depth > 0
	end()
	return found, open
}

// startsStatement reports whether a statement begins with the token at i, though
// a bracket is open.
func (f *File) startsStatement(i int, strict bool) bool {
	if i >= len(f.tokens) || f.tokens[i].Kind != Name {
		return false
	}
	t := f.tokens[i]
	return statementWords[f.text(t)] || strict && f.indent(t.Start) == 0
}

// indent is the column of an offset; a tab goes to the next multiple of 8.
func (f *File) indent(offset int) int {
	start := offset
	for start > 0 && f.Text[start-1] != '\n' && f.Text[start-1] != '\r' {
		start--
	}
	col := 0
	for _, c := range f.Text[start:offset] {
		if c == '\t' {
			col += 8 - col%8
		} else {
			col++
		}
	}
	return col
}

func (f *File) text(t Token) string { return f.Text[t.Start:t.End] }

func (f *File) is(t Token, text string) bool { return t.Kind != String && f.text(t) == text }

// find returns where, outside of inner brackets, a token with one of the texts
// is; -1 where there is none.
func (f *File) find(tokens []Token, texts ...string) int {
	depth := 0
	for i, t := range tokens {
		if t.Kind == String {
			continue
		}
		if depth == 0 {
			for _, text := range texts {
				if f.text(t) == text {
					return i
				}
			}
		}
		switch f.Text[t.Start] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
	}
	return -1
}

// closing returns where the bracket at i is closed; len(tokens) where it is not.
func (f *File) closing(tokens []Token, i int) int {
	depth := 0
	for j := i; j < len(tokens); j++ {
		if tokens[j].Kind != Op {
			continue
		}
		switch f.Text[tokens[j].Start] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return len(tokens)
}

// arguments cuts what is between brackets at its commas.
func (f *File) arguments(tokens []Token) [][]Token {
	var all [][]Token
	for len(tokens) > 0 {
		i := f.find(tokens, ",")
		if i < 0 {
			return append(all, tokens)
		}
		all, tokens = append(all, tokens[:i]), tokens[i+1:]
	}
	return all
}
