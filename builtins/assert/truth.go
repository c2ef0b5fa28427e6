package assert

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var (
	_ = Module.Pure(`
def true(value, message = ""):
    """Fails unless a value is true: not False, None, 0, or empty.

    Args:
      value: anything.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it is not.
    Example:
      assert.true("web-1".startswith("web"))
    """`, &isTrue{})
	_ = Module.Pure(`
def false(value, message = ""):
    """Fails unless a value is false: False, None, 0, or empty.

    Args:
      value: anything.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it is not.
    Example:
      assert.false([])
    """`, &isFalse{})
)

type truth struct {
	Value   starlark.Value `star:"value"`
	Message string         `star:"message"`
}

type (
	isTrue  struct{ truth }
	isFalse struct{ truth }
)

func (a *isTrue) Compute(*effect.Env) (any, error) {
	if a.Value.Truth() {
		return nil, nil
	}
	return nil, failed(a.Message, "got %s, want something true", show(a.Value))
}

func (a *isFalse) Compute(*effect.Env) (any, error) {
	if !a.Value.Truth() {
		return nil, nil
	}
	return nil, failed(a.Message, "got %s, want something false", show(a.Value))
}
