package schema

import "go.starlark.net/starlark"

// Any is a value of any kind, which is left as it is.
type Any struct{}

func (*Any) name() string                                                    { return "any" }
func (*Any) limits() []string                                                { return nil }
func (*Any) expects() string                                                 { return "a value" }
func (*Any) sensitive() bool                                                 { return false }
func (*Any) prepare() error                                                  { return nil }
func (*Any) plain(v starlark.Value) starlark.Value                           { return plainAny(v) }
func (*Any) jsonSchema(*object)                                              {}
func (*Any) narrowed(base Shape) (Shape, error)                              { return base, nil }
func (*Any) complete(_ *checking, _ *place, v starlark.Value) starlark.Value { return v }

// Bool is True or False.
type Bool struct{}

func (*Bool) name() string                          { return "bool" }
func (*Bool) limits() []string                      { return nil }
func (*Bool) expects() string                       { return "True or False" }
func (*Bool) sensitive() bool                       { return false }
func (*Bool) prepare() error                        { return nil }
func (*Bool) plain(v starlark.Value) starlark.Value { return v }
func (*Bool) jsonSchema(d *object)                  { d.set("type", starlark.String("boolean")) }

func (b *Bool) narrowed(base Shape) (Shape, error) {
	if _, ok := base.(*Bool); !ok {
		return nil, contradicts(b, base)
	}
	return b, nil
}

func (b *Bool) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	if _, ok := v.(starlark.Bool); !ok {
		c.wrong(p, b, v, "")
	}
	return v
}
