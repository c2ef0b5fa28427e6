package hashlib

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def sha1(data):
    """Returns the SHA-1 digest of data, for old protocols only: it is broken.

    Args:
      data (string or bytes): what to digest.

    Returns:
      The digest as hexadecimal text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hashlib.sha1("abc")  # "a9993e364706816aba3e25717850c26c9cd0d89d"
    """`, &sha1Of{})

// sha1Of is the function hashlib.sha1.
type sha1Of struct {
	Data []byte `star:"data"`
}

func (d *sha1Of) Compute(env *effect.Env) (any, error) { return digest(env, "sha1", d.Data) }
