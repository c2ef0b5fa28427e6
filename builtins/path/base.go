package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def base(path):
    """Returns the last part of a path.

    Args:
      path: a path; slashes at its end do not count.

    Returns:
      A string; "." for an empty path, "/" for the root.

    Example:
      path.base("/etc/nginx/nginx.conf")
    """`, &base{})

// base is the function path.base.
type base struct {
	Path string `star:"path"`
}

func (b *base) Compute(*effect.Env) (any, error) { return gopath.Base(b.Path), nil }
