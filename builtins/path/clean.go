package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def clean(path):
    """Returns the shortest path that means the same.

    Links are not looked at: "a/../b" becomes "b".

    Args:
      path: a path.

    Returns:
      A string; "." for an empty path.

    Example:
      path.clean("a//b/../c/")
    """`, &clean{})

// clean is the function path.clean.
type clean struct {
	Path string `star:"path"`
}

func (c *clean) Compute(*effect.Env) (any, error) { return gopath.Clean(c.Path), nil }
