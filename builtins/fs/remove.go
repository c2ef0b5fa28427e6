package fs

import (
	"context"
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def remove(path, recursive = False, missing_ok = False):
    """Removes a file, a link, or a directory.

    Args:
      path: what is removed, relative to the workspace. Of a link, the link.
      recursive: True removes a directory with all that is in it; otherwise it
        has to be empty.
      missing_ok: True makes it no error that there is nothing to remove.

    Returns:
      A struct with path and changed (False when there was nothing to remove).

    Errors:
      not_found when it does not exist, invalid for a directory that is not
      empty, permission when it is out of reach or holds the state directory.

    Example:
      fs.write("cache/a", "1")
      fs.remove("cache", recursive = True).changed
    """`, &remove{}, effect.Exact)

// remove is the effect fs.remove.
type remove struct {
	Path      string `star:"path"`
	Recursive bool   `star:"recursive"`
	MissingOK bool   `star:"missing_ok"`
}

var (
	_ effect.Validator  = (*remove)(nil)
	_ effect.Describer  = (*remove)(nil)
	_ effect.Predictor  = (*remove)(nil)
	_ effect.Toucher    = (*remove)(nil)
	_ effect.Undoer     = (*remove)(nil)
	_ effect.Asker      = (*remove)(nil)
	_ effect.Repeatable = (*remove)(nil)
)

func (r *remove) Validate() error                  { return validPath("path", r.Path) }
func (r *remove) Describe() string                 { return r.Path }
func (r *remove) Touches(env *effect.Env) []string { return touched(env, r.Path) }
func (r *remove) Repeatable() bool                 { return r.MissingOK }

// victim looks at the path and refuses what cannot be removed.
func (r *remove) victim(env *effect.Env) (view, error) {
	p, err := env.Run.Files.Resolve(r.Path)
	if err != nil {
		return view{}, err
	}
	v, err := look(env, p, false)
	switch {
	case err != nil || v.unknown != nil:
		return v, err
	case !v.exists() && !r.MissingOK:
		return v, fault.New(fault.NotFound, "cannot remove %q: it does not exist", r.Path).
			WithHint("pass missing_ok = True if that is fine")
	case p.IsRoot():
		return v, fault.New(fault.Invalid, "cannot remove %q: it is the root of what scripts may reach", r.Path)
	case p.HoldsState():
		return v, fault.New(fault.Permission, "cannot remove %q: the state directory is in it", r.Path)
	case v.kind == directory && !r.Recursive:
		names, err := children(env, v)
		if err == nil && len(names) > 0 {
			err = fault.New(fault.Invalid, "cannot remove %q: it is a directory that is not empty", r.Path).
				WithHint("pass recursive = True to remove all that is in it")
		}
		return v, err
	}
	return v, nil
}

func (r *remove) Perform(_ context.Context, env *effect.Env) (any, error) {
	v, err := r.victim(env)
	if err != nil {
		return nil, err
	}
	if v.kind == directory && !r.Recursive {
		return change{r.Path, true}, v.path.Remove() // empty, or it fails
	}
	return change{r.Path, v.exists()}, discard(env, v.path)
}

func (r *remove) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	v, err := r.victim(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if v.unknown != nil {
		env.Run.Planned.Set(v.path.Resource(), nil)
		return effect.Prediction{Result: v.unknown, Change: effect.Delete}, nil
	}
	if !v.exists() {
		return effect.Prediction{Result: change{r.Path, false}, Change: effect.None}, nil
	}
	pred := effect.Prediction{Result: change{r.Path, true}, Change: effect.Delete}
	switch {
	case v.kind == directory:
		n, err := countFiles(env, v)
		if err != nil {
			return pred, err
		}
		pred.Diff = fmt.Sprintf("directory with %d files\n", n)
	case v.kind == file && v.size <= diffBytes:
		before, err := v.raw()
		if err != nil {
			return pred, err
		}
		pred.Diff = diff(env, r.Path, before, nil)
	}
	return pred, planRemoval(env, v)
}

func countFiles(env *effect.Env, v view) (int, error) {
	if v.kind != directory {
		return 1, nil
	}
	entries, err := children(env, v)
	n := 0
	for _, e := range entries {
		if err != nil {
			break
		}
		var below int
		below, err = countFiles(env, e)
		n += below
	}
	return n, err
}

// planRemoval notes that v and all that is in it will be gone. The entries are
// noted too: the directory may be made anew.
func planRemoval(env *effect.Env, v view) error {
	if v.kind == directory {
		entries, err := children(env, v)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := planRemoval(env, e); err != nil {
				return err
			}
		}
	}
	env.Run.Planned.Set(v.path.Resource(), nil)
	return nil
}

func (r *remove) Remember(_ context.Context, env *effect.Env) (any, error) {
	v, err := r.victim(env) // what is refused is not copied first
	if err != nil {
		return nil, err
	}
	return remember(env, v.path, absent)
}

func (r *remove) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	return undo(env, r.Path, past)
}

func (r *remove) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	return happened(env, r.Path, past, func(changed bool) any { return change{r.Path, changed} })
}
