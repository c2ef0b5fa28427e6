package assert

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const (
	shortText = 60   // values up to this length are shown on a line
	longText  = 2000 // of a value is shown at most
	diffLines = 200  // of a difference are shown at most
)

// show is a value in a sentence.
func show(v starlark.Value) string {
	text := v.String()
	if len(text) > longText {
		return strings.ToValidUTF8(text[:longText], "") + "…"
	}
	return text
}

// diff is the difference of two texts of several lines, or of two containers
// that are too long for a line; "" for anything else.
func diff(got, want starlark.Value) string {
	x, isText := starlark.AsString(got)
	y, bothText := starlark.AsString(want)
	switch {
	case isText && bothText && (manyLines(x) || manyLines(y)):
	case isContainer(got) && isContainer(want) && max(len(got.String()), len(want.String())) > shortText:
		x, y = outline(got), outline(want)
	default:
		return ""
	}
	text := textdiff.Unified("", y, x, textdiff.Options{Limit: diffLines})
	_, text, _ = strings.Cut(text, "\n") // the header names files
	_, text, _ = strings.Cut(text, "\n")
	if text == "" && x != y { // nothing but the end of the last line
		return "the newline at the end\n"
	}
	return text
}

func manyLines(text string) bool { return strings.Contains(strings.TrimSuffix(text, "\n"), "\n") }

func isContainer(v starlark.Value) bool {
	switch v.(type) {
	case *starlark.List, starlark.Tuple, *starlark.Set:
		return true
	}
	_, ok := value.Entries(v)
	return ok
}

// outline writes a container with an element per line.
func outline(v starlark.Value) string {
	var b strings.Builder
	writeOutline(&b, v, "", "")
	return b.String()
}

// writeOutline opens what does not fit on a line, and the outermost one always, so
// that two of them can be compared.
func writeOutline(b *strings.Builder, v starlark.Value, indent, prefix string) {
	b.WriteString(indent + prefix)
	short := indent != "" && len(v.String()) <= shortText-len(indent)
	if !isContainer(v) || short || len(indent) > 40 {
		b.WriteString(v.String() + "\n")
		return
	}
	inner := indent + "    "
	if entries, ok := value.Entries(v); ok {
		b.WriteString(v.Type() + "\n")
		for _, e := range entries {
			writeOutline(b, e.Value, inner, e.Key.String()+": ")
		}
		return
	}
	b.WriteString(v.Type() + "\n")
	for x := range starlark.Elements(v.(starlark.Iterable)) {
		writeOutline(b, x, inner, "")
	}
}
