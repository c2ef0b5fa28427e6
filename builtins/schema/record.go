package schema

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def record(fields = {}, *, base = None, open = False, **more):
    """Returns the type of dicts and structs with known fields.

    Values become structs. A field that the record does not know is an error, which
    names the nearest one. A record whose fields all have defaults, or are optional,
    need not be given itself.

    Args:
      fields: dict from names to types.
      base: a record whose fields and checks it has too. A field that both have is
        narrowed: it keeps what the base says of it, and cannot allow more.
      open: allow other fields, which stay as they are.
      more: further fields by name, for names that are no parameters here.

    Returns:
      A type.

    Errors:
      invalid: a field is no type, contradicts the base, or the default does not fit.

    Example:
      schema.record(port = schema.int(default = 80), host = schema.str())({"host": "db"})  # struct(host = "db", port = 80)
      schema.record(base = schema.record(a = schema.int(default = 1)), b = schema.bool(default = True))()  # struct(a = 1, b = True)
    """`, &record{})

// record is the function schema.record.
type record struct {
	options
	Fields *starlark.Dict   `star:"fields"`
	Base   starlark.Value   `star:"base"`
	Open   bool             `star:"open"`
	More   []starlark.Tuple `star:"**more"`
}

func (r *record) Compute(env *effect.Env) (any, error) {
	if _, ok := r.Default.(*schema.Schema); ok {
		return nil, invalid("the default must be a value, not a type").
			WithHint("a field that is called default goes into the dict: schema.record({\"default\": …})")
	}
	base, err := typeOf("base", r.Base)
	if err != nil {
		return nil, err
	}
	shape := &schema.Record{Base: base, Open: r.Open}
	seen := map[string]bool{}
	for _, kv := range append(r.Fields.Items(), r.More...) {
		name, ok := starlark.AsString(kv[0])
		if !ok {
			return nil, invalid("the names of fields must be strings, not %s", kv[0])
		}
		if seen[name] {
			return nil, invalid("the field %s is there twice", name)
		}
		seen[name] = true
		s, err := typeOf(fmt.Sprintf("the field %s", name), kv[1])
		if err != nil {
			return nil, err
		}
		if s == nil {
			return nil, invalid("the field %s must be a type, not None", name)
		}
		shape.Fields = append(shape.Fields, schema.Field{Name: name, Schema: s})
	}
	return r.make(env, shape)
}
