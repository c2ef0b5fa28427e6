package base64

import (
	"encoding/base64"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def encode(data, url = False, padding = True):
    """Returns data as base64 text.

    Args:
      data (string or bytes): what to encode.
      url (bool): use - and _ in place of + and /, for URLs and file names.
      padding (bool): end with = to a multiple of four characters.

    Returns:
      The text; a secret if the data has one in it.

    Errors:
      invalid: the data holds a damaged secret.

    Example:
      base64.encode("hi?>")  # "aGk/Pg=="
      base64.encode("hi?>", url = True, padding = False)  # "aGk_Pg"
    """`, &encode{})

// encode is the function base64.encode.
type encode struct {
	Data    []byte `star:"data"`
	URL     bool   `star:"url"`
	Padding bool   `star:"padding"`
}

func (e *encode) Compute(env *effect.Env) (any, error) {
	encoding := alphabet(e.URL)
	if !e.Padding {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	return env.Run.Secrets.Derive("base64", []string{string(e.Data)}, func(plain []string) (string, error) {
		return encoding.EncodeToString([]byte(plain[0])), nil
	})
}

func alphabet(url bool) *base64.Encoding {
	if url {
		return base64.URLEncoding
	}
	return base64.StdEncoding
}
