package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def dir(path):
    """Returns a path without its last part.

    Args:
      path: a path.

    Returns:
      A string, cleaned; "." when nothing is left.

    Example:
      path.dir("/etc/nginx/nginx.conf")
    """`, &dir{})

// dir is the function path.dir.
type dir struct {
	Path string `star:"path"`
}

func (d *dir) Compute(*effect.Env) (any, error) { return gopath.Dir(d.Path), nil }
