package random

import (
	"context"
	"crypto/rand"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def bytes(n):
    """Returns random bytes.

    Args:
      n: how many, 1 MiB at most.

    Returns:
      Bytes.

    Errors:
      invalid: n is negative or too large.

    Example:
      len(random.bytes(16))
    """`, &octets{})

// octets is the effect random.bytes.
type octets struct {
	N int `star:"n"`
}

var _ effect.Validator = (*octets)(nil)

func (o *octets) Validate() error { return checkSize("n", o.N, maxBytes) }

func (*octets) Volatile() {}

func (o *octets) Perform(context.Context, *effect.Env) (any, error) {
	b := make([]byte, o.N)
	_, err := rand.Read(b)
	return b, err
}
