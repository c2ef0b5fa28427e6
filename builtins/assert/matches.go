package assert

import (
	"regexp"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def matches(text, pattern, message = ""):
    """Fails unless a regular expression matches somewhere in a text.

    Args:
      text: string.
      pattern: regular expression, in the syntax of module regexp; "^" and "$" tie
        it to the beginning and the end.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it does not match.
      invalid: the pattern is not valid.
    Example:
      assert.matches("web-17", "^web-[0-9]+$")
    """`, &matches{})

type matches struct {
	Text    string `star:"text"`
	Pattern string `star:"pattern"`
	Message string `star:"message"`
}

func (m *matches) Compute(*effect.Env) (any, error) {
	re, err := compile(m.Pattern)
	if err != nil || re.MatchString(m.Text) {
		return nil, err
	}
	return nil, failed(m.Message, "%s does not match %s", show(starlark.String(m.Text)), show(starlark.String(m.Pattern)))
}

func compile(pattern string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%v", err)
	}
	return re, nil
}
