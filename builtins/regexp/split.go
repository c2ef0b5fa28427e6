package regexp

import (
	"regexp"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def split(pattern, text, count = 0):
    """Returns the parts of a text between what the pattern matches.

    Args:
      pattern (string): the regular expression of the separators.
      text (string): what to split.
      count (int): how many parts at most, the last with all that is left; 0
        for all.

    Returns:
      A list of strings.

    Errors:
      invalid: the pattern is not a regular expression.

    Example:
      regexp.split(" *, *", "a , b,c")  # ["a", "b", "c"]
    """`, &split{})

// split is the function regexp.split.
type split struct {
	Pattern string `star:"pattern"`
	Text    string `star:"text"`
	Count   int    `star:"count"`
}

func (s *split) Compute(*effect.Env) (any, error) {
	re, err := compile(s.Pattern)
	if err != nil {
		return nil, err
	}
	return re.Split(s.Text, limit(s.Count)), nil
}

var _ = Module.Pure(`
def escape(text):
    """Returns the pattern that matches exactly a text.

    Args:
      text (string): what to match.

    Returns:
      The text with a backslash before each character that is special.

    Errors:
      None of its own.

    Example:
      regexp.escape("a.b")  # "a\\\\.b"
    """`, &escape{})

// escape is the function regexp.escape.
type escape struct {
	Text string `star:"text"`
}

func (e *escape) Compute(*effect.Env) (any, error) { return regexp.QuoteMeta(e.Text), nil }
