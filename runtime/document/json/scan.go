package json

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// scanner reads one document. It is our own because encoding/json loses the
// order of keys, the size of numbers, doubled keys and the path of a mistake.
type scanner struct {
	doc   value.Document
	text  string
	pos   int
	depth int
	path  string                        // of the value that comes next, where note wants it
	note  func(path string, offset int) // may be nil
}

// mistake is what is wrong with the text. It says nothing of the text itself.
type mistake struct {
	pos  int
	text string
	path value.Misfit
}

func (m *mistake) within(step any) *mistake {
	if m != nil {
		m.path = *value.Within(&m.path, step).(*value.Misfit)
	}
	return m
}

func (s *scanner) fail(pos int, format string, args ...any) *mistake {
	return &mistake{pos: pos, text: fmt.Sprintf(format, args...)}
}

func (s *scanner) document() (starlark.Value, *mistake) {
	for i, r := range s.text {
		if r == utf8.RuneError && !strings.HasPrefix(s.text[i:], "\uFFFD") {
			return nil, s.fail(i, "not valid UTF-8")
		}
	}
	s.pos = len(s.text) - len(strings.TrimPrefix(s.text, "\uFEFF")) // what Windows puts first
	v, bad := s.value()
	if bad != nil {
		return nil, bad
	}
	if s.space(); s.pos < len(s.text) {
		return nil, s.fail(s.pos, "more text after the end of the value")
	}
	return v, nil
}

func (s *scanner) space() {
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.pos]) >= 0 {
		s.pos++
	}
}

// peek returns the next byte after white space, or 0 at the end.
func (s *scanner) peek() byte {
	if s.space(); s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) value() (starlark.Value, *mistake) {
	c := s.peek()
	switch {
	case c == '{' || c == '[':
		if s.depth++; s.depth > maxDepth {
			return nil, s.fail(s.pos, "nested deeper than %d levels", maxDepth)
		}
		defer func() { s.depth-- }()
		if s.pos++; c == '{' {
			return s.object()
		}
		return s.array()
	case c == '"':
		text, bad := s.string()
		if bad != nil {
			return nil, bad
		}
		return s.doc.String(text), nil
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	}
	for word, v := range words {
		if strings.HasPrefix(s.text[s.pos:], word) {
			s.pos += len(word)
			return v, nil
		}
	}
	return nil, s.fail(s.pos, "expected a value")
}

var words = map[string]starlark.Value{"null": starlark.None, "true": starlark.True, "false": starlark.False}

func (s *scanner) object() (starlark.Value, *mistake) {
	d := new(starlark.Dict)
	if s.peek() == '}' {
		s.pos++
		return d, nil
	}
	for {
		if s.peek() != '"' {
			return nil, s.fail(s.pos, "expected a key in double quotes")
		}
		start := s.pos
		text, bad := s.string()
		if bad != nil {
			return nil, bad
		}
		key := starlark.String(value.Back(text, value.LayerJSON))
		if _, found, _ := d.Get(key); found {
			return nil, s.fail(start, "the same key again").within(key)
		}
		if s.peek() != ':' {
			return nil, s.fail(s.pos, "expected : after the key").within(key)
		}
		s.pos++
		v, bad := s.inside(start, func(path string) string { return value.FieldPath(path, string(key)) })
		if bad != nil {
			return nil, bad.within(key)
		}
		_ = d.SetKey(key, v) // a string key of a fresh dict cannot fail
		if end, bad := s.next('}'); end || bad != nil {
			return d, bad
		}
	}
}

func (s *scanner) array() (starlark.Value, *mistake) {
	var elems []starlark.Value
	if s.peek() == ']' {
		s.pos++
		return starlark.NewList(nil), nil
	}
	for {
		s.space()
		v, bad := s.inside(s.pos, func(path string) string { return value.ItemPath(path, len(elems)) })
		if bad != nil {
			return nil, bad.within(len(elems))
		}
		elems = append(elems, v)
		if end, bad := s.next(']'); end || bad != nil {
			return starlark.NewList(elems), bad
		}
	}
}

// inside reads a value within another one, and notes where it stands.
func (s *scanner) inside(at int, step func(path string) string) (starlark.Value, *mistake) {
	if s.note == nil {
		return s.value()
	}
	path := s.path
	s.path = step(path)
	s.note(s.path, at)
	v, bad := s.value()
	s.path = path
	return v, bad
}

// next steps over a comma, or over the closing mark and returns true.
func (s *scanner) next(closing byte) (end bool, bad *mistake) {
	switch s.peek() {
	case closing:
		s.pos++
		return true, nil
	case ',':
		s.pos++
		return false, nil
	}
	return false, s.fail(s.pos, "expected a comma or %c", closing)
}

// maxDigits bounds the time that a number of no use takes.
const maxDigits = 100_000

func (s *scanner) number() (starlark.Value, *mistake) {
	start := s.pos
	s.accept("-")
	if !s.accept("0") && !s.digits() {
		return nil, s.fail(s.pos, "expected a digit")
	}
	isFloat := false
	if s.accept(".") {
		if isFloat = true; !s.digits() {
			return nil, s.fail(s.pos, "expected a digit after the point")
		}
	}
	if s.accept("eE") {
		isFloat = true
		s.accept("+-")
		if !s.digits() {
			return nil, s.fail(s.pos, "expected a digit in the exponent")
		}
	}
	text := s.text[start:s.pos]
	if len(text) > maxDigits {
		return nil, s.fail(start, "a number of more than %d digits", maxDigits)
	}
	if isFloat {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, s.fail(start, "a number too large for a float")
		}
		return starlark.Float(f), nil
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return starlark.MakeInt64(i), nil
	}
	i, _ := new(big.Int).SetString(text, 10)
	return starlark.MakeBigInt(i), nil
}

func (s *scanner) accept(set string) bool {
	if s.pos < len(s.text) && strings.IndexByte(set, s.text[s.pos]) >= 0 {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.accept("0123456789") {
	}
	return s.pos > start
}
