package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def ext(path):
    """Returns the extension of a path, with its dot.

    Args:
      path: a path. A dot at the beginning of its last part begins no extension.

    Returns:
      A string such as ".gz"; empty when there is none.

    Example:
      path.ext("backup.tar.gz")
    """`, &extension{})

// extension is the function path.ext.
type extension struct {
	Path string `star:"path"`
}

func (e *extension) Compute(*effect.Env) (any, error) {
	_, ext := splitExt(gopath.Base(e.Path))
	return ext, nil
}
