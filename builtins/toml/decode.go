package toml

import (
	"github.com/provisioning-systems/provisioning/runtime/document/toml"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def decode(text):
    """Returns the value of TOML text.

    Tables become dicts in the order of the text. Times with an offset become
    times, local dates and times strings. If the text is a secret as a whole,
    all strings in the value are secrets.

    Args:
      text (string or bytes): the document.

    Returns:
      A dict.

    Errors:
      invalid: the text is not TOML, or defines something twice; the message
      tells line and column.

    Example:
      toml.decode("b = 1\\n[a]\\nc = [1.5, 'x']")  # {"b": 1, "a": {"c": [1.5, "x"]}}
    """`, &decode{})

// decode is the function toml.decode.
type decode struct {
	Text []byte `star:"text"`
}

func (d *decode) Compute(env *effect.Env) (any, error) {
	doc, err := env.Run.Secrets.Document(string(d.Text), "toml")
	if err != nil {
		return nil, err
	}
	return toml.Decode(doc, nil)
}
