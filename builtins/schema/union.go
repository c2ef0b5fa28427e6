package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def union(*types):
    """Returns the type of what fits one of several types; the first that fits counts.

    Args:
      types: two types or more.

    Returns:
      A type.

    Errors:
      invalid: there are fewer than two, or one of them has a default of its own.

    Example:
      schema.union(schema.enum("latest"), schema.str(format = "semver"))("1.2.3")  # "1.2.3"
    """`, &union{})

// union is the function schema.union.
type union struct {
	options
	Types starlark.Tuple `star:"*types"`
}

func (u *union) Compute(env *effect.Env) (any, error) {
	shape := &schema.Union{}
	for _, v := range u.Types {
		s, err := typeOf("each of types", v)
		if err != nil {
			return nil, err
		}
		if s == nil {
			return nil, invalid("each of types must be a type, not None").WithHint("for what may be missing, write schema.optional(…)")
		}
		shape.Arms = append(shape.Arms, s)
	}
	return u.make(env, shape)
}
