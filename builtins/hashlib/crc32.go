package hashlib

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def crc32(data):
    """Returns the CRC-32 (IEEE) digest of data, of 8 digits, for checks against accidents only.

    Args:
      data (string or bytes): what to digest.

    Returns:
      The digest as hexadecimal text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      hashlib.crc32("abc")  # "352441c2"
    """`, &crc32Of{})

// crc32Of is the function hashlib.crc32.
type crc32Of struct {
	Data []byte `star:"data"`
}

func (d *crc32Of) Compute(env *effect.Env) (any, error) { return digest(env, "crc32", d.Data) }
