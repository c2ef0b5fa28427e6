package fs

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

var _ = Module.Write(`
def temp(prefix = "tmp", suffix = "", directory = False):
    """Makes a temporary file or directory that only its owner can read.

    It lies in the tmp of the state directory, when that is in the workspace, and
    otherwise hidden in the workspace. The name is the same when the run is
    resumed. It stays until a script removes it.

    Args:
      prefix: beginning of the name.
      suffix: end of the name, such as ".json".
      directory: True makes a directory instead of an empty file.

    Returns:
      The path, a string that is relative to the workspace.

    Errors:
      invalid when prefix or suffix has a / in it.

    Example:
      path = fs.temp(suffix = ".json")
      fs.write(path, "{}", mode = 0o600)
    """`, &temp{}, effect.Exact)

// temp is the effect fs.temp.
type temp struct {
	Prefix    string `star:"prefix"`
	Suffix    string `star:"suffix"`
	Directory bool   `star:"directory"`
}

var (
	_ effect.Validator  = (*temp)(nil)
	_ effect.Describer  = (*temp)(nil)
	_ effect.Predictor  = (*temp)(nil)
	_ effect.Toucher    = (*temp)(nil)
	_ effect.Undoer     = (*temp)(nil)
	_ effect.Asker      = (*temp)(nil)
	_ effect.Repeatable = (*temp)(nil)
)

// madeTemp is what fs.temp remembers.
type madeTemp struct {
	Path string `json:"path"`
}

func (t *temp) Validate() error {
	if strings.ContainsAny(t.Prefix+t.Suffix, "/\x00") {
		return fault.New(fault.Invalid, "the name %q of a temporary file is more than one component", t.Prefix+t.Suffix)
	}
	return nil
}

func (t *temp) Describe() string {
	if t.Directory {
		return "temporary directory"
	}
	return "temporary file"
}

func (t *temp) Touches(env *effect.Env) []string {
	p, err := t.path(env)
	if err != nil {
		return nil
	}
	return []string{p.Resource()}
}

func (t *temp) Repeatable() bool { return true }

// path is where it lies. The name comes from the effect's place in the run, so
// that a resumed run finds it again.
func (t *temp) path(env *effect.Env) (sandbox.Path, error) {
	files := env.Run.Files
	name := t.Prefix + "-" + shortHash(env.IdempotencyKey()) + t.Suffix
	inState, err := filepath.Rel(files.Workspace(), filepath.Join(env.Run.State, "tmp", name))
	if err == nil && filepath.IsLocal(inState) {
		if p, err := files.Resolve(inState); err == nil {
			return p, nil
		}
	}
	return files.Resolve(".tmp-" + name)
}

func (t *temp) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := t.path(env)
	if err != nil {
		return nil, err
	}
	v, err := lookAtDisk(p, false)
	if err != nil || v.exists() { // of an attempt before a crash
		return p.Name, err
	}
	if err := p.Parent().MkdirAll(0o700); err != nil {
		return nil, err
	}
	if t.Directory {
		return p.Name, p.Mkdir(0o700)
	}
	return p.Name, p.WriteVia(p, strings.NewReader(""), 0o600)
}

func (t *temp) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	p, err := t.path(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if t.Directory {
		planDirectory(env, p, fs.FileMode(0o700))
	} else {
		planWrite(env, p, textOrBytes(nil), fs.FileMode(0o600))
	}
	return effect.Prediction{Result: p.Name, Change: effect.Create}, nil
}

func (t *temp) Remember(_ context.Context, env *effect.Env) (any, error) {
	p, err := t.path(env)
	return madeTemp{Path: p.Name}, err
}

// Undo removes it with whatever is in it by now: it was made to be filled.
func (t *temp) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var made madeTemp
	if err := past.Remembered(&made); err != nil {
		return err
	}
	p, err := env.Run.Files.Resolve(made.Path)
	if err != nil {
		return err
	}
	return discard(env, p)
}

func (t *temp) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var made madeTemp
	if err := past.Remembered(&made); err != nil {
		return effect.Answer{}, err
	}
	p, err := env.Run.Files.Resolve(made.Path)
	if err != nil {
		return effect.Answer{}, err
	}
	v, err := lookAtDisk(p, false)
	if err != nil {
		return effect.Answer{}, err
	}
	if v.exists() {
		return effect.Answer{Happened: effect.Yes, Result: made.Path, Why: "it is there"}, nil
	}
	return effect.Answer{Happened: effect.No, Why: "it is not there"}, nil
}
