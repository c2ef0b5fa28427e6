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

// part is what all components have.
type part struct {
	Name         string   `star:"name"`
	Enabled      bool     `star:"enabled"`
	Tier         string   `star:"tier"`
	Requires     []string `star:"requires"`
	Dependencies []string `star:"dependencies"`
	After        []string `star:"after"`
}

// component makes the struct of one, of its own fields and those that all have.
func (p *part) component(kind string, own starlark.StringDict) (any, error) {
	if err := recipe.ValidName("the component", p.Name); err != nil {
		return nil, err
	}
	requires := p.Requires
	for _, name := range p.Dependencies {
		if !slices.Contains(requires, name) {
			requires = append(requires, name)
		}
	}
	own["type"], own["name"] = starlark.String(kind), starlark.String(p.Name)
	own["enabled"], own["tier"] = starlark.Bool(p.Enabled), starlark.String(p.Tier)
	own["requires"], own["after"] = texts(requires), texts(p.After)
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
