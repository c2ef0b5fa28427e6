package secret

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def list(prefix = ""):
    """Returns the names of the secrets that the workspace keeps.

    Args:
      prefix: only those whose name begins with it.

    Returns:
      A list of strings, sorted.

    Example:
      secret.list("db/")
    """`, &list{})

// list is the effect secret.list.
type list struct {
	Prefix string `star:"prefix"`
}

// Looks says that it sees what a plan puts and removes.
func (l *list) Looks(*effect.Env) []string { return []string{resource(l.Prefix)} }

func (l *list) Perform(_ context.Context, env *effect.Env) (any, error) {
	names := map[string]bool{}
	err := fs.WalkDir(os.DirFS(dir(env)), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && checkName(name) == nil {
			names[name] = true
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Failed, err, "cannot list the secrets")
	}
	if env.Run.Check {
		env.Run.Planned.Range(func(resource string, v starlark.Value) {
			if name, ok := strings.CutPrefix(resource, "secret:"); ok {
				names[name] = v != nil
			}
		})
	}
	maps.DeleteFunc(names, func(name string, there bool) bool { return !there || !strings.HasPrefix(name, l.Prefix) })
	return append([]string{}, slices.Sorted(maps.Keys(names))...), nil
}
