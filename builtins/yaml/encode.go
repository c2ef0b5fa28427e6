package yaml

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def encode(value):
    """Returns a value as YAML text, in block style.

    Dicts keep their order, and structs are written as mappings. Strings that
    another reader could take for something else get quotes, those of several
    lines become literal blocks.

    Args:
      value (any): what to encode.

    Returns:
      The text. Secrets in it stay markers until it is used.

    Errors:
      invalid: the value holds something that YAML has no form for, such as a
      function, or contains itself.

    Example:
      yaml.encode({"a": [1, "yes"], "b": {}})  # "a:\\n  - 1\\n  - \\"yes\\"\\nb: {}\\n"
    """`, &encode{})

// encode is the function yaml.encode.
type encode struct {
	Value starlark.Value `star:"value"`
}

func (e *encode) Compute(*effect.Env) (any, error) { return encodeText(e.Value) }

var _ = Module.Pure(`
def encode_all(values):
    """Returns values as one YAML text with a document for each.

    Args:
      values (list): what to encode.

    Returns:
      The documents, with --- between them.

    Errors:
      invalid: as yaml.encode.

    Example:
      yaml.encode_all([1, [2]])  # "1\\n---\\n- 2\\n"
    """`, &encodeAll{})

// encodeAll is the function yaml.encode_all.
type encodeAll struct {
	Values []starlark.Value `star:"values"`
}

func (e *encodeAll) Compute(*effect.Env) (any, error) { return encodeText(e.Values...) }

func encodeText(docs ...starlark.Value) (string, error) {
	var w writer
	for i, v := range docs {
		if i > 0 {
			w.out.WriteString("---\n")
		}
		if err := w.value(v, 0, atRoot); err != nil {
			return "", fault.Wrap(fault.Invalid, err, "cannot encode YAML")
		}
	}
	return w.out.String(), nil
}

// where says what stands before a value on its line.
type where byte

const (
	atRoot    where = iota // nothing
	afterKey               // "key:" or ":"
	afterDash              // "-"
)

type writer struct {
	out   strings.Builder
	depth int
}
