package lint

import (
	"strings"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// CallSite is a place in a script from which an effect is performed.
type CallSite struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
	Kind string `json:"kind"` // "fs.write"
}

// CallSites returns the places from which a script performs effects: calls of
// builtins that act, and builtins that act given to other builtins, as in
// attempt(fs.read, "a"). Their positions are those that a journal has. Functions
// are values, so what a script calls by a name of its own is not known.
func CallSites(name string, src []byte, opts Options) []CallSite {
	f := &file{opts: opts, name: name, lines: strings.Split(string(src), "\n")}
	f.index()
	if !f.parse(src) {
		return nil
	}
	f.resolve()
	f.names.collect(f.tree)
	var sites []CallSite
	walk(f.tree, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			for _, kind := range f.kinds(call) {
				sites = append(sites, CallSite{name, int(call.Lparen.Line), int(call.Lparen.Col), kind})
			}
		}
		return true
	})
	return sites
}

// kinds are the effects that a call performs.
func (f *file) kinds(call *syntax.CallExpr) []string {
	fn := f.builtin(call.Fn)
	switch {
	case fn == nil:
		return nil
	case fn.Decl() != nil:
		return []string{fn.Name()}
	case fn.Name() == effect.KindOnRollback: // what it is given happens in a rollback alone
		return []string{effect.KindOnRollback}
	}
	var kinds []string
	for _, arg := range call.Args {
		if _, value, ok := keyword(arg); ok {
			arg = value
		}
		if given := f.actingFunc(arg); given != nil {
			kinds = append(kinds, given.Name())
		}
	}
	return kinds
}

func (f *file) actingFunc(e syntax.Expr) *module.Func {
	if fn := f.builtin(e); fn != nil && fn.Decl() != nil {
		return fn
	}
	return nil
}
