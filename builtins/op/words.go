package op

import (
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// texts reads an argument that is a string or a list of strings.
func texts(arg string, v starlark.Value) ([]string, error) {
	if text, ok := starlark.AsString(v); ok {
		return []string{text}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fault.New(fault.Invalid, "the argument %q must be a string or a list of strings, not a %s", arg, v.Type())
	}
	var all []string
	for e := range starlark.Elements(list) {
		text, ok := starlark.AsString(e)
		if !ok {
			return nil, fault.New(fault.Invalid, "the argument %q has a %s in it, where strings belong", arg, e.Type())
		}
		all = append(all, text)
	}
	return all, nil
}

// madeOf reports whether a text has letters, digits and some other characters, and
// nothing else, and is not empty.
func madeOf(text, others string) bool {
	for i := range len(text) {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(others, c) >= 0) {
			return false
		}
	}
	return text != ""
}

// quoted are words for sh, each with a space before it.
func quoted(words []string) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(" " + machine.Quote(w))
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
