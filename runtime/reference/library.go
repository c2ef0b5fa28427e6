package reference

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/docstring"
)

// Library is a module of the standard library, which scripts load. Its
// documentation is that of its docstrings.
type Library struct {
	Name  string // "lists"
	Path  string // "@std//lists.star"
	Doc   docstring.Doc
	Funcs []LibraryFunc // those that can be loaded, sorted

	Values []LibraryValue // other names that can be loaded, in their order
}

// LibraryValue is a name of a [Library] that is no function, such as a type of
// configuration.
type LibraryValue struct {
	Name   string
	Doc    string // its argument doc, if it is made by a call that has one
	Source string // how it is made
}

// LibraryFunc is a function of a [Library].
type LibraryFunc struct {
	Name      string
	Signature string // "chunks(items, size)"
	Doc       docstring.Doc
}

// Libraries reads the modules *.star in fsys, sorted by name.
func Libraries(fsys fs.FS) ([]Library, error) {
	files, err := fs.Glob(fsys, "*.star")
	if err != nil {
		return nil, err
	}
	var libs []Library
	for _, file := range files {
		src, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, err
		}
		tree, err := (&syntax.FileOptions{Set: true}).Parse(file, src, 0)
		if err != nil {
			return nil, err
		}
		libs = append(libs, library(file, src, tree))
	}
	return libs, nil
}

func library(file string, src []byte, tree *syntax.File) Library {
	lib := Library{Name: strings.TrimSuffix(file, ".star"), Path: "@std//" + file, Doc: docOf(tree.Stmts)}
	for _, stmt := range tree.Stmts {
		// A name with an underscore cannot be loaded.
		if def, ok := stmt.(*syntax.DefStmt); ok && !strings.HasPrefix(def.Name.Name, "_") {
			lib.Funcs = append(lib.Funcs, LibraryFunc{def.Name.Name, signature(src, def), docOf(def.Body)})
		}
		if set, ok := stmt.(*syntax.AssignStmt); ok && set.Op == syntax.EQ {
			if name, ok := set.LHS.(*syntax.Ident); ok && !strings.HasPrefix(name.Name, "_") {
				start, end := set.Span()
				lib.Values = append(lib.Values, LibraryValue{name.Name, docArgument(set.RHS), string(between(src, start, end))})
			}
		}
	}
	slices.SortFunc(lib.Funcs, func(a, b LibraryFunc) int { return strings.Compare(a.Name, b.Name) })
	return lib
}

// docArgument is the text of the argument doc of a call.
func docArgument(e syntax.Expr) string {
	call, ok := e.(*syntax.CallExpr)
	if !ok {
		return ""
	}
	for _, arg := range call.Args {
		if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
			name, _ := named.X.(*syntax.Ident)
			lit, _ := named.Y.(*syntax.Literal)
			if name != nil && name.Name == "doc" && lit != nil {
				text, _ := lit.Value.(string)
				return text
			}
		}
	}
	return ""
}

func docOf(body []syntax.Stmt) docstring.Doc {
	if len(body) > 0 {
		if stmt, ok := body[0].(*syntax.ExprStmt); ok {
			if lit, ok := stmt.X.(*syntax.Literal); ok {
				text, _ := lit.Value.(string)
				return docstring.Parse(text)
			}
		}
	}
	return docstring.Doc{}
}

// signature is the head of a def as it is written, on one line.
func signature(src []byte, def *syntax.DefStmt) string {
	body, _ := def.Body[0].Span()
	head := string(between(src, def.Name.NamePos, body))
	if end := strings.LastIndexByte(head, ':'); end >= 0 {
		head = head[:end]
	}
	return strings.Join(strings.Fields(head), " ")
}

func between(src []byte, from, to syntax.Position) []byte {
	return src[offset(src, from):offset(src, to)]
}

// offset is where a position lies in src; its columns count characters.
func offset(src []byte, pos syntax.Position) int {
	at := 0
	for range pos.Line - 1 {
		at += bytes.IndexByte(src[at:], '\n') + 1
	}
	runes := []rune(string(src[at:min(len(src), at+4*int(pos.Col))]))
	return at + len(string(runes[:pos.Col-1]))
}

// File is the name of the library's page.
func (l Library) File() string { return "std-" + l.Name + ".md" }

// Markdown is the page of the library.
func (l Library) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", l.Path)
	paragraph(&b, l.Doc.Summary)
	paragraph(&b, "Load what you need:")
	code(&b, l.load())
	l.values(&b)
	if len(l.Funcs) > 0 {
		b.WriteString("\n| Function | |\n| --- | --- |\n")
	}
	for _, f := range l.Funcs {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", f.Name, anchor(f.Name), cell(f.Doc.Summary))
	}
	for _, f := range l.Funcs {
		fmt.Fprintf(&b, "\n## %s\n", f.Name)
		code(&b, f.Signature)
		paragraph(&b, f.Doc.Summary)
		paragraph(&b, f.Doc.Body)
		f.arguments(&b)
		sections(&b, f.Doc)
	}
	return b.String()
}

func (l Library) values(b *strings.Builder) {
	if len(l.Values) > 0 {
		b.WriteString("\n| Name | |\n| --- | --- |\n")
	}
	for _, v := range l.Values {
		fmt.Fprintf(b, "| [`%s`](#%s) | %s |\n", v.Name, anchor(v.Name), cell(v.Doc))
	}
	for _, v := range l.Values {
		fmt.Fprintf(b, "\n## %s\n", v.Name)
		paragraph(b, v.Doc)
		code(b, v.Source)
	}
}

func (l Library) load() string {
	var names []string
	for _, v := range l.Values {
		names = append(names, v.Name)
	}
	for _, f := range l.Funcs {
		names = append(names, f.Name)
	}
	return fmt.Sprintf("load(%q, \"%s\")", l.Path, strings.Join(names, `", "`))
}

func (f LibraryFunc) arguments(b *strings.Builder) {
	if len(f.Doc.Args) == 0 {
		return
	}
	b.WriteString("\n| Argument | |\n| --- | --- |\n")
	for _, a := range f.Doc.Args {
		fmt.Fprintf(b, "| `%s` | %s |\n", a.Name, cell(a.Text))
	}
}

// Help is the documentation of the library as plain text.
func (l Library) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n", l.Path, l.Doc.Summary)
	for _, v := range l.Values {
		fmt.Fprintf(&b, "  %s\n      %s\n", v.Name, v.Doc)
	}
	for _, f := range l.Funcs {
		fmt.Fprintf(&b, "  %s\n      %s\n", f.Signature, f.Doc.Summary)
	}
	fmt.Fprintf(&b, "\nExample:\n  %s\n", l.load())
	return b.String()
}

// Help is the documentation of the function of a library as plain text.
func (f LibraryFunc) Help(l Library) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n    (of %s)\n\n%s\n", f.Signature, l.Path, f.Doc.Summary)
	if f.Doc.Body != "" {
		fmt.Fprintf(&b, "\n%s\n", f.Doc.Body)
	}
	if len(f.Doc.Args) > 0 {
		b.WriteString("\nArguments:\n")
	}
	for _, a := range f.Doc.Args {
		fmt.Fprintf(&b, "  %s: %s\n", a.Name, a.Text)
	}
	example := fmt.Sprintf("load(%q, %q)", l.Path, f.Name)
	if f.Doc.Examples != "" {
		example += "\n" + f.Doc.Examples
	}
	for _, s := range []struct{ title, text string }{
		{"Returns", f.Doc.Returns}, {"Errors", f.Doc.Errors}, {"Note", f.Doc.Notes}, {"Example", example},
	} {
		if s.text != "" {
			fmt.Fprintf(&b, "\n%s:\n  %s\n", s.title, strings.ReplaceAll(s.text, "\n", "\n  "))
		}
	}
	return b.String()
}
