// Package capability restricts what extensions may do: code of the workspace
// that is not the user's own.
//
// An extension asks, in its manifest extension.toml, for every effect that it
// has, down to the arguments; the workspace grants all of it, a part, or nothing,
// in config/provisioning.toml. What is not asked for and granted is refused at
// the door. There are only lists of what is allowed:
//
//	[[capabilities]]
//	effect = "exec.run"
//	why = "clones the repository"
//	args.command = ["git", "clone", "url:https://github.com/acme", "path:src/*"]
//
// An entry has to name every argument of the call that matters. It may leave out
// those that are empty (False, None, "", 0, [] and {}), and those that decide
// neither what is reached nor what is executed; see [free].
package capability

import (
	"fmt"
	"sort"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Capability is one entry of a manifest or a grant.
type Capability struct {
	Effect string         `toml:"effect" json:"effect"`                 // "fs.read", or "fs.*"
	Mode   string         `toml:"mode,omitempty" json:"mode,omitempty"` // "read", "write"; "": both
	Why    string         `toml:"why,omitempty" json:"why,omitempty"`
	Args   map[string]any `toml:"args,omitempty" json:"args,omitempty"`

	rules map[string]rule // by kind of effect
}

// rule is an entry for one kind of effect: what its arguments have to be.
type rule map[string]matcher

// Catalog holds the builtins that have effects, by kind.
type Catalog map[string]*module.Func

// NewCatalog makes the catalog of the modules.
func NewCatalog(modules []*module.Module) Catalog {
	c := Catalog{}
	for _, m := range modules {
		for _, f := range m.Funcs() {
			if f.Decl() != nil {
				c[f.Name()] = f
			}
		}
	}
	return c
}

// Kinds returns the kinds of effects, sorted.
func (c Catalog) Kinds() []string {
	kinds := make([]string, 0, len(c))
	for kind := range c {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	return kinds
}

// Call is an effect as rules see it.
type Call struct {
	Kind string
	Args map[string]starlark.Value // those that were given, also the underscore ones
}

// CallOf returns the call of an effect.
func CallOf(c *effect.Call) Call {
	call := Call{Kind: c.Decl.Kind, Args: map[string]starlark.Value{}}
	for i, v := range c.Args {
		if v != nil {
			call.Args[c.Decl.Params[i]] = v
		}
	}
	for _, kv := range c.Under {
		call.Args[string(kv[0].(starlark.String))] = kv[1]
	}
	return call
}

// CallFrom returns the call whose arguments a journal keeps.
func CallFrom(kind string, args *starlark.Dict) (Call, error) {
	call := Call{Kind: kind, Args: map[string]starlark.Value{}}
	for _, kv := range args.Items() {
		name, ok := kv[0].(starlark.String)
		if !ok {
			return call, fmt.Errorf("the arguments of %s are damaged", kind)
		}
		call.Args[string(name)] = kv[1]
	}
	return call, nil
}

// Verdict says whether an entry allows a call. Maybe depends on an argument that
// is not known: in a plan, or in an audit.
type Verdict uint8

const (
	No Verdict = iota
	Maybe
	Yes
)

// allows reports whether the entry allows the call.
func (c *Capability) allows(call Call, cat Catalog, paths Paths) Verdict {
	rule, ok := c.rules[call.Kind]
	if !ok {
		return No
	}
	verdict := Yes
	cwd, _ := starlark.AsString(call.Args["_cwd"])
	for name, v := range effective(call, cat) {
		match, named := rule[name]
		switch {
		case named && classOf(call.Kind, name) == command:
			verdict = min(verdict, match(v, fromDirectory{paths, cwd}))
		case named:
			verdict = min(verdict, match(v, paths))
		case dispensable(call.Kind, name, v, cat):
		case value.FindUnknown(v) != nil: // it may be empty
			verdict = min(verdict, Maybe)
		default:
			return No
		}
	}
	return verdict
}

// effective returns the arguments of a call with the defaults of those that were
// not given.
func effective(call Call, cat Catalog) map[string]starlark.Value {
	args := map[string]starlark.Value{}
	f := cat[call.Kind]
	for _, name := range f.Params() {
		if v := f.Default(name); v != nil {
			args[name] = v
		}
	}
	for name, v := range call.Args {
		args[name] = v
	}
	return args
}

// dispensable reports whether an entry that does not name the argument may allow
// the value.
func dispensable(kind, name string, v starlark.Value, cat Catalog) bool {
	return !matters(kind, name, cat) || empty(v) || classOf(kind, name) == headers && onlyFreeHeaders(v)
}

func empty(v starlark.Value) bool {
	switch v := v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.String, starlark.Int, starlark.Float,
		*starlark.List, *starlark.Dict, starlark.Tuple, starlark.Bytes:
		return !bool(v.Truth())
	}
	return false
}

// AllowedBy reports whether one of the entries allows the call. Files are found
// by paths.
func AllowedBy(entries []Capability, call Call, cat Catalog, paths Paths) Verdict {
	verdict := No
	if cat[call.Kind] == nil { // not a builtin of this program
		return verdict
	}
	for i := range entries {
		verdict = max(verdict, entries[i].allows(call, cat, paths))
	}
	return verdict
}

// String is the entry in one line.
func (c Capability) String() string {
	text := c.Effect
	if c.Mode != "" {
		text += " (" + c.Mode + "s only)"
	}
	for _, name := range sortedNames(c.Args) {
		text += " " + name + " = " + tomlValue(c.Args[name])
	}
	return text
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// moduleOf is the module of a kind: "fs" of "fs.read".
func moduleOf(kind string) string {
	name, _, dotted := strings.Cut(kind, ".")
	if !dotted {
		return ""
	}
	return name
}
