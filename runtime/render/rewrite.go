package render

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// ref is one place of a template where a variable stands.
type ref struct {
	source    *source
	line, col int
	text      string // as written: a.b[0]
	parts     []part
	mode      mode
	narrow    bool // it is the width of something
	printed   bool // it is printed without passing through __show
}

// part is one step of a.b.0[c](d, e).
type part struct {
	kind partKind
	name string
	n    int // the index; of a call, the number of its arguments
}

type partKind uint8

const (
	byName partKind = iota
	byIndex
	bySubscript // its value is the next argument of __v
	byCall      // its arguments are the next n
)

// mode is what to do with a variable that is not defined.
type mode uint8

const (
	refuse    mode = iota
	tolerate       // it is None
	defined        // x is defined
	undefined      // x is not defined
	isNone         // x is none
	isNotNone      // x is not none
)

// surrounds is what surrounds an expression.
type surrounds struct {
	words   []string // that belong to the tag when they follow an operand
	mode    mode
	printed bool
}

// marked are the filters whose result is HTML already, so that autoescape leaves it.
var marked = []string{"safe", "truncatechars_html", "truncatewords_html"}

// isMarked reports whether one of these is applied to the whole expression.
func isMarked(toks []token) bool {
	for i := len(toks) - 1; i > 0; i-- {
		if toks[i-1].is("|") && slices.Contains(marked, toks[i].text) {
			return !slices.ContainsFunc(toks[i:], func(t token) bool { return t.is(")") || t.is("]") })
		}
	}
	return false
}

func (s *source) variable(toks []token) error {
	s.put(toks[0])
	inner := toks[1 : len(toks)-1]
	if len(inner) == 0 {
		return s.verbatim(inner)
	}
	show := "__show("
	if isMarked(inner) {
		show = "__raw("
	}
	s.gap(inner[0])
	s.last = inner[0].at
	// __at is evaluated first and says where we are, should the rest panic.
	fmt.Fprintf(&s.out, "%s__at(%d),", show, s.newRef(inner[0], ""))
	if err := s.expr(inner, surrounds{}); err != nil {
		return err
	}
	s.out.WriteString(")")
	return nil
}

func (s *source) verbatim(toks []token) error {
	for _, t := range toks {
		s.put(t)
	}
	return nil
}

func (s *source) newRef(t token, text string) int {
	s.r.refs = append(s.r.refs, &ref{source: s, line: s.line, col: t.at - s.start + 1, text: text})
	return len(s.r.refs) - 1
}

// expr rewrites an expression, or several that follow each other.
func (s *source) expr(toks []token, c surrounds) error {
	for i := 0; i < len(toks); {
		t := toks[i]
		var prev, next token
		if i > 0 {
			prev = toks[i-1]
		}
		if i+1 < len(toks) {
			next = toks[i+1]
		}
		var err error
		switch {
		case t.is("|") && next.kind == ident:
			s.put(t)
			i, err = s.filter(toks, i+1, c)
		case t.kind == ident && (next.is("=") || prev.kind == keyword && prev.text == "as"),
			t.kind == ident && slices.Contains(c.words, t.text) && prev.endsOperand() && (t.text != "silent" || named(toks[:i])):
			s.put(t) // a name that the tag gives, or a word of the tag
			i++
		case t.kind == ident:
			i, err = s.chain(toks, i, c)
		default:
			s.put(t)
			i++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// named reports whether toks end with: as NAME.
func named(toks []token) bool {
	n := len(toks)
	return n > 1 && toks[n-2].kind == keyword && toks[n-2].text == "as"
}

// wide are the filters whose argument says how much to make of a small value.
var wide = []string{"center", "ljust", "rjust", "floatformat", "stringformat", "wordwrap"}

// filter rewrites name:argument, which begins at i.
func (s *source) filter(toks []token, i int, c surrounds) (int, error) {
	name := toks[i]
	s.put(name)
	if name.text == "random" {
		return 0, s.fault(fault.Invalid, name.at, "the filter random is not allowed: a run could not be repeated").
			WithHint("use random.choice in the script")
	}
	i++
	if i+1 >= len(toks) || !toks[i].is(":") {
		return i, nil
	}
	s.put(toks[i])
	arg := toks[i+1]
	narrow := slices.Contains(wide, name.text)
	if arg.kind == ident {
		n := len(s.r.refs)
		next, err := s.chain(toks, i+1, c)
		s.r.refs[n].narrow = narrow
		return next, err
	}
	text := arg.text
	if arg.kind == quoted {
		text = unquote(arg)
	}
	if narrow && isWide(text) {
		return 0, s.fault(fault.TooLarge, arg.at, "the argument of %s is larger than %d", name.text, maxWidth)
	}
	s.put(arg)
	return i + 2, nil
}

var longNumber = regexp.MustCompile(`[0-9]{5,}`)

// isWide reports whether text, taken as a width or a format, asks for too much.
func isWide(text string) bool {
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && (f > maxWidth || f < -maxWidth) || err != nil && longNumber.MatchString(text)
}

// chain rewrites a.b[c](d) and what is asked about it.
func (s *source) chain(toks []token, i int, c surrounds) (int, error) {
	id := s.newRef(toks[i], "")
	r := s.r.refs[id]
	r.mode, r.printed = c.mode, c.printed
	r.parts = []part{{kind: byName, name: toks[i].text}}
	s.gap(toks[i])
	fmt.Fprintf(&s.out, "__v(%d", id)
	j, err := s.steps(toks, i+1, r)
	if err != nil {
		return 0, err
	}
	s.out.WriteString(")")
	s.last = toks[j-1].end
	r.text = s.text[toks[i].at:s.last]
	if j+1 < len(toks) && toks[j].is("|") && (toks[j+1].text == "default" || toks[j+1].text == "default_if_none") {
		r.mode = tolerate
	}
	return s.question(toks, j, r), nil
}

func (s *source) steps(toks []token, j int, r *ref) (int, error) {
	for j < len(toks) {
		switch {
		case toks[j].is(".") && j+1 < len(toks) && toks[j+1].kind == ident:
			r.parts = append(r.parts, part{kind: byName, name: toks[j+1].text})
			j += 2
		case toks[j].is(".") && j+1 < len(toks) && toks[j+1].kind == number:
			n, err := strconv.Atoi(toks[j+1].text)
			if err != nil {
				return 0, s.fault(fault.Invalid, toks[j+1].at, "the index is too large")
			}
			r.parts = append(r.parts, part{kind: byIndex, n: n})
			j += 2
		case toks[j].is("[") || toks[j].is("("):
			end := closing(toks, j)
			if end < 0 {
				return 0, s.fault(fault.Invalid, toks[j].at, "the bracket %s is not closed", toks[j].text)
			}
			if err := s.bracket(toks[j:end+1], r); err != nil {
				return 0, err
			}
			j = end + 1
		default:
			return j, nil
		}
	}
	return j, nil
}

func (s *source) bracket(toks []token, r *ref) error {
	inner := toks[1 : len(toks)-1]
	p := part{kind: bySubscript}
	if toks[0].is("(") {
		p = part{kind: byCall, n: arguments(inner)}
	} else if len(inner) == 0 {
		return s.fault(fault.Invalid, toks[0].at, "the brackets are empty")
	}
	r.parts = append(r.parts, p)
	if len(inner) == 0 {
		return nil
	}
	s.out.WriteString(",")
	s.last = inner[0].at
	return s.expr(inner, surrounds{})
}

// question reads the rest of "x is defined" and its like.
func (s *source) question(toks []token, j int, r *ref) int {
	word := func(n int, text string) bool { return n < len(toks) && toks[n].text == text }
	if !word(j, "is") {
		return j
	}
	n, not := j+1, false
	if word(n, "not") {
		n, not = n+1, true
	}
	switch {
	case word(n, "defined") && !not, word(n, "undefined") && not:
		r.mode = defined
	case word(n, "defined"), word(n, "undefined"):
		r.mode = undefined
	case (word(n, "none") || word(n, "None")) && not:
		r.mode = isNotNone
	case word(n, "none"), word(n, "None"):
		r.mode = isNone
	default:
		return j
	}
	s.last = toks[n].end
	return n + 1
}

// closing returns where the bracket at i is closed, -1 when it is not.
func closing(toks []token, i int) int {
	depth := 0
	for j := i; j < len(toks); j++ {
		switch {
		case toks[j].is("(") || toks[j].is("["):
			depth++
		case toks[j].is(")") || toks[j].is("]"):
			if depth--; depth == 0 {
				return j
			}
		}
	}
	return -1
}

func arguments(toks []token) int {
	if len(toks) == 0 {
		return 0
	}
	n, depth := 1, 0
	for _, t := range toks {
		switch {
		case t.is("(") || t.is("["):
			depth++
		case t.is(")") || t.is("]"):
			depth--
		case t.is(",") && depth == 0:
			n++
		}
	}
	return n
}

// name of the tag that toks are; "" without one.
func tagName(toks []token) string {
	if len(toks) > 2 && toks[1].kind == ident {
		return toks[1].text
	}
	return ""
}

func isEnd(name string) bool { return strings.HasPrefix(name, "end") }
