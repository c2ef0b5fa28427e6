package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Lookup returns the builtin called name, such as "fs.read" or "parallel".
func Lookup(modules []*module.Module, name string) (*module.Func, bool) {
	for _, m := range modules {
		for _, f := range m.Funcs() {
			if f.Name() == name {
				return f, true
			}
		}
	}
	return nil, false
}

// Find answers help(name) and "provisioning docs NAME" in plain text: name is a
// module, a function with or without its module, a constant or an option. When
// ok is false, text says so and names what was probably meant.
func Find(modules []*module.Module, name string) (text string, ok bool) {
	name = strings.TrimSuffix(name, "()")
	if f, ok := Lookup(modules, name); ok {
		return f.Help(), true
	}
	for _, m := range modules {
		if m.Name == name && name != "" {
			return plainModule(m), true
		}
		for _, f := range m.Facts() {
			if qualified(m, f.Name) == name {
				return fmt.Sprintf("%s\n    (constant)\n\n%s\n", name, f.Doc), true
			}
		}
	}
	for _, o := range module.Options {
		if o.Name == name {
			return fmt.Sprintf("%s = %s\n    (option of every effect%s)\n\n%s\n", name, o.Type, commandsOnly(o), o.Doc), true
		}
	}
	if same := inModules(modules, name); len(same) > 0 {
		return several(same), true
	}
	return unknown(modules, name), false
}

func commandsOnly(o module.Option) string {
	switch {
	case o.Command:
		return " that runs commands"
	case o.Many:
		return " that acts on several targets"
	}
	return ""
}

// Names are all names that [Find] answers, sorted.
func Names(modules []*module.Module) []string {
	var names []string
	for _, m := range modules {
		if m.Name != "" {
			names = append(names, m.Name)
		}
		for _, f := range m.Funcs() {
			names = append(names, f.Name())
		}
		for _, f := range m.Facts() {
			names = append(names, qualified(m, f.Name))
		}
	}
	for _, o := range module.Options {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	return names
}

// inModules are the functions called name in any module.
func inModules(modules []*module.Module, name string) []*module.Func {
	var found []*module.Func
	for _, m := range sorted(modules) {
		for _, f := range m.Funcs() {
			if f.Short() == name {
				found = append(found, f)
			}
		}
	}
	return found
}

func several(funcs []*module.Func) string {
	if len(funcs) == 1 {
		return funcs[0].Help()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is in several modules:\n\n", funcs[0].Short())
	list(&b, funcs)
	return b.String()
}

func plainModule(m *module.Module) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", m.Name, m.Doc.Summary)
	if m.Doc.Body != "" {
		fmt.Fprintf(&b, "\n%s\n", m.Doc.Body)
	}
	b.WriteByte('\n')
	list(&b, m.Funcs())
	for _, f := range m.Facts() {
		fmt.Fprintf(&b, "  %s: %s\n", qualified(m, f.Name), f.Doc)
	}
	return b.String()
}

func list(b *strings.Builder, funcs []*module.Func) {
	for _, f := range funcs {
		fmt.Fprintf(b, "  %s\n      %s\n", f.Signature(), f.Doc().Summary)
	}
}

func unknown(modules []*module.Module, name string) string {
	msg := fmt.Sprintf("there is no builtin called %q", name)
	near := spell.Nearest(name, Names(modules))
	if near == "" { // "raed", for fs.read
		near = nearestShort(modules, name)
	}
	if near != "" {
		msg += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return msg + "\n"
}

func nearestShort(modules []*module.Module, name string) string {
	var short []string
	full := map[string]string{}
	for _, m := range sorted(modules) {
		for _, f := range m.Funcs() {
			if full[f.Short()] == "" {
				short, full[f.Short()] = append(short, f.Short()), f.Name()
			}
		}
	}
	return full[spell.Nearest(name, short)]
}
