package main

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/taskservs"
)

// taskservsPage is the catalogue of the taskservs of the program. What they declare is
// read, and not evaluated: a page of the reference needs no workspace.
func taskservsPage() string {
	var b strings.Builder
	b.WriteString("# Taskservs\n\nThe taskservs of the program; see [writing one](../taskservs.md).\n\n| Name | Category | | Requires | Provides |\n| --- | --- | --- | --- | --- |\n")
	for _, p := range recipe.BuiltIn(taskservs.FS, "") {
		fields := declaredFields(p.Module)
		name := "`" + p.Name + "`"
		if readme := path.Join(path.Dir(p.Module), "README.md"); inFiles(taskservs.FS, readme) {
			name = fmt.Sprintf("[`%s`](../../taskservs/%s)", p.Name, readme)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, path.Dir(path.Dir(p.Module)), fields["description"], fields["requires"], fields["provides"])
	}
	return b.String()
}

func inFiles(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return err == nil
}

// declaredFields are the arguments of taskserv.declare that are written down literally:
// texts, and lists of them.
func declaredFields(file string) map[string]string {
	fields := map[string]string{}
	src, err := fs.ReadFile(taskservs.FS, file)
	if err != nil {
		return fields // it was found just now
	}
	tree, err := script.Parse(file, src)
	if err != nil {
		return fields // its tests say what is wrong with it
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || !isDeclare(call.Fn) {
			return true
		}
		for _, arg := range call.Args {
			if given, ok := arg.(*syntax.BinaryExpr); ok && given.Op == syntax.EQ {
				if name, ok := given.X.(*syntax.Ident); ok {
					fields[name.Name] = strings.Join(literals(given.Y), ", ")
				}
			}
		}
		return false
	})
	return fields
}

func isDeclare(e syntax.Expr) bool {
	dot, ok := e.(*syntax.DotExpr)
	if !ok || dot.Name.Name != "declare" {
		return false
	}
	module, ok := dot.X.(*syntax.Ident)
	return ok && module.Name == "taskserv"
}

// literals are the texts in an expression: of taskserv.need, the first.
func literals(e syntax.Expr) []string {
	var texts []string
	switch e := e.(type) {
	case *syntax.Literal:
		texts = append(texts, strings.Trim(fmt.Sprint(e.Value), " "))
	case *syntax.ListExpr:
		for _, x := range e.List {
			texts = append(texts, literals(x)...)
		}
	case *syntax.CallExpr:
		if len(e.Args) > 0 {
			return literals(e.Args[0])
		}
	}
	return texts
}
