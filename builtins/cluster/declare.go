package cluster

import (
	"github.com/Masterminds/semver/v3"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def declare(name, components, version = "0.1.0", description = "", category = "", config = None, before_create = None, after_create = None, before_delete = None, after_delete = None, endpoints = None):
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
      after_create: the same, when all components are healthy.
      before_delete: the same, before the first component is removed.
      after_delete: the same, when the last one is.
      endpoints: function of the configuration that returns a dict of addresses by name.
    Returns:
      A struct with these fields, which the script binds to the name composition.
    Errors:
      invalid, when something does not fit.
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
	Endpoints    starlark.Callable `star:"endpoints"`
}

func (d *declare) Compute(*effect.Env) (any, error) {
	if err := recipe.ValidName("the cluster", d.Name); err != nil {
		return nil, err
	}
	if _, err := semver.StrictNewVersion(d.Version); err != nil {
		return nil, fault.New(fault.Invalid, "the version of the cluster is %q: %s", d.Version, err).WithHint("a version is MAJOR.MINOR.PATCH")
	}
	return starlarkstruct.FromStringDict(composition.Constructor, starlark.StringDict{
		"name": starlark.String(d.Name), "components": d.Components, "version": starlark.String(d.Version),
		"description": starlark.String(d.Description), "category": starlark.String(d.Category), "config": d.Config,
		"before_create": orNone(d.BeforeCreate), "after_create": orNone(d.AfterCreate),
		"before_delete": orNone(d.BeforeDelete), "after_delete": orNone(d.AfterDelete), "endpoints": orNone(d.Endpoints),
	}), nil
}

func orNone(fn starlark.Callable) starlark.Value {
	if fn == nil {
		return starlark.None
	}
	return fn
}
