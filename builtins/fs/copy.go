package fs

import (
	"context"
	"io/fs"
	"path/filepath"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

var _ = Module.Write(`
def copy(source, target, recursive = False, parents = True):
    """Copies a file, or a directory with all that is in it.

    A target file is replaced. A target directory has to be the same already, or
    not to exist. Modes are copied; links within a directory stay links.

    Args:
      source: file, or directory with recursive = True, relative to the workspace.
      target: where the copy goes; its own name, not the directory around it.
      recursive: True lets directories be copied.
      parents: make the directories above the target that are missing.

    Returns:
      A struct with path (of the target) and changed (False when the target is
      the same already).

    Errors:
      not_found when the source or, with parents = False, the directory of the
      target is missing, exists when the target is another directory, invalid
      for a directory without recursive = True.

    Example:
      fs.write("a.conf", "x = 1\\n")
      fs.copy("a.conf", "backup/a.conf").changed
    """`, &copyTo{}, effect.Exact)

// copyTo is the effect fs.copy.
type copyTo struct {
	Source    string `star:"source"`
	Target    string `star:"target"`
	Recursive bool   `star:"recursive"`
	Parents   bool   `star:"parents"`
}

var (
	_ effect.Validator  = (*copyTo)(nil)
	_ effect.Describer  = (*copyTo)(nil)
	_ effect.Predictor  = (*copyTo)(nil)
	_ effect.Toucher    = (*copyTo)(nil)
	_ effect.Undoer     = (*copyTo)(nil)
	_ effect.Asker      = (*copyTo)(nil)
	_ effect.Repeatable = (*copyTo)(nil)
)

func (c *copyTo) Validate() error {
	if err := validPath("source", c.Source); err != nil {
		return err
	}
	return validPath("target", c.Target)
}

func (c *copyTo) Describe() string                 { return c.Source + " -> " + c.Target }
func (c *copyTo) Touches(env *effect.Env) []string { return touched(env, c.Target) }
func (c *copyTo) Looks(env *effect.Env) []string   { return touched(env, c.Source) }
func (c *copyTo) Repeatable() bool                 { return true }

// ends looks at both ends and refuses what cannot be copied.
func (c *copyTo) ends(env *effect.Env) (from, to view, err error) {
	source, err := env.Run.Files.Resolve(c.Source)
	if err != nil {
		return from, to, err
	}
	target, err := env.Run.Files.Resolve(c.Target)
	if err != nil {
		return from, to, err
	}
	if from, err = look(env, source, true); err != nil {
		return from, to, err
	}
	if to, err = look(env, target, false); err != nil {
		return from, to, err
	}
	if from.unknown != nil || to.unknown != nil {
		return from, to, nil
	}
	switch {
	case from.kind == directory && !c.Recursive:
		err = fault.New(fault.Invalid, "cannot copy %q: it is a directory", c.Source).WithHint("pass recursive = True")
	case from.kind == directory && source.Contains(target) && source.Abs != target.Abs:
		err = fault.New(fault.Invalid, "cannot copy %q into itself", c.Source)
	case from.kind != directory:
		err = from.mustBeFile("copy")
		if err == nil && to.kind == directory {
			err = fault.New(fault.Invalid, "cannot copy to %q: it is a directory", c.Target).
				WithHint("name the file in it: %s", to.path.Child(filepath.Base(source.Abs)).Name)
		}
	}
	if err != nil {
		return from, to, err
	}
	return from, to, needsParent(env, target, c.Parents)
}

// print is the fingerprint that the copy will have.
func (c *copyTo) print(from view) (string, error) {
	if from.kind == directory {
		sum, err := dirSum(from.path)
		return printOf(directory, from.mode, sum), err
	}
	sum, err := fileSum(from.path)
	return printOf(file, from.mode, sum), err
}

func (c *copyTo) Perform(ctx context.Context, env *effect.Env) (any, error) {
	from, to, err := c.ends(env)
	if err != nil {
		return nil, err
	}
	will, err := c.print(from)
	if err != nil {
		return nil, err
	}
	if is, err := fingerprint(to.path); err != nil || is == will {
		return change{c.Target, false}, err
	}
	if c.Parents {
		if err := to.path.Parent().MkdirAll(dirMode); err != nil {
			return nil, err
		}
	}
	if from.kind == file {
		return change{c.Target, true}, copyFile(from.path, to.path, scratch(env, to.path, "new"), from.mode)
	}
	if to.exists() {
		return nil, c.targetExists()
	}
	fresh := scratch(env, to.path, "new") // so that a crash leaves no half under the name
	if err := clear(fresh); err != nil {
		return nil, err
	}
	if err := copyTree(ctx, from.path, fresh, from.mode); err != nil {
		_ = clear(fresh) // the first error is the one to report
		return nil, err
	}
	return change{c.Target, true}, fresh.Rename(to.path)
}

func (c *copyTo) targetExists() error {
	return fault.New(fault.Exists, "cannot copy to %q: it exists and is different", c.Target).
		WithHint("remove it first, with fs.remove")
}

func copyFile(from, to, via sandbox.Path, mode fs.FileMode) error {
	f, err := from.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	return to.WriteVia(via, f, mode)
}

func copyTree(ctx context.Context, from, to sandbox.Path, mode fs.FileMode) error {
	if err := to.Mkdir(0o700); err != nil {
		return err
	}
	entries, err := from.ReadDir()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyEntry(ctx, from.Child(e.Name()), to.Child(e.Name())); err != nil {
			return err
		}
	}
	return to.Chmod(mode) // last: it may forbid to add entries
}

func copyEntry(ctx context.Context, from, to sandbox.Path) error {
	v, err := lookAtDisk(from, false)
	if err != nil {
		return err
	}
	switch v.kind {
	case directory:
		return copyTree(ctx, from, to, v.mode)
	case link:
		target, err := from.Readlink()
		if err != nil {
			return err
		}
		return to.Symlink(target)
	}
	if err := v.mustBeFile("copy"); err != nil {
		return err
	}
	return copyFile(from, to, to, v.mode)
}

func (c *copyTo) Remember(_ context.Context, env *effect.Env) (any, error) {
	from, to, err := c.ends(env)
	if err != nil {
		return nil, err
	}
	will, err := c.print(from)
	if err != nil {
		return nil, err
	}
	return remember(env, to.path, will)
}

func (c *copyTo) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	return undo(env, c.Target, past)
}

func (c *copyTo) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	return happened(env, c.Target, past, func(changed bool) any { return change{c.Target, changed} })
}
