package cluster

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def infrastructure(name, servers, plan = "", image = "", provider = "local", requires = [], after = []):
    """Describes servers as a component of a cluster.

    Args:
      name: of the component.
      servers: list of the names of the servers.
      plan: their size, in the words of the provider.
      image: what they are made of.
      provider: who makes them.
      requires: list of names of components that have to be there before.
      after: the same, of those that come before when they are there at all.
    Returns:
      A component for cluster.declare.
    Errors:
      invalid, when something does not fit.
    Example:
      cluster.infrastructure("nodes", ["web-1", "web-2"], plan = "1xCPU-512MB").type   # "infrastructure"
    """`, &infrastructure{})

type infrastructure struct {
	Name     string   `star:"name"`
	Servers  []string `star:"servers"`
	Plan     string   `star:"plan"`
	Image    string   `star:"image"`
	Provider string   `star:"provider"`
	Requires []string `star:"requires"`
	After    []string `star:"after"`
}

func (i *infrastructure) Compute(*effect.Env) (any, error) {
	if err := onServers(i.Name, i.Servers); err != nil {
		return nil, err
	}
	return component(composition.Infrastructure, i.Name, i.Requires, i.After, starlark.StringDict{
		"servers": texts(i.Servers), "plan": starlark.String(i.Plan), "image": starlark.String(i.Image), "provider": starlark.String(i.Provider),
	})
}
