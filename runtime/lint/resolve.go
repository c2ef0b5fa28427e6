package lint

import (
	"errors"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/spell"
)

// parse reads the script; false when it is not Starlark, and then nothing else
// can be said about it.
func (f *file) parse(src []byte) bool {
	opts := &syntax.FileOptions{Set: true, TopLevelControl: f.opts.Main, GlobalReassign: f.opts.Main}
	tree, err := opts.Parse(f.name, src, 0)
	var bad syntax.Error
	switch {
	case errors.As(err, &bad):
		f.report(bad.Pos, Syntax, f.foreign(bad), "%s", bad.Msg)
		return false
	case err != nil:
		f.report(syntax.MakePosition(&f.name, 1, 1), Syntax, "", "%s", err)
		return false
	}
	f.tree = tree
	return true
}

// foreign are the words of Python that Starlark reserves without having them.
var foreign = []struct{ word, hint string }{
	{"import", `load("file.star", "name") takes names from another file`},
	{"from", `load("file.star", "name") takes names from another file`},
	{"try", "attempt(fn) returns a struct with ok, value and error"},
	{"except", "attempt(fn) returns a struct with ok, value and error"},
	{"raise", "fail(message) stops the run"},
	{"class", "struct(name = value) makes a value with fields"},
	{"with", "defer(fn) calls a function when the run ends"},
	{"while", "use for … in range(n), or wait_until"},
	{"is", "compare with =="},
}

func (f *file) foreign(bad syntax.Error) string {
	words := strings.Fields(f.text(int(bad.Pos.Line)))
	for _, x := range foreign {
		if slices.Contains(words, x.word) || slices.Contains(words, x.word+":") {
			return x.hint
		}
	}
	return ""
}

func (f *file) resolve() {
	known := map[string]bool{}
	for _, name := range f.predeclared() {
		known[name] = true
	}
	err := resolve.File(f.tree, func(name string) bool { return known[name] }, isUniversal)
	var list resolve.ErrorList
	if !errors.As(err, &list) {
		return
	}
	for _, bad := range list {
		f.resolveError(bad)
	}
}

// resolveError gives an error of the resolver, which has no codes, one of ours.
func (f *file) resolveError(bad resolve.Error) {
	switch msg := bad.Msg; {
	case strings.HasPrefix(msg, "undefined: "):
		name, _, _ := strings.Cut(strings.TrimPrefix(msg, "undefined: "), " ")
		// Our suggestion, because the resolver's knows no builtins.
		near := nearest(name, f.visible(bad.Pos))
		f.report(bad.Pos, UndefinedName, "", "undefined: %s%s", name, didYouMean(near))
	case strings.HasPrefix(msg, "cannot reassign"):
		f.report(bad.Pos, Reassigned, "only the file given to run may assign a top-level name again", "%s", msg)
	case strings.HasPrefix(msg, "load: names with leading underscores"):
		f.report(bad.Pos, PrivateLoad, "rename it in the file that defines it", "%s", msg)
	case strings.HasSuffix(msg, "while loops"):
		f.report(bad.Pos, WhileLoop, "use for … in range(n), or wait_until", "there are no while loops")
	case strings.HasSuffix(msg, "statement not within a function") && !strings.HasPrefix(msg, "return"),
		strings.HasSuffix(msg, "loop not within a function"):
		f.report(bad.Pos, TopLevelControl, "only the file given to run may have it at top level; move it into a function", "%s", msg)
	default:
		f.report(bad.Pos, Syntax, "", "%s", msg)
	}
}

// visible are the names that could be meant at pos.
func (f *file) visible(pos syntax.Position) []string {
	all := append(f.predeclared(), starlark.Universe.Keys()...)
	if m, ok := f.tree.Module.(*resolve.Module); ok {
		all = appendNames(appendNames(all, m.Globals), m.Locals)
	}
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		def, ok := n.(*syntax.DefStmt)
		if !ok {
			return n != nil
		}
		start, end := def.Span()
		if fn, ok := def.Function.(*resolve.Function); ok && !before(pos, start) && !before(end, pos) {
			all = appendNames(all, fn.Locals)
		}
		return true
	})
	// What a name is near to must not depend on the order of a map.
	slices.Sort(all)
	return all
}

func appendNames(all []string, bindings []*resolve.Binding) []string {
	for _, b := range bindings {
		all = append(all, b.First.Name)
	}
	return all
}

func before(a, b syntax.Position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Col < b.Col
}

// nearest is spell.Nearest that also takes two letters in the wrong order for
// one mistake: raed is read.
func nearest(name string, candidates []string) string {
	if near := spell.Nearest(name, candidates); near != "" {
		return near
	}
	for i := range len(name) - 1 {
		swapped := name[:i] + name[i+1:i+2] + name[i:i+1] + name[i+2:]
		if swapped != name && slices.Contains(candidates, swapped) {
			return swapped
		}
	}
	return ""
}

func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return " (did you mean " + near + "?)"
}
