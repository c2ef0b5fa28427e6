package random

import (
	"context"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def text(length, alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"):
    """Returns a random text.

    Its result is shown and stored like any other; for passwords use
    secret.generate.

    Args:
      length: number of characters, 100000 at most.
      alphabet: the characters to choose from.

    Returns:
      A string.

    Errors:
      invalid: the length is out of range, or the alphabet empty.

    Example:
      "web-" + random.text(6)
    """`, &text{})

// text is the effect random.text.
type text struct {
	Length   int    `star:"length"`
	Alphabet string `star:"alphabet"`
}

var _ effect.Validator = (*text)(nil)

func (t *text) Validate() error {
	if t.Alphabet == "" {
		return fault.New(fault.Invalid, "the alphabet is empty")
	}
	return checkSize("length", t.Length, maxItems)
}

func (*text) Volatile() {}

func (t *text) Perform(context.Context, *effect.Env) (any, error) {
	letters := []rune(t.Alphabet)
	var b strings.Builder
	for range t.Length {
		b.WriteRune(letters[below(len(letters))])
	}
	return b.String(), nil
}
