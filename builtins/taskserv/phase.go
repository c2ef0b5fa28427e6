package taskserv

import (
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// port is the text of a port; "" for none.
func port(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

var _ = Module.Pure(`
def phase(name, fn, order = 1, parallel = False, required = True):
    """Describes a part of an installation.

    Phases are a way to write install: they are called by their order, and each is a
    checkpoint of the run. Those of one order are called side by side when all of them
    say parallel.

    Args:
      name: for people.
      fn: function that takes the context, as install does.
      order: those with a lower one come first.
      parallel: it does not mind others of its order beside it.
      required: when it fails the installation does; else that is a warning.
    Returns:
      A struct for phases of taskserv.declare.
    Errors:
      invalid for a name that is none.
    Example:
      taskserv.phase("database-setup", set_up_database, order = 2)
    """`, &phase{})

type phase struct {
	Name     string            `star:"name"`
	Fn       starlark.Callable `star:"fn"`
	Order    int               `star:"order"`
	Parallel bool              `star:"parallel"`
	Required bool              `star:"required"`
}

func (p *phase) Compute(*effect.Env) (any, error) {
	if err := recipe.ValidName("the phase", p.Name); err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(recipe.PhaseConstructor, starlark.StringDict{
		"name": starlark.String(p.Name), "fn": p.Fn, "order": starlark.MakeInt(p.Order),
		"parallel": starlark.Bool(p.Parallel), "required": starlark.Bool(p.Required),
	}), nil
}
