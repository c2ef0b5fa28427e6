package fs

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Read(`
def stat(path, follow = False):
    """Looks at a file without reading it.

    Args:
      path: name, relative to the workspace. It need not exist.
      follow: True looks at what a link leads to instead of the link.

    Returns:
      A struct with exists, type ("file", "directory", "link", "other" or
      "absent"), size (in bytes, 0 for all but files), mode (permissions, an
      int), mtime (time of the last change, None when absent) and target (what
      a link leads to, "" otherwise).

    Errors:
      permission when it is out of reach.

    Example:
      fs.write("key.pem", "x", mode = 0o600)
      fs.stat("key.pem").mode == 0o600
    """`, &stat{})

// stat is the effect fs.stat.
type stat struct {
	Path   string `star:"path"`
	Follow bool   `star:"follow"`
}

// info is what fs.stat returns.
type info struct {
	Exists bool           `star:"exists"`
	Type   string         `star:"type"`
	Size   int64          `star:"size"`
	Mode   int            `star:"mode"`
	Mtime  starlark.Value `star:"mtime"`
	Target string         `star:"target"`
}

var (
	_ effect.Validator = (*stat)(nil)
	_ effect.Describer = (*stat)(nil)
)

func (s *stat) Validate() error  { return validPath("path", s.Path) }
func (s *stat) Describe() string { return s.Path }

func (s *stat) Looks(env *effect.Env) []string { return touched(env, s.Path) }

func (s *stat) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(s.Path)
	if err != nil {
		return nil, err
	}
	v, err := look(env, p, s.Follow)
	if err != nil {
		return nil, err
	}
	if v.unknown != nil {
		return v.unknown, nil
	}
	i := info{Exists: v.exists(), Type: v.kind, Mode: int(v.mode), Mtime: starlark.None}
	switch {
	case !v.exists():
	case v.mtime.IsZero():
		i.Mtime = value.NewUnknown("fs.stat(%q).mtime", s.Path)
	default:
		i.Mtime = value.Of(v.mtime)
	}
	if v.kind == file {
		i.Size = v.size
	}
	if v.kind == link {
		i.Target, err = p.Readlink()
	}
	return i, err
}
