package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def float(*, min = None, max = None):
    """Returns the type of numbers with a fraction; ints become floats.

    Args:
      min: the least one.
      max: the greatest one.

    Returns:
      A type.

    Errors:
      invalid: min or max is no number, or the default does not fit.

    Example:
      schema.float(min = 0, max = 1)(1)  # 1.0
    """`, &float{})

// float is the function schema.float.
type float struct {
	options
	Min starlark.Value `star:"min"`
	Max starlark.Value `star:"max"`
}

func (f *float) Compute(env *effect.Env) (any, error) {
	return f.make(env, &schema.Number{Fraction: true, Min: f.Min, Max: f.Max})
}
