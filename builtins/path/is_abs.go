package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def is_abs(path):
    """Tells whether a path is absolute: it begins with a slash.

    Args:
      path: a path.

    Returns:
      True or False.

    Example:
      path.is_abs("etc/hosts")
    """`, &isAbs{})

// isAbs is the function path.is_abs.
type isAbs struct {
	Path string `star:"path"`
}

func (i *isAbs) Compute(*effect.Env) (any, error) { return gopath.IsAbs(i.Path), nil }
