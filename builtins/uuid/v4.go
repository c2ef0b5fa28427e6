package uuid

import (
	"context"
	"crypto/rand"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def v4():
    """Returns a random UUID.

    Returns:
      A string of 36 characters.

    Example:
      uuid.v4()
    """`, &v4{})

// v4 is the effect uuid.v4.
type v4 struct{}

func (*v4) Volatile() {}

func (*v4) Perform(context.Context, *effect.Env) (any, error) {
	var u id
	if _, err := rand.Read(u[:]); err != nil {
		return nil, err
	}
	return u.mark(4), nil
}
