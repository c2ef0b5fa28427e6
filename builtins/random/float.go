package random

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def float():
    """Returns a random number from 0 up to, but not including, 1.

    Returns:
      A float.

    Example:
      random.float() < 0.5
    """`, &fraction{})

// fraction is the effect random.float.
type fraction struct{}

func (*fraction) Volatile() {}

func (*fraction) Perform(context.Context, *effect.Env) (any, error) {
	const bits = 53 // of the mantissa
	return float64(below(1<<bits)) / (1 << bits), nil
}
