package houserules_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/reference"
)

// What a builtin does not say is said nowhere: help(), the editor, the flags
// and docs/ all read the declaration.
const whyDocs = "the declaration is the only documentation there is"

func TestBuiltinsAreDocumented(t *testing.T) {
	if len(builtins.All) == 0 {
		t.Fatal("builtins.All is empty")
	}
	for _, m := range builtins.All {
		if m.Doc.Summary == "" {
			t.Errorf("the module %q has no documentation: %s", m.Name, whyDocs)
		}
		for _, fact := range m.Facts() {
			if fact.Doc == "" {
				t.Errorf("%s.%s has no documentation: %s", m.Name, fact.Name, whyDocs)
			}
		}
		for _, f := range m.Funcs() {
			t.Run(f.Name(), func(t *testing.T) { checkFunction(t, f) })
		}
	}
}

func checkFunction(t *testing.T, f *module.Func) {
	doc := f.Doc()
	if doc.Summary == "" {
		t.Errorf("no summary: %s", whyDocs)
	}
	if doc.Examples == "" {
		t.Errorf("no Example: an example is what most readers look for")
	}
	// Whether a function gives None cannot be seen from its declaration. A read
	// and a computation always give something; a write or control may not.
	if doc.Returns == "" && givesSomething(f) {
		t.Errorf("no Returns: %s", whyDocs)
	}
	params := reference.Parameters(f)
	var names []string
	for _, p := range params {
		names = append(names, strings.TrimLeft(p.Name, "*"))
		if p.Text == "" {
			t.Errorf("no entry in Args for %s: %s", p.Name, whyDocs)
		}
	}
	for _, a := range doc.Args {
		if !slices.Contains(names, a.Name) {
			t.Errorf("Args has an entry for %s, which is no parameter", a.Name)
		}
	}
}

func givesSomething(f *module.Func) bool {
	if decl := f.Decl(); decl != nil {
		return decl.Mode == effect.Read
	}
	return f.Prototype().Implements(reflect.TypeFor[module.Computer]())
}

// TestModulesHaveDifferentNames: the second of two would hide the first.
func TestModulesHaveDifferentNames(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range builtins.All {
		if m.Name != "" && seen[m.Name] {
			t.Errorf("two modules are called %q", m.Name)
		}
		seen[m.Name] = true
		functions := map[string]bool{}
		for _, f := range m.Funcs() {
			if functions[f.Short()] {
				t.Errorf("%s is declared twice", f.Name())
			}
			functions[f.Short()] = true
		}
	}
}
