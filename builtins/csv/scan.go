package csv

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

const maxSize = 64 << 20 // bytes of one text

// row is a row of a table.
type row struct {
	line   int
	fields []string
}

// scanner reads rows. Its errors tell places, never fields.
type scanner struct {
	text, separator string
	pos, line       int
}

func checkSeparator(s string) error {
	r, size := utf8.DecodeRuneInString(s)
	// Letters and digits occur in the markers of secrets.
	if size != len(s) || r == utf8.RuneError || strings.ContainsRune("\"\r\n", r) || unicode.IsLetter(r) || unicode.IsDigit(r) {
		return fault.New(fault.Invalid, "separator must be one character, and no quote, line break, letter or digit")
	}
	return nil
}

// scan returns the rows of text, all of the same length.
func scan(text, separator string) ([]row, error) {
	if err := checkSeparator(separator); err != nil {
		return nil, err
	}
	if len(text) > maxSize {
		return nil, fault.New(fault.Invalid, "cannot decode CSV: the text is larger than %d MiB", maxSize>>20)
	}
	s := scanner{text: strings.TrimPrefix(text, "\uFEFF"), separator: separator, line: 1}
	var rows []row
	for s.pos < len(s.text) {
		if s.lineBreak() {
			continue
		}
		r := row{line: s.line}
		if err := s.row(&r); err != nil {
			return nil, err
		}
		if len(rows) > 0 && len(r.fields) != len(rows[0].fields) {
			return nil, fault.New(fault.Invalid, "cannot decode CSV: line %d: %d fields, but line %d has %d",
				r.line, len(r.fields), rows[0].line, len(rows[0].fields))
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (s *scanner) fail(pos int, format string, args ...any) error {
	column := utf8.RuneCountInString(s.text[strings.LastIndexByte(s.text[:pos], '\n')+1:pos]) + 1
	return fault.New(fault.Invalid, "cannot decode CSV: line %d, column %d: %s", s.line, column, fmt.Sprintf(format, args...))
}

// lineBreak steps over a line break, if one is next.
func (s *scanner) lineBreak() bool {
	rest := s.text[s.pos:]
	switch {
	case strings.HasPrefix(rest, "\r\n"):
		s.pos += 2
	case strings.HasPrefix(rest, "\n"):
		s.pos++
	default:
		return false
	}
	s.line++
	return true
}

func (s *scanner) row(r *row) error {
	for {
		field, err := s.field()
		if err != nil {
			return err
		}
		r.fields = append(r.fields, field)
		if strings.HasPrefix(s.text[s.pos:], s.separator) {
			s.pos += len(s.separator)
			continue
		}
		if s.pos == len(s.text) || s.lineBreak() {
			return nil
		}
		return s.fail(s.pos, "expected %q or the end of the line after the closing quote", s.separator)
	}
}

func (s *scanner) field() (string, error) {
	rest := s.text[s.pos:]
	if strings.HasPrefix(rest, `"`) {
		return s.quoted()
	}
	if end := strings.IndexByte(rest, '\n'); end >= 0 {
		rest = strings.TrimSuffix(rest[:end], "\r")
	}
	if end := strings.Index(rest, s.separator); end >= 0 {
		rest = rest[:end]
	}
	if quote := strings.IndexByte(rest, '"'); quote >= 0 {
		return "", s.fail(s.pos+quote, "a quote within a field that does not begin with one")
	}
	s.pos += len(rest)
	return rest, nil
}

func (s *scanner) quoted() (string, error) {
	start := s.pos
	s.pos++
	var field strings.Builder
	for {
		end := strings.IndexByte(s.text[s.pos:], '"')
		if end < 0 {
			return "", s.fail(start, "a field without closing quote")
		}
		field.WriteString(s.text[s.pos : s.pos+end])
		s.pos += end + 1
		if !strings.HasPrefix(s.text[s.pos:], `"`) {
			s.line += strings.Count(field.String(), "\n")
			return field.String(), nil
		}
		field.WriteByte('"')
		s.pos++
	}
}
