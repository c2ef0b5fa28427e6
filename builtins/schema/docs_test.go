package schema

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
)

// TestDocs checks that everything is documented and that the examples, lines of
// "expression  # value", are true.
func TestDocs(t *testing.T) {
	for _, fn := range Module.Funcs() {
		doc := fn.Doc()
		if doc.Summary == "" || doc.Returns == "" || doc.Errors == "" || doc.Examples == "" {
			t.Errorf("%s: the documentation lacks a section", fn.Name())
		}
		for _, p := range fn.Params() {
			if doc.Arg(p) == "" {
				t.Errorf("%s: nothing about the argument %s", fn.Name(), p)
			}
		}
		for line := range strings.SplitSeq(doc.Examples, "\n") {
			expr, want, ok := strings.Cut(line, "  # ")
			if got := builtintest.New(t, Module).Eval("got = " + expr); !ok || got != want {
				t.Errorf("%s: example %s\ngives %s", fn.Name(), line, got)
			}
		}
	}
}
