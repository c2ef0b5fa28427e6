package base64

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def decode(text, url = False, binary = False):
    """Returns what base64 text stands for.

    White space in the text is skipped, and padding may be left out.

    Args:
      text (string): the base64 text.
      url (bool): the text has - and _ in place of + and /.
      binary (bool): return bytes, which need not be text.

    Returns:
      A string, or bytes; a secret if the text has one in it.

    Errors:
      invalid: the text is not base64, or what it stands for is not text.

    Example:
      base64.decode("aGk=")  # "hi"
      base64.decode("_w", url = True, binary = True)  # b"\\xff"
    """`, &decode{})

// decode is the function base64.decode.
type decode struct {
	Text   []byte `star:"text"`
	URL    bool   `star:"url"`
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
	text := strings.TrimRight(strings.Join(strings.Fields(plain[0]), ""), "=")
	data, err := alphabet(d.URL).WithPadding(base64.NoPadding).DecodeString(text)
	if err != nil {
		return "", d.refuse(err, len(text))
	}
	if !d.Binary && !utf8.Valid(data) {
		return "", fault.New(fault.Invalid, "cannot decode base64: it does not stand for text").
			WithHint("binary = True returns bytes")
	}
	return string(data), nil
}

// refuse says where the text goes wrong, but nothing of it.
func (d *decode) refuse(err error, length int) error {
	var at base64.CorruptInputError
	if !errors.As(err, &at) || int(at) >= length || length%4 == 1 {
		return fault.New(fault.Invalid, "cannot decode base64: the text is incomplete")
	}
	e := fault.New(fault.Invalid, "cannot decode base64: character %d does not belong there", int(at)+1)
	if !d.URL {
		e.WithHint("url = True reads the alphabet of URLs, with - and _")
	}
	return e
}
