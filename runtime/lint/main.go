package lint

import (
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/script"
)

// IsMain reports whether a script looks like one that is given to run: it lies in
// the root of the workspace or in workflows, or defines main. name is that of
// load statements. A script that another one loads is none all the same.
func IsMain(name string, src []byte) bool {
	rel, below := strings.CutPrefix(name, "//")
	if below && (!strings.Contains(rel, "/") || strings.HasPrefix(rel, "workflows/")) {
		return true
	}
	tree, err := script.Options(true).Parse(name, src, 0)
	if err != nil {
		return false
	}
	for _, stmt := range tree.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && def.Name.Name == "main" {
			return true
		}
	}
	return false
}

// Loads are the names of the scripts that a script called name loads; none when
// it is not Starlark.
func Loads(name string, src []byte) []string {
	tree, err := script.Options(true).Parse(name, src, 0)
	if err != nil {
		return nil
	}
	var all []string
	for _, stmt := range tree.Stmts {
		if load, ok := stmt.(*syntax.LoadStmt); ok {
			if other, err := script.ModuleName(load.ModuleName(), name); err == nil && other != name {
				all = append(all, other)
			}
		}
	}
	return all
}
