package cluster

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def infrastructure(name, servers, plan = "", image = "", provider = "local", role = "", enabled = True, tier = "", requires = [], dependencies = [], after = []):
    """Describes servers as a component of a cluster.

    Args:
      name: of the component.
      servers: list of the names of the servers.
      plan: their size, in the words of the provider.
      image: what they are made of.
      provider: who makes them.
      role: what they are for, such as "database": cluster.taskserv can name it instead of
        the servers. They have it as the tag role.
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
      cluster.infrastructure("nodes", ["web-1", "web-2"], plan = "1xCPU-512MB").type   # "infrastructure"
    """`, &infrastructure{})

type infrastructure struct {
	part
	Servers  []string `star:"servers"`
	Plan     string   `star:"plan"`
	Image    string   `star:"image"`
	Provider string   `star:"provider"`
	Role     string   `star:"role"`
}

func (i *infrastructure) Compute(*effect.Env) (any, error) {
	if err := onServers(i.Name, i.Servers); err != nil {
		return nil, err
	}
	return i.component(composition.Infrastructure, starlark.StringDict{
		"servers": texts(i.Servers), "plan": starlark.String(i.Plan), "image": starlark.String(i.Image), "provider": starlark.String(i.Provider),
		"role": starlark.String(i.Role),
	})
}
