package cluster

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def order(components):
    """Sorts components so that each comes after those that it requires.

    Those that are not enabled are left out, and services that name a role get the
    servers that have it.

    Args:
      components: list of components.
    Returns:
      A list of waves, each a list of components: those of one wave do not need each
      other. Components of a wave are sorted by name.
    Errors:
      invalid when components require each other in a circle, which it names, or one that
      is not there or not enabled; when two have the same name; when no server has a role.
    Example:
      [[c.name for c in wave] for wave in cluster.order([])]   # []
    """`, &order{})

type order struct {
	Components []starlark.Value `star:"components"`
}

func (o *order) Compute(*effect.Env) (any, error) {
	components := make([]composition.Component, len(o.Components))
	for i, v := range o.Components {
		var err error
		if components[i], err = composition.ComponentOf(v); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the component at index %d", i)
		}
	}
	components, err := composition.Place(components)
	if err != nil {
		return nil, err
	}
	waves, err := composition.Order(components)
	if err != nil {
		return nil, err
	}
	lists := make([]starlark.Value, len(waves))
	for i, wave := range waves {
		elems := make([]starlark.Value, len(wave))
		for k, c := range wave {
			elems[k] = c.Value
		}
		lists[i] = starlark.NewList(elems)
	}
	return starlark.NewList(lists), nil
}
