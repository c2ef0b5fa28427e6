package cluster

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def taskserv(name, recipes, servers, config = {}, versions = {}, provider = "local", requires = [], after = []):
    """Describes services on servers as a component of a cluster.

    Args:
      name: of the component.
      recipes: list of recipes, as taskserv.declare makes them: the service, with those
        that it requires.
      servers: list of names, as "provisioning taskserv" takes them.
      config: dict of configurations, by the names of the recipes.
      versions: dict of versions of the software, by the names of the recipes.
      provider: who has made the servers.
      requires: list of names of components that have to be there before.
      after: the same, of those that come before when they are there at all.
    Returns:
      A component for cluster.declare.
    Errors:
      invalid, when something does not fit.
    Example:
      hello = taskserv.declare("hello", install = lambda ctx: op.package(ctx.target, "hello"))
      cluster.taskserv("hello", [hello], ["web-1"]).type   # "taskserv"
    """`, &service{})

type service struct {
	Name     string                     `star:"name"`
	Recipes  []starlark.Value           `star:"recipes"`
	Servers  []string                   `star:"servers"`
	Config   *starlark.Dict             `star:"config"`
	Versions map[string]starlark.String `star:"versions"`
	Provider string                     `star:"provider"`
	Requires []string                   `star:"requires"`
	After    []string                   `star:"after"`
}

func (s *service) Compute(*effect.Env) (any, error) {
	if err := onServers(s.Name, s.Servers); err != nil {
		return nil, err
	}
	if len(s.Recipes) == 0 {
		return nil, fault.New(fault.Invalid, "component %s names no recipes", s.Name)
	}
	for i, v := range s.Recipes {
		if _, err := recipe.Parse(v); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "component %s: the recipe at index %d", s.Name, i)
		}
	}
	return component(composition.Taskserv, s.Name, s.Requires, s.After, starlark.StringDict{
		"recipes": starlark.NewList(s.Recipes), "servers": texts(s.Servers), "config": s.Config,
		"versions": byName(s.Versions), "provider": starlark.String(s.Provider),
	})
}
