package random

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def choice(list):
    """Returns one item of a list.

    Args:
      list: a list, a tuple or a set; not empty.

    Returns:
      The item.

    Errors:
      invalid: the list is empty.

    Example:
      random.choice(["de-fra1", "fi-hel1"])
    """`, &choice{})

// choice is the effect random.choice.
type choice struct {
	List starlark.Iterable `star:"list"` // no []starlark.Value: the door would expand the secrets in it
}

func (*choice) Volatile() {}

func (c *choice) Perform(context.Context, *effect.Env) (any, error) {
	items, err := itemsOf(c.List)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, fault.New(fault.Invalid, "cannot choose from an empty list")
	}
	return items[below(len(items))], nil
}

// itemsOf is the list, unless it is too long.
func itemsOf(list starlark.Iterable) ([]starlark.Value, error) {
	var items []starlark.Value
	for item := range starlark.Elements(list) {
		if items = append(items, item); len(items) > maxItems {
			return nil, fault.New(fault.Invalid, "the list has more than %d items", maxItems)
		}
	}
	return items, nil
}
