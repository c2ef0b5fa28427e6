package http

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

const writeNew = os.O_WRONLY | os.O_CREATE | os.O_EXCL

// previous is what was at the path of a download before it.
type previous struct {
	Existed bool        `json:"existed"`
	Link    string      `json:"link,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	Sum     string      `json:"sha256,omitempty"`
	Copy    string      `json:"copy,omitempty"` // in the state directory
	Made    []string    `json:"made,omitempty"` // directories made on the way
}

// Remember keeps a copy of the file that the download will replace.
func (d *download) Remember(_ context.Context, env *effect.Env) (any, error) {
	p, err := d.target(env)
	if err != nil {
		return nil, err
	}
	now, err := look(p)
	if err != nil {
		return nil, err
	}
	if d.fits(now) {
		return nil, nil
	}
	before := previous{Existed: now.exists, Link: now.link, Mode: now.mode, Sum: now.sum, Made: p.MissingParents()}
	if now.exists && now.link == "" {
		before.Copy = filepath.Join(env.Run.State, "undo", digest(env.IdempotencyKey()))
		err = keep(p, before.Copy)
	}
	return before, err
}

func keep(p sandbox.Path, path string) error {
	src, err := p.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	if err := copyDurably(src, path); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot keep a copy of %q for rollback", p.Name)
	}
	return nil
}

func copyDurably(src io.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, dst.Sync(), dst.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Undo puts back what was there. It may run any number of times.
func (d *download) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var before previous
	if err := past.Remembered(&before); err != nil {
		return err
	}
	p, err := d.target(env)
	if err != nil {
		return err
	}
	if err := untouched(p, before, past); err != nil {
		return err
	}
	if before.Existed && before.Link == "" {
		src, err := os.Open(before.Copy)
		if err != nil {
			return fault.Wrap(fault.Failed, err, "cannot put %q back: its copy is missing", p.Name)
		}
		defer src.Close()
		_, err = replace(env, p, before.Mode, src, func(string) error { return nil })
		return err
	}
	if err := p.Remove(); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if before.Link != "" {
		return p.Symlink(before.Link)
	}
	return env.Run.Files.RemoveEmpty(before.Made)
}

// untouched refuses to put back what was there when somebody has changed the
// file since: it is neither what was downloaded nor what was there before.
func untouched(p sandbox.Path, before previous, past effect.Past) error {
	result, ok := past.Result().(starlark.HasAttrs)
	if !ok {
		return nil // nobody knows what was downloaded
	}
	now, err := look(p)
	if err != nil || !now.exists || now.sum == before.Sum {
		return err
	}
	if sum, err := result.Attr("sha256"); err == nil && sum == starlark.String(now.sum) {
		return nil
	}
	return fault.New(fault.Failed, "cannot undo the download of %q: it has been changed since, and undoing would lose that", p.Name)
}
