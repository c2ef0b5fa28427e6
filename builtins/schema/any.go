package schema

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def any():
    """Returns the type of all values, which stay as they are.

    Returns:
      A type.

    Errors:
      invalid: an argument is of the wrong type.

    Example:
      schema.record(extra = schema.any())(extra = (1, "x"))  # struct(extra = (1, "x"))
    """`, &anything{})

// anything is the function schema.any.
type anything struct{ options }

func (a *anything) Compute(env *effect.Env) (any, error) { return a.make(env, &schema.Any{}) }
