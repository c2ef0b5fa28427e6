package fs

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def exists(path):
    """Tells whether there is a file, a directory or anything else of that name.

    Args:
      path: name, relative to the workspace. A link counts when it leads to
        something.

    Returns:
      True or False.

    Errors:
      permission when it is out of reach.

    Example:
      fs.exists("out/app.conf")
    """`, &exists{})

// exists is the effect fs.exists.
type exists struct {
	Path string `star:"path"`
}

var (
	_ effect.Validator = (*exists)(nil)
	_ effect.Describer = (*exists)(nil)
)

func (e *exists) Validate() error  { return validPath("path", e.Path) }
func (e *exists) Describe() string { return e.Path }

func (e *exists) Looks(env *effect.Env) []string { return touched(env, e.Path) }

func (e *exists) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(e.Path)
	if err != nil {
		return nil, err
	}
	v, err := look(env, p, true)
	if v.unknown != nil {
		return v.unknown, nil
	}
	return v.exists(), err
}
