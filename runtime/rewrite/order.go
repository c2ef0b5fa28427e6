package rewrite

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// sorted calls the key function as the interpreter does, as that may have
// effects, and gives an unknown if a key holds one.
func sorted(c *invocation) (starlark.Value, error) {
	if findShallow(c.args, c.kwargs) != nil {
		return c.unknown(), nil
	}
	var iterable starlark.Iterable
	var key starlark.Callable
	var reverse bool
	if err := starlark.UnpackArgs("sorted", c.args, c.kwargs, "iterable", &iterable, "key?", &key, "reverse?", &reverse); err != nil {
		return nil, err
	}
	if key == nil {
		if find(iterable) != nil && starlark.Len(iterable) > 1 {
			return c.unknown(), nil
		}
		return c.run()
	}
	values, keys, err := keysOf(c.thread, iterable, key)
	if err != nil {
		return nil, err
	}
	if len(keys) > 1 && find(keys) != nil {
		return c.unknown(), nil
	}
	next := func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		k := keys[0] // sorted asks once for each, in order
		keys = keys[1:]
		return k, nil
	}
	return c.plain.CallInternal(c.thread, starlark.Tuple{
		starlark.NewList(values), starlark.NewBuiltin(Prefix+"key", next), starlark.Bool(reverse),
	}, nil)
}

func keysOf(thread *starlark.Thread, iterable starlark.Iterable, key starlark.Callable) (values []starlark.Value, keys starlark.Tuple, err error) {
	iter := iterable.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		values = append(values, x)
	}
	for _, x := range values {
		k, err := starlark.Call(thread, key, starlark.Tuple{x}, nil)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, k)
	}
	return values, keys, nil
}

// extremum is min or max. Like sorted it calls the key function in any case.
func extremum(c *invocation) (starlark.Value, error) {
	name := c.plain.Name()
	if len(c.kwargs) == 0 && findAll(c.args, nil) == nil || len(c.args) == 0 {
		return c.run()
	}
	var key starlark.Callable
	if err := starlark.UnpackArgs(name, nil, c.kwargs, "key?", &key); err != nil {
		return nil, err
	}
	var operands starlark.Value = c.args
	if len(c.args) == 1 {
		operands = c.args[0]
	}
	if isUnknown(operands) {
		return c.unknown(), nil
	}
	iter := starlark.Iterate(operands)
	if iter == nil {
		return nil, fmt.Errorf("%s: %s value is not iterable", name, operands.Type())
	}
	defer iter.Done()
	return c.best(iter, key)
}

func (c *invocation) best(iter starlark.Iterator, key starlark.Callable) (starlark.Value, error) {
	op := syntax.LT
	if c.plain.Name() == "max" {
		op = syntax.GT
	}
	var best, bestKey, x starlark.Value
	open := false
	for iter.Next(&x) {
		k := x
		if key != nil {
			var err error
			if k, err = starlark.Call(c.thread, key, starlark.Tuple{x}, nil); err != nil {
				return nil, err
			}
		}
		better := yes
		if best != nil {
			var err error
			if better, err = relate(op, k, bestKey, starlark.CompareLimit); err != nil && !open {
				return nil, fmt.Errorf("%s: %v", c.plain.Name(), err)
			}
		}
		open = open || better == maybe
		if better == yes {
			best, bestKey = x, k
		}
	}
	switch {
	case best == nil:
		return nil, fmt.Errorf("%s: argument is an empty sequence", c.plain.Name())
	case open:
		return c.unknown(), nil
	}
	return best, nil
}
