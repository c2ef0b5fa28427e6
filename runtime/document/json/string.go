package json

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// string reads a string literal; the next byte is its opening quote.
func (s *scanner) string() (string, *mistake) {
	start := s.pos
	s.pos++
	var b strings.Builder
	for s.pos < len(s.text) {
		plain := strings.IndexFunc(s.text[s.pos:], func(r rune) bool { return r == '"' || r == '\\' || r < 0x20 })
		if plain < 0 {
			break
		}
		b.WriteString(s.text[s.pos : s.pos+plain])
		s.pos += plain
		switch s.text[s.pos] {
		case '"':
			s.pos++
			return b.String(), nil
		case '\\':
			r, bad := s.escape()
			if bad != nil {
				return "", bad
			}
			b.WriteRune(r)
		default:
			return "", s.fail(s.pos, "a control character or line break within a string; write it as an escape such as \\n")
		}
	}
	return "", s.fail(start, "a string without closing quote")
}

// escape reads an escape sequence; the next byte is its backslash.
func (s *scanner) escape() (rune, *mistake) {
	start := s.pos
	if s.pos++; s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
		if c == 'u' {
			return s.unicode(start)
		}
	}
	return 0, s.fail(start, "an escape that JSON does not have")
}

func (s *scanner) unicode(start int) (rune, *mistake) {
	r, ok := s.hex4()
	if !ok {
		return 0, s.fail(start, "\\u needs four hexadecimal digits")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if strings.HasPrefix(s.text[s.pos:], `\u`) {
		s.pos += 2
		if low, ok := s.hex4(); ok {
			if r = utf16.DecodeRune(r, low); r != '\uFFFD' {
				return r, nil
			}
		}
	}
	return 0, s.fail(start, "half of a surrogate pair")
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.text)-s.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s.text[s.pos:s.pos+4], 16, 16)
	s.pos += 4
	return rune(n), err == nil
}
