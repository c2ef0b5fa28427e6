package rewrite

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// The interpreter does not export x[i] and x[lo:hi:step]; this is
// starlark/eval.go, asking for unknowns first. The conformance test compares.

func getIndex(x, y starlark.Value) (starlark.Value, error) {
	if find(y) != nil {
		return value.UnknownOf(starlark.Tuple{x, y}, func(v starlark.Tuple) (starlark.Value, error) { return getIndex(v[0], v[1]) },
			"%s[%s]", value.Show(x), value.Show(y)), nil
	}
	switch x := x.(type) {
	case starlark.Mapping:
		z, found, err := x.Get(y)
		if err == nil && !found {
			err = fmt.Errorf("key %v not in %s", y, x.Type())
		}
		return z, err
	case starlark.Indexable:
		return elementAt(x, y)
	}
	return nil, fmt.Errorf("unhandled index operation %s[%s]", x.Type(), y.Type())
}

func elementAt(x starlark.Indexable, y starlark.Value) (starlark.Value, error) {
	n := x.Len()
	i, err := starlark.AsInt32(y)
	if err != nil {
		return nil, fmt.Errorf("%s index: %s", x.Type(), err)
	}
	at := i
	if at < 0 {
		at += n
	}
	switch {
	case at >= 0 && at < n:
		return x.Index(at), nil
	case n == 0:
		return nil, fmt.Errorf("index %d out of range: empty %s", i, x.Type())
	}
	return nil, fmt.Errorf("%s index %d out of range [%d:%d]", x.Type(), i, -n, n-1)
}

func getSlice(x, bounds starlark.Value) (starlark.Value, error) {
	b := bounds.(starlark.Tuple) // made by the rewrite
	lo, hi, step := b[0], b[1], b[2]
	if isUnknown(x) || findShallow(b, nil) != nil {
		return value.UnknownOf(starlark.Tuple{x, b}, func(v starlark.Tuple) (starlark.Value, error) { return getSlice(v[0], v[1]) },
			"%s[%s]", value.Show(x), showBounds(b)), nil
	}
	sliceable, ok := x.(starlark.Sliceable)
	if !ok {
		return nil, fmt.Errorf("invalid slice operand %s", x.Type())
	}
	by := 1
	if step != starlark.None {
		var err error
		if by, err = starlark.AsInt32(step); err != nil {
			return nil, fmt.Errorf("invalid slice step: %s", err)
		}
		if by == 0 {
			return nil, fmt.Errorf("zero is not a valid slice step")
		}
	}
	start, end, err := span(lo, hi, sliceable.Len(), by > 0)
	if err != nil {
		return nil, err
	}
	return sliceable.Slice(start, end, by), nil
}

// span returns the range of a slice; forward it lies in [0:n], backward the
// start is at most n-1 and the end at least -1.
func span(lo, hi starlark.Value, n int, forward bool) (start, end int, err error) {
	start, end = 0, n
	if !forward {
		start, end = n-1, -1
	}
	if err := position(lo, n, &start); err != nil {
		return 0, 0, fmt.Errorf("invalid start index: %s", err)
	}
	if forward {
		start = min(max(start, 0), n)
	} else {
		start = min(start, n-1)
	}
	if err := position(hi, n, &end); err != nil {
		return 0, 0, fmt.Errorf("invalid end index: %s", err)
	}
	if forward {
		return start, max(min(max(end, 0), n), start), nil
	}
	end = max(end, -1)
	return max(start, end), end, nil
}

func position(v starlark.Value, n int, result *int) error {
	if v == starlark.None {
		return nil
	}
	i, err := starlark.AsInt32(v)
	if err != nil {
		return err
	}
	if i < 0 {
		i += n
	}
	*result = i
	return nil
}

func showBounds(b starlark.Tuple) string {
	show := func(v starlark.Value) string {
		if v == starlark.None {
			return ""
		}
		return value.Show(v)
	}
	s := show(b[0]) + ":" + show(b[1])
	if b[2] != starlark.None {
		s += ":" + show(b[2])
	}
	return s
}
