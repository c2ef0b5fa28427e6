package render

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flosch/pongo2/v6"
)

// token is a token inside of a tag, as pongo2's lexer sees it.
type token struct {
	kind    kind
	text    string
	at, end int // in the template
}

type kind uint8

const (
	symbol kind = iota
	ident
	keyword
	number
	quoted // with its quotes
)

func (t token) is(text string) bool { return t.kind == symbol && t.text == text }

// endsOperand reports whether an operand may end with t, so that a word after
// it belongs to the tag and not to the expression.
func (t token) endsOperand() bool {
	return t.kind == ident || t.kind == number || t.kind == quoted || t.is(")") || t.is("]") ||
		t.kind == keyword && (t.text == "true" || t.text == "false")
}

// scan returns the tokens of the tag that begins at at, its delimiters among
// them. A problem, if there is one, stands at end.
func scan(text string, at int) (toks []token, end int, problem string) {
	for at < len(text) {
		start := at
		c := text[at]
		switch {
		case c == '\n':
			return nil, at, "the tag does not end on its line"
		case c == ' ' || c == '\t' || c == '\r':
			at++
			continue
		case isLetter(c):
			at = skip(text, at, isWord)
		case isDigit(c):
			at = skip(text, at, isDigit)
			if at < len(text) && isLetter(text[at]) { // 2nd is a name
				at = skip(text, at, isWord)
			}
		case c == '"' || c == '\'':
			if at = skipQuoted(text, at); at < 0 {
				return nil, start, "the string does not end on its line"
			}
		default:
			sym := symbolAt(text[at:])
			if sym == "" {
				r, _ := utf8.DecodeRuneInString(text[at:])
				return nil, at, fmt.Sprintf("unexpected %q", r)
			}
			toks = append(toks, token{symbol, sym, at, at + len(sym)})
			at += len(sym)
			if strings.HasSuffix(sym, "}") {
				return toks, at, ""
			}
			continue
		}
		toks = append(toks, token{kindOf(text[start:at]), text[start:at], start, at})
	}
	return nil, at, "the tag is not closed"
}

func kindOf(word string) kind {
	c := word[0]
	switch {
	case c == '"' || c == '\'':
		return quoted
	case slices.Contains(pongo2.TokenKeywords, word):
		return keyword
	case isDigit(c) && skip(word, 0, isDigit) == len(word):
		return number
	}
	return ident
}

func symbolAt(text string) string {
	for _, sym := range pongo2.TokenSymbols {
		if strings.HasPrefix(text, sym) {
			return sym
		}
	}
	return ""
}

func skip(text string, at int, of func(byte) bool) int {
	for at < len(text) && of(text[at]) {
		at++
	}
	return at
}

// skipQuoted returns the end of the string that begins at at, -1 without one.
func skipQuoted(text string, at int) int {
	quote := text[at]
	for at++; at < len(text) && text[at] != '\n'; at++ {
		switch text[at] {
		case quote:
			return at + 1
		case '\\':
			at++
		}
	}
	return -1
}

// unquote is the value of a string token, as pongo2 reads it.
func unquote(t token) string {
	inner := t.text[1 : len(t.text)-1]
	return strings.ReplaceAll(strings.ReplaceAll(inner, `\"`, `"`), `\\`, `\`)
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) }
