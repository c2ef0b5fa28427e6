package hashlib

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def md5(data):
    """Returns the MD5 digest of data, for checks against accidents only: it is broken.

    Args:
      data (string or bytes): what to digest.

    Returns:
      The digest as hexadecimal text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hashlib.md5("abc")  # "900150983cd24fb0d6963f7d28e17f72"
    """`, &md5Of{})

// md5Of is the function hashlib.md5.
type md5Of struct {
	Data []byte `star:"data"`
}

func (d *md5Of) Compute(env *effect.Env) (any, error) { return digest(env, "md5", d.Data) }
