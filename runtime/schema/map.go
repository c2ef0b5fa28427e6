package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Map is a dict whose keys are strings that are not known beforehand.
type Map struct {
	Values   *Schema        // nil for any values
	Keys     *Schema        // of strings; nil for any
	Min, Max starlark.Value // ints, of entries; nil for no limit
}

func (*Map) name() string { return "map" }

func (m *Map) limits() []string {
	var list []string
	if m.Values != nil {
		list = append(list, m.Values.String())
	}
	if m.Keys != nil {
		list = append(list, "keys = "+m.Keys.String())
	}
	return append(append(list, limit("min", m.Min)...), limit("max", m.Max)...)
}

func (m *Map) expects() string {
	switch {
	case m.Min != nil && m.Max != nil:
		return "a dict of " + m.Min.String() + " to " + m.Max.String() + " entries"
	case m.Min != nil:
		return "a dict of " + m.Min.String() + " or more entries"
	case m.Max != nil:
		return "a dict of " + m.Max.String() + " or fewer entries"
	}
	return "a dict"
}

func (m *Map) sensitive() bool { return m.Values != nil && m.Values.sensitive() }

func (m *Map) prepare() error {
	if m.Keys != nil {
		switch m.Keys.shape.(type) {
		case *Text, *Enum:
		default:
			return invalid("the keys of a map must be strings, schema.str(…) or schema.enum(…), not %s", m.Keys.expects())
		}
		if m.Keys.sensitive() {
			return invalid("the keys of a map cannot be secrets: scripts have to name them")
		}
	}
	return prepareLengths(&m.Min, &m.Max)
}

func (m *Map) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	entries, ok := value.Entries(v)
	if !ok {
		c.wrong(p, m, v, "")
		return v
	}
	out := starlark.NewDict(len(entries))
	for _, e := range entries {
		name, ok := starlark.AsString(e.Key)
		if !ok {
			c.badKey(p, e.Key)
			continue
		}
		if e.Value == starlark.None {
			continue // nothing given
		}
		at := p.field(name)
		if m.Keys != nil {
			c.key(at, m.Keys, e.Key)
		}
		if m.Values != nil {
			e.Value = m.Values.complete(c, at, e.Value)
		}
		_ = out.SetKey(e.Key, e.Value) // a string key of a fresh dict cannot fail
	}
	if !within(out.Len(), m.Min, m.Max) {
		c.add(Problem{Path: p.String(), Expected: m.expects(), Found: count(out.Len(), "element"),
			Message: subject(p.String()) + " must be " + m.expects() + ", not " + count(out.Len(), "element")})
	}
	return out
}

func (c *checking) badKey(p *place, key starlark.Value) {
	path := p.String()
	c.add(Problem{Path: path, Expected: "keys that are strings", Found: show(key),
		Message: subject(path) + " has the key " + show(key) + "; keys must be strings"})
}

// key looks at a key as if it were a value.
func (c *checking) key(at *place, s *Schema, key starlark.Value) {
	inner := &checking{secrets: c.secrets, trial: true}
	s.complete(inner, nil, key)
	for _, problem := range inner.problems {
		problem.Path = at.String()
		problem.Message = "the key of " + problem.Path + " must be " + problem.Expected
		c.add(problem)
	}
}

func (m *Map) plain(v starlark.Value) starlark.Value {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return v
	}
	out := starlark.NewDict(d.Len())
	for _, kv := range d.Items() {
		x := kv[1]
		if m.Values != nil {
			x = m.Values.Plain(x)
		} else {
			x = plainAny(x)
		}
		_ = out.SetKey(kv[0], x) // a key of a dict
	}
	return out
}

func (m *Map) narrowed(base Shape) (Shape, error) {
	b, ok := base.(*Map)
	if !ok {
		return nil, contradicts(m, base)
	}
	merged := *m
	var err error
	if merged.Values, err = narrow(b.Values, m.Values); err != nil {
		return nil, err
	}
	if merged.Keys, err = narrow(b.Keys, m.Keys); err != nil {
		return nil, err
	}
	merged.Min, merged.Max, err = narrowedLengths(m.Min, m.Max, b.Min, b.Max)
	return &merged, err
}

func (m *Map) jsonSchema(d *object) {
	d.set("type", starlark.String("object"))
	if m.Values != nil {
		d.set("additionalProperties", m.Values.jsonSchema())
	}
	if m.Keys != nil {
		d.set("propertyNames", m.Keys.jsonSchema())
	}
	if m.Min != nil {
		d.set("minProperties", m.Min)
	}
	if m.Max != nil {
		d.set("maxProperties", m.Max)
	}
}
