package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def map(values = None, keys = None, *, min = None, max = None):
    """Returns the type of dicts whose keys are strings that are not known beforehand.

    Values stay dicts, unlike those of schema.record.

    Args:
      values: type of the values; None for any.
      keys: type of the keys, a schema.str or schema.enum; None for any string.
      min: how many entries there must be at least.
      max: how many entries there may be.

    Returns:
      A type.

    Errors:
      invalid: values or keys is no such type, or the default does not fit.

    Example:
      schema.map(schema.int(), keys = schema.str(format = "name"))({"web": 2})  # {"web": 2}
    """`, &mapping{})

// mapping is the function schema.map.
type mapping struct {
	options
	Values starlark.Value `star:"values"`
	Keys   starlark.Value `star:"keys"`
	Min    starlark.Value `star:"min"`
	Max    starlark.Value `star:"max"`
}

func (m *mapping) Compute(env *effect.Env) (any, error) {
	values, err := typeOf("values", m.Values)
	if err != nil {
		return nil, err
	}
	keys, err := typeOf("keys", m.Keys)
	if err != nil {
		return nil, err
	}
	return m.make(env, &schema.Map{Values: values, Keys: keys, Min: m.Min, Max: m.Max})
}
