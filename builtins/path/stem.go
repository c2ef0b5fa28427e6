package path

import (
	gopath "path"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def stem(path):
    """Returns the last part of a path without its extension.

    Args:
      path: a path.

    Returns:
      A string.

    Example:
      path.stem("/srv/backup.tar.gz")
    """`, &stem{})

// stem is the function path.stem.
type stem struct {
	Path string `star:"path"`
}

func (s *stem) Compute(*effect.Env) (any, error) {
	stem, _ := splitExt(gopath.Base(s.Path))
	return stem, nil
}
