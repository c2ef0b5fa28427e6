package path

import (
	gopath "path"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def split(path):
    """Takes the last part off a path.

    Args:
      path: a path.

    Returns:
      A tuple of two strings: what is before the last slash, with the slash, and
      what is after it. Together they are the path.

    Example:
      folder, name = path.split("/etc/hosts")
    """`, &split{})

// split is the function path.split.
type split struct {
	Path string `star:"path"`
}

func (s *split) Compute(*effect.Env) (any, error) {
	dir, base := gopath.Split(s.Path)
	return starlark.Tuple{starlark.String(dir), starlark.String(base)}, nil
}
