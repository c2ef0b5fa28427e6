package yaml

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
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

func decodeAllText(secrets *value.Secrets, text string) (docs []starlark.Value, err error) {
	doc, err := secrets.Document(text, "yaml")
	if err != nil {
		return nil, err
	}
	if len(doc.Text) > maxSize {
		return nil, invalid("the text is larger than %d MiB", maxSize>>20)
	}
	defer func() {
		// The library panics on what it takes for its own defects. A text from
		// outside must not end the program.
		if recover() != nil {
			docs, err = nil, invalid("not valid YAML")
		}
	}()
	b := builder{doc: doc, open: map[*yaml.Node]bool{}}
	dec := yaml.NewDecoder(strings.NewReader(doc.Text))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return nil, invalid("%s", problem(err, doc.Text))
		}
		v, err := b.value(&n)
		if err != nil {
			return nil, err
		}
		docs = append(docs, v)
	}
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "cannot decode YAML: %s", fmt.Sprintf(format, args...))
}

var (
	withLine = regexp.MustCompile("^line ([0-9]+): (.*)$")
	// Messages of the library's parser, as opposed to its scanner. It counts
	// their lines from 0.
	ofParser = regexp.MustCompile(`^(did not find expected (<|key|'-'|',' or|node content)|found (undefined tag handle|duplicate %|incompatible))`)
)

// problem is the message of a syntax error, with the right line and without
// what it cites of the text.
func problem(err error, text string) string {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := withLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		if msg = m[2]; ofParser.MatchString(msg) {
			line++
		}
		line = min(line, strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1) // the end counts as one more
	}
	switch {
	case strings.HasPrefix(msg, "unknown anchor"):
		return "an alias refers to an anchor that is not defined before it"
	case strings.Contains(msg, "octet") || strings.Contains(msg, "control characters") || strings.Contains(msg, "Unicode"):
		return msg // found before lines are counted
	case strings.ContainsAny(msg, "\x60\n"):
		msg = "not valid YAML"
	}
	return fmt.Sprintf("line %d: %s", line, msg)
}
