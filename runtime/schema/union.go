package schema

import (
	"strings"

	"go.starlark.net/starlark"
)

// Union is what fits one of several schemas, the first of them that it fits.
type Union struct{ Arms []*Schema }

func (*Union) name() string { return "union" }

func (u *Union) limits() []string {
	list := make([]string, len(u.Arms))
	for i, arm := range u.Arms {
		list[i] = arm.String()
	}
	return list
}

func (u *Union) expects() string {
	list := make([]string, len(u.Arms))
	for i, arm := range u.Arms {
		list[i] = arm.expects()
	}
	return strings.Join(list, ", or ")
}

func (u *Union) sensitive() bool {
	for _, arm := range u.Arms {
		if arm.sensitive() {
			return true
		}
	}
	return false
}

func (u *Union) prepare() error {
	if len(u.Arms) < 2 {
		return invalid("a union needs two types or more")
	}
	for _, arm := range u.Arms {
		if arm.Optional || arm.Default != nil {
			return invalid("a default, or that it is optional, belongs to the union, not to a type in it")
		}
	}
	return nil
}

func (u *Union) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	var nearest *checking // of the only one that v is like
	for _, arm := range u.Arms {
		inner := *c
		inner.problems = nil
		out := arm.complete(&inner, p, v)
		if c.hidden == nil {
			c.hidden = inner.hidden
		}
		if c.fatal = inner.fatal; c.fatal != nil || len(inner.problems) == 0 {
			c.warnings = inner.warnings
			return out
		}
		if path := p.String(); inner.problems[0].Path == path && inner.problems[0].Expected != "" {
			continue // v is something else as a whole
		}
		if nearest == nil || len(inner.problems) < len(nearest.problems) {
			nearest = &inner
		}
	}
	if nearest == nil {
		c.wrong(p, u, v, "")
	} else {
		c.problems = append(c.problems, nearest.problems...)
	}
	return v
}

func (u *Union) plain(v starlark.Value) starlark.Value {
	for _, arm := range u.Arms {
		c := &checking{trial: true}
		if arm.complete(c, nil, v); len(c.problems) == 0 {
			return arm.Plain(v)
		}
	}
	return plainAny(v)
}

func (u *Union) narrowed(base Shape) (Shape, error) {
	arms := make([]*Schema, len(u.Arms))
	for i, arm := range u.Arms {
		shape, err := narrowShape(base, arm.shape)
		if err != nil {
			return nil, err
		}
		narrowed := *arm
		narrowed.shape = shape
		arms[i] = &narrowed
	}
	return &Union{arms}, nil
}

func (u *Union) jsonSchema(d *object) {
	arms := make([]starlark.Value, len(u.Arms))
	for i, arm := range u.Arms {
		arms[i] = arm.jsonSchema()
	}
	d.set("anyOf", starlark.NewList(arms))
}
