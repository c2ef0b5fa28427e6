package schema

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// object is a JSON Schema that is being made.
type object struct {
	*starlark.Dict
	comment string // what no keyword says
}

func (o *object) set(name string, v starlark.Value) {
	_ = o.SetKey(starlark.String(name), v) // a string key of a fresh dict cannot fail
}

// JSONSchema is the schema as JSON Schema, draft 2020-12. Checks have no form there;
// their messages become part of the description.
func (s *Schema) JSONSchema() *starlark.Dict {
	d := new(starlark.Dict)
	_ = d.SetKey(starlark.String("$schema"), starlark.String("https://json-schema.org/draft/2020-12/schema"))
	for _, kv := range s.jsonSchema().Items() {
		_ = d.SetKey(kv[0], kv[1]) // a key of a dict
	}
	return d
}

func (s *Schema) jsonSchema() *starlark.Dict {
	o := &object{Dict: new(starlark.Dict)}
	s.shape.jsonSchema(o)
	if text := s.description(o.comment); text != "" {
		o.set("description", starlark.String(text))
	}
	if s.Default != nil && !s.sensitive() {
		o.set("default", s.Plain(s.Default))
	}
	if s.Deprecated != "" {
		o.set("deprecated", starlark.True)
	}
	if !s.Optional {
		return o.Dict
	}
	null := new(starlark.Dict)
	_ = null.SetKey(starlark.String("type"), starlark.String("null"))
	either := &object{Dict: new(starlark.Dict)}
	either.set("anyOf", starlark.NewList([]starlark.Value{o.Dict, null}))
	return either.Dict
}

func (s *Schema) description(comment string) string {
	var parts []string
	for _, text := range []string{s.Doc, comment} {
		if text != "" {
			parts = append(parts, strings.TrimSuffix(text, ".")+".")
		}
	}
	if s.Deprecated != "" {
		parts = append(parts, "Deprecated: "+s.Deprecated+".")
	}
	for _, check := range s.Checks {
		if check.Message != "" {
			parts = append(parts, "Checked: "+check.Message+".")
		}
	}
	return strings.Join(parts, " ")
}

func hinted(err error, hint string) error {
	if e := fault.As(err); e != nil {
		return e.WithHint("%s", hint)
	}
	return err
}
