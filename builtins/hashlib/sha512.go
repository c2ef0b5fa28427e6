package hashlib

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def sha512(data):
    """Returns the SHA-512 digest of data, of 128 digits.

    Args:
      data (string or bytes): what to digest.

    Returns:
      The digest as hexadecimal text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hashlib.sha512("abc")[:16]  # "ddaf35a193617aba"
    """`, &sha512Of{})

// sha512Of is the function hashlib.sha512.
type sha512Of struct {
	Data []byte `star:"data"`
}

func (d *sha512Of) Compute(env *effect.Env) (any, error) { return digest(env, "sha512", d.Data) }
