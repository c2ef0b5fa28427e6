package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

// options are the parameters of all types.
type options struct {
	Default    starlark.Value `star:"default"`
	Doc        string         `star:"doc"`
	Deprecated string         `star:"deprecated"`
	Check      starlark.Value `star:"check"`
}

func (*options) Parameters() string {
	return `
def options(*, default = None, doc = "", deprecated = "", check = None):
    """
    Args:
      default: what it is when nothing is given.
      doc: what it is for, in a sentence; documentation and examples show it.
      deprecated: what to use instead, such as "use listen.port".
      check: checks of the completed value: a function, a schema.check, a list of
        them, or a dict from messages to functions.
    """`
}

// make makes the type.
func (o *options) make(env *effect.Env, shape schema.Shape) (*schema.Schema, error) {
	checks, err := checksOf(o.Check)
	if err != nil {
		return nil, err
	}
	return schema.New(shape, schema.Options{
		Default: o.Default, Doc: o.Doc, Deprecated: o.Deprecated, Checks: checks, Secrets: env.Run.Secrets,
	})
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...)
}

// typeOf is an argument that has to be a type; nil for None.
func typeOf(what string, v starlark.Value) (*schema.Schema, error) {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case *schema.Schema:
		return v, nil
	case starlark.Callable:
		return nil, invalid("%s must be a type, not the function %s", what, v.Name()).WithHint("write schema.str(), with parentheses")
	default:
		return nil, invalid("%s must be a type, not a %s", what, v.Type()).WithHint("write schema.str(…), schema.int(…), schema.record(…), …")
	}
}
