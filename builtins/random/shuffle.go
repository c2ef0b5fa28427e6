package random

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def shuffle(list):
    """Returns the items of a list in a random order.

    Args:
      list: a list, a tuple or a set, of 100000 items at most; it stays as
        it is.

    Returns:
      A new list.

    Errors:
      invalid: the list is too long.

    Example:
      for host in random.shuffle(["web-1", "web-2"]):
          print(host)
    """`, &shuffle{})

// shuffle is the effect random.shuffle.
type shuffle struct {
	List starlark.Iterable `star:"list"` // no []starlark.Value: the door would expand the secrets in it
}

func (*shuffle) Volatile() {}

func (s *shuffle) Perform(context.Context, *effect.Env) (any, error) {
	items, err := itemsOf(s.List)
	if err != nil {
		return nil, err
	}
	for i := len(items) - 1; i > 0; i-- {
		j := below(i + 1)
		items[i], items[j] = items[j], items[i]
	}
	return starlark.NewList(items), nil
}
