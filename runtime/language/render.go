package language

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
)

const markdown = "markdown"

func docText(text string) docstring.Doc { return docstring.Doc{Summary: text} }

// docOf is the docstring of a script.
func docOf(d *document) docstring.Doc { return docstring.Parse(d.read().Doc()) }

// format chooses the form of documentation among those that a client takes, in
// its order. One that names none takes both, says the protocol's history.
func format(accepted []string) string {
	for _, f := range accepted {
		if f == markdown || f == "plaintext" {
			return f
		}
	}
	return markdown
}

// describe is all there is to say of a symbol.
func (s *symbol) describe(format string) *markup {
	var b strings.Builder
	if format == markdown {
		fmt.Fprintf(&b, "```python\n%s\n```\n", s.title)
	} else {
		fmt.Fprintf(&b, "%s\n", s.title)
	}
	if s.nature != "" {
		emphasised := "\n(" + s.nature + ")\n"
		if format == markdown {
			emphasised = "\n*" + s.nature + "*\n"
		}
		b.WriteString(emphasised)
	}
	s.explain(&b, format)
	return &markup{format, strings.TrimRight(b.String(), "\n")}
}

// explanation is describe without the title, for where that is shown already.
func (s *symbol) explanation(format string) *markup {
	var b strings.Builder
	s.explain(&b, format)
	if b.Len() == 0 {
		return nil
	}
	return &markup{format, strings.Trim(b.String(), "\n")}
}

func (s *symbol) explain(b *strings.Builder, format string) {
	bold := func(title string) string { return title + ":" }
	code := func(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
	if format == markdown {
		bold = func(title string) string { return "**" + title + "**:" }
		code = func(text string) string { return "```python\n" + text + "\n```" }
	}
	for _, text := range []string{s.doc.Summary, s.doc.Body} {
		if text != "" {
			fmt.Fprintf(b, "\n%s\n", text)
		}
	}
	s.explainParams(b, bold("Arguments"))
	for _, x := range []struct{ title, text string }{
		{"Returns", s.doc.Returns}, {"Errors", s.doc.Errors}, {"Note", s.doc.Notes},
	} {
		if x.text != "" {
			fmt.Fprintf(b, "\n%s %s\n", bold(x.title), x.text)
		}
	}
	if s.doc.Examples != "" {
		fmt.Fprintf(b, "\n%s\n\n%s\n", bold("Example"), code(s.doc.Examples))
	}
	if s.module != nil {
		var names []string
		for _, f := range s.module.Funcs() {
			names = append(names, f.Short())
		}
		for _, f := range s.module.Facts() {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		fmt.Fprintf(b, "\n%s %s\n", bold("It has"), strings.Join(names, ", "))
	}
}

func (s *symbol) explainParams(b *strings.Builder, title string) {
	var shown, options []string
	for _, p := range s.params {
		switch {
		case p.late:
			options = append(options, p.name)
		case p.text != "" || p.typ != "" && p.stars == "":
			typ := ""
			if p.typ != "" && p.stars == "" {
				typ = " (" + p.typ + ")"
			}
			shown = append(shown, strings.TrimRight(fmt.Sprintf("- %s%s%s: %s", p.stars, p.name, typ, p.text), ": "))
		}
	}
	if len(shown) > 0 {
		fmt.Fprintf(b, "\n%s\n\n%s\n", title, strings.Join(shown, "\n"))
	}
	if len(options) > 0 {
		fmt.Fprintf(b, "\nIt also takes the options %s.\n", strings.Join(options, ", "))
	}
}
