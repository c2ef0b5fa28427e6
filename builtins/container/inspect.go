package container

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def inspect(container, engine = ""):
    """Describes a container.

    Args:
      container: its name, or what container.create has returned.
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with id, name, image, state ("created", "running", "paused",
      "restarting", "removing", "exited" or "dead"), health ("healthy", "unhealthy",
      "starting", or "" without a check), exit_code, error, command, created, started
      (None when it never was), labels, networks (dict of structs with ipv4, ipv6,
      gateway, mac, aliases), ports (list of structs with container, protocol, host,
      address), restarts, limits (cpus, memory, pids), and target.
    Errors:
      not_found when there is no such container.
    Example:
      container.inspect("db").networks["backend"].ipv4
    """`, &inspect{})

type inspect struct{ of }

var (
	_ effect.Validator = (*inspect)(nil)
	_ effect.Describer = (*inspect)(nil)
	_ effect.Toucher   = (*inspect)(nil)
	_ effect.Remote    = (*inspect)(nil)
)

func (i *inspect) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	c, err := e.Inspect(ctx, i.name())
	if err != nil {
		return nil, err
	}
	fields := fieldsOf(c)
	fields["target"] = targetStruct(c.Name, "", i.Engine)
	return structOf(fields), nil
}
