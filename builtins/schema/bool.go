package schema

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def bool():
    """Returns the type of True and False.

    Returns:
      A type.

    Errors:
      invalid: the default is neither.

    Example:
      schema.bool(default = True)(None)  # True
    """`, &boolean{})

// boolean is the function schema.bool.
type boolean struct{ options }

func (b *boolean) Compute(env *effect.Env) (any, error) { return b.make(env, &schema.Bool{}) }
