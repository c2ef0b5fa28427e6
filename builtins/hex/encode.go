package hex

import (
	"encoding/hex"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def encode(data):
    """Returns data as hexadecimal text, two digits for each byte.

    Args:
      data (string or bytes): what to encode.

    Returns:
      The text, in lower case; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hex.encode("hi")  # "6869"
    """`, &encode{})

// encode is the function hex.encode.
type encode struct {
	Data []byte `star:"data"`
}

func (e *encode) Compute(env *effect.Env) (any, error) {
	return env.Run.Secrets.Derive("hex", []string{string(e.Data)}, func(plain []string) (string, error) {
		return hex.EncodeToString([]byte(plain[0])), nil
	})
}
