package composition

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Place gives the services that name a role the servers that have it: those of the
// components of the same cluster that make servers with that role. The service then
// requires these components.
func Place(components []Component) ([]Component, error) {
	placed := slices.Clone(components)
	for i, c := range placed {
		if c.Role == "" || text(c.Value.(*starlarkstruct.Struct), "type") != Taskserv {
			continue
		}
		for _, other := range components {
			if other.Role != c.Role || other.Disabled || text(other.Value.(*starlarkstruct.Struct), "type") != Infrastructure {
				continue
			}
			c.Servers = append(slices.Clip(c.Servers), other.Servers...)
			if !slices.Contains(c.Requires, other.Name) {
				c.Requires = append(slices.Clip(c.Requires), other.Name)
			}
		}
		if len(c.Servers) == 0 && !c.Disabled {
			return nil, fault.New(fault.Invalid, "component %s is for servers with the role %q, and no component makes any", c.Name, c.Role).
				WithHint("cluster.infrastructure(…, role = %q)", c.Role)
		}
		c.Value = with(c.Value.(*starlarkstruct.Struct), starlark.StringDict{"servers": list(c.Servers), "requires": list(c.Requires)})
		placed[i] = c
	}
	return placed, nil
}

// with is a struct with other values of some fields.
func with(s *starlarkstruct.Struct, changed starlark.StringDict) starlark.Value {
	fields := starlark.StringDict{}
	s.ToStringDict(fields)
	for name, v := range changed {
		fields[name] = v
	}
	return starlarkstruct.FromStringDict(s.Constructor(), fields)
}

func list(all []string) *starlark.List {
	elems := make([]starlark.Value, len(all))
	for i, text := range all {
		elems[i] = starlark.String(text)
	}
	return starlark.NewList(elems)
}
