package cluster

import (
	"maps"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def taskserv(name, recipes, servers = [], role = "", config = {}, versions = {}, version = "", provider = "local", enabled = True, tier = "", requires = [], dependencies = [], after = []):
    """Describes services on servers as a component of a cluster.

    Args:
      name: of the component.
      recipes: list of recipes, as taskserv.declare makes them: the service, with those
        that it requires.
      servers: list of names, as "provisioning taskserv" takes them.
      role: instead of servers: all servers that components of the cluster make with
        that role. It requires these components.
      config: dict of configurations, by the names of the recipes.
      versions: dict of versions of the software, by the names of the recipes.
      version: the same, of the last of the recipes.
      provider: who has made the servers.
      enabled: False for a component that is described and not wanted: where it is
        deployed already, an update removes it.
      tier: of the cluster that it belongs to, such as "web"; for people.
      requires: list of names of components that have to be there before.
      dependencies: the same.
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
	part
	Recipes  []starlark.Value           `star:"recipes"`
	Servers  []string                   `star:"servers"`
	Role     string                     `star:"role"`
	Config   *starlark.Dict             `star:"config"`
	Versions map[string]starlark.String `star:"versions"`
	Version  string                     `star:"version"`
	Provider string                     `star:"provider"`
}

func (s *service) Compute(*effect.Env) (any, error) {
	if s.Role != "" && len(s.Servers) > 0 {
		return nil, fault.New(fault.Invalid, "component %s names servers, and a role", s.Name).WithHint("name one of the two")
	}
	if err := onServers(s.Name, s.Servers); err != nil && s.Role == "" {
		return nil, err
	}
	if len(s.Recipes) == 0 {
		return nil, fault.New(fault.Invalid, "component %s names no recipes", s.Name)
	}
	name := ""
	for i, v := range s.Recipes {
		r, err := recipe.Parse(v)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "component %s: the recipe at index %d", s.Name, i)
		}
		name = r.Name
	}
	versions := map[string]starlark.String{}
	maps.Copy(versions, s.Versions)
	if s.Version != "" {
		if other, said := versions[name]; said && string(other) != s.Version {
			return nil, fault.New(fault.Invalid, "component %s has two versions of %s: %s and %s", s.Name, name, s.Version, string(other))
		}
		versions[name] = starlark.String(s.Version)
	}
	return s.component(composition.Taskserv, starlark.StringDict{
		"recipes": starlark.NewList(s.Recipes), "servers": texts(s.Servers), "role": starlark.String(s.Role), "config": s.Config,
		"versions": byName(versions), "version": versions[name], "provider": starlark.String(s.Provider),
	})
}
