package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

var _ = Module.Write(`
def append(path, content, mode = 0o644, parents = True):
    """Adds to the end of a file; makes the file when there is none.

    Args:
      path: file, relative to the workspace.
      content: string or bytes. No end of line is added.
      mode: permissions of a file that is made, as an int such as 0o600.
      parents: make the directories above it that are missing, with mode 0o755.

    Returns:
      A struct with path, changed (False when the content is empty and the file
      exists) and bytes (number of bytes added).

    Errors:
      not_found when its directory is missing and parents is False, invalid when
      it is a directory or the mode is none, permission when it is out of reach.

    Example:
      fs.append("out/history.log", "deployed\\n").bytes
    """`, &appendTo{}, effect.Exact)

// appendTo is the effect fs.append.
type appendTo struct {
	Path    string `star:"path"`
	Content []byte `star:"content"`
	Mode    int    `star:"mode"`
	Parents bool   `star:"parents"`
}

var (
	_ effect.Validator = (*appendTo)(nil)
	_ effect.Describer = (*appendTo)(nil)
	_ effect.Predictor = (*appendTo)(nil)
	_ effect.Toucher   = (*appendTo)(nil)
	_ effect.Undoer    = (*appendTo)(nil)
	_ effect.Asker     = (*appendTo)(nil)
)

// appended is what fs.append remembers: where the addition begins.
type appended struct {
	Existed bool     `json:"existed"`
	Size    int64    `json:"size"`
	Made    []string `json:"made,omitempty"`
}

func (a *appendTo) Validate() error {
	if err := validMode(a.Mode); err != nil {
		return err
	}
	return validPath("path", a.Path)
}

func (a *appendTo) Describe() string { return describeContent(a.Path, a.Content) }

func (a *appendTo) Touches(env *effect.Env) []string { return touched(env, a.Path) }

func (a *appendTo) Perform(_ context.Context, env *effect.Env) (any, error) {
	v, err := writable(env, a.Path, true, a.Parents)
	if err != nil {
		return nil, err
	}
	if a.Parents {
		if err := v.path.Parent().MkdirAll(dirMode); err != nil {
			return nil, err
		}
	}
	f, err := v.path.OpenFile(os.O_WRONLY|os.O_APPEND|os.O_CREATE, fs.FileMode(a.Mode))
	if err != nil {
		return nil, err
	}
	if !v.exists() { // the process may have a mask for what it makes
		err = f.Chmod(fs.FileMode(a.Mode))
	}
	_, writeErr := f.Write(a.Content)
	if err := errors.Join(err, writeErr, f.Sync(), f.Close()); err != nil {
		e := fault.Wrap(fault.Failed, err, "cannot append to %q", a.Path)
		e.InDoubt = true
		return nil, e
	}
	return a.result(v.exists(), a.Content), nil
}

func (a *appendTo) result(existed bool, content []byte) result {
	return result{Path: a.Path, Changed: len(content) > 0 || !existed, Bytes: len(content)}
}

func (a *appendTo) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	v, err := writable(env, a.Path, true, a.Parents)
	if err != nil {
		return effect.Prediction{}, err
	}
	content, err := plain(env, a.Content)
	if err != nil {
		return effect.Prediction{}, err
	}
	pred := effect.Prediction{Result: a.result(v.exists(), content), Change: effect.Update}
	if v.unknown != nil {
		return pred, nil // what is unknown stays so
	}
	mode := v.mode
	var before []byte
	if v.kind == file {
		if before, err = v.raw(); err != nil {
			return pred, err
		}
	} else {
		mode, pred.Change = fs.FileMode(a.Mode), effect.Create
	}
	if len(content) == 0 && v.exists() {
		pred.Change = effect.None
		return pred, nil
	}
	pred.Diff = addition(env, a.Path, a.Content)
	planWrite(env, v.path, textOrBytes(append(before[:len(before):len(before)], a.Content...)), mode)
	return pred, nil
}

// addition shows the lines that are added; those before them do not matter.
func addition(env *effect.Env, name string, content []byte) string {
	if !isText(content) {
		return fmt.Sprintf("binary, %d bytes added\n", len(content))
	}
	return diff(env, name, nil, content)
}

func (a *appendTo) Remember(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(a.Path)
	if err != nil {
		return nil, err
	}
	v, err := lookAtDisk(p, true)
	return appended{Existed: v.exists(), Size: v.size, Made: names(missingParents(env, p))}, err
}

// added is what a file has beyond the size that was remembered.
func (a *appendTo) added(env *effect.Env, m appended) (v view, tail []byte, err error) {
	p, err := env.Run.Files.Resolve(a.Path)
	if err != nil {
		return v, nil, err
	}
	if v, err = lookAtDisk(p, true); err != nil || v.kind != file || v.size <= m.Size {
		return v, nil, err
	}
	f, err := p.Open()
	if err != nil {
		return v, nil, err
	}
	defer f.Close()
	tail, err = io.ReadAll(io.NewSectionReader(f, m.Size, v.size-m.Size))
	return v, tail, err
}

func (a *appendTo) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var m appended
	if err := past.Remembered(&m); err != nil {
		return err
	}
	content, err := plain(env, a.Content)
	if err != nil {
		return err
	}
	v, tail, err := a.added(env, m)
	if err != nil {
		return err
	}
	switch {
	case !v.exists() && !m.Existed:
	case v.kind != file || v.size < m.Size || !bytes.HasPrefix(content, tail):
		return changedSince(a.Path)
	case !m.Existed:
		err = v.path.Remove()
	case len(tail) > 0: // all of the addition, or what a crash has left of it
		err = truncate(v.path, m.Size)
	}
	if err != nil {
		return err
	}
	return env.Run.Files.RemoveEmpty(m.Made)
}

func truncate(p sandbox.Path, size int64) error {
	f, err := p.OpenFile(os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Sync(), f.Close()); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot shorten %q", p.Name)
	}
	return nil
}

func (a *appendTo) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var m appended
	if err := past.Remembered(&m); err != nil {
		return effect.Answer{}, err
	}
	content, err := plain(env, a.Content)
	if err != nil {
		return effect.Answer{}, err
	}
	v, tail, err := a.added(env, m)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case v.kind == file && v.size == 0 && !m.Existed && len(content) > 0:
		// The file was made, and then the process or the power failed; or another
		// branch has just made it, which is why it stays.
		return effect.Answer{Happened: effect.No, Why: "the file is there, and empty"}, v.path.Chmod(fs.FileMode(a.Mode))
	case v.kind == file && v.size >= m.Size && bytes.Equal(tail, content):
		return effect.Answer{Happened: effect.Yes, Result: a.result(m.Existed, content), Why: "the file ends with the addition"}, nil
	case v.exists() == m.Existed && v.size == m.Size:
		return effect.Answer{Happened: effect.No, Why: "the file has the size that it had before"}, nil
	}
	return effect.Answer{Why: fmt.Sprintf("the file had %d bytes and has %d, which is not the addition", m.Size, v.size)}, nil
}
