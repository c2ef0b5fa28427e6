package taskserv

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def order(recipes):
    """Sorts recipes so that each comes after those that it requires.

    Args:
      recipes: list of recipes.
    Returns:
      A list of waves, each a list of recipes: those of one wave do not need each
      other. Recipes of a wave are sorted by name; os comes before all.
    Errors:
      invalid when recipes require each other in a circle, which it names, or conflict.
    Example:
      [[r.name for r in wave] for wave in taskserv.order([])]
    """`, &order{})

type order struct {
	Recipes []starlark.Value `star:"recipes"`
}

func (o *order) Compute(*effect.Env) (any, error) {
	recipes := make([]*recipe.Recipe, len(o.Recipes))
	for i, v := range o.Recipes {
		var err error
		if recipes[i], err = recipe.Parse(v); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the recipe at index %d", i)
		}
	}
	if err := recipe.Conflict(recipes); err != nil {
		return nil, err
	}
	waves, err := recipe.Order(recipes)
	if err != nil {
		return nil, err
	}
	lists := make([]starlark.Value, len(waves))
	for i, wave := range waves {
		elems := make([]starlark.Value, len(wave))
		for k, r := range wave {
			elems[k] = r.Value()
		}
		lists[i] = starlark.NewList(elems)
	}
	return starlark.NewList(lists), nil
}

var _ = Module.Fact("EXCLUSIVE", "What only one service on a server can provide: a tuple of names.", exclusive)

// exclusive is a tuple, which a script cannot change for another one.
func exclusive(*effect.Run) any {
	var names starlark.Tuple
	for _, name := range recipe.Exclusive {
		names = append(names, starlark.String(name))
	}
	return names
}

var _ = Module.Pure(`
def satisfies(version, constraint):
    """Tells whether a version of some software meets a constraint.

    Versions of packages count without their epoch and revision: "7:7.0.15-1~deb12u5"
    is 7.0.15.

    Args:
      version: a version, of software or of a package.
      constraint: such as ">= 1.2", "^1.2.3", "~1.2" or ">= 1.2, < 2".
    Returns:
      A bool.
    Errors:
      invalid when one of them cannot be read.
    Example:
      taskserv.satisfies("7:7.0.15-1~deb12u5", "~7.0")   # True
    """`, &satisfies{})

type satisfies struct {
	Version    string `star:"version"`
	Constraint string `star:"constraint"`
}

func (s *satisfies) Compute(*effect.Env) (any, error) {
	return recipe.Satisfies(s.Version, s.Constraint)
}
