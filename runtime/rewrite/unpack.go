package rewrite

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// unpack prepares v for an assignment to targets of the shape: an unknown
// becomes as many unknowns as there are targets.
func unpack(shape, v starlark.Value) (starlark.Value, error) {
	return fit(string(shape.(starlark.String)), v), nil
}

func fit(shape string, v starlark.Value) starlark.Value {
	if shape == "." {
		return v
	}
	if u, ok := v.(*value.Unknown); ok {
		parts := partsOf(shape)
		t := make(starlark.Tuple, len(parts))
		for i, part := range parts {
			t[i] = fit(part, elementOf(u, i))
		}
		return t
	}
	if !strings.Contains(shape[1:], "(") {
		return v
	}
	return fitParts(partsOf(shape), v)
}

// elementOf is element i of an unknown.
func elementOf(u *value.Unknown, i int) *value.Unknown {
	v, _, _ := u.Get(starlark.MakeInt(i)) // gives an unknown
	return v.(*value.Unknown)
}

// fitParts leaves to the interpreter what has the wrong type or length.
func fitParts(parts []string, v starlark.Value) starlark.Value {
	var seq starlark.Indexable
	switch v := v.(type) {
	case *starlark.List:
		seq = v
	case starlark.Tuple:
		seq = v
	}
	if seq == nil || seq.Len() != len(parts) {
		return v
	}
	t := make(starlark.Tuple, len(parts))
	for i, part := range parts {
		t[i] = fit(part, seq.Index(i))
	}
	return t
}

// partsOf splits (.(..).) into ".", "(..)" and ".".
func partsOf(shape string) []string {
	var parts []string
	depth, from := 0, 1
	for i := 1; i < len(shape)-1; i++ {
		switch shape[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			parts = append(parts, shape[from:i+1])
			from = i + 1
		}
	}
	return parts
}

// rows is an iterable of which each element is fitted to a shape.
type rows struct {
	starlark.Iterable
	shape string
}

func (r rows) Iterate() starlark.Iterator { return rowIterator{r.Iterable.Iterate(), r.shape} }

type rowIterator struct {
	starlark.Iterator
	shape string
}

func (it rowIterator) Next(p *starlark.Value) bool {
	if !it.Iterator.Next(p) {
		return false
	}
	*p = fit(it.shape, *p)
	return true
}

// into prepares the right operand of += and |=. These change a list or a dict
// in place, which an unknown may not.
func into(y starlark.Value) (starlark.Value, error) {
	if u, ok := y.(*value.Unknown); ok {
		return addend{u}, nil
	}
	return y, nil
}

type addend struct{ unknown *value.Unknown }

var _ starlark.HasBinary = addend{}

func (a addend) Binary(op syntax.Token, x starlark.Value, side starlark.Side) (starlark.Value, error) {
	switch x.(type) {
	case *starlark.List, *starlark.Dict:
		return nil, &value.Undecided{Unknown: a.unknown, Op: fmt.Sprintf("%s= to a %s", op, x.Type())}
	}
	return a.unknown.Binary(op, x, side)
}

func (a addend) String() string        { return a.unknown.Text }
func (a addend) Type() string          { return a.unknown.Type() }
func (a addend) Freeze()               {}
func (a addend) Truth() starlark.Bool  { return true }
func (a addend) Hash() (uint32, error) { return a.unknown.Hash() }

// shift is << or >>, of which the interpreter does not ask the right operand.
func shift(op syntax.Token) func(x, y starlark.Value) (starlark.Value, error) {
	return func(x, y starlark.Value) (starlark.Value, error) {
		if u, ok := y.(*value.Unknown); ok && !isUnknown(x) {
			return u.Binary(op, x, starlark.Right)
		}
		return starlark.Binary(op, x, y)
	}
}
