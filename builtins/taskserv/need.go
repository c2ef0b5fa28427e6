package taskserv

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def need(name, version = "", scope = "server", wait_for_health = False):
    """Describes another service that one needs.

    Args:
      name: of the taskserv, or of something that taskservs provide, such as
        "container-runtime".
      version: constraint on the version of its software, such as ">= 1.6"; "" for any.
      scope: where it has to be: "server", the same one, where it is installed as well,
        or "infra", any of those of the command and of the provider: if none of them has
        it, nothing is installed.
      wait_for_health: it has to be well before the one that needs it is installed.
    Returns:
      A struct for requires, after and conflicts of taskserv.declare. Where a name says
      it all, the name itself will do: "containerd", "containerd >= 1.6".
    Errors:
      invalid for a name that is none, and a constraint that cannot be read.
    Example:
      taskserv.need("kubernetes", version = ">= 1.28", scope = "infra", wait_for_health = True)
    """`, &need{})

type need struct {
	Name    string `star:"name"`
	Version string `star:"version"`
	Scope   string `star:"scope"`
	Healthy bool   `star:"wait_for_health"`
}

func (n *need) Compute(*effect.Env) (any, error) {
	if n.Scope != recipe.ScopeServer && n.Scope != recipe.ScopeInfra {
		return nil, fault.New(fault.Invalid, "the scope is %q; it has to be %q or %q", n.Scope, recipe.ScopeServer, recipe.ScopeInfra)
	}
	s := starlarkstruct.FromStringDict(recipe.NeedConstructor, starlark.StringDict{
		"name": starlark.String(n.Name), "version": starlark.String(n.Version), "scope": starlark.String(n.Scope),
		"wait_for_health": starlark.Bool(n.Healthy),
	})
	_, err := recipe.NeedOf(s)
	return s, err
}
