// Package reference writes the documentation of the builtins from their
// declarations: the pages of docs/, and the answers of help().
//
// The result depends on the declarations only and is sorted, so that a page
// changes when a builtin does and at no other time.
package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Markdown is the page of one module.
func Markdown(m *module.Module) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", Title(m))
	paragraph(&b, m.Doc.Summary)
	paragraph(&b, m.Doc.Body)
	paragraph(&b, m.Doc.Notes)
	overview(&b, m)
	facts(&b, m)
	acts := false
	for _, f := range m.Funcs() {
		function(&b, f)
		acts = acts || f.Decl() != nil
	}
	if acts {
		b.WriteString("\nReads and writes also take the [options](options.md), which begin with an underscore.\n")
	}
	return b.String()
}

// Title is what people call the module.
func Title(m *module.Module) string {
	if m.Name == "" {
		return "Functions without a prefix"
	}
	return m.Name
}

// File is the name of the module's page, as [Index] links to it.
func File(m *module.Module) string {
	if m.Name == "" {
		return "functions.md"
	}
	return m.Name + ".md"
}

// Index is the page that leads to those of the modules, and to [Options].
func Index(modules []*module.Module) string {
	var b strings.Builder
	b.WriteString("# Builtins\n\nWhat scripts can use without loading anything.\n")
	b.WriteString("\n| Module | |\n| --- | --- |\n")
	for _, m := range sorted(modules) {
		fmt.Fprintf(&b, "| [%s](%s) | %s |\n", Title(m), File(m), cell(m.Doc.Summary))
	}
	b.WriteString("\nEvery read and write takes the [options](options.md) as well.\n")
	return b.String()
}

// Options is the page about the arguments that every effect takes.
func Options() string {
	var b strings.Builder
	b.WriteString("# Options\n\n" +
		"Every function that reads from the world or writes to it takes these arguments besides its own.\n" +
		"Those marked with * are only for functions that run commands, those marked with + for functions that can be\n" +
		"called with several targets.\n\n" +
		"| Option | Type | |\n| --- | --- | --- |\n")
	for _, o := range module.Options {
		mark := ""
		if o.Command {
			mark = " \\*"
		}
		if o.Many {
			mark = " +"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", o.Name, mark, o.Type, cell(o.Doc))
	}
	return b.String()
}

func overview(b *strings.Builder, m *module.Module) {
	funcs := m.Funcs()
	if len(funcs) == 0 {
		return
	}
	b.WriteString("\n| Function | | What it does to the world |\n| --- | --- | --- |\n")
	for _, f := range funcs {
		fmt.Fprintf(b, "| [`%s`](#%s) | %s | %s |\n", f.Name(), anchor(f.Name()), cell(f.Doc().Summary), f.Nature())
	}
}

func facts(b *strings.Builder, m *module.Module) {
	all := slices.Clone(m.Facts())
	if len(all) == 0 {
		return
	}
	slices.SortFunc(all, func(a, b module.Fact) int { return strings.Compare(a.Name, b.Name) })
	b.WriteString("\n| Constant | |\n| --- | --- |\n")
	for _, f := range all {
		fmt.Fprintf(b, "| `%s` | %s |\n", qualified(m, f.Name), cell(f.Doc))
	}
}

func function(b *strings.Builder, f *module.Func) {
	doc := f.Doc()
	fmt.Fprintf(b, "\n## %s\n", f.Name())
	code(b, f.Signature())
	fmt.Fprintf(b, "\n*%s*\n", f.Nature())
	paragraph(b, doc.Summary)
	paragraph(b, doc.Body)
	arguments(b, f)
	sections(b, doc)
}

func sections(b *strings.Builder, doc docstring.Doc) {
	for _, s := range []struct{ title, text string }{
		{"Returns", doc.Returns}, {"Errors", doc.Errors}, {"Note", doc.Notes},
	} {
		if s.text != "" {
			fmt.Fprintf(b, "\n**%s**: %s\n", s.title, s.text)
		}
	}
	if doc.Examples != "" {
		b.WriteString("\n**Example**:\n")
		code(b, doc.Examples)
	}
}

func arguments(b *strings.Builder, f *module.Func) {
	params := Parameters(f)
	if len(params) == 0 {
		return
	}
	b.WriteString("\n| Argument | Type | Default | |\n| --- | --- | --- | --- |\n")
	for _, p := range params {
		standard := "required"
		switch {
		case p.Default != "":
			standard = "`" + escapePipes(p.Default) + "`"
		case !p.Required:
			standard = ""
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, p.Type, standard, cell(p.Text))
	}
}

func code(b *strings.Builder, text string) { fmt.Fprintf(b, "\n```python\n%s\n```\n", text) }

func paragraph(b *strings.Builder, text string) {
	if text != "" {
		fmt.Fprintf(b, "\n%s\n", text)
	}
}

// cell makes text fit into a cell of a table.
func cell(text string) string { return escapePipes(strings.Join(strings.Fields(text), " ")) }

func escapePipes(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// anchor is what Markdown renderers make of a heading such as "fs.read".
func anchor(heading string) string {
	return strings.ReplaceAll(strings.ToLower(heading), ".", "")
}

func qualified(m *module.Module, name string) string {
	if m.Name == "" {
		return name
	}
	return m.Name + "." + name
}

func sorted(modules []*module.Module) []*module.Module {
	all := slices.Clone(modules)
	slices.SortStableFunc(all, func(a, b *module.Module) int { return strings.Compare(a.Name, b.Name) })
	return all
}
