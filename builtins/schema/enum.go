package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def enum(*values):
    """Returns the type of a choice.

    Args:
      values: what there is to choose from: strings, numbers or bools.

    Returns:
      A type.

    Errors:
      invalid: there are no values, one of them twice, or the default is none of them.

    Example:
      schema.enum("async", "sync", default = "async")(None)  # "async"
    """`, &enum{})

// enum is the function schema.enum.
type enum struct {
	options
	Values starlark.Tuple `star:"*values"`
}

func (e *enum) Compute(env *effect.Env) (any, error) {
	values := e.Values
	if len(values) == 1 { // a list of them
		if list, ok := values[0].(*starlark.List); ok {
			values = nil
			for v := range starlark.Elements(list) {
				values = append(values, v)
			}
		}
	}
	return e.make(env, &schema.Enum{Values: values})
}
