package regexp

import (
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

const maxSize = 64 << 20 // bytes of a result

var _ = Module.Pure(`
def replace(pattern, replacement, text, count = 0):
    """Returns a text with what the pattern matches replaced.

    Args:
      pattern (string): the regular expression.
      replacement (string): what takes its place. ${1} or $1 stands for what the
        first group matched, ${name} for a named one, $$ for a dollar sign.
      text (string): where to look.
      count (int): how many to replace at most; 0 for all.

    Returns:
      The new text.

    Errors:
      invalid: the pattern is not a regular expression.

    Example:
      regexp.replace("([a-z]+)@([a-z]+)", "${2} at ${1}", "joe@web")  # "web at joe"
      regexp.replace("a", "b", "aaa", count = 1)  # "baa"
    """`, &replace{})

// replace is the function regexp.replace.
type replace struct {
	Pattern     string `star:"pattern"`
	Replacement string `star:"replacement"`
	Text        string `star:"text"`
	Count       int    `star:"count"`
}

func (r *replace) Compute(*effect.Env) (any, error) {
	re, err := compile(r.Pattern)
	if err != nil {
		return nil, err
	}
	var out []byte
	done := 0
	for _, at := range re.FindAllStringSubmatchIndex(r.Text, limit(r.Count)) {
		out = append(out, r.Text[done:at[0]]...)
		out = re.ExpandString(out, r.Replacement, r.Text, at)
		if done = at[1]; len(out) > maxSize {
			return nil, fault.New(fault.Invalid, "cannot replace: the text is larger than %d MiB", maxSize>>20)
		}
	}
	return string(append(out, r.Text[done:]...)), nil
}
