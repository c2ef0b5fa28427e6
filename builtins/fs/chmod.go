package fs

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def chmod(path, mode):
    """Changes the permissions of a file or directory.

    Args:
      path: file or directory, relative to the workspace; not a link.
      mode: permissions as an int, such as 0o600.

    Returns:
      A struct with path and changed (False when it had the mode already).

    Errors:
      not_found when it does not exist, invalid when it is a link or the mode is
      none, permission when it is out of reach or belongs to someone else.

    Example:
      fs.write("run.sh", "#!/bin/sh\\n")
      fs.chmod("run.sh", 0o755).changed
    """`, &chmod{}, effect.Exact)

// chmod is the effect fs.chmod.
type chmod struct {
	Path string `star:"path"`
	Mode int    `star:"mode"`
}

var (
	_ effect.Validator  = (*chmod)(nil)
	_ effect.Describer  = (*chmod)(nil)
	_ effect.Predictor  = (*chmod)(nil)
	_ effect.Toucher    = (*chmod)(nil)
	_ effect.Undoer     = (*chmod)(nil)
	_ effect.Asker      = (*chmod)(nil)
	_ effect.Repeatable = (*chmod)(nil)
)

// hadMode is what fs.chmod remembers.
type hadMode struct {
	Mode uint32 `json:"mode"`
}

func (c *chmod) Validate() error {
	if err := validMode(c.Mode); err != nil {
		return err
	}
	return validPath("path", c.Path)
}

func (c *chmod) Describe() string                 { return fmt.Sprintf("%s to 0o%03o", c.Path, c.Mode) }
func (c *chmod) Touches(env *effect.Env) []string { return touched(env, c.Path) }
func (c *chmod) Repeatable() bool                 { return true }

func (c *chmod) subject(env *effect.Env) (view, error) {
	p, err := env.Run.Files.Resolve(c.Path)
	if err != nil {
		return view{}, err
	}
	v, err := look(env, p, false)
	switch {
	case err != nil || v.unknown != nil:
		return v, err
	case !v.exists():
		return v, fault.New(fault.NotFound, "cannot change the mode of %q: it does not exist", c.Path)
	case v.kind == link:
		return v, fault.New(fault.Invalid, "cannot change the mode of %q: it is a link", c.Path).
			WithHint("name what the link leads to; fs.stat(path).target says it")
	}
	return v, nil
}

func (c *chmod) Perform(_ context.Context, env *effect.Env) (any, error) {
	v, err := c.subject(env)
	if err != nil || v.mode == fs.FileMode(c.Mode) {
		return change{c.Path, false}, err
	}
	return change{c.Path, true}, v.path.Chmod(fs.FileMode(c.Mode))
}

func (c *chmod) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	v, err := c.subject(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if v.unknown != nil {
		return effect.Prediction{Result: v.unknown, Change: effect.Update}, nil
	}
	if v.mode == fs.FileMode(c.Mode) {
		return effect.Prediction{Result: change{c.Path, false}, Change: effect.None}, nil
	}
	planMode(env, v.path, fs.FileMode(c.Mode))
	return effect.Prediction{
		Result: change{c.Path, true}, Change: effect.Update, Diff: modeDiff(v.mode, c.Mode),
	}, nil
}

func modeDiff(before fs.FileMode, after int) string {
	return fmt.Sprintf("mode 0o%03o -> 0o%03o\n", before, after)
}

func (c *chmod) Remember(_ context.Context, env *effect.Env) (any, error) {
	v, err := c.subject(env)
	return hadMode{uint32(v.mode)}, err
}

// then returns what is there now, and the mode that was before.
func (c *chmod) then(env *effect.Env, past effect.Past) (now view, before fs.FileMode, err error) {
	var was hadMode
	if err := past.Remembered(&was); err != nil {
		return view{}, 0, err
	}
	p, err := env.Run.Files.Resolve(c.Path)
	if err != nil {
		return view{}, 0, err
	}
	now, err = lookAtDisk(p, false)
	return now, fs.FileMode(was.Mode), err
}

func (c *chmod) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	now, before, err := c.then(env, past)
	switch {
	case err != nil || before == fs.FileMode(c.Mode):
		return err
	case !now.exists() || now.kind == link:
		return changedSince(c.Path)
	case now.mode == before:
		return nil
	case now.mode != fs.FileMode(c.Mode):
		return changedSince(c.Path)
	}
	return now.path.Chmod(before)
}

func (c *chmod) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	now, before, err := c.then(env, past)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case !now.exists():
		return effect.Answer{Why: "it does not exist any more"}, nil
	case now.mode == fs.FileMode(c.Mode):
		return effect.Answer{Happened: effect.Yes, Result: change{c.Path, before != now.mode}, Why: "it has the mode"}, nil
	case now.mode == before:
		return effect.Answer{Happened: effect.No, Why: "it has the mode that it had before"}, nil
	}
	return effect.Answer{Why: fmt.Sprintf("it has the mode 0o%03o", now.mode)}, nil
}
