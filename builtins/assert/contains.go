package assert

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var (
	_ = Module.Pure(`
def contains(container, item, message = ""):
    """Fails unless item is in container.

    Args:
      container: list, tuple, set, dict (its keys count), range or string.
      item: what should be in it; of a string, a part of it.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it is not.
      invalid: nothing can be in such a container.
    Example:
      assert.contains(["a", "b"], "a")
    """`, &contains{})
	_ = Module.Pure(`
def not_contains(container, item, message = ""):
    """Fails when item is in container.

    Args:
      container: list, tuple, set, dict (its keys count), range or string.
      item: what must not be in it; of a string, a part of it.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it is.
      invalid: nothing can be in such a container.
    Example:
      assert.not_contains("listen 80", "443")
    """`, &notContains{})
)

type containment struct {
	Container starlark.Value `star:"container"`
	Item      starlark.Value `star:"item"`
	Message   string         `star:"message"`
}

type (
	contains    struct{ containment }
	notContains struct{ containment }
)

func (c *containment) has() (bool, error) {
	in, err := starlark.Binary(syntax.IN, c.Item, c.Container)
	if err != nil {
		return false, fault.New(fault.Invalid, "cannot look for a %s in a %s: %v", c.Item.Type(), c.Container.Type(), err)
	}
	return bool(in.Truth()), nil
}

func (c *contains) Compute(*effect.Env) (any, error) {
	if in, err := c.has(); err != nil || in {
		return nil, err
	}
	return nil, failed(c.Message, "%s is not in %s", show(c.Item), show(c.Container))
}

func (c *notContains) Compute(*effect.Env) (any, error) {
	if in, err := c.has(); err != nil || !in {
		return nil, err
	}
	return nil, failed(c.Message, "%s is in %s", show(c.Item), show(c.Container))
}
