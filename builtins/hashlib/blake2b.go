package hashlib

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def blake2b(data):
    """Returns the BLAKE2b-512 digest of data, of 128 digits.

    Args:
      data (string or bytes): what to digest.

    Returns:
      The digest as hexadecimal text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hashlib.blake2b("abc")[:16]  # "ba80a53f981c4d0d"
    """`, &blake2bOf{})

// blake2bOf is the function hashlib.blake2b.
type blake2bOf struct {
	Data []byte `star:"data"`
}

func (d *blake2bOf) Compute(env *effect.Env) (any, error) { return digest(env, "blake2b", d.Data) }
