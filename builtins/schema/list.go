package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def list(of = None, *, min = None, max = None, unique = False):
    """Returns the type of lists; tuples and sets become lists.

    Args:
      of: type of the elements; None for any.
      min: how many elements there must be at least.
      max: how many elements there may be.
      unique: no element may be there twice.

    Returns:
      A type.

    Errors:
      invalid: of is no type, or the default does not fit.

    Example:
      schema.list(schema.int(), min = 1)((1, 2))  # [1, 2]
    """`, &list{})

// list is the function schema.list.
type list struct {
	options
	Of     starlark.Value `star:"of"`
	Min    starlark.Value `star:"min"`
	Max    starlark.Value `star:"max"`
	Unique bool           `star:"unique"`
}

func (l *list) Compute(env *effect.Env) (any, error) {
	of, err := typeOf("of", l.Of)
	if err != nil {
		return nil, err
	}
	return l.make(env, &schema.List{Of: of, Min: l.Min, Max: l.Max, Unique: l.Unique})
}
