package cluster

import (
	"maps"

	"github.com/Masterminds/semver/v3"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def declare(name, components, version = "0.1.0", description = "", category = "", config = None, before_create = None, after_create = None, before_delete = None, after_delete = None, status = None, scale = None, upgrade = None, endpoints = None, resources = None, network = None, features = None, services = [], load_balancer = None, auto_scaling = None):
    """Describes a cluster.

    Args:
      name: that of the directory; lower case letters, digits, - and _.
      components: function of the completed configuration that returns the list of
        components: what cluster.infrastructure, cluster.taskserv and
        cluster.application make.
      version: of this description, a semantic version.
      description: one line for people.
      category: such as "web".
      config: schema.record of the configuration.
      before_create: function of the configuration that is called before the first
        component is made.
      after_create: the same, when all components are healthy for the first time.
      before_delete: the same, before the first component is removed.
      after_delete: the same, when the last one is.
      status: function of the configuration and of a list of components, structs with
        name, type, version, status, healthy and replicas. It returns None, or a dict of
        more that "provisioning cluster status" shows; where its "healthy" is False, the
        cluster is degraded.
      scale: function of the configuration, the name of a component and its number of
        replicas, called when it has been scaled and is healthy. When it fails, the
        component is scaled back.
      upgrade: function of the configuration and of two versions of this description, that
        which is deployed and the new one. It is called before the first component is
        changed.
      endpoints: function of the configuration that returns a dict of addresses by name.
      resources: dict of what the servers of the cluster must have together, or each:
        min_nodes (1), cpu_per_node ("2"), memory_per_node ("4Gi"), storage_per_node
        ("20Gi"; it is not compared with plans). create refuses what does not suffice.
      network: dict of cluster_cidr ("10.244.0.0/16"), which the network of the containers
        has then, service_cidr ("10.96.0.0/12"), dns_domain ("cluster.local"), and subnets,
        a dict of networks by name.
      features: dict of monitoring (True), logging (True), ingress (False), storage (True).
      services: list of dicts of name, image, replicas (1) and ports ([]): each is an
        application.
      load_balancer: dict of type ("application"), health_check ("/health"), ssl_cert ("").
      auto_scaling: dict of min_replicas (3), max_replicas (20), metrics, a dict of cpu
        (70), memory (80) and requests (1000), scale_up_cooldown ("5m"),
        scale_down_cooldown ("10m"). Like features, load_balancer and the rest of network
        it describes the cluster: it is checked, and "provisioning cluster show" has it.
    Returns:
      A struct with these fields, which the script binds to the name composition.
    Errors:
      invalid, when something does not fit; the message has the path of the field, such
      as resources.min_nodes.
    Example:
      composition = cluster.declare(
          "hello",
          components = lambda config: [cluster.application("hello", image = "hello:1")],
      )
    """`, &declare{})

type declare struct {
	Name         string            `star:"name"`
	Components   starlark.Callable `star:"components"`
	Version      string            `star:"version"`
	Description  string            `star:"description"`
	Category     string            `star:"category"`
	Config       starlark.Value    `star:"config"`
	BeforeCreate starlark.Callable `star:"before_create"`
	AfterCreate  starlark.Callable `star:"after_create"`
	BeforeDelete starlark.Callable `star:"before_delete"`
	AfterDelete  starlark.Callable `star:"after_delete"`
	Status       starlark.Callable `star:"status"`
	Scale        starlark.Callable `star:"scale"`
	Upgrade      starlark.Callable `star:"upgrade"`
	Endpoints    starlark.Callable `star:"endpoints"`
	Resources    starlark.Value    `star:"resources"`
	Network      starlark.Value    `star:"network"`
	Features     starlark.Value    `star:"features"`
	Services     starlark.Value    `star:"services"`
	LoadBalancer starlark.Value    `star:"load_balancer"`
	AutoScaling  starlark.Value    `star:"auto_scaling"`
}

func (d *declare) Compute(*effect.Env) (any, error) {
	if err := recipe.ValidName("the cluster", d.Name); err != nil {
		return nil, err
	}
	if _, err := semver.StrictNewVersion(d.Version); err != nil {
		return nil, fault.New(fault.Invalid, "the version of the cluster is %q: %s", d.Version, err).WithHint("a version is MAJOR.MINOR.PATCH")
	}
	fields, err := composition.Complete(d.Name, starlark.StringDict{
		"resources": d.Resources, "network": d.Network, "features": d.Features, "services": d.Services,
		"load_balancer": d.LoadBalancer, "auto_scaling": d.AutoScaling,
	})
	if err != nil {
		return nil, err
	}
	maps.Copy(fields, starlark.StringDict{
		"name": starlark.String(d.Name), "components": d.Components, "version": starlark.String(d.Version),
		"description": starlark.String(d.Description), "category": starlark.String(d.Category), "config": d.Config,
		"before_create": orNone(d.BeforeCreate), "after_create": orNone(d.AfterCreate),
		"before_delete": orNone(d.BeforeDelete), "after_delete": orNone(d.AfterDelete), "status": orNone(d.Status),
		"scale": orNone(d.Scale), "upgrade": orNone(d.Upgrade), "endpoints": orNone(d.Endpoints),
	})
	return starlarkstruct.FromStringDict(composition.Constructor, fields), nil
}

func orNone(fn starlark.Callable) starlark.Value {
	if fn == nil {
		return starlark.None
	}
	return fn
}
