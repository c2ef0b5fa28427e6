package toml

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
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
	return decodeText(doc)
}

func decodeText(doc value.Document) (v starlark.Value, err error) {
	if len(doc.Text) > maxSize {
		return nil, fault.New(fault.Invalid, "cannot decode TOML: the text is larger than %d MiB", maxSize>>20)
	}
	defer func() {
		// The library panics on what it takes for its own defects. A text from
		// outside must not end the program.
		if recover() != nil {
			v, err = nil, fault.New(fault.Invalid, "cannot decode TOML: not valid TOML")
		}
	}()
	b := builder{doc: doc, root: new(starlark.Dict)}
	if err := b.build(); err != nil {
		return nil, err
	}
	var checked map[string]any
	if err := toml.Unmarshal([]byte(doc.Text), &checked); err != nil {
		return nil, b.refused(err)
	}
	return b.root, nil
}

// refused tells why the library's decoder took a document that was well formed
// for wrong: something is defined where the rules do not allow it.
func (b *builder) refused(err error) error {
	msg := strings.TrimPrefix(err.Error(), "toml: ")
	if b.doc.Secret || len(msg) > 200 || strings.Contains(msg, "\n") {
		msg = "something is defined twice, or where it cannot be"
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, column := at.Position()
		msg = fmt.Sprintf("line %d, column %d: %s", line, column, msg)
	}
	return fault.New(fault.Invalid, "cannot decode TOML: %s", msg)
}

// failAt reports a mistake at a byte of the document.
func (b *builder) failAt(pos int, format string, args ...any) error {
	before := b.doc.Text[:min(pos, len(b.doc.Text))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return fault.New(fault.Invalid, "cannot decode TOML: line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

// syntaxError reports what the parser found.
func (b *builder) syntaxError(err error) error {
	var at *unstable.ParserError
	if !errors.As(err, &at) {
		return fault.New(fault.Invalid, "cannot decode TOML: not valid TOML")
	}
	pos := int(b.parser.Range(at.Highlight).Offset)
	if value.HasMarker(b.doc.Text[pos:min(pos+4, len(b.doc.Text))]) {
		return b.failAt(pos, "a secret stands there; within a document it needs quotes around it")
	}
	return b.failAt(pos, "%s", at.Message)
}
