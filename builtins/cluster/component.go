package cluster

import (
	"maps"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// component makes the struct of one, of its own fields and those that all have.
func component(kind, name string, requires, after []string, own starlark.StringDict) (any, error) {
	if err := recipe.ValidName("the component", name); err != nil {
		return nil, err
	}
	own["type"], own["name"] = starlark.String(kind), starlark.String(name)
	own["requires"], own["after"] = texts(requires), texts(after)
	return starlarkstruct.FromStringDict(composition.ComponentConstructor, own), nil
}

// onServers refuses a component without servers.
func onServers(name string, servers []string) error {
	if len(servers) == 0 {
		return fault.New(fault.Invalid, "component %s names no servers", name)
	}
	return nil
}

func texts(all []string) *starlark.List {
	elems := make([]starlark.Value, len(all))
	for i, text := range all {
		elems[i] = starlark.String(text)
	}
	return starlark.NewList(elems)
}

// byName makes a dict that is sorted by its keys.
func byName[V starlark.Value](m map[string]V) *starlark.Dict {
	d := starlark.NewDict(len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		_ = d.SetKey(starlark.String(name), m[name]) // a fresh dict takes strings
	}
	return d
}
