package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def match(pattern, path):
    """Tells whether a path fits a pattern, all of it.

    Args:
      pattern: * stands for any text and ? for any character, but neither for a
        slash; [a-z] stands for one of these characters, [^a-z] for none of them;
        \\ takes the next character as it is.
      path: a path.

    Returns:
      True or False.

    Errors:
      invalid: the pattern has an error.

    Example:
      path.match("*.conf", "nginx.conf")
    """`, &match{})

// match is the function path.match.
type match struct {
	Pattern string `star:"pattern"`
	Path    string `star:"path"`
}

func (m *match) Compute(*effect.Env) (any, error) {
	ok, err := gopath.Match(m.Pattern, m.Path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the pattern %q has an error", m.Pattern).
			WithHint("every [ needs its ], and every \\ a character after it")
	}
	return ok, nil
}
