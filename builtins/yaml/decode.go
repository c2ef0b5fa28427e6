package yaml

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document/yaml"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def decode(text):
    """Returns the value of YAML text that holds one document.

    Mappings become dicts in the order of the text, with aliases and merge keys
    resolved. Only true and false are bools; yes, no, on and off are strings.
    Dates and times are strings unless they are tagged !!timestamp. If the text
    is a secret as a whole, all strings in the value are secrets.

    Args:
      text (string or bytes): the document.

    Returns:
      The value; None for an empty text.

    Errors:
      invalid: the text is not YAML, has a key twice, a tag of an application,
      or more than one document; the message tells the line.

    Example:
      yaml.decode("a: [1, yes]")  # {"a": [1, "yes"]}
    """`, &decode{})

// decode is the function yaml.decode.
type decode struct {
	Text []byte `star:"text"`
}

func (d *decode) Compute(env *effect.Env) (any, error) {
	docs, err := decodeAllText(env.Run.Secrets, string(d.Text))
	switch {
	case err != nil:
		return nil, err
	case len(docs) == 0:
		return starlark.None, nil
	case len(docs) > 1:
		return nil, fault.New(fault.Invalid, "cannot decode YAML: the text holds %d documents", len(docs)).
			WithHint("yaml.decode_all returns them as a list")
	}
	return docs[0], nil
}

var _ = Module.Pure(`
def decode_all(text):
    """Returns the values of all documents in a YAML text.

    Args:
      text (string or bytes): documents, with --- between them.

    Returns:
      A list of the values, as of yaml.decode.

    Errors:
      invalid: as yaml.decode.

    Example:
      yaml.decode_all("a: 1\\n---\\nb: 2\\n")  # [{"a": 1}, {"b": 2}]
    """`, &decodeAll{})

// decodeAll is the function yaml.decode_all.
type decodeAll struct {
	Text []byte `star:"text"`
}

func (d *decodeAll) Compute(env *effect.Env) (any, error) {
	docs, err := decodeAllText(env.Run.Secrets, string(d.Text))
	return starlark.NewList(docs), err
}

func decodeAllText(secrets *value.Secrets, text string) ([]starlark.Value, error) {
	doc, err := secrets.Document(text, "yaml")
	if err != nil {
		return nil, err
	}
	return yaml.Decode(doc, nil)
}
