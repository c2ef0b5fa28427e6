package script

import (
	"bytes"

	"go.starlark.net/syntax"
)

// Reaches reports whether the module called name is one that wanted names, or
// loads one, directly or by way of others. Modules that cannot be read or parsed
// load nothing: whoever evaluates them says what is wrong.
func (l *Loader) Reaches(name string, wanted func(name string) bool) bool {
	seen := map[string]bool{}
	var reaches func(name string) bool
	reaches = func(name string) bool {
		if wanted(name) {
			return true
		}
		if seen[name] {
			return false
		}
		seen[name] = true
		for _, loaded := range l.loads(name) {
			if reaches(loaded) {
				return true
			}
		}
		return false
	}
	return reaches(name)
}

func (l *Loader) mayLoad(name, from string) bool {
	return l.MayLoad == nil || l.MayLoad(name, from) == nil
}

// loads returns the names of the modules that a module loads.
func (l *Loader) loads(name string) []string {
	if !IsScript(name) {
		return nil
	}
	src, err := l.read(name)
	if err != nil || !bytes.Contains(src, []byte("load")) {
		return nil
	}
	f, err := Options(true).Parse(FileName(name), src, 0)
	if err != nil {
		return nil
	}
	var names []string
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.LoadStmt:
			if loaded, err := ModuleName(n.ModuleName(), name); err == nil && l.mayLoad(loaded, name) {
				names = append(names, loaded)
			}
		case syntax.Expr:
			return false // a load is a statement
		}
		return true
	})
	return names
}
