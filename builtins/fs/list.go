package fs

import (
	"context"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def list(path = "."):
    """Lists a directory.

    Args:
      path: directory, relative to the workspace.

    Returns:
      A list, sorted by name, of structs with name, path (usable in the other
      functions), type ("file", "directory", "link" or "other") and size (in
      bytes, 0 for all but files).

    Errors:
      not_found when it does not exist, invalid when it is no directory,
      permission when it is out of reach.

    Example:
      [e.name for e in fs.list() if e.type == "file"]
    """`, &list{})

// list is the effect fs.list.
type list struct {
	Path string `star:"path"`
}

// entry is one of what fs.list returns.
type entry struct {
	Name string `star:"name"`
	Path string `star:"path"`
	Type string `star:"type"`
	Size int64  `star:"size"`
}

var (
	_ effect.Validator = (*list)(nil)
	_ effect.Describer = (*list)(nil)
)

func (l *list) Validate() error  { return validPath("path", l.Path) }
func (l *list) Describe() string { return l.Path }

func (l *list) Looks(env *effect.Env) []string { return touched(env, l.Path) }

func (l *list) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(l.Path)
	if err != nil {
		return nil, err
	}
	dir, err := look(env, p, true)
	switch {
	case err != nil:
		return nil, err
	case dir.unknown != nil:
		return dir.unknown, nil
	case !dir.exists():
		return nil, fault.New(fault.NotFound, "cannot list %q: no such directory", l.Path)
	case dir.kind != directory:
		return nil, fault.New(fault.Invalid, "cannot list %q: it is a %s, not a directory", l.Path, dir.kind)
	}
	found, err := children(env, dir)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, len(found))
	for i, v := range found {
		if v.unknown != nil {
			return v.unknown, nil // nor is it known whether it will be there
		}
		entries[i] = entry{Name: v.name(), Path: v.path.Name, Type: v.kind}
		if v.kind == file {
			entries[i].Size = v.size
		}
	}
	return entries, nil
}
