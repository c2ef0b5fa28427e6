package schema

import (
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Example is a configuration file with the defaults, with what is said about the
// fields as comments. What has no default is a comment itself.
func (s *Schema) Example(format string) (string, error) {
	record, ok := s.shape.(*Record)
	if !ok {
		return "", invalid("only a record has an example, not %s", s.expects())
	}
	w := exampleWriter{}
	switch format {
	case "toml":
		w.comment(s.Doc, "")
		w.toml(record, "")
	case "yaml":
		w.yaml = true
		w.comment(s.Doc, "")
		w.fields(record, "")
	default:
		return "", hinted(invalid("there is no example as %q", format), `the formats are "toml" and "yaml"`)
	}
	return strings.TrimLeft(w.out.String(), "\n"), nil
}

type exampleWriter struct {
	out  strings.Builder
	yaml bool
}

func (w *exampleWriter) comment(text, indent string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(&w.out, "%s# %s\n", indent, strings.TrimSpace(line))
	}
}

// toml writes a table: first what is on lines of its own, then the tables in it.
func (w *exampleWriter) toml(r *Record, path string) {
	for _, f := range r.fields {
		if _, ok := nested(f.Schema); !ok {
			w.line(f, "")
		}
	}
	for _, f := range r.fields {
		if inner, ok := nested(f.Schema); ok {
			name := path + w.key(f.Name)
			w.out.WriteByte('\n')
			w.comment(f.Schema.Doc, "")
			fmt.Fprintf(&w.out, "[%s]\n", name)
			w.toml(inner, name+".")
		}
	}
}

// fields writes a mapping of YAML.
func (w *exampleWriter) fields(r *Record, indent string) {
	for _, f := range r.fields {
		inner, ok := nested(f.Schema)
		if !ok {
			w.line(f, indent)
			continue
		}
		w.comment(f.Schema.Doc, indent)
		if !inner.hasDefaults() {
			fmt.Fprintf(&w.out, "%s%s: {}\n", indent, w.key(f.Name))
			w.fields(inner, indent+"  ") // comments only
			continue
		}
		fmt.Fprintf(&w.out, "%s%s:\n", indent, w.key(f.Name))
		w.fields(inner, indent+"  ")
	}
}

// nested is the record of a field that has a table of its own: one with a default as
// a whole, or that may be missing, is written on one line.
func nested(s *Schema) (*Record, bool) {
	r, ok := s.shape.(*Record)
	return r, ok && !s.Optional && s.Default == nil
}

// hasDefaults says that something of the record is written that is no comment.
func (r *Record) hasDefaults() bool {
	for _, f := range r.fields {
		if _, ok := nested(f.Schema); ok || f.Schema.Default != nil && !f.Schema.sensitive() {
			return true
		}
	}
	return false
}

func (w *exampleWriter) line(f Field, indent string) {
	w.comment(f.Schema.Doc, indent)
	between := " = "
	if w.yaml {
		between = ": "
	}
	if v := f.Schema.Default; v != nil && !f.Schema.sensitive() {
		fmt.Fprintf(&w.out, "%s%s%s", indent, w.key(f.Name), between)
		w.value(f.Schema.Plain(v))
		w.out.WriteByte('\n')
		return
	}
	fmt.Fprintf(&w.out, "%s# %s%s… (%s)\n", indent, w.key(f.Name), between, strings.ReplaceAll(f.Schema.summary(), "\n", " "))
}

var (
	bareKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	// word is what some readers of YAML take for something other than a text.
	word = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

func (w *exampleWriter) key(name string) string {
	if bareKey.MatchString(name) && !(w.yaml && word.MatchString(name)) {
		return name
	}
	return quote(name)
}

// quote writes a text as TOML and YAML both read it.
func quote(text string) string {
	quoted, err := value.Quote(text)
	if err != nil {
		return `""` // bytes that are no text have no form there
	}
	return quoted
}

// value writes a default on one line, as both formats have it.
func (w *exampleWriter) value(v starlark.Value) {
	switch v := v.(type) {
	case starlark.String:
		w.out.WriteString(quote(string(v)))
	case starlark.Bool:
		w.out.WriteString(strings.ToLower(v.String()))
	case *starlark.List:
		w.out.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				w.out.WriteString(", ")
			}
			w.value(v.Index(i))
		}
		w.out.WriteByte(']')
	case *starlark.Dict:
		w.inlineTable(v)
	default:
		w.out.WriteString(v.String())
	}
}

func (w *exampleWriter) inlineTable(d *starlark.Dict) {
	between := " = "
	if w.yaml {
		between = ": "
	}
	w.out.WriteByte('{')
	for i, kv := range d.Items() {
		if i > 0 {
			w.out.WriteString(", ")
		}
		name, _ := starlark.AsString(kv[0])
		w.out.WriteString(w.key(name) + between)
		w.value(kv[1])
	}
	w.out.WriteByte('}')
}
