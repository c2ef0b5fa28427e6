package secret

import (
	"crypto/sha256"
	"crypto/subtle"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def equals(a, b):
    """Tells whether two secrets have the same value, whatever their names.

    The time that it takes says nothing of the values.

    Args:
      a: a secret or a string.
      b: a secret or a string.

    Returns:
      True or False.

    Errors:
      invalid: one of them is neither.

    Example:
      secret.equals(secret.get("env://A"), secret.get("env://B"))
    """`, &equals{})

// equals is the function secret.equals.
type equals struct {
	A starlark.Value `star:"a"`
	B starlark.Value `star:"b"`
}

func (e *equals) Compute(env *effect.Env) (any, error) {
	a, err := plain(env, e.A)
	if err != nil {
		return nil, err
	}
	b, err := plain(env, e.B)
	if err != nil {
		return nil, err
	}
	return equal(a, b), nil
}

// equal compares hashes, so that not even the lengths show in its time.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
