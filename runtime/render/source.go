package render

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// source rewrites one template, so that pongo2 asks us for each variable:
//
//	{{ a.b[c] }}          → {{ __show(__v(0,__v(1))) }}
//	{% if a is defined %} → {% if __v(2) %}
//
// where the number leads to the [ref] that says what stands there. Text outside
// of tags, and the number of lines, stay as they are. A tag that makes no sense
// is copied, for pongo2 to report; it reports columns of the rewritten text,
// which original translates.
type source struct {
	r     *render
	path  string // by which pongo2 knows it
	shown string // the name that people know
	text  string

	out      strings.Builder
	last     int // end in text of what was written
	line     int
	start    int // of the line, in text
	outStart int // of the line, in out
	anchors  map[int][]anchor
	nesting  int // of tags
	extends  bool
}

// anchor says which column of the template a column of the rewritten text is.
type anchor struct{ out, in int }

const escapeOn, escapeOff = "{% autoescape on %}", "{% endautoescape %}"

func (s *source) rewrite() (string, error) {
	s.line, s.anchors = 1, map[int][]anchor{}
	if s.r.autoescape {
		s.out.WriteString(escapeOn)
	}
	for at := 0; ; {
		n := strings.IndexByte(s.text[at:], '{')
		if n < 0 {
			break
		}
		at += n
		next, err := s.brace(at)
		if err != nil {
			return "", err
		}
		at = next
	}
	s.copy(len(s.text))
	text := s.out.String()
	if !s.r.autoescape {
		return text, nil
	}
	if s.extends { // only its blocks are rendered, and those by the base, which is wrapped
		return strings.TrimPrefix(text, escapeOn), nil
	}
	return text + escapeOff, nil
}

// brace handles what begins with the brace at at, and returns where to go on.
func (s *source) brace(at int) (int, error) {
	rest := s.text[at:]
	switch {
	case strings.HasPrefix(rest, "{% verbatim %}"):
		const end = "{% endverbatim %}"
		if n := strings.Index(rest, end); n >= 0 {
			return at + n + len(end), nil
		}
		return len(s.text), nil
	case strings.HasPrefix(rest, "{#"):
		if n := strings.Index(rest, "#}"); n >= 0 {
			return at + n + 2, nil
		}
		return len(s.text), nil
	case strings.HasPrefix(rest, "{{"), strings.HasPrefix(rest, "{%"):
		return s.tag(at)
	}
	return at + 1, nil
}

func (s *source) tag(at int) (int, error) {
	s.copy(at)
	toks, end, problem := scan(s.text, at)
	if problem != "" { // pongo2 may go on, and would read what we have not rewritten
		return 0, s.fault(fault.Invalid, end, "%s", problem)
	}
	if err := s.bounded(toks); err != nil {
		return 0, err
	}
	var err error
	if strings.HasPrefix(toks[0].text, "{{") {
		err = s.variable(toks)
	} else {
		err = s.statement(toks)
	}
	if err != nil {
		return 0, err
	}
	s.put(toks[len(toks)-1])
	if tagName(toks) == "comment" {
		return s.skipComment(end)
	}
	return end, nil
}

var endComment = regexp.MustCompile(`\{%-?[ \t]*endcomment[ \t]*-?%\}`)

// skipComment leaves out what stands in a comment: pongo2 would compile it.
func (s *source) skipComment(from int) (int, error) {
	at := endComment.FindStringIndex(s.text[from:])
	if at == nil {
		return 0, s.fault(fault.Invalid, from, "the comment is not closed by {%% endcomment %%}")
	}
	to := from + at[0]
	if n := strings.Count(s.text[from:to], "\n"); n > 0 {
		s.out.WriteString(strings.Repeat("\n", n))
		s.line += n
		s.start = from + strings.LastIndexByte(s.text[from:to], '\n') + 1
		s.outStart = s.out.Len()
	}
	s.last = to
	return to, nil
}

// bounded refuses what would exhaust the stack of pongo2's parser.
func (s *source) bounded(toks []token) error {
	depth := 0
	for _, t := range toks {
		switch {
		case t.is("(") || t.is("["):
			depth++
		case t.is(")") || t.is("]"):
			depth--
		}
		if depth > maxNesting {
			return s.fault(fault.TooLarge, t.at, "brackets are nested deeper than %d", maxNesting)
		}
	}
	if len(toks) > maxTokens {
		return s.fault(fault.TooLarge, toks[0].at, "the tag has more than %d words", maxTokens)
	}
	return nil
}

// copy writes the text from where we are up to to.
func (s *source) copy(to int) {
	part := s.text[s.last:to]
	s.anchor(s.last)
	s.out.WriteString(part)
	if n := strings.Count(part, "\n"); n > 0 {
		after := len(part) - strings.LastIndexByte(part, '\n') - 1
		s.line += n
		s.start = to - after
		s.outStart = s.out.Len() - after
	}
	s.last = to
}

// put writes a token with the space before it.
func (s *source) put(t token) {
	s.gap(t)
	s.out.WriteString(t.text)
	s.last = t.end
}

func (s *source) gap(t token) {
	if t.at > s.last {
		s.out.WriteString(s.text[s.last:t.at])
	}
	s.anchor(t.at)
}

func (s *source) anchor(at int) {
	s.anchors[s.line] = append(s.anchors[s.line], anchor{s.out.Len() - s.outStart + 1, at - s.start + 1})
}

// original translates a column of the rewritten text.
func (s *source) original(line, col int) int {
	in := col
	for i, a := range s.anchors[line] {
		if a.out > col {
			break
		}
		in = a.in + col - a.out
		if next := i + 1; next < len(s.anchors[line]) {
			in = min(in, max(a.in, s.anchors[line][next].in-1)) // within what we have inserted
		}
	}
	return max(in, 1)
}

func (s *source) fault(kind fault.Kind, at int, format string, args ...any) *fault.Error {
	return s.faultAt(kind, s.line, at-s.start+1, format, args...)
}

// faultAt makes an error with the position and the line it is about.
func (s *source) faultAt(kind fault.Kind, line, col int, format string, args ...any) *fault.Error {
	e := fault.New(kind, "%s:%d:%d: %s", s.shown, line, col, fmt.Sprintf(format, args...))
	if text := strings.TrimSpace(s.lineText(line)); text != "" {
		e.Msg += "\n    " + clip(text)
	}
	e.Details = map[string]any{"file": s.shown, "line": line, "column": col}
	return e
}

func (s *source) lineText(line int) string {
	rest := s.text
	for ; line > 1; line-- {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return ""
		}
		rest = after
	}
	text, _, _ := strings.Cut(rest, "\n")
	return text
}

func clip(text string) string {
	const most = 160
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
