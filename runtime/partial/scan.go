// Package partial reads scripts as they are being typed: unfinished, with errors
// of syntax, at any moment.
//
// [Read] never fails. For a text that is Starlark it finds what the parser
// finds: functions, parameters, variables, loads. For one that is not, it finds
// what can still be told. [File.At] says what is being typed at a place: the
// string, the call and its arguments, the expression before a dot.
//
// Completion, in the interactive shell and in editors, and all else that an
// editor asks for stands on it.
package partial

import (
	"strings"
	"unicode/utf8"
)

// Kind is what a token is.
type Kind uint8

const (
	Name    Kind = iota // an identifier or a keyword
	Number              // 1, 0x1f, 1.5e3
	String              // "x", r'x', b"""x"""
	Comment             // from # to the end of the line
	Newline             // one end of line
	Op                  // an operator, a bracket or another mark
)

// Token is a piece of the text. Offsets are in bytes.
type Token struct {
	Kind       Kind
	Start, End int
	Open       bool // a string that lacks its end
}

// operators of more than one character, the longest first.
var operators = []string{"**", "//=", "<<=", ">>=", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "//", "<<", ">>"}

// scan cuts a text into tokens. Any text has some.
func scan(text string) []Token {
	tokens := make([]Token, 0, len(text)/4)
	for i := 0; i < len(text); {
		start, kind, open := i, Op, false
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\\' && lineEnd(text, i+1) > 0:
			i += 1 + max(0, lineEndAfter(text, i)) // a backslash takes the end of the line with it
			continue
		case lineEnd(text, i) > 0:
			kind, i = Newline, i+lineEnd(text, i)
		case c == '#':
			kind, i = Comment, i+lineLength(text[i:])
		case stringStart(text, i) >= 0:
			kind = String
			i, open = stringEnd(text, stringStart(text, i))
		case isWord(c) && !isDigit(c):
			for kind = Name; i < len(text) && isWord(text[i]); i++ {
			}
		case isDigit(c) || c == '.' && i+1 < len(text) && isDigit(text[i+1]):
			for kind = Number; i < len(text) && (isWord(text[i]) || text[i] == '.'); i++ {
			}
		default:
			i += operatorLength(text[i:])
		}
		tokens = append(tokens, Token{kind, start, i, open})
	}
	return tokens
}

// lineEnd is the length of the end of line at i; 0 when there is none.
func lineEnd(text string, i int) int {
	switch {
	case i >= len(text):
		return 0
	case strings.HasPrefix(text[i:], "\r\n"):
		return 2
	case text[i] == '\n' || text[i] == '\r':
		return 1
	}
	return 0
}

func lineEndAfter(text string, i int) int {
	if text[i] != '\\' {
		return 0
	}
	return lineEnd(text, i+1)
}

// lineLength is how far it is to the end of the line.
func lineLength(text string) int {
	if n := strings.IndexAny(text, "\r\n"); n >= 0 {
		return n
	}
	return len(text)
}

// stringStart is where the quote of the string that begins at i is; -1 where
// none begins.
func stringStart(text string, i int) int {
	for n, c := range []byte(text[i:min(len(text), i+3)]) {
		switch {
		case c == '"' || c == '\'':
			return i + n
		case c != 'r' && c != 'b':
			return -1
		}
	}
	return -1
}

// stringEnd returns where the string whose quote is at i ends. One that lacks
// its end goes to the end of its line: what follows is most likely code.
func stringEnd(text string, i int) (end int, open bool) {
	quote := text[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(text); j++ {
		switch {
		case text[j] == '\\' && (len(quote) == 3 || lineEnd(text, j+1) == 0):
			j++
		case strings.HasPrefix(text[j:], quote):
			return j + len(quote), false
		case lineEnd(text, j) > 0 && len(quote) == 1:
			return j, true
		}
	}
	return i + lineLength(text[i:]), true
}

func operatorLength(text string) int {
	for _, op := range operators {
		if strings.HasPrefix(text, op) {
			return len(op)
		}
	}
	_, n := utf8.DecodeRuneInString(text)
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWord takes all that is not ASCII for letters.
func isWord(c byte) bool {
	return c == '_' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}
