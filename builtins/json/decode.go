package json

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/document/json"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def decode(text, default = None):
    """Returns the value of JSON text.

    Objects become dicts in the order of the text, numbers without fraction and
    exponent ints of any size. If the text is a secret as a whole, all strings
    in the value are secrets.

    Args:
      text (string or bytes): one JSON document.
      default (any): returned when the text is not valid; None makes that an error.

    Returns:
      The value.

    Errors:
      invalid: the text is not JSON, has a key twice, or is nested deeper than
      500 levels; the message tells line, column and path.

    Example:
      json.decode("[1, 2.5, null]")  # [1, 2.5, None]
      json.decode("oops", default = {})  # {}
    """`, &decode{})

// decode is the function json.decode.
type decode struct {
	Text    []byte         `star:"text"`
	Default starlark.Value `star:"default"`
}

func (d *decode) Compute(env *effect.Env) (any, error) {
	doc, err := env.Run.Secrets.Document(string(d.Text), "json")
	if err != nil {
		return nil, err
	}
	v, err := json.Decode(doc, nil)
	if err != nil && d.Default != starlark.None {
		return d.Default, nil
	}
	return v, err
}
