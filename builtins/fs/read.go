package fs

import (
	"context"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def read(path, binary = False, limit = 67108864):
    """Reads a file.

    Args:
      path: file, relative to the workspace.
      binary: True gives the content as bytes; otherwise it has to be UTF-8 text.
      limit: largest size that is read, in bytes; 0 for any.

    Returns:
      The content, a string, or bytes with binary = True.

    Errors:
      not_found when there is no such file, invalid when it is a directory or is
      no text, limit when it is too large, permission when it is out of reach.

    Example:
      fs.write("motd.txt", "welcome\\n")
      fs.read("motd.txt").strip()
    """`, &read{})

// read is the effect fs.read.
type read struct {
	Path   string `star:"path"`
	Binary bool   `star:"binary"`
	Limit  int    `star:"limit,tuning"`
}

var (
	_ effect.Validator = (*read)(nil)
	_ effect.Describer = (*read)(nil)
)

func (r *read) Validate() error {
	if r.Limit < 0 {
		return fault.New(fault.Invalid, "the limit %d is negative", r.Limit).WithHint("0 means no limit")
	}
	return validPath("path", r.Path)
}

func (r *read) Describe() string { return r.Path }

func (r *read) Looks(env *effect.Env) []string { return touched(env, r.Path) }

func (r *read) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(r.Path)
	if err != nil {
		return nil, err
	}
	v, err := look(env, p, true)
	if err != nil {
		return nil, err
	}
	if v.unknown != nil {
		return v.unknown, nil
	}
	data, err := v.content(env, int64(r.Limit))
	if err != nil {
		return nil, err
	}
	if r.Binary {
		return data, nil
	}
	if text, ok := v.planned.(starlark.String); ok {
		return text, nil // as it was written, so that secrets stay markers
	}
	if !utf8.Valid(data) {
		return nil, fault.New(fault.Invalid, "cannot read %q as text: it is not UTF-8", r.Path).
			WithHint("pass binary = True for bytes")
	}
	return string(data), nil
}
