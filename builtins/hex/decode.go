package hex

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def decode(text, binary = False):
    """Returns what hexadecimal text stands for.

    White space around the text is skipped.

    Args:
      text (string): two digits for each byte, in lower or upper case.
      binary (bool): return bytes, which need not be text.

    Returns:
      A string, or bytes; a secret if the text has one in it.

    Errors:
      invalid: the text is not hexadecimal, or what it stands for is not text.

    Example:
      hex.decode("6869")  # "hi"
      hex.decode("FF", binary = True)  # b"\\xff"
    """`, &decode{})

// decode is the function hex.decode.
type decode struct {
	Text   []byte `star:"text"`
	Binary bool   `star:"binary"`
}

func (d *decode) Compute(env *effect.Env) (any, error) {
	v, err := env.Run.Secrets.Derive("decoded", []string{string(d.Text)}, d.decode)
	if s, ok := v.(starlark.String); ok && d.Binary {
		return starlark.Bytes(s), err
	}
	return v, err
}

func (d *decode) decode(plain []string) (string, error) {
	text := strings.TrimSpace(plain[0])
	for i, r := range text {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return "", fault.New(fault.Invalid, "cannot decode hex: character %d is no hexadecimal digit", i+1)
		}
	}
	data, err := hex.DecodeString(text)
	if err != nil { // the digits are good
		return "", fault.New(fault.Invalid, "cannot decode hex: the number of digits is odd")
	}
	if !d.Binary && !utf8.Valid(data) {
		return "", fault.New(fault.Invalid, "cannot decode hex: it does not stand for text").
			WithHint("binary = True returns bytes")
	}
	return string(data), nil
}
