package json

import (
	"fmt"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
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
	v, err := decodeText(doc)
	if err != nil && d.Default != starlark.None {
		return d.Default, nil
	}
	return v, err
}

func decodeText(doc value.Document) (starlark.Value, error) {
	if len(doc.Text) > maxSize {
		return nil, fault.New(fault.Invalid, "cannot decode JSON: the text is larger than %d MiB", maxSize>>20)
	}
	s := scanner{doc: doc, text: doc.Text}
	v, bad := s.document()
	if bad == nil {
		return v, nil
	}
	line, column := position(s.text, bad.pos)
	msg := fmt.Sprintf("line %d, column %d: %s", line, column, bad.text)
	if bad.path.Path != "" && !doc.Secret {
		msg += " in " + (&value.Misfit{Path: bad.path.Path}).Error()
	}
	e := fault.New(fault.Invalid, "cannot decode JSON: %s", msg)
	if bad.pos < len(s.text) && value.HasMarker(s.text[bad.pos:min(bad.pos+4, len(s.text))]) {
		e.WithHint("a secret stands there; within a document it needs quotes around it")
	}
	return nil, e
}

// position returns the line and the column, in characters, of a byte.
func position(text string, pos int) (line, column int) {
	line, start := 1, 0
	for i := range pos {
		if text[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	return line, utf8.RuneCountInString(text[start:pos]) + 1
}
