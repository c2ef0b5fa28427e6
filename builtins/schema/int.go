package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def int(*, min = None, max = None):
    """Returns the type of ints.

    Args:
      min: the least one.
      max: the greatest one.

    Returns:
      A type.

    Errors:
      invalid: min or max is no int, or the default does not fit.

    Example:
      schema.int(min = 1, max = 65535)(5432)  # 5432
    """`, &integer{})

// integer is the function schema.int.
type integer struct {
	options
	Min starlark.Value `star:"min"`
	Max starlark.Value `star:"max"`
}

func (i *integer) Compute(env *effect.Env) (any, error) {
	return i.make(env, &schema.Number{Min: i.Min, Max: i.Max})
}
