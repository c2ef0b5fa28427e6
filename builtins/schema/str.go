package schema

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

var _ = Module.Pure(`
def str(*, min = None, max = None, pattern = "", expect = "", format = "", secret = False):
    """Returns the type of strings.

    Args:
      min: how many characters there must be at least; for the formats duration and
        bytes the least one, such as "1s".
      max: the opposite of min.
      pattern: regular expression, RE2, that the whole string has to match.
      expect: what the pattern stands for, in words, for errors: "a name such as web-1".
      format: what the string has to be: bytes ("512mb", "10Gi"), cidr, duration
        ("1h30m"), hostname, ip, name (as of servers), path (absolute), semver, or url.
      secret: the value becomes a secret, which nothing shows.

    Returns:
      A type.

    Errors:
      invalid: the pattern is none, there is no such format, or the default does not
      fit.

    Example:
      schema.str(format = "duration", max = "1h")("90s")  # "90s"
    """`, &str{})

// str is the function schema.str.
type str struct {
	options
	Min     starlark.Value `star:"min"`
	Max     starlark.Value `star:"max"`
	Pattern string         `star:"pattern"`
	Expect  string         `star:"expect"`
	Format  string         `star:"format"`
	Secret  bool           `star:"secret"`
}

func (s *str) Compute(env *effect.Env) (any, error) {
	return s.make(env, &schema.Text{Min: s.Min, Max: s.Max, Pattern: s.Pattern, Expect: s.Expect, Format: s.Format, Secret: s.Secret})
}
