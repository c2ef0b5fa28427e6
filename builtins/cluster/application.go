package cluster

import (
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def application(name, image, command = [], replicas = 1, max_replicas = 0, env = {}, ports = [], mounts = [], memory = "", cpus = 0, health = None, ready = "1m", beside = "", requires = [], after = []):
    """Describes containers as a component of a cluster.

    The containers of a cluster are on a network of its own, where NAME stands for all
    replicas of a component, and NAME-1, NAME-2, … for each.

    Args:
      name: of the component.
      image: name of the image, which the container engine has to have.
      command: program and arguments; [] for that of the image.
      replicas: how many containers there are.
      max_replicas: to how many it may be scaled; 0 for a component that is not scaled.
      env: environment variables; their values may be secrets.
      ports: list of "8080:80", or "80" for any port of the engine's machine.
      mounts: list of "volume:/path".
      memory: what each may use, such as "64m"; "" for no limit.
      cpus: how many processors each may use; 0 for no limit.
      health: dict of command, interval, timeout, start and retries, as container.create
        takes it. Without it a container is healthy when it runs.
      ready: how long a container may take to become healthy.
      beside: name of a server of the local provider whose network the containers are on
        as well; "" for none.
      requires: list of names of components that have to be there before.
      after: the same, of those that come before when they are there at all.
    Returns:
      A component for cluster.declare.
    Errors:
      invalid, when something does not fit.
    Example:
      cluster.application("app", image = "app:1", replicas = 2, max_replicas = 5).replicas   # 2
    """`, &application{})

type application struct {
	Name        string                    `star:"name"`
	Image       string                    `star:"image"`
	Command     []string                  `star:"command"`
	Replicas    int                       `star:"replicas"`
	MaxReplicas int                       `star:"max_replicas"`
	Env         map[string]starlark.Value `star:"env"`
	Ports       []string                  `star:"ports"`
	Mounts      []string                  `star:"mounts"`
	Memory      string                    `star:"memory"`
	CPUs        starlark.Value            `star:"cpus"`
	Health      starlark.Value            `star:"health"`
	Ready       time.Duration             `star:"ready"`
	Beside      string                    `star:"beside"`
	Requires    []string                  `star:"requires"`
	After       []string                  `star:"after"`
}

func (a *application) Compute(*effect.Env) (any, error) {
	if a.Replicas < 1 || a.MaxReplicas != 0 && a.MaxReplicas < a.Replicas {
		return nil, fault.New(fault.Invalid, "component %s has %d replicas, and %d at most", a.Name, a.Replicas, a.MaxReplicas).
			WithHint("replicas is 1 or more, and max_replicas not less, or 0")
	}
	if err := a.ports(); err != nil {
		return nil, err
	}
	return component(composition.Application, a.Name, a.Requires, a.After, starlark.StringDict{
		"image": starlark.String(a.Image), "command": texts(a.Command), "replicas": starlark.MakeInt(a.Replicas),
		"max_replicas": starlark.MakeInt(a.MaxReplicas), "env": byName(a.Env), "ports": texts(a.Ports), "mounts": texts(a.Mounts),
		"memory": starlark.String(a.Memory), "cpus": a.CPUs, "health": a.Health, "ready": startime.Duration(a.Ready), "beside": starlark.String(a.Beside),
	})
}

// ports refuses a port of the engine's machine that several containers would want.
func (a *application) ports() error {
	for _, port := range a.Ports {
		if strings.Contains(port, ":") && max(a.Replicas, a.MaxReplicas) > 1 {
			return fault.New(fault.Invalid, "component %s: only one container can have the port %s", a.Name, port).
				WithHint("name the port of the container alone, %q, and put a proxy in front", port[strings.LastIndex(port, ":")+1:])
		}
	}
	return nil
}
