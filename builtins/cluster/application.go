package cluster

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def application(name, image, command = [], replicas = 1, min_replicas = 1, max_replicas = 0, batch_size = 1, version = "", env = {}, ports = [], mounts = [], memory = "", cpus = 0, health = None, ready = "1m", beside = "", enabled = True, tier = "", requires = [], dependencies = [], after = []):
    """Describes containers as a component of a cluster.

    The containers of a cluster are on a network of its own, where NAME stands for all
    replicas of a component, and NAME-1, NAME-2, … for each.

    Args:
      name: of the component.
      image: name of the image, which the container engine has to have.
      command: program and arguments; [] for that of the image.
      replicas: how many containers there are.
      min_replicas: to how few it may be scaled.
      max_replicas: to how many it may be scaled; 0 for a component that is not scaled.
      batch_size: how many containers are made, replaced or restarted at a time: a number,
        or a share such as "25%".
      version: what the image is called in "provisioning cluster status"; "" for its tag.
      env: environment variables. Their values may be secrets, and functions without
        arguments, which are called when the containers are made: for what a component
        before it makes, such as a password.
      ports: list of "8080:80", or "80" for any port of the engine's machine.
      mounts: list of "volume:/path".
      memory: what each may use, such as "64m"; "" for no limit.
      cpus: how many processors each may use; 0 for no limit.
      health: dict of command, interval, timeout, start and retries, as container.create
        takes it. Without it a container is healthy when it runs.
      ready: how long a container may take to become healthy.
      beside: name of a server of the local provider whose network the containers are on
        as well; "" for none.
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
      cluster.application("app", image = "app:1", replicas = 2, max_replicas = 5).replicas   # 2
    """`, &application{})

type application struct {
	part
	Image       string                    `star:"image"`
	Command     []string                  `star:"command"`
	Replicas    int                       `star:"replicas"`
	MinReplicas int                       `star:"min_replicas"`
	MaxReplicas int                       `star:"max_replicas"`
	BatchSize   starlark.Value            `star:"batch_size"`
	Version     string                    `star:"version"`
	Env         map[string]starlark.Value `star:"env"`
	Ports       []string                  `star:"ports"`
	Mounts      []string                  `star:"mounts"`
	Memory      string                    `star:"memory"`
	CPUs        starlark.Value            `star:"cpus"`
	Health      starlark.Value            `star:"health"`
	Ready       time.Duration             `star:"ready"`
	Beside      string                    `star:"beside"`
}

func (a *application) Compute(*effect.Env) (any, error) {
	if a.Replicas < 1 || a.MaxReplicas != 0 && a.MaxReplicas < a.Replicas {
		return nil, fault.New(fault.Invalid, "component %s has %d replicas, and %d at most", a.Name, a.Replicas, a.MaxReplicas).
			WithHint("replicas is 1 or more, and max_replicas not less, or 0")
	}
	if a.MinReplicas < 1 || a.MinReplicas > a.Replicas {
		return nil, fault.New(fault.Invalid, "component %s has %d replicas, and %d at least", a.Name, a.Replicas, a.MinReplicas).
			WithHint("min_replicas is 1 or more, and not more than replicas")
	}
	if err := a.batches(); err != nil {
		return nil, err
	}
	if err := a.ports(); err != nil {
		return nil, err
	}
	return a.component(composition.Application, starlark.StringDict{
		"image": starlark.String(a.Image), "command": texts(a.Command), "replicas": starlark.MakeInt(a.Replicas),
		"min_replicas": starlark.MakeInt(a.MinReplicas), "max_replicas": starlark.MakeInt(a.MaxReplicas), "batch_size": a.BatchSize,
		"version": starlark.String(cmp.Or(a.Version, tag(a.Image))), "env": byName(a.Env), "ports": texts(a.Ports), "mounts": texts(a.Mounts),
		"memory": starlark.String(a.Memory), "cpus": a.CPUs, "health": a.Health, "ready": startime.Duration(a.Ready), "beside": starlark.String(a.Beside),
	})
}

// tag is that of an image; "latest" where its name has none.
func tag(image string) string {
	name := image[strings.LastIndex(image, "/")+1:]
	if _, tag, ok := strings.Cut(name, ":"); ok {
		return tag
	}
	return "latest"
}

var share = regexp.MustCompile(`^(100|[1-9][0-9]?)(\.[0-9]+)?%$`)

// batches refuses a batch that is none.
func (a *application) batches() error {
	switch size := a.BatchSize.(type) {
	case starlark.Int:
		if size.Sign() > 0 {
			return nil
		}
	case starlark.String:
		if share.MatchString(string(size)) {
			return nil
		}
	}
	return fault.New(fault.Invalid, "component %s: batch_size is %s", a.Name, a.BatchSize).
		WithHint("it is a number of containers, 1 or more, or a share such as \"25%%\"")
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
