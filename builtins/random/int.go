package random

import (
	"context"
	"crypto/rand"
	"math/big"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def int(low, high):
    """Returns a random whole number.

    Args:
      low: the smallest number that may come.
      high: the largest number that may come; not below low.

    Returns:
      An int, each with the same probability.

    Errors:
      invalid: high is below low.

    Example:
      random.int(20000, 29999)
    """`, &integer{})

// integer is the effect random.int.
type integer struct {
	Low  int64 `star:"low"`
	High int64 `star:"high"`
}

var _ effect.Validator = (*integer)(nil)

func (i *integer) Validate() error {
	if i.High < i.Low {
		return fault.New(fault.Invalid, "high must not be below low: %d is below %d", i.High, i.Low)
	}
	return nil
}

func (*integer) Volatile() {}

func (i *integer) Perform(context.Context, *effect.Env) (any, error) {
	low, high := big.NewInt(i.Low), big.NewInt(i.High) // their difference may exceed 64 bits
	span := high.Sub(high, low)
	n, err := rand.Int(rand.Reader, span.Add(span, big.NewInt(1)))
	if err != nil {
		return nil, err
	}
	return n.Add(n, low), nil
}
