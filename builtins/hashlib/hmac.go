package hashlib

import (
	"crypto/hmac"
	"encoding/hex"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def hmac(key, data, algorithm = "sha256"):
    """Returns the HMAC of data, which proves that its maker has the key.

    Args:
      key (string or bytes): the key, usually a secret.
      data (string or bytes): what to sign.
      algorithm (string): md5, sha1, sha256, sha512 or blake2b.

    Returns:
      The HMAC as hexadecimal text; a secret if the key or the data has one in it.

    Errors:
      invalid: there is no such algorithm.

    Example:
      hashlib.hmac("key", "data")  # "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0"
    """`, &hmacOf{})

// hmacOf is the function hashlib.hmac.
type hmacOf struct {
	Key       []byte `star:"key"`
	Data      []byte `star:"data"`
	Algorithm string `star:"algorithm"`
}

func (h *hmacOf) Compute(env *effect.Env) (any, error) {
	algorithm, ok := algorithms[h.Algorithm]
	if !ok || h.Algorithm == "crc32" {
		return nil, fault.New(fault.Invalid, "cannot compute the HMAC: no algorithm %q", h.Algorithm).
			WithHint("use md5, sha1, sha256, sha512 or blake2b")
	}
	return env.Run.Secrets.Derive("hmac", []string{string(h.Key), string(h.Data)}, func(plain []string) (string, error) {
		mac := hmac.New(algorithm, []byte(plain[0]))
		mac.Write([]byte(plain[1]))
		return hex.EncodeToString(mac.Sum(nil)), nil
	})
}
