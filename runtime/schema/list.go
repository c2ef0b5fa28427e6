package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// List is a list; tuples and sets become one.
type List struct {
	Of       *Schema        // nil for any elements
	Min, Max starlark.Value // ints, of elements; nil for no limit
	Unique   bool
}

func (*List) name() string { return "list" }

func (l *List) limits() []string {
	var list []string
	if l.Of != nil {
		list = append(list, l.Of.String())
	}
	list = append(append(list, limit("min", l.Min)...), limit("max", l.Max)...)
	if l.Unique {
		list = append(list, "unique = True")
	}
	return list
}

func (l *List) expects() string { return "a list" + lengths(l.Min, l.Max, "element") }

func (l *List) sensitive() bool { return l.Of != nil && l.Of.sensitive() }

func (l *List) prepare() error { return prepareLengths(&l.Min, &l.Max) }

func prepareLengths(least, most *starlark.Value) error {
	for _, v := range []*starlark.Value{least, most} {
		if *v == starlark.None {
			*v = nil
		}
		if *v != nil && !isLength(*v) {
			return invalid("min and max must be numbers of elements, not %s", *v)
		}
	}
	if *least != nil && *most != nil && less(*most, *least) {
		return invalid("min, %s, is more than max, %s", *least, *most)
	}
	return nil
}

func (l *List) complete(c *checking, p *place, v starlark.Value) starlark.Value {
	switch v.(type) {
	case *starlark.List, starlark.Tuple, *starlark.Set:
	default:
		c.wrong(p, l, v, "")
		return v
	}
	if !within(starlark.Len(v), l.Min, l.Max) {
		c.wrong(p, l, v, "")
	}
	elems := make([]starlark.Value, 0, starlark.Len(v))
	for x := range starlark.Elements(v.(starlark.Iterable)) {
		if l.Of != nil {
			x = l.Of.complete(c, p.at(len(elems)), x)
		}
		elems = append(elems, x)
	}
	if l.Unique {
		l.noteTwice(c, p, elems)
	}
	return starlark.NewList(elems)
}

func within(n int, least, most starlark.Value) bool {
	i := starlark.MakeInt(n)
	return (least == nil || !less(i, least)) && (most == nil || !less(most, i))
}

// noteTwice compares elements by their text, which is quick for those that cannot
// be keys too. What is not known yet may turn out to be anything.
func (l *List) noteTwice(c *checking, p *place, elems []starlark.Value) {
	seen := map[string]int{}
	for i, x := range elems {
		if value.FindUnknown(x) != nil {
			continue
		}
		text := x.String()
		if first, ok := seen[text]; ok {
			at := p.at(i)
			problem := Problem{Path: at.String(), Expected: "other than the elements before it"}
			problem.Message = problem.Path + " is the same as " + p.at(first).String()
			if found := show(x); found != "" && !l.sensitive() {
				problem.Found = found
				problem.Message += ", " + found
			}
			c.add(problem)
			continue
		}
		seen[text] = i
	}
}

func (l *List) plain(v starlark.Value) starlark.Value {
	list, ok := v.(*starlark.List)
	if !ok {
		return v
	}
	elems := make([]starlark.Value, list.Len())
	for i := range elems {
		if elems[i] = list.Index(i); l.Of != nil {
			elems[i] = l.Of.Plain(elems[i])
		} else {
			elems[i] = plainAny(elems[i])
		}
	}
	return starlark.NewList(elems)
}

func (l *List) narrowed(base Shape) (Shape, error) {
	b, ok := base.(*List)
	if !ok {
		return nil, contradicts(l, base)
	}
	merged := *l
	var err error
	if merged.Of, err = narrow(b.Of, l.Of); err != nil {
		return nil, err
	}
	merged.Unique = l.Unique || b.Unique
	merged.Min, merged.Max, err = narrowedLengths(l.Min, l.Max, b.Min, b.Max)
	return &merged, err
}

func narrowedLengths(ownMin, ownMax, baseMin, baseMax starlark.Value) (least, most starlark.Value, err error) {
	if least, err = tighter("min", ownMin, baseMin, less); err != nil {
		return nil, nil, err
	}
	most, err = tighter("max", ownMax, baseMax, func(x, y starlark.Value) bool { return less(y, x) })
	return least, most, err
}

func (l *List) jsonSchema(d *object) {
	d.set("type", starlark.String("array"))
	if l.Of != nil {
		d.set("items", l.Of.jsonSchema())
	}
	if l.Min != nil {
		d.set("minItems", l.Min)
	}
	if l.Max != nil {
		d.set("maxItems", l.Max)
	}
	if l.Unique {
		d.set("uniqueItems", starlark.True)
	}
}
