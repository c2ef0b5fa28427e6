package fs

import (
	"context"
	"io/fs"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def mkdir(path, mode = 0o755, parents = True):
    """Makes a directory.

    With parents = True a directory that exists is fine and keeps its mode.

    Args:
      path: directory, relative to the workspace.
      mode: permissions as an int, such as 0o700.
      parents: make the directories above it that are missing, with mode 0o755.

    Returns:
      A struct with path and changed (False when the directory existed).

    Errors:
      exists when there is a file of that name, or, with parents = False, a
      directory; not_found when the directory above is missing and parents is
      False; invalid when the mode is none.

    Example:
      fs.mkdir("out/keys", mode = 0o700).changed
    """`, &mkdir{}, effect.Exact)

// mkdir is the effect fs.mkdir.
type mkdir struct {
	Path    string `star:"path"`
	Mode    int    `star:"mode"`
	Parents bool   `star:"parents"`
}

var (
	_ effect.Validator  = (*mkdir)(nil)
	_ effect.Describer  = (*mkdir)(nil)
	_ effect.Predictor  = (*mkdir)(nil)
	_ effect.Toucher    = (*mkdir)(nil)
	_ effect.Undoer     = (*mkdir)(nil)
	_ effect.Asker      = (*mkdir)(nil)
	_ effect.Repeatable = (*mkdir)(nil)
)

// madeDir is what fs.mkdir remembers.
type madeDir struct {
	Existed bool     `json:"existed"`
	Made    []string `json:"made,omitempty"`
}

func (m *mkdir) Validate() error {
	if err := validMode(m.Mode); err != nil {
		return err
	}
	return validPath("path", m.Path)
}

func (m *mkdir) Describe() string                 { return m.Path }
func (m *mkdir) Touches(env *effect.Env) []string { return touched(env, m.Path) }
func (m *mkdir) Repeatable() bool                 { return m.Parents }

// place looks at the path and refuses what is in the way.
func (m *mkdir) place(env *effect.Env) (view, error) {
	p, err := env.Run.Files.Resolve(m.Path)
	if err != nil {
		return view{}, err
	}
	v, err := look(env, p, true)
	switch {
	case err != nil || v.unknown != nil:
		return v, err
	case v.exists() && v.kind != directory:
		return v, fault.New(fault.Exists, "cannot make the directory %q: there is a %s of that name", m.Path, v.kind)
	case v.exists() && !m.Parents:
		return v, fault.New(fault.Exists, "cannot make the directory %q: it exists", m.Path).
			WithHint("pass parents = True if that is fine")
	}
	return v, needsParent(env, p, m.Parents)
}

func (m *mkdir) Perform(_ context.Context, env *effect.Env) (any, error) {
	v, err := m.place(env)
	if err != nil || v.exists() {
		return change{m.Path, false}, err
	}
	if m.Parents {
		if err := v.path.Parent().MkdirAll(dirMode); err != nil {
			return nil, err
		}
	}
	err = v.path.Mkdir(fs.FileMode(m.Mode))
	if m.Parents && fault.Is(err, fault.Exists) { // another branch was faster
		return change{m.Path, false}, nil
	}
	if err != nil {
		return nil, err
	}
	return change{m.Path, true}, v.path.Chmod(fs.FileMode(m.Mode)) // the process may have a mask
}

func (m *mkdir) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	v, err := m.place(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if v.unknown != nil {
		return effect.Prediction{Result: v.unknown, Change: effect.Create}, nil
	}
	if v.exists() {
		return effect.Prediction{Result: change{m.Path, false}, Change: effect.None}, nil
	}
	planDirectory(env, v.path, fs.FileMode(m.Mode))
	return effect.Prediction{Result: change{m.Path, true}, Change: effect.Create}, nil
}

func (m *mkdir) Remember(_ context.Context, env *effect.Env) (any, error) {
	v, err := m.place(env)
	if err != nil {
		return nil, err
	}
	return madeDir{Existed: v.exists(), Made: names(missingParents(env, v.path))}, nil
}

func (m *mkdir) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var was madeDir
	if err := past.Remembered(&was); err != nil || was.Existed {
		return err
	}
	p, err := env.Run.Files.Resolve(m.Path)
	if err != nil {
		return err
	}
	v, err := lookAtDisk(p, false)
	if err != nil {
		return err
	}
	if v.exists() {
		if v.kind != directory {
			return changedSince(m.Path)
		}
		entries, err := p.ReadDir()
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			return changedSince(m.Path)
		}
		if err := p.Remove(); err != nil {
			return err
		}
	}
	return env.Run.Files.RemoveEmpty(was.Made)
}

func (m *mkdir) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var was madeDir
	if err := past.Remembered(&was); err != nil {
		return effect.Answer{}, err
	}
	p, err := env.Run.Files.Resolve(m.Path)
	if err != nil {
		return effect.Answer{}, err
	}
	v, err := lookAtDisk(p, true)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case !v.exists():
		return effect.Answer{Happened: effect.No, Why: "there is no such directory"}, nil
	case v.kind != directory:
		return effect.Answer{Why: "there is a " + v.kind + " of that name"}, nil
	case was.Existed || v.mode == fs.FileMode(m.Mode):
		return effect.Answer{Happened: effect.Yes, Result: change{m.Path, !was.Existed}, Why: "the directory is there"}, nil
	}
	return effect.Answer{Why: "the directory is there with another mode"}, nil
}
