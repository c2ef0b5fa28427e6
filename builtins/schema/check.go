package schema

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def check(fn, message = "", field = ""):
    """Makes a check, for what is not a matter of one field.

    The function gets the completed value. Where parts of a record do not fit, it gets
    the others, and has no say if those are not enough for it. It should only compute.

    Args:
      fn: function of the value. With a message, what it returns has to be true; else
        it returns a text that says what is wrong, or None, or True or False.
      message: what is wrong when fn returns what is not true.
      field: path of the field that is to be mended, such as "tls.cert_file": errors
        show its line.

    Returns:
      A struct for the argument check of types.

    Errors:
      invalid: fn is no function.

    Example:
      schema.check(lambda c: c.max >= c.min, "max must not be less than min", field = "max").field  # "max"
    """`, &check{})

// check is the function schema.check.
type check struct {
	Fn      starlark.Callable `star:"fn"`
	Message string            `star:"message"`
	Field   string            `star:"field"`
}

func (c *check) Compute(*effect.Env) (any, error) { return *c, nil }

// checksOf reads the argument check.
func checksOf(v starlark.Value) ([]schema.Check, error) {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case *starlark.Dict:
		var checks []schema.Check
		for _, kv := range v.Items() {
			c, err := checkOf(starlark.Tuple{kv[1], kv[0]})
			if err != nil {
				return nil, err
			}
			checks = append(checks, c)
		}
		return checks, nil
	case *starlark.List:
		var checks []schema.Check
		for x := range starlark.Elements(v) {
			c, err := checkOf(x)
			if err != nil {
				return nil, err
			}
			checks = append(checks, c)
		}
		return checks, nil
	default:
		c, err := checkOf(v)
		return []schema.Check{c}, err
	}
}

// checkOf reads one check: a function, one with its message, or a schema.check.
func checkOf(v starlark.Value) (schema.Check, error) {
	switch v := v.(type) {
	case *schema.Schema:
		return schema.Check{}, invalid("a check must be a function, not a type").
			WithHint("a field that is called check goes into the dict: schema.record({\"check\": …})")
	case starlark.Callable:
		return schema.Check{Fn: v}, nil
	case starlark.Tuple:
		if len(v) == 2 {
			fn, isFn := v[0].(starlark.Callable)
			message, isText := starlark.AsString(v[1])
			if isFn && isText {
				return schema.Check{Fn: fn, Message: message}, nil
			}
		}
	case *starlarkstruct.Struct:
		return checkOfStruct(v)
	}
	return schema.Check{}, invalid("a check must be a function, a function with its message, or a schema.check, not a %s", v.Type())
}

func checkOfStruct(s *starlarkstruct.Struct) (schema.Check, error) {
	fn, _ := s.Attr("fn")
	callable, ok := fn.(starlark.Callable)
	if !ok {
		return schema.Check{}, invalid("a struct is no check: make one with schema.check(fn, message)")
	}
	c := schema.Check{Fn: callable}
	for name, to := range map[string]*string{"message": &c.Message, "field": &c.Field} {
		if v, err := s.Attr(name); err == nil {
			*to, _ = starlark.AsString(v)
		}
	}
	return c, nil
}
