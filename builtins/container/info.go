package container

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def info(engine = ""):
    """Describes the container engine.

    Args:
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with engine ("docker" or "podman"), version, api, host (its address),
      context, name, os, arch, kernel, cpus, memory, storage, cgroup, rootless,
      running, containers and images (how many there are).
    Errors:
      not_found when there is no engine; unavailable when it does not answer;
      permission when this user may not use it; config when it is too old.
    Example:
      container.info().version
    """`, &info{})

type info struct{ on }

var _ effect.Remote = (*info)(nil)

func (i *info) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.Info(ctx)
}
