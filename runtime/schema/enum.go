package schema

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/spell"
)

// Enum is one of some values: strings, numbers or bools.
type Enum struct{ Values []starlark.Value }

func (*Enum) name() string                          { return "enum" }
func (*Enum) sensitive() bool                       { return false }
func (*Enum) plain(v starlark.Value) starlark.Value { return v }

func (e *Enum) limits() []string { return []string{quoteList(e.Values, "")} }

func (e *Enum) expects() string {
	if len(e.Values) == 1 {
		return e.Values[0].String()
	}
	return quoteList(e.Values, "or")
}

func (e *Enum) prepare() error {
	if len(e.Values) == 0 {
		return invalid("an enum needs values")
	}
	for i, v := range e.Values {
		switch v.(type) {
		case starlark.String, starlark.Int, starlark.Float, starlark.Bool:
		default:
			return invalid("the values of an enum are strings, numbers or bools, not a %s", v.Type())
		}
		if (&Enum{e.Values[:i]}).has(v) {
			return invalid("the enum has %s twice", v)
		}
	}
	return nil
}

func (e *Enum) has(v starlark.Value) bool {
	for _, x := range e.Values {
		if x.Type() == v.Type() {
			if eq, _ := starlark.Equal(x, v); eq {
				return true
			}
		}
	}
	return false
}

func (e *Enum) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	if e.has(v) {
		return v
	}
	more := ""
	if text, ok := starlark.AsString(v); ok {
		var names []string
		for _, x := range e.Values {
			if name, ok := starlark.AsString(x); ok {
				names = append(names, name)
			}
		}
		if near := spell.Nearest(text, names); near != "" {
			more = fmt.Sprintf(" (did you mean %q?)", near)
		}
	}
	c.wrong(p, e, v, more)
	return v
}

// narrowed: an enum narrows whatever takes all of its values.
func (e *Enum) narrowed(base Shape) (Shape, error) {
	for _, v := range e.Values {
		c := &checking{trial: true}
		if base.complete(c, nil, v); len(c.problems) > 0 {
			return nil, invalid("%s is not what the base allows, %s", v, base.expects())
		}
	}
	return e, nil
}

func (e *Enum) jsonSchema(d *object) {
	d.set("enum", starlark.NewList(append([]starlark.Value(nil), e.Values...)))
}
