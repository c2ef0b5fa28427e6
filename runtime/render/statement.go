package render

import (
	"slices"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// nests are the tags that have an end tag.
var nests = []string{
	"autoescape", "block", "filter", "for", "if", "ifchanged", "ifequal", "ifnotequal", "macro", "spaceless", "with",
}

// statement rewrites a tag {% … %}, up to its closing delimiter.
func (s *source) statement(toks []token) error {
	name := tagName(toks)
	s.put(toks[0])
	if name == "" {
		return s.verbatim(toks[1 : len(toks)-1])
	}
	if err := s.allowed(name, toks[1]); err != nil {
		return err
	}
	s.put(toks[1])
	args := toks[2 : len(toks)-1]
	switch name {
	case "for":
		return s.loop(args)
	case "macro":
		return s.macro(args)
	case "filter":
		return s.filterTag(args)
	case "extends", "import", "include":
		return s.other(name, args)
	case "firstof": // its use is that some are not there
		return s.expr(args, surrounds{mode: tolerate, printed: true})
	case "cycle":
		return s.expr(args, surrounds{words: []string{"silent"}, printed: true})
	case "if", "elif", "ifequal", "ifnotequal", "ifchanged", "set", "with", "widthratio":
		return s.expr(args, surrounds{})
	}
	return s.verbatim(args)
}

func (s *source) allowed(name string, t token) error {
	if hint, bad := forbidden[name]; bad {
		return s.fault(fault.Permission, t.at, "the tag %s is not allowed in templates", name).WithHint("%s", hint)
	}
	switch {
	case name == "comment", name == "endcomment": // does not nest
	case slices.Contains(nests, name):
		s.nesting++
	case isEnd(name):
		s.nesting--
	}
	if s.nesting > maxNesting {
		return s.fault(fault.TooLarge, t.at, "tags are nested deeper than %d", maxNesting)
	}
	return nil
}

// loop rewrites: k, v in EXPRESSION reversed sorted
func (s *source) loop(args []token) error {
	in := slices.IndexFunc(args, func(t token) bool { return t.kind == keyword && t.text == "in" })
	if in < 0 {
		return s.verbatim(args)
	}
	_ = s.verbatim(args[:in+1])
	return s.expr(args[in+1:], surrounds{words: []string{"reversed", "sorted"}})
}

// macro rewrites: name(a, b = EXPRESSION) export. A parameter without default
// gets one that is refused when it is used.
func (s *source) macro(args []token) error {
	if len(args) < 3 || !args[1].is("(") {
		return s.verbatim(args)
	}
	end := closing(args, 1)
	if end < 0 {
		return s.verbatim(args)
	}
	_ = s.verbatim(args[:2])
	for i := 2; i < end; {
		j := i
		for depth := 0; j < end && (depth > 0 || !args[j].is(",")); j++ {
			switch {
			case args[j].is("(") || args[j].is("["):
				depth++
			case args[j].is(")") || args[j].is("]"):
				depth--
			}
		}
		if err := s.parameter(args[i:j]); err != nil {
			return err
		}
		if j < end {
			s.put(args[j])
		}
		i = j + 1
	}
	return s.verbatim(args[end:])
}

func (s *source) parameter(toks []token) error {
	if len(toks) == 1 && toks[0].kind == ident {
		s.put(toks[0])
		s.out.WriteString("=__missing")
		return nil
	}
	return s.expr(toks, surrounds{})
}

// filterTag rewrites: name:ARGUMENT|name
func (s *source) filterTag(args []token) error {
	if len(args) == 0 || args[0].kind != ident {
		return s.verbatim(args)
	}
	for i := 0; i < len(args); {
		if args[i].kind != ident {
			return s.verbatim(args[i:])
		}
		next, err := s.filter(args, i, surrounds{})
		if err != nil {
			return err
		}
		if i = next; i < len(args) {
			s.put(args[i]) // the bar before the next one
			i++
		}
	}
	return nil
}

// other rewrites the tags that name another template.
func (s *source) other(name string, args []token) error {
	if s.r.loader == nil {
		return s.fault(fault.Permission, s.last-len(name), "the tag %s needs a template file", name).
			WithHint("use template.file")
	}
	if name == "extends" {
		s.extends = true
	}
	if len(args) > 0 && args[0].kind == quoted {
		optional := len(args) > 1 && args[1].text == "if_exists"
		if _, err := s.r.loader.find(s.path, unquote(args[0])); err != nil &&
			(!optional || !fault.Is(err, fault.NotFound)) {
			e := fault.As(err)
			return s.fault(e.Kind, args[0].at, "%s", e.Msg).WithHint("%s", e.Hint)
		}
	}
	if name != "include" {
		return s.verbatim(args)
	}
	return s.expr(args, surrounds{words: []string{"with", "only", "if_exists"}})
}
