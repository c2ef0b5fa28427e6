package schema

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Record is a dict or a struct with fields that are known; it becomes a struct.
type Record struct {
	Base   *Schema // a record whose fields it has too; they may be narrowed
	Fields []Field
	Open   bool // other fields are allowed, and left as they are

	fields  []Field // with those of the base
	byName  map[string]int
	secrets bool
}

// Field is a field of a record.
type Field struct {
	Name   string
	Schema *Schema
}

func (*Record) name() string { return "record" }

func (r *Record) limits() []string {
	list := make([]string, 0, len(r.fields)+1)
	for _, f := range r.fields {
		list = append(list, f.Name)
	}
	if r.Open {
		list = append(list, "open = True")
	}
	return list
}

func (r *Record) expects() string {
	const most = 6 // names are enough to know what is meant
	var names []string
	for _, f := range r.fields[:min(most, len(r.fields))] {
		names = append(names, f.Name)
	}
	switch {
	case len(names) == 0:
		return "a dict"
	case len(r.fields) > most:
		names = append(names, "…")
	}
	return "a dict with " + strings.Join(names, ", ")
}

func (r *Record) sensitive() bool { return r.secrets }

func (r *Record) prepare() error {
	if r.fields == nil {
		r.fields = r.Fields
	}
	r.byName = make(map[string]int, len(r.fields))
	for i, f := range r.fields {
		if _, twice := r.byName[f.Name]; twice {
			return invalid("the field %s is there twice", f.Name)
		}
		if f.Name == "" {
			return invalid("a field needs a name")
		}
		r.byName[f.Name] = i
		r.secrets = r.secrets || f.Schema.sensitive()
	}
	return nil
}

func (r *Record) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	given, ok := fieldsOf(v)
	if !ok {
		c.wrong(p, r, v, "")
		return v
	}
	out := make(starlark.StringDict, len(r.fields))
	found := 0
	for _, f := range r.fields {
		x := given.get(f.Name)
		if x != nil {
			found++
		}
		before := len(c.problems)
		x = f.Schema.complete(c, p.field(f.Name), x)
		if len(c.problems) == before {
			out[f.Name] = x
		}
	}
	if found < given.len() {
		r.others(c, p, v, out)
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, out)
}

// others are the fields that the record does not know.
func (r *Record) others(c *checking, p *place, v starlark.Value, out starlark.StringDict) {
	entries, _ := value.Entries(v)
	for _, e := range entries {
		name, ok := starlark.AsString(e.Key)
		switch _, known := r.byName[name]; {
		case !ok:
			c.badKey(p, e.Key)
		case known:
		case r.Open:
			if e.Value != starlark.None {
				out[name] = e.Value
			}
		default:
			r.unknown(c, p.field(name), name)
		}
	}
}

func (r *Record) unknown(c *checking, p *place, name string) {
	c.hide(p)
	path := p.String()
	problem := Problem{Path: path, name: name, Message: "unknown field " + path}
	names := r.names()
	if near := spell.Nearest(name, names); near != "" {
		problem.Message += fmt.Sprintf(" (did you mean %q?)", near)
	} else if len(names) > 0 {
		problem.Message += "; there are " + strings.Join(names, ", ")
	}
	c.add(problem)
}

func (r *Record) names() []string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.Name
	}
	return names
}

// given are the fields of a dict or a struct.
type given struct {
	dict   *starlark.Dict
	fields *starlarkstruct.Struct
}

func fieldsOf(v starlark.Value) (given, bool) {
	switch v := v.(type) {
	case *starlark.Dict:
		return given{dict: v}, true
	case *starlarkstruct.Struct:
		return given{fields: v}, true
	}
	return given{}, false
}

// get returns nil for a field that is not there.
func (g given) get(name string) starlark.Value {
	if g.dict != nil {
		if v, found, _ := g.dict.Get(starlark.String(name)); found { // a string can be looked up
			return v
		}
		return nil
	}
	v, err := g.fields.Attr(name)
	if err != nil {
		return nil
	}
	return v
}

func (g given) len() int {
	if g.dict != nil {
		return g.dict.Len()
	}
	return len(g.fields.AttrNames())
}

func (r *Record) plain(v starlark.Value) starlark.Value {
	s, ok := fieldsOf(v)
	if !ok {
		return v
	}
	d := new(starlark.Dict)
	put := func(name string, v starlark.Value) {
		if v != nil && v != starlark.None {
			_ = d.SetKey(starlark.String(name), v) // a string key of a fresh dict cannot fail
		}
	}
	for _, f := range r.fields {
		if x := s.get(f.Name); x != nil {
			put(f.Name, f.Schema.Plain(x))
		}
	}
	entries, _ := value.Entries(v)
	for _, e := range entries {
		name, _ := starlark.AsString(e.Key)
		if _, known := r.byName[name]; !known {
			put(name, plainAny(e.Value))
		}
	}
	return d
}

// narrowed has the fields of base first, in their order.
func (r *Record) narrowed(base Shape) (Shape, error) {
	b, ok := base.(*Record)
	if !ok {
		return nil, contradicts(r, base)
	}
	merged := &Record{Open: r.Open || b.Open}
	own := map[string]*Schema{}
	fields := r.Fields
	if r.fields != nil {
		fields = r.fields
	}
	for _, f := range fields {
		own[f.Name] = f.Schema
	}
	for _, f := range b.fields {
		s, err := narrow(f.Schema, own[f.Name])
		if err != nil {
			e := *fault.As(err)
			e.Msg = "the field " + f.Name + " contradicts the base: " + e.Msg
			return nil, &e
		}
		merged.fields = append(merged.fields, Field{f.Name, s})
	}
	for _, f := range fields {
		if _, known := b.byName[f.Name]; !known {
			merged.fields = append(merged.fields, f)
		}
	}
	return merged, nil
}

func (r *Record) jsonSchema(d *object) {
	d.set("type", starlark.String("object"))
	properties, required := new(starlark.Dict), new(starlark.List)
	for _, f := range r.fields {
		_ = properties.SetKey(starlark.String(f.Name), f.Schema.jsonSchema()) // a string key of a fresh dict cannot fail
		if f.Schema.required() {
			_ = required.Append(starlark.String(f.Name)) // a fresh list
		}
	}
	d.set("properties", properties)
	if required.Len() > 0 {
		d.set("required", required)
	}
	if !r.Open {
		d.set("additionalProperties", starlark.False)
	}
}

// required says that a field has to be given: a record without a default of its own
// is, if one of its fields is.
func (s *Schema) required() bool {
	if s.Optional || s.Default != nil {
		return false
	}
	if r, ok := s.shape.(*Record); ok {
		for _, f := range r.fields {
			if f.Schema.required() {
				return true
			}
		}
		return false
	}
	return true
}
