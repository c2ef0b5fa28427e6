package repl

import "strings"

// position is where in a statement its end is.
type position struct {
	inText bool  // in a string or a comment
	inside bool  // within brackets
	call   *call // the innermost call whose arguments are being written; may be nil
}

type call struct {
	open     byte
	callee   string   // the text before the parenthesis
	argument int      // where the present argument begins
	given    []string // names of the arguments that are given
}

// scan finds out where the end of text is. It knows as much of the language as
// that takes, and accepts what is not finished.
func scan(text string) position {
	var stack []*call
	for i := 0; i < len(text); i++ {
		var top *call
		if len(stack) > 0 {
			top = stack[len(stack)-1]
		}
		switch c := text[i]; c {
		case '#':
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return position{inText: true}
			}
			i += end
		case '"', '\'':
			end := stringEnd(text, i)
			if end < 0 {
				return position{inText: true}
			}
			i = end
		case '(', '[', '{':
			stack = append(stack, &call{open: c, callee: text[:i], argument: i + 1})
		case ')', ']', '}':
			if top != nil {
				stack = stack[:len(stack)-1]
			}
		case ',':
			if top != nil {
				top.argument = i + 1
			}
		case '=':
			if top != nil {
				top.name(text, i)
			}
		}
	}
	at := position{inside: len(stack) > 0}
	if at.inside && stack[len(stack)-1].open == '(' {
		at.call = stack[len(stack)-1]
	}
	return at
}

// name notes that the present argument is named, if it is.
func (c *call) name(text string, equals int) {
	name := strings.TrimSpace(text[c.argument:equals])
	if name == "" || wordStart(name) != 0 || strings.HasPrefix(text[equals+1:], "=") {
		return
	}
	c.given = append(c.given, name)
}

// stringEnd returns where the string that begins at i ends; -1 where it does not.
func stringEnd(text string, i int) int {
	quote := text[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(text); j++ {
		switch {
		case text[j] == '\\':
			j++
		case strings.HasPrefix(text[j:], quote):
			return j + len(quote) - 1
		case text[j] == '\n' && len(quote) == 1:
			return j // a mistake; the parser reports it
		}
	}
	return -1
}

// wordStart is where the word at the end of text begins.
func wordStart(text string) int {
	i := len(text)
	for i > 0 && isWord(text[i-1]) {
		i--
	}
	return i
}

// isWord takes all that is not ASCII for letters.
func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
