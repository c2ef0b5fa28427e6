package rewrite

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// listIndex is list.index where the list or the arguments hold an unknown.
func listIndex(c *invocation) (starlark.Value, error) {
	if len(c.args) != 1 || len(c.kwargs) > 0 {
		return c.unknown(), nil
	}
	i, a, err := search(c.plain.Receiver().(*starlark.List), c.args[0])
	switch {
	case err != nil || a == no:
		return c.run() // fails
	case a == maybe:
		return c.unknown(), nil
	}
	return starlark.MakeInt(i), nil
}

// listRemove is list.remove where the list or the argument holds an unknown.
func listRemove(c *invocation) (starlark.Value, error) {
	if len(c.args) != 1 || len(c.kwargs) > 0 {
		return c.run() // fails
	}
	list := c.plain.Receiver().(*starlark.List)
	i, a, err := search(list, c.args[0])
	switch {
	case err != nil || a == no:
		return c.run() // fails
	case a == maybe:
		return c.undecided(found(c.args[0], list), "list.remove")
	}
	pop, err := list.Attr("pop")
	if err != nil {
		return nil, err
	}
	if _, err := pop.(*starlark.Builtin).CallInternal(c.thread, starlark.Tuple{starlark.MakeInt(i)}, nil); err != nil {
		return nil, err
	}
	return starlark.None, nil
}

func found(vs ...starlark.Value) *value.Unknown { return findAll(vs, nil) }

// search returns where x is in the list: yes and its index, or no, or maybe.
func search(list *starlark.List, x starlark.Value) (int, answer, error) {
	for i := range list.Len() {
		a, err := relate(syntax.EQL, list.Index(i), x, starlark.CompareLimit)
		if err != nil || a != no {
			return i, a, err
		}
	}
	return 0, no, nil
}
