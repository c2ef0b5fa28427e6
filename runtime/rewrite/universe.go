package rewrite

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// universe are the honest versions of universal functions. print and fail stay:
// what they show of an unknown is «unknown …», and nothing is decided on it.
var universe = starlark.StringDict{}

func init() {
	for _, name := range []string{
		"abs", "bool", "chr", "dir", "enumerate", "float", "hasattr", "hash", "int", "len",
		"list", "ord", "range", "reversed", "tuple", "type", "zip",
	} {
		honest(name, ifShallow)
	}
	honest("str", anyUnknown)
	honest("repr", anyUnknown)
	honest("bytes", ifFails)
	honest("dict", ifFails)
	honest("set", ifFails)
	honest("any", anyAll)
	honest("all", anyAll)
	wrap("getattr", getattr)
	wrap("sorted", sorted)
	wrap("min", extremum)
	wrap("max", extremum)
}

// honest replaces a function by one that asks g if an argument holds an unknown.
func honest(name string, g guard) {
	wrap(name, func(c *invocation) (starlark.Value, error) {
		if findAll(c.args, c.kwargs) == nil {
			return c.run()
		}
		return g(c)
	})
}

func wrap(name string, g guard) {
	plain := starlark.Universe[name].(*starlark.Builtin)
	universe[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return g(&invocation{thread, plain, args, kwargs})
	})
}

// ifShallow gives an unknown for an argument that is one. One that only holds
// an unknown has a known type, length and truth.
func ifShallow(c *invocation) (starlark.Value, error) {
	if findShallow(c.args, c.kwargs) != nil {
		return c.unknown(), nil
	}
	return c.run()
}

// ifFails gives an unknown too for an element that cannot be a key or a byte.
func ifFails(c *invocation) (starlark.Value, error) {
	if findShallow(c.args, nil) != nil {
		return c.unknown(), nil
	}
	v, err := c.run()
	if err != nil {
		return c.unknown(), nil
	}
	return v, nil
}

func getattr(c *invocation) (starlark.Value, error) {
	if len(c.args) > 1 && findShallow(c.args[:2], nil) != nil {
		if name, ok := c.args[1].(starlark.String); ok {
			return c.args[0].(*value.Unknown).Attr(string(name))
		}
		return c.unknown(), nil
	}
	v, err := c.run()
	if err != nil {
		return nil, err
	}
	return method(v)
}

// anyAll stops where the interpreter does, unless an unknown comes before.
func anyAll(c *invocation) (starlark.Value, error) {
	if len(c.args) != 1 || len(c.kwargs) > 0 {
		return c.run() // fails
	}
	iterable, ok := c.args[0].(starlark.Iterable)
	if !ok {
		return ifShallow(c)
	}
	decisive := starlark.Bool(c.plain.Name() == "any")
	open := false
	for x := range starlark.Elements(iterable) {
		if isUnknown(x) {
			open = true
		} else if x.Truth() == decisive {
			return decisive, nil
		}
	}
	if open {
		return c.unknown(), nil
	}
	return !decisive, nil
}
