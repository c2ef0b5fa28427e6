package cluster

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def unmet(resources, plans):
    """Compares what a cluster requires of its servers with their plans.

    Storage is not compared: plans do not name it.

    Args:
      resources: the record of cluster.declare; None requires nothing.
      plans: dict from the names of the servers to their plans. Those such as
        "2xCPU-4GB" say what they have; of others only the number counts.
    Returns:
      A struct with unmet, a list of texts, and unknown, a list of the servers whose
      plans do not say what they have.
    Errors:
      invalid, when resources is no such record.
    Example:
      cluster.unmet(None, {"web-1": "1xCPU-1GB"}).unmet   # []
    """`, &unmet{})

type unmet struct {
	Resources starlark.Value             `star:"resources"`
	Plans     map[string]starlark.String `star:"plans"`
}

type shortage struct {
	Unmet   []string `star:"unmet"`
	Unknown []string `star:"unknown"`
}

func (u *unmet) Compute(*effect.Env) (any, error) {
	found := shortage{Unmet: []string{}, Unknown: []string{}}
	if u.Resources == starlark.None {
		return found, nil
	}
	resources, ok := u.Resources.(*starlarkstruct.Struct)
	if !ok {
		return nil, fault.New(fault.Invalid, "resources is what cluster.declare has made of it, not a %s", u.Resources.Type())
	}
	plans := make(map[string]string, len(u.Plans))
	for name, plan := range u.Plans {
		plans[name] = string(plan)
	}
	missing, unknown := composition.Unmet(resources, plans)
	found.Unmet, found.Unknown = append(found.Unmet, missing...), append(found.Unknown, unknown...)
	return found, nil
}
