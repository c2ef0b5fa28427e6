// Package document reads configuration files: TOML, YAML, JSON, and Starlark files
// that set config. Beside the value it tells where each part of it stands, so that
// whoever finds a mistake can show the line:
//
//	doc, err := document.Read("postgres.toml", text, nil)
//	doc.At["replication.replicas[2]"] // postgres.toml:12:3
package document

import (
	"path"
	"sort"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document/json"
	"github.com/provisioning-systems/provisioning/runtime/document/toml"
	"github.com/provisioning-systems/provisioning/runtime/document/yaml"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Document is what a file holds.
type Document struct {
	Name  string // of the file, as errors show it
	Value starlark.Value
	At    map[string]Position // by path, see [value.FieldPath]; "" is the whole
}

// Position is where something is written: its key, or itself in a list.
type Position struct {
	fault.Frame
	// Before says that something else is written before it on its line.
	Before bool
	// After is the path of what is written before it in the file; "" for nothing.
	After string
}

// Extensions are the endings of the files that can be read.
var Extensions = []string{".json", ".star", ".toml", ".yaml", ".yml"}

// Read reads a file by the ending of its name. secrets are those that the text may
// have in it, and may be nil. A mistake is a fault of kind Config, with the position
// in its stack where it is known.
func Read(name, text string, secrets *value.Secrets) (*Document, error) {
	ending := strings.ToLower(path.Ext(name))
	if secrets == nil {
		secrets = value.NewSecrets(nil)
	}
	source, err := secrets.Document(text, strings.TrimPrefix(ending, "."))
	if err != nil {
		return nil, err
	}
	r := reader{lines: newLines(source.Text), secret: source.Secret, doc: &Document{Name: name, At: map[string]Position{}}}
	switch ending {
	case ".toml":
		r.doc.Value, err = toml.Decode(source, r.noteOffset)
	case ".json":
		r.doc.Value, err = json.Decode(source, r.noteOffset)
	case ".yaml", ".yml":
		r.doc.Value, err = r.yaml(source)
	case ".star":
		err = r.star(source)
	default:
		return nil, fault.New(fault.Config, "cannot read %q: it is none of the known formats", name).
			WithHint("the name must end in %s", strings.Join(Extensions, ", "))
	}
	if err != nil {
		return nil, refuse(name, err)
	}
	r.order()
	return r.doc, nil
}

// refuse says in which file the mistake is.
func refuse(name string, err error) error {
	e := fault.New(fault.Config, "cannot read %q: %s", name, err)
	if inner := fault.As(err); inner != nil {
		e.Msg = name + ": " + inner.Msg
		if len(inner.Stack) > 0 {
			e.Msg, e.Stack = inner.Msg, inner.Stack
		}
		e.Hint = inner.Hint
	}
	e.Cause = err
	return e
}

type reader struct {
	doc    *Document
	lines  lines
	secret bool // the text as a whole: no line of it is shown
}

func (r *reader) yaml(source value.Document) (starlark.Value, error) {
	docs, err := yaml.Decode(source, r.note)
	switch {
	case err != nil:
		return nil, err
	case len(docs) == 0:
		return new(starlark.Dict), nil
	case len(docs) > 1:
		return nil, fault.New(fault.Config, "the file holds %d documents; a configuration is one", len(docs))
	}
	return docs[0], nil
}

// note takes the position of a path. What was noted first counts: the keys of a
// mapping before those that are merged into it.
func (r *reader) note(path string, line, col int) {
	if _, ok := r.doc.At[path]; ok {
		return
	}
	text := r.lines.text(line)
	before := strings.Trim(cut(text, col-1), " \t-?")
	if r.secret {
		text = ""
	}
	r.doc.At[path] = Position{
		Frame:  fault.Frame{File: r.doc.Name, Line: line, Col: col, Text: text},
		Before: before != "" && strings.Trim(before, "[") != "",
	}
}

func (r *reader) noteOffset(path string, offset int) {
	line, col := r.lines.at(offset)
	r.note(path, line, col)
}

// order tells each position what stands before it.
func (r *reader) order() {
	paths := make([]string, 0, len(r.doc.At))
	for p := range r.doc.At {
		paths = append(paths, p)
	}
	r.doc.At[""] = Position{Frame: fault.Frame{File: r.doc.Name, Line: 1, Col: 1}}
	sort.Slice(paths, func(i, j int) bool {
		a, b := r.doc.At[paths[i]], r.doc.At[paths[j]]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Col != b.Col {
			return a.Col < b.Col
		}
		return paths[i] < paths[j]
	})
	for i, p := range paths[min(1, len(paths)):] {
		at := r.doc.At[p]
		at.After = paths[i]
		r.doc.At[p] = at
	}
}

// lines finds lines of a text.
type lines struct {
	source string
	starts []int
}

func newLines(source string) lines {
	l := lines{source: source, starts: []int{0}}
	for i := range len(source) {
		if source[i] == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// at returns the line and the column, in characters, of a byte.
func (l lines) at(offset int) (line, col int) {
	line = sort.SearchInts(l.starts, offset+1)
	return line, utf8.RuneCountInString(l.source[l.starts[line-1]:min(offset, len(l.source))]) + 1
}

func (l lines) text(line int) string {
	if line < 1 || line > len(l.starts) {
		return ""
	}
	text, _, _ := strings.Cut(l.source[l.starts[line-1]:], "\n")
	return strings.TrimSuffix(text, "\r")
}

// cut returns the first n characters of a text.
func cut(text string, n int) string {
	for i := range text {
		if n--; n < 0 {
			return text[:i]
		}
	}
	return text
}
