// Package target is the machines that a script acts on, as the script sees them.
//
// A target is plain data, a struct that [target.local], [ssh.host],
// [container.target] and providers make: it can be printed, put into lists, kept in
// the journal and sent to another process. A connection is made when the first
// effect needs it, kept as long as the run, and shared by all that have the same
// target (see [Open]).
package target

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Target is a machine, and as whom commands run on it.
type Target struct {
	Name string // how people call it, and what results have as host
	Kind Kind
	// ID is equal for targets that share a connection.
	ID     string
	fields starlark.StringDict
}

// Kind is a sort of machine: how targets of it are opened.
type Kind interface {
	Name() string // "ssh": the field kind of the struct
	// Dial makes a connection of the fields of the struct. It is called when an
	// effect needs it, with the secrets filled in.
	Dial(ctx context.Context, env *effect.Env, fields Fields) (machine.Conn, error)
	// Identity is what makes targets the same: "deploy@10.0.0.1:22".
	Identity(fields Fields) (string, error)
}

// Constructor is what the structs of targets are made with: it is how one is told
// from a struct that a script has made.
const Constructor = starlark.String("target")

// Make makes the struct of a target. Fields with the value None are left out.
func Make(kind, name string, fields starlark.StringDict) *starlarkstruct.Struct {
	all := starlark.StringDict{"kind": starlark.String(kind), "name": starlark.String(name)}
	for k, v := range fields {
		if v != starlark.None && v != nil {
			all[k] = v
		}
	}
	return starlarkstruct.FromStringDict(Constructor, all)
}

// Parse reads a target that a script has given.
func Parse(v starlark.Value) (*Target, error) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok || s.Constructor() != starlark.Value(Constructor) {
		return nil, noTarget(v)
	}
	t := &Target{fields: starlark.StringDict{}}
	s.ToStringDict(t.fields)
	f := Fields{t.fields, func(text string) (string, error) { return text, nil }}
	t.Name = f.String("name")
	t.Kind = kinds[f.String("kind")]
	if t.Kind == nil {
		return nil, fault.New(fault.Invalid, "there is no target of the kind %q; kinds are %s", f.String("kind"), strings.Join(kindNames(), ", "))
	}
	id, err := t.Kind.Identity(f)
	if err != nil {
		return nil, err
	}
	t.ID = t.Kind.Name() + "://" + id
	return t, nil
}

// noTarget is the error of a value that is no target. What people give instead is
// most often the name of one, or the struct that has it.
func noTarget(v starlark.Value) error {
	what, hint := "a "+v.Type(), "target.local(), ssh.host(…), container.target(…) and server.create(…) make targets"
	if v == starlark.None {
		what = "None"
	}
	if text, ok := starlark.AsString(v); ok {
		what = "a string"
		if !value.HasMarker(text) && len(text) < 100 {
			what = fmt.Sprintf("the string %q", text)
		}
		if isHostName(text) {
			hint = fmt.Sprintf("write ssh.host(%[1]q), or server.get(%[1]q).target for a server of the workspace", text)
		}
	}
	if s, ok := v.(starlark.HasAttrs); ok {
		if inner, err := s.Attr("target"); err == nil && inner != nil {
			if _, err := Parse(inner); err == nil {
				hint = "it has one: write .target after it"
			}
		}
	}
	return fault.New(fault.Invalid, "a target is needed, not %s", what).WithHint("%s", hint)
}

// isHostName reports whether a text can be the name or the address of a machine.
func isHostName(text string) bool {
	return text != "" && len(text) < 100 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-@") == ""
}

var kinds = map[string]Kind{}

// Register adds a sort of machine, or replaces the one of that name. It is called by
// init functions: nothing may look at targets meanwhile.
func Register(k Kind) { kinds[k.Name()] = k }

func kindNames() []string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Fields are those of the struct of a target.
type Fields struct {
	dict   starlark.StringDict
	expand func(string) (string, error)
}

// String returns a text, with the secrets in it filled in where that is due; ""
// when there is none.
func (f Fields) String(name string) string {
	v, ok := f.dict[name]
	if !ok {
		return ""
	}
	text, ok := starlark.AsString(v)
	if !ok {
		text = v.String() // a secret is its marker
	}
	if plain, err := f.expand(text); err == nil {
		return plain
	}
	return text
}

// Int returns a number; 0 when there is none.
func (f Fields) Int(name string) int {
	n, _ := starlark.AsInt32(orZero(f.dict[name]))
	return n
}

// Bool returns a truth value; false when there is none.
func (f Fields) Bool(name string) bool {
	v, ok := f.dict[name]
	return ok && bool(v.Truth())
}

// Value returns what a field holds; nil when there is none.
func (f Fields) Value(name string) starlark.Value { return f.dict[name] }

// Of returns the fields of a struct within the fields, such as a jump host.
func (f Fields) Of(s *starlarkstruct.Struct) Fields {
	d := starlark.StringDict{}
	s.ToStringDict(d)
	return Fields{d, f.expand}
}

func orZero(v starlark.Value) starlark.Value {
	if v == nil {
		return starlark.MakeInt(0)
	}
	return v
}

// As is what a command on the target runs as: what the options of the effect say,
// else what the target says.
func (t *Target) As(env *effect.Env) machine.As {
	f, o := t.secrets(env), env.Options
	if !f.Bool("sudo") && !o.Sudo && o.User == "" {
		return machine.As{}
	}
	as := machine.As{User: o.User, Method: f.String("become"), Password: f.String("sudo_password")}
	if as.Method == "" {
		as.Method = "sudo"
	}
	return as
}

// Becomes tells targets apart that share a connection, and are other users on it.
func (t *Target) Becomes() string {
	f := Fields{t.fields, func(text string) (string, error) { return text, nil }}
	return fmt.Sprintf("%t %s %s", f.Bool("sudo"), f.String("become"), f.String("sudo_password"))
}

// Facts is the handle under which the run keeps what it knows of the machine. An
// effect that changes something there drops it.
func (t *Target) Facts() string { return "facts:" + t.ID }

func (t *Target) secrets(env *effect.Env) Fields { return Fields{t.fields, env.Run.Secrets.Expand} }

// shared is the one connection to a machine.
type shared struct {
	mu   sync.Mutex
	conn machine.Conn
}

func (s *shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

// Open returns the connection of the run to a target. The first call makes it.
func Open(ctx context.Context, env *effect.Env, t *Target) (machine.Conn, error) {
	s := env.Run.Live.Or("target:"+t.ID, &shared{}).(*shared)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return s.conn, nil
	}
	conn, err := t.Kind.Dial(ctx, env, t.secrets(env))
	if err != nil {
		return nil, err
	}
	s.conn = conn
	return conn, nil
}
