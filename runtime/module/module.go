// Package module declares builtins: what scripts see, and nothing else has to
// be registered, documented or parsed by hand.
//
// A builtin is one stub in the user's language and one struct. The stub alone
// holds the name, the order of the parameters, their defaults and the
// documentation; the fields of the struct take the arguments by their `star`
// tags, and its methods say what the builtin does:
//
//	var Module = module.New("fs", "Files of the workspace.")
//
//	var _ = Module.Read(`
//	def read(path, limit = 0):
//	    """Reads a file.
//
//	    Args:
//	      path: file, relative to the workspace.
//	      …
//	    """`, &read{}, effect.Exact)
//
//	type read struct {
//		Path  string `star:"path"`
//		Limit int    `star:"limit"`
//	}
//
//	func (r *read) Perform(ctx context.Context, env *effect.Env) (any, error) { … }
//
// [Module.Pure] declares a function without effect, [Module.Read] and
// [Module.Write] an effect, [Module.Control] a function that needs the
// interpreter, because it calls back into the script.
package module

import (
	"fmt"
	"sort"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/docstring"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Module is a group of builtins. One with an empty name holds functions that
// scripts see without a prefix.
type Module struct {
	Name  string
	Doc   docstring.Doc
	funcs []*Func
	facts []Fact

	hidden []*Hidden
}

// Hidden is an effect of a Control function that scripts cannot call by itself.
// It is declared so that another process can make it again.
type Hidden struct {
	Decl    *effect.Decl
	Options effect.Options
	Restore func(state starlark.Tuple) (effect.Performer, error)
}

// Carrier is a hidden effect. State is what Restore makes it of.
type Carrier interface {
	effect.Performer
	State() starlark.Tuple
}

// Fact is a constant of a module, the same for the whole run.
type Fact struct {
	Name string
	Doc  string
	Of   func(*effect.Run) any
}

// New makes a module. doc is its documentation, as a docstring.
func New(name, doc string) *Module { return &Module{Name: name, Doc: docstring.Parse(doc)} }

// Computer is a function without effect.
type Computer interface {
	Compute(env *effect.Env) (any, error)
}

// Controller is a function that calls back into the script.
type Controller interface {
	Control(thread *starlark.Thread) (any, error)
}

// Pure declares a function that only computes.
func (m *Module) Pure(stub string, args Computer) *Func { return m.add(stub, args, nil) }

// Control declares a function that calls back into the script.
func (m *Module) Control(stub string, args Controller) *Func { return m.add(stub, args, nil) }

// Read declares an effect that only looks at the world.
func (m *Module) Read(stub string, args effect.Performer) *Func {
	return m.add(stub, args, &effect.Decl{Mode: effect.Read, Quality: effect.Exact})
}

// Write declares an effect that changes the world.
func (m *Module) Write(stub string, args effect.Performer, quality effect.Quality) *Func {
	return m.add(stub, args, &effect.Decl{Mode: effect.Write, Quality: quality})
}

// Hide declares an effect that scripts cannot call by itself.
func (m *Module) Hide(h *Hidden) *Hidden {
	m.hidden = append(m.hidden, h)
	return h
}

// Hidden returns the effects that scripts cannot call by themselves.
func (m *Module) Hidden() []*Hidden { return m.hidden }

// Fact declares a constant.
func (m *Module) Fact(name, doc string, of func(*effect.Run) any) Fact {
	f := Fact{name, doc, of}
	m.facts = append(m.facts, f)
	return f
}

func (m *Module) add(stub string, args any, decl *effect.Decl) *Func {
	f := newFunc(m, stub, args, decl)
	m.funcs = append(m.funcs, f)
	return f
}

// Funcs returns the functions of the module, sorted by name.
func (m *Module) Funcs() []*Func {
	funcs := append([]*Func(nil), m.funcs...)
	sort.Slice(funcs, func(i, j int) bool { return funcs[i].short < funcs[j].short })
	return funcs
}

// Func returns the function with the given full name, such as "fs.read"; nil when
// the module has none.
func (m *Module) Func(name string) *Func {
	for _, f := range m.funcs {
		if f.name == name {
			return f
		}
	}
	return nil
}

// Facts returns the constants of the module, in the order of their declaration.
func (m *Module) Facts() []Fact { return m.facts }

// Bind adds what scripts of a run see of the module to globals.
func (m *Module) Bind(run *effect.Run, globals starlark.StringDict) {
	members := make(starlark.StringDict, len(m.funcs)+len(m.facts))
	for _, f := range m.funcs {
		members[f.short] = f
	}
	for _, f := range m.facts {
		members[f.Name] = valueOf(f.Of(run))
	}
	if m.Name == "" {
		for name, v := range members {
			globals[name] = v
		}
		return
	}
	globals[m.Name] = &Namespace{module: m, members: members}
}

// Namespace is a module as a script sees it.
type Namespace struct {
	module  *Module
	members starlark.StringDict
}

var _ starlark.HasAttrs = (*Namespace)(nil)

func (n *Namespace) String() string        { return "<module " + n.module.Name + ">" }
func (n *Namespace) Type() string          { return "module" }
func (n *Namespace) Freeze()               {}
func (n *Namespace) Truth() starlark.Bool  { return true }
func (n *Namespace) Hash() (uint32, error) { return starlark.String(n.module.Name).Hash() }
func (n *Namespace) AttrNames() []string   { return n.members.Keys() }
func (n *Namespace) Module() *Module       { return n.module }

func (n *Namespace) Attr(name string) (starlark.Value, error) {
	if v, ok := n.members[name]; ok {
		return v, nil
	}
	e := fault.New(fault.Script, "the module %s has no %q", n.module.Name, name)
	if near := spell.Nearest(name, n.AttrNames()); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return nil, e.WithHint("it has %s", strings.Join(n.AttrNames(), ", "))
}
