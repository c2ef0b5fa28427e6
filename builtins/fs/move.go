package fs

import (
	"context"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

var _ = Module.Write(`
def move(source, target, overwrite = False, parents = True):
    """Moves or renames a file, a directory or a link, in one step.

    Args:
      source: what is moved, relative to the workspace.
      target: its new name, in the same granted directory.
      overwrite: True replaces a target that is a file or a link.
      parents: make the directories above the target that are missing.

    Returns:
      A struct with path (the new one) and changed (always True).

    Errors:
      not_found when the source or, with parents = False, the directory of the
      target is missing, exists when the target exists, invalid when the target
      is in the source or in another granted directory.

    Example:
      fs.write("new.conf", "x = 1\\n")
      fs.move("new.conf", "etc/app.conf", overwrite = True).path
    """`, &move{}, effect.Exact)

// move is the effect fs.move.
type move struct {
	Source    string `star:"source"`
	Target    string `star:"target"`
	Overwrite bool   `star:"overwrite"`
	Parents   bool   `star:"parents"`
}

var (
	_ effect.Validator = (*move)(nil)
	_ effect.Describer = (*move)(nil)
	_ effect.Predictor = (*move)(nil)
	_ effect.Toucher   = (*move)(nil)
	_ effect.Undoer    = (*move)(nil)
	_ effect.Asker     = (*move)(nil)
)

// moved is what fs.move remembers: what moves, and what it replaces.
type moved struct {
	Print  string `json:"print"` // fingerprint of the source
	Target memory `json:"target"`
}

func (m *move) Validate() error {
	if err := validPath("source", m.Source); err != nil {
		return err
	}
	return validPath("target", m.Target)
}

func (m *move) Describe() string                 { return m.Source + " -> " + m.Target }
func (m *move) Touches(env *effect.Env) []string { return touched(env, m.Source, m.Target) }

func (m *move) paths(env *effect.Env) (source, target sandbox.Path, err error) {
	if source, err = env.Run.Files.Resolve(m.Source); err != nil {
		return source, target, err
	}
	target, err = env.Run.Files.Resolve(m.Target)
	return source, target, err
}

// ends looks at both ends and refuses what cannot be moved.
func (m *move) ends(env *effect.Env) (from, to view, err error) {
	source, target, err := m.paths(env)
	if err != nil {
		return from, to, err
	}
	if from, err = look(env, source, false); err != nil {
		return from, to, err
	}
	if to, err = look(env, target, false); err != nil {
		return from, to, err
	}
	if from.unknown != nil || to.unknown != nil {
		return from, to, nil
	}
	return from, to, m.refuse(env, from, to)
}

func (m *move) refuse(env *effect.Env, from, to view) error {
	switch {
	case !from.exists():
		return fault.New(fault.NotFound, "cannot move %q: it does not exist", m.Source)
	case from.path.IsRoot():
		return fault.New(fault.Invalid, "cannot move %q: it is the root of what scripts may reach", m.Source)
	case from.path.HoldsState():
		return fault.New(fault.Permission, "cannot move %q: the state directory is in it", m.Source)
	case from.path.Contains(to.path):
		return fault.New(fault.Invalid, "cannot move %q into itself", m.Source)
	case !from.path.SameRoot(to.path):
		return fault.New(fault.Invalid, "cannot move %q to %q: they are in different granted directories", m.Source, m.Target).
			WithHint("use fs.copy, then fs.remove")
	case to.exists() && !m.Overwrite:
		return fault.New(fault.Exists, "cannot move to %q: it exists", m.Target).WithHint("pass overwrite = True to replace it")
	case to.kind == directory || from.kind == directory && to.exists():
		return fault.New(fault.Exists, "cannot move to %q: only a file replaces a file", m.Target).
			WithHint("remove the target first, with fs.remove")
	}
	return needsParent(env, to.path, m.Parents)
}

func (m *move) Perform(_ context.Context, env *effect.Env) (any, error) {
	from, to, err := m.ends(env)
	if err != nil {
		return nil, err
	}
	if m.Parents {
		if err := to.path.Parent().MkdirAll(dirMode); err != nil {
			return nil, err
		}
	}
	return change{m.Target, true}, from.path.Rename(to.path)
}

func (m *move) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	from, to, err := m.ends(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if to.unknown == nil {
		if _, err = planTree(env, from, to.path); err == nil {
			err = planRemoval(env, from)
		}
	}
	return effect.Prediction{Result: change{m.Target, true}, Change: effect.Update, Diff: m.Describe() + "\n"}, err
}

func (m *move) Remember(_ context.Context, env *effect.Env) (any, error) {
	source, target, err := m.paths(env)
	if err != nil {
		return nil, err
	}
	past := moved{}
	if past.Print, err = fingerprint(source); err != nil {
		return nil, err
	}
	replaced, err := remember(env, target, past.Print)
	if err != nil {
		return nil, err
	}
	past.Target = *replaced
	return past, nil
}

// now returns the fingerprints of both ends.
func (m *move) now(env *effect.Env) (source, target string, err error) {
	from, to, err := m.paths(env)
	if err != nil {
		return "", "", err
	}
	if source, err = fingerprint(from); err != nil {
		return "", "", err
	}
	target, err = fingerprint(to)
	return source, target, err
}

func (m *move) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var was moved
	if err := past.Remembered(&was); err != nil {
		return err
	}
	source, target, err := m.now(env)
	if err != nil {
		return err
	}
	from, to, err := m.paths(env)
	if err != nil {
		return err
	}
	switch {
	case source == absent && target == was.Print:
		if err := to.Rename(from); err != nil {
			return err
		}
	case source == was.Print && (target == was.Target.Was || target == absent):
	default:
		return changedSince(m.Target)
	}
	if was.Target.Was != absent {
		if err := was.Target.replace(env, to); err != nil {
			return err
		}
	}
	return env.Run.Files.RemoveEmpty(was.Target.Made)
}

// replace puts back what a move has replaced.
func (m *memory) replace(env *effect.Env, p sandbox.Path) error {
	now, err := fingerprint(p)
	if err != nil || now == m.Was {
		return err
	}
	return m.Before.restore(env, p)
}

func (m *move) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var was moved
	if err := past.Remembered(&was); err != nil {
		return effect.Answer{}, err
	}
	source, target, err := m.now(env)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case source == absent && target == was.Print:
		return effect.Answer{Happened: effect.Yes, Result: change{m.Target, true}, Why: "it is at its new place"}, nil
	case source == was.Print && target == was.Target.Was:
		return effect.Answer{Happened: effect.No, Why: "it is at its old place"}, nil
	}
	return effect.Answer{Why: "it is neither at its old place nor at its new one, as it was"}, nil
}
