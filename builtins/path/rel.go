package path

import (
	"path/filepath"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def rel(path, base):
    """Returns the path that leads from a directory to another path.

    Args:
      path: where to go.
      base: the directory to start from; absolute if path is, relative if not.

    Returns:
      A string.

    Errors:
      invalid: only one of the two is absolute, or base begins with more ".." than
        path does.

    Example:
      path.rel("/srv/www/a", "/srv/data")
    """`, &rel{})

// rel is the function path.rel.
type rel struct {
	Path string `star:"path"`
	Base string `star:"base"`
}

func (r *rel) Compute(*effect.Env) (any, error) {
	way, err := filepath.Rel(r.Base, r.Path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "no path leads from %q to %q", r.Base, r.Path).
			WithHint("both have to be absolute, or both relative")
	}
	return way, nil
}
