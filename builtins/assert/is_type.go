package assert

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def is_type(value, name, message = ""):
    """Fails unless type(value) is name.

    Args:
      value: anything.
      name: of the type: "string", "int", "list", "struct", "secret".
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it is of another type.
    Example:
      assert.is_type([], "list")
    """`, &isType{})

type isType struct {
	Value   starlark.Value `star:"value"`
	Name    string         `star:"name"`
	Message string         `star:"message"`
}

func (a *isType) Compute(*effect.Env) (any, error) {
	if a.Value.Type() == a.Name {
		return nil, nil
	}
	return nil, failed(a.Message, "got %s, a %s, want a %s", show(a.Value), a.Value.Type(), a.Name)
}
