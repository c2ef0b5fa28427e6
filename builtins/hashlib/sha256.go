package hashlib

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def sha256(data):
    """Returns the SHA-256 digest of data, of 64 digits.

    Args:
      data (string or bytes): what to digest.

    Returns:
      The digest as hexadecimal text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hashlib.sha256("abc")  # "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    """`, &sha256Of{})

// sha256Of is the function hashlib.sha256.
type sha256Of struct {
	Data []byte `star:"data"`
}

func (d *sha256Of) Compute(env *effect.Env) (any, error) { return digest(env, "sha256", d.Data) }
