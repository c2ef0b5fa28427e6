package reference_test

import (
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/reference"
)

// TestLanguageIsDocumented: all functions of the language, and no others.
func TestLanguageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range reference.Language().Funcs {
		documented[f.Name] = true
		if f.Doc.Summary == "" {
			t.Errorf("%s has no summary", f.Name)
		}
		if !starlark.Universe.Has(f.Name) && f.Name != "struct" {
			t.Errorf("there is no function %s", f.Name)
		}
	}
	for name, v := range starlark.Universe {
		if _, ok := v.(starlark.Callable); ok && !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
}
