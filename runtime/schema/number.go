package schema

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Number is an int, or with Fraction a float; ints become floats there.
type Number struct {
	Fraction bool
	Min, Max starlark.Value // nil for no limit
}

func (n *Number) name() string {
	if n.Fraction {
		return "float"
	}
	return "int"
}

func (n *Number) limits() []string { return append(limit("min", n.Min), limit("max", n.Max)...) }

func limit(name string, v starlark.Value) []string {
	if v == nil {
		return nil
	}
	return []string{name + " = " + v.String()}
}

func (n *Number) expects() string {
	noun := "an int"
	if n.Fraction {
		noun = "a number"
	}
	return noun + between(n.Min, n.Max)
}

// between says which limits there are.
func between(least, most starlark.Value) string {
	switch {
	case least != nil && most != nil:
		return fmt.Sprintf(" from %s to %s", least, most)
	case least != nil:
		return fmt.Sprintf(" of at least %s", least)
	case most != nil:
		return fmt.Sprintf(" of at most %s", most)
	}
	return ""
}

func (*Number) sensitive() bool                       { return false }
func (*Number) plain(v starlark.Value) starlark.Value { return v }

func (n *Number) prepare() error {
	for _, v := range []*starlark.Value{&n.Min, &n.Max} {
		if *v == starlark.None {
			*v = nil
		}
		if *v != nil && !n.is(*v) {
			return invalid("min and max must be numbers of the kind %s, not %s", n.name(), *v)
		}
	}
	if n.Min != nil && n.Max != nil && less(n.Max, n.Min) {
		return invalid("min, %s, is more than max, %s", n.Min, n.Max)
	}
	return nil
}

func (n *Number) is(v starlark.Value) bool {
	switch v.(type) {
	case starlark.Int:
		return true
	case starlark.Float:
		return n.Fraction
	}
	return false
}

// less compares numbers.
func less(x, y starlark.Value) bool {
	ok, _ := starlark.Compare(syntax.LT, x, y)
	return ok
}

func (n *Number) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	if !n.is(v) || n.Min != nil && less(v, n.Min) || n.Max != nil && less(n.Max, v) {
		c.wrong(p, n, v, "")
		return v
	}
	if i, ok := v.(starlark.Int); ok && n.Fraction {
		return i.Float()
	}
	return v
}

func (n *Number) narrowed(base Shape) (Shape, error) {
	b, ok := base.(*Number)
	if !ok || n.Fraction && !b.Fraction {
		return nil, contradicts(n, base)
	}
	merged := *n
	var err error
	if merged.Min, err = tighter("min", n.Min, b.Min, less); err != nil {
		return nil, err
	}
	merged.Max, err = tighter("max", n.Max, b.Max, func(x, y starlark.Value) bool { return less(y, x) })
	return &merged, err
}

// tighter is a limit of what narrows another one. looser says that the first of two
// limits allows more.
func tighter(name string, own, base starlark.Value, looser func(x, y starlark.Value) bool) (starlark.Value, error) {
	switch {
	case own == nil || own == starlark.None:
		return base, nil
	case base != nil && looser(own, base):
		return nil, invalid("%s = %s allows more than the base, where it is %s", name, own, base)
	}
	return own, nil
}

func (n *Number) jsonSchema(d *object) {
	if n.Fraction {
		d.set("type", starlark.String("number"))
	} else {
		d.set("type", starlark.String("integer"))
	}
	if n.Min != nil {
		d.set("minimum", n.Min)
	}
	if n.Max != nil {
		d.set("maximum", n.Max)
	}
}
