package fs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def write(path, content, mode = 0o644, parents = True):
    """Writes a file, in one step: nobody sees a half of it.

    A file that has the content and the mode already is left alone. A symbolic
    link is replaced by the file; what it leads to is not touched.

    Args:
      path: file, relative to the workspace.
      content: string or bytes.
      mode: permissions as an int, such as 0o600.
      parents: make the directories above it that are missing, with mode 0o755.

    Returns:
      A struct with path, changed (False when it was so already) and bytes (size
      of the content).

    Errors:
      not_found when its directory is missing and parents is False, invalid when
      it is a directory or the mode is none, permission when it is out of reach.

    Example:
      fs.write("out/app.conf", "port = 80\\n", mode = 0o640).changed
    """`, &write{}, effect.Exact)

// write is the effect fs.write.
type write struct {
	Path    string `star:"path"`
	Content []byte `star:"content"`
	Mode    int    `star:"mode"`
	Parents bool   `star:"parents"`
}

var (
	_ effect.Validator  = (*write)(nil)
	_ effect.Describer  = (*write)(nil)
	_ effect.Predictor  = (*write)(nil)
	_ effect.Toucher    = (*write)(nil)
	_ effect.Undoer     = (*write)(nil)
	_ effect.Asker      = (*write)(nil)
	_ effect.Repeatable = (*write)(nil)
)

func (w *write) Validate() error {
	if err := validMode(w.Mode); err != nil {
		return err
	}
	return validPath("path", w.Path)
}

func (w *write) Describe() string { return describeContent(w.Path, w.Content) }

// describeContent tells the size, unless a secret has to be filled in first.
func describeContent(path string, content []byte) string {
	if value.HasMarker(string(content)) {
		return path + " (with secrets)"
	}
	return fmt.Sprintf("%s (%d bytes)", path, len(content))
}

func (w *write) Touches(env *effect.Env) []string { return touched(env, w.Path) }
func (w *write) Repeatable() bool                 { return true }

// plain is the content with the secrets filled in.
func plain(env *effect.Env, content []byte) ([]byte, error) {
	text, err := env.Run.Secrets.Expand(string(content))
	return []byte(text), err
}

// writable finds what is under a path that a file shall be put at.
func writable(env *effect.Env, path string, follow, parents bool) (view, error) {
	p, err := env.Run.Files.Resolve(path)
	if err != nil {
		return view{}, err
	}
	v, err := look(env, p, follow)
	if err != nil || v.unknown != nil {
		return v, err
	}
	if v.kind == directory || v.kind == other {
		return v, fault.New(fault.Invalid, "cannot write %q: it is a %s", path, v.kind)
	}
	return v, needsParent(env, p, parents)
}

func needsParent(env *effect.Env, p sandbox.Path, parents bool) error {
	if missing := missingParents(env, p); len(missing) > 0 && !parents {
		return fault.New(fault.NotFound, "cannot write %q: there is no directory %q", p.Name, missing[len(missing)-1].Name).
			WithHint("pass parents = True to make it")
	}
	return nil
}

func (w *write) Perform(_ context.Context, env *effect.Env) (any, error) {
	v, err := writable(env, w.Path, false, w.Parents)
	if err != nil {
		return nil, err
	}
	same, err := w.same(env, v, w.Content)
	if err != nil || same {
		return w.result(false, w.Content), err
	}
	if w.Parents {
		if err := v.path.Parent().MkdirAll(dirMode); err != nil {
			return nil, err
		}
	}
	if err := v.path.WriteVia(scratch(env, v.path, "new"), bytes.NewReader(w.Content), fs.FileMode(w.Mode)); err != nil {
		return nil, err
	}
	return w.result(true, w.Content), nil
}

// same reports whether the file is already what it shall be.
func (w *write) same(env *effect.Env, v view, content []byte) (bool, error) {
	if v.kind != file || v.mode != fs.FileMode(w.Mode) || v.size != int64(len(content)) {
		return false, nil
	}
	now, err := v.content(env, 0)
	return string(now) == string(content), err
}

func (w *write) result(changed bool, content []byte) result {
	return result{Path: w.Path, Changed: changed, Bytes: len(content)}
}

func (w *write) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	v, err := writable(env, w.Path, false, w.Parents)
	if err != nil {
		return effect.Prediction{}, err
	}
	content, err := plain(env, w.Content)
	if err != nil {
		return effect.Prediction{}, err
	}
	planned := textOrBytes(w.Content)
	if v.unknown != nil {
		planWrite(env, v.path, planned, fs.FileMode(w.Mode))
		changed := starlark.StringDict{
			"path": starlark.String(w.Path), "changed": v.unknown, "bytes": starlark.MakeInt(len(content)),
		}
		res := starlarkstruct.FromStringDict(starlark.String("result"), changed)
		return effect.Prediction{Result: res, Change: effect.Update}, nil
	}
	same, err := w.same(env, v, content)
	if err != nil || same {
		return effect.Prediction{Result: w.result(false, content), Change: effect.None}, err
	}
	pred, err := predictContent(env, v, w.Content)
	if v.kind == file && v.mode != fs.FileMode(w.Mode) {
		pred.Diff = modeDiff(v.mode, w.Mode) + pred.Diff
	}
	pred.Result = w.result(true, content)
	planWrite(env, v.path, planned, fs.FileMode(w.Mode))
	return pred, err
}

// predictContent says how a file changes when it gets new content.
func predictContent(env *effect.Env, v view, content []byte) (effect.Prediction, error) {
	if v.kind != file {
		change := effect.Create
		if v.kind == link {
			change = effect.Update
		}
		return effect.Prediction{Change: change, Diff: diff(env, v.path.Name, nil, content)}, nil
	}
	if v.size > diffBytes || len(content) > diffBytes {
		return effect.Prediction{Change: effect.Update, Diff: fmt.Sprintf("%d -> %d bytes\n", v.size, len(content))}, nil
	}
	before, err := v.content(env, 0)
	return effect.Prediction{Change: effect.Update, Diff: diff(env, v.path.Name, before, content)}, err
}

func (w *write) Remember(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(w.Path)
	if err != nil {
		return nil, err
	}
	content, err := plain(env, w.Content)
	if err != nil {
		return nil, err
	}
	return remember(env, p, printOfFile(content, fs.FileMode(w.Mode)))
}

func (w *write) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	return undo(env, w.Path, past)
}

func (w *write) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	content, err := plain(env, w.Content)
	if err != nil {
		return effect.Answer{}, err
	}
	return happened(env, w.Path, past, func(changed bool) any { return w.result(changed, content) })
}
