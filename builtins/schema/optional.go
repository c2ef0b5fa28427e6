package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def optional(type):
    """Returns the type of what may be missing, and is None then.

    Args:
      type: type of what is given.

    Returns:
      A type.

    Errors:
      invalid: it is no type, or has a default, so that it is never missing.

    Example:
      schema.record(schedule = schema.optional(schema.str()))()  # struct(schedule = None)
    """`, &optional{})

// optional is the function schema.optional.
type optional struct {
	Type starlark.Value `star:"type"`
}

func (o *optional) Compute(*effect.Env) (any, error) {
	s, err := typeOf("the argument", o.Type)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, invalid("the argument must be a type, not None")
	}
	return s.AsOptional()
}
