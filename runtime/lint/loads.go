package lint

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// checkLoads finds loads of modules that are not there, and of names that they do
// not have. Of a module that is not Starlark nothing is said: it has its own
// findings.
func (f *file) checkLoads() {
	if f.opts.Module == nil {
		return
	}
	for _, stmt := range f.tree.Stmts {
		load, ok := stmt.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		src, known, err := f.opts.Module(load.ModuleName())
		if err != nil {
			e := fault.As(err)
			f.report(load.Module.TokenPos, UnknownModule, e.Hint, "%s", e.Msg)
			continue
		}
		if !known {
			continue
		}
		names, parsed := defined(load.ModuleName(), src)
		if !parsed {
			continue
		}
		for _, id := range load.From {
			if !names[id.Name] && !strings.HasPrefix(id.Name, "_") { // see PrivateLoad
				f.report(id.NamePos, UnknownLoad, "", "%s has no %s%s", load.ModuleName(), id.Name, didYouMean(nearest(id.Name, public(names))))
			}
		}
	}
}

func public(names map[string]bool) []string {
	var all []string
	for name := range names {
		if !strings.HasPrefix(name, "_") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// defined are the names that others can load from a module; ok is false for a script
// that is not Starlark.
func defined(name string, src []byte) (names map[string]bool, ok bool) {
	if !script.IsScript(name) {
		return map[string]bool{script.TextName: true}, true
	}
	tree, err := script.Options(true).Parse(name, src, 0)
	if err != nil {
		return nil, false
	}
	names = map[string]bool{}
	add := func(id *syntax.Ident) { names[id.Name] = true }
	var block func(stmts []syntax.Stmt)
	block = func(stmts []syntax.Stmt) {
		for _, stmt := range stmts {
			switch s := stmt.(type) {
			case *syntax.DefStmt:
				add(s.Name)
			case *syntax.AssignStmt:
				eachTarget(s.LHS, add)
			case *syntax.ForStmt:
				eachTarget(s.Vars, add)
				block(s.Body)
			case *syntax.IfStmt:
				block(s.True)
				block(s.False)
			}
		}
	}
	block(tree.Stmts)
	return names, true
}
