package render

import (
	"context"
	"regexp"
	"strings"

	"github.com/flosch/pongo2/v6"
	"go.starlark.net/starlark"
)

// Name is a variable where a template uses it.
type Name struct {
	Line, Col int
	Path      []string // config, port for {{ config.port[0] }}: as far as it is written down
	Text      string   // as written
	Optional  bool     // the template does without it: it asks for it, or has a default
}

// Names are the variables that a text uses and does not make itself. An error says why
// the text is no template. shown is how errors call it.
func Names(shown, text string) ([]Name, error) {
	r, err := newRender(context.Background(), new(starlark.Dict), false, false)
	if err != nil {
		return nil, err
	}
	rewritten, err := r.rewrite(inline, shown, text)
	if err != nil {
		return nil, err
	}
	if err := r.compile(rewritten); err != nil {
		return nil, err
	}
	own := ownNames(text)
	var names []Name
	for _, ref := range r.refs {
		if len(ref.parts) == 0 || own[ref.parts[0].name] || constant(ref.parts[0].name) {
			continue
		}
		n := Name{Line: ref.line, Col: ref.col, Text: ref.text, Optional: ref.mode != refuse}
		for _, p := range ref.parts {
			if p.kind != byName {
				break
			}
			n.Path = append(n.Path, p.name)
		}
		names = append(names, n)
	}
	return names, nil
}

// compile finds out whether pongo2 takes a text, and does not render it.
func (r *render) compile(text string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.panicked(p)
		}
	}()
	if _, err := r.set(nowhere{}).FromString(text); err != nil {
		return r.explain(err)
	}
	return nil
}

var _ pongo2.TemplateLoader = nowhere{}

func constant(name string) bool {
	switch name {
	case "None", "none", "nil", "null", "True", "False", "true", "false", "forloop", "block", "self":
		return true
	}
	return false
}

var binds = regexp.MustCompile(`\{%-?\s*(?:for\s+([\w\s,]+?)\s+in\b|set\s+(\w+)|with\s+([^%]*)|macro\s+(\w+\s*\([^%]*)|import\s+\S+\s+([^%]*)|\w+[^%]*\bas\s+(\w+))`)

var word = regexp.MustCompile(`[A-Za-z_]\w*`)

// ownNames are the names that a template gives to something anywhere in it.
func ownNames(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range binds.FindAllStringSubmatch(text, -1) {
		for i, group := range m[1:] {
			if i == 2 { // with a=x b=y, with x as a
				for _, part := range strings.Fields(group) {
					name, _, given := strings.Cut(part, "=")
					names[name] = names[name] || given
				}
			} else {
				for _, name := range word.FindAllString(group, -1) {
					names[name] = true
				}
			}
		}
		if i := strings.LastIndex(m[3], " as "); i >= 0 {
			names[strings.TrimSpace(strings.TrimRight(m[3][i+4:], "- "))] = true
		}
	}
	return names
}
