package export

import (
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// namer gives names that nothing else has.
type namer struct{ taken map[string]bool }

var keywords = strings.Fields(`and as assert async await break class continue def del elif else except finally for from
	global if import in is lambda load nonlocal not or pass raise return try while with yield`)

func (e *exporter) namer() *namer {
	n := &namer{taken: map[string]bool{"main": true, itemName: true}}
	for _, names := range [][]string{keywords, e.opts.Predeclared, starlark.Universe.Keys()} {
		for _, name := range names {
			n.taken[name] = true
		}
	}
	for _, m := range e.opts.Modules {
		if m.Name != "" {
			n.taken[m.Name] = true
			continue
		}
		for _, f := range m.Funcs() {
			n.taken[f.Short()] = true
		}
	}
	return n
}

// itemName is what the functions of parallel call their item.
const itemName = "item"

func (n *namer) name(want string) string {
	if want == "" || want == "_" {
		want = "value"
	}
	name := want
	for i := 2; n.taken[name]; i++ {
		name = want + "_" + starlark.MakeInt(i).String()
	}
	n.taken[name] = true
	return name
}

const maxName = 30

// identifier makes a name of any text.
func identifier(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "_") {
			b.WriteByte('_')
		}
		if b.Len() == maxName {
			break
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" {
		return "value"
	}
	if name[0] >= '0' && name[0] <= '9' {
		return "v" + name
	}
	return name
}

// wish is the name that the result of a step should have.
func (s *step) wish() string {
	first := ""
	if len(s.args) > 0 {
		first = head(s.args[0].value)
	}
	switch gave := s.effect.Gave.(type) {
	case *starlarkstruct.Struct:
		if strings.HasPrefix(s.effect.Kind, "exec.") && first != "" {
			return identifier(path.Base(first))
		}
		if name, ok := gave.Constructor().(starlark.String); ok && name != "struct" {
			return identifier(string(name))
		}
	case *value.Secret:
		return secretName(gave.Name)
	case starlark.String, starlark.Bytes:
		first = path.Base(first)
		if first != "" && first != "." && first != "/" {
			return identifier(first)
		}
	}
	_, short, ok := strings.Cut(s.effect.Kind, ".")
	if !ok {
		short = s.effect.Kind
	}
	return identifier(short)
}

// secretName is the name for the value of a secret: without the scheme of where it
// comes from.
func secretName(name string) string {
	if _, rest, ok := strings.Cut(name, "://"); ok {
		name = rest
	}
	return identifier(name)
}

// head is the text that an argument begins with: itself, or the program of a
// command.
func head(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		if fields := strings.Fields(string(v)); len(fields) > 0 && !value.HasMarker(fields[0]) {
			return fields[0]
		}
	case *starlark.List:
		if v.Len() > 0 {
			return head(v.Index(0))
		}
	}
	return ""
}

// giveNames names all that the script has names for. Parameters come first: they
// keep the names that people know.
func (e *exporter) giveNames() *namer {
	n := e.namer()
	found := e.found()
	e.params = slices.DeleteFunc(e.params, func(p *param) bool { return !found[p] && !p.original })
	for _, s := range e.secrets {
		if s.param != nil && found[s.param] {
			e.params = append(e.params, s.param)
		}
	}
	for _, p := range e.params {
		if found[p] {
			p.name = n.name(p.want)
		}
	}
	for _, s := range e.secrets {
		s.name = n.name(secretName(s.shown))
	}
	used := e.used()
	for _, s := range e.steps {
		if s.fork != nil {
			s.fork.fn = n.name(identifier(s.fork.wish()))
			for _, inner := range s.fork.body {
				if used[inner] {
					inner.name = n.name(inner.wish())
				}
			}
			continue
		}
		if used[s] {
			s.name = n.name(s.wish())
		}
	}
	return n
}
