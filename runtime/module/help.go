package module

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Nature says in a few words what the function does to the world.
func (f *Func) Nature() string {
	if f.decl == nil {
		return "function"
	}
	var parts []string
	if f.decl.Mode == effect.Read {
		return "read"
	}
	parts = append(parts, "write", "predicted "+map[effect.Quality]string{
		effect.Blind: "blindly", effect.Approximate: "approximately", effect.Exact: "exactly",
	}[f.decl.Quality])
	p := f.Prototype()
	if p.Implements(undoerType) {
		parts = append(parts, "undone by rollback")
	} else {
		parts = append(parts, "not undone by rollback")
	}
	if p.Implements(askerType) {
		parts = append(parts, "asks the world when in doubt")
	}
	return strings.Join(parts, ", ")
}

// Help is the documentation of the function as plain text.
func (f *Func) Help() string {
	doc := f.Doc()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n    (%s)\n\n%s\n", f.Signature(), f.Nature(), doc.Summary)
	if doc.Body != "" {
		fmt.Fprintf(&b, "\n%s\n", doc.Body)
	}
	if len(doc.Args) > 0 {
		b.WriteString("\nArguments:\n")
		for _, a := range doc.Args {
			fmt.Fprintf(&b, "  %s (%s): %s\n", a.Name, f.ParamType(a.Name), a.Text)
		}
	}
	for _, s := range []struct{ title, text string }{
		{"Returns", doc.Returns}, {"Errors", doc.Errors}, {"Note", doc.Notes}, {"Example", doc.Examples},
	} {
		if s.text != "" {
			fmt.Fprintf(&b, "\n%s:\n  %s\n", s.title, strings.ReplaceAll(s.text, "\n", "\n  "))
		}
	}
	return b.String()
}
