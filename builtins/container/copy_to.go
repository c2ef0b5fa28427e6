package container

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def copy_to(container, source, path, mode = None, uid = 0, gid = 0, engine = ""):
    """Copies a file or a directory of the workspace into a container.

    The container need not run. A directory is added to one that is there. Undo
    brings back a file of up to 1 MiB, and removes what was not there before, for
    which the container has to run.

    Args:
      container: its name, or what container.create has returned.
      source: file or directory, relative to the workspace.
      path: absolute path in the container. The directory around it has to be there.
      mode: permission bits of a file, such as 0o600; None for those of the source.
      uid: number of the user that owns a file.
      gid: number of its group.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is True.
    Errors:
      not_found when there is no such container, source or directory.
    Example:
      container.copy_to("web", "site/index.html", "/usr/share/nginx/html/index.html")
    """`, &copyTo{}, effect.Approximate)

type copyTo struct {
	of
	Source string `star:"source"`
	Path   string `star:"path"`
	Mode   *int   `star:"mode"`
	UID    int    `star:"uid"`
	GID    int    `star:"gid"`
}

var (
	_ effect.Validator  = (*copyTo)(nil)
	_ effect.Describer  = (*copyTo)(nil)
	_ effect.Predictor  = (*copyTo)(nil)
	_ effect.Undoer     = (*copyTo)(nil)
	_ effect.Looker     = (*copyTo)(nil)
	_ effect.Repeatable = (*copyTo)(nil)
	_ effect.Remote     = (*copyTo)(nil)
)

func (c *copyTo) Repeatable() bool { return true }
func (c *copyTo) Describe() string { return c.Source + " -> " + c.name() + ":" + c.Path }

func (c *copyTo) Looks(env *effect.Env) []string { return localFile(env, c.Source) }

// localFile is a file of the workspace as a resource.
func localFile(env *effect.Env, name string) []string {
	p, err := env.Run.Files.Resolve(name)
	if err != nil {
		return nil
	}
	return []string{p.Resource()}
}

func (c *copyTo) Validate() error {
	if err := validPath(c.Path); err != nil {
		return err
	}
	return c.of.Validate()
}

func validPath(p string) error {
	if !path.IsAbs(p) || p != path.Clean(p) || p == "/" {
		return fault.New(fault.Invalid, "%q is no absolute path of something in a container", p).WithHint("as in /etc/motd, without / at the end")
	}
	return nil
}

func (c *copyTo) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	p, err := env.Run.Files.Resolve(c.Source)
	if err != nil {
		return nil, err
	}
	info, err := p.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		err = e.CopyTree(ctx, c.name(), c.Path, tree{p})
	} else {
		err = c.file(ctx, e, p.Open, info)
	}
	if err != nil {
		return nil, err
	}
	return changed(c.name(), true, c.diff(), began), nil
}

func (c *copyTo) file(ctx context.Context, e *engine.Engine, open func() (*os.File, error), info fs.FileInfo) error {
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	mode := info.Mode().Perm()
	if c.Mode != nil {
		mode = fs.FileMode(*c.Mode).Perm()
	}
	return e.CopyFile(ctx, c.name(), c.Path, engine.File{Content: f, Size: info.Size(), Mode: mode, UID: c.UID, GID: c.GID})
}

func (c *copyTo) diff() string {
	return fmt.Sprintf("%s:%s: copied from %s\n", c.name(), c.Path, c.Source)
}

func (c *copyTo) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	if _, err := c.needed(ctx, env); err != nil {
		return effect.Prediction{}, err
	}
	return prediction(c.name(), effect.Update, c.diff()), nil
}

// before is what was at the path before the copy.
type before struct {
	Existed bool        `json:"existed"`
	Mode    fs.FileMode `json:"mode,omitempty"`
	Content []byte      `json:"content,omitempty"`
	Kept    bool        `json:"kept,omitempty"` // Content is all of a file
}

// maxKept is how large a file may be to be kept for undo.
const maxKept = 1 << 20

func (c *copyTo) Remember(ctx context.Context, env *effect.Env) (any, error) {
	e, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	there, found, err := e.Stat(ctx, c.name(), c.Path)
	was := before{Existed: found, Mode: there.Mode}
	if err != nil || !found || !there.Mode.IsRegular() || there.Size > maxKept {
		return was, err
	}
	err = e.CopyFrom(ctx, c.name(), c.Path, func(_ engine.Entry, content io.Reader) error {
		was.Kept = true
		was.Content, err = io.ReadAll(io.LimitReader(content, maxKept))
		return err
	})
	return was, err
}

func (c *copyTo) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was before
	if err := past.Remembered(&was); err != nil {
		return err
	}
	e, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	if _, found, err := e.Look(ctx, c.name()); err != nil || !found {
		return err
	}
	switch {
	case was.Kept:
		return e.CopyFile(ctx, c.name(), c.Path, engine.File{Content: bytes.NewReader(was.Content), Size: int64(len(was.Content)), Mode: was.Mode})
	case was.Existed:
		return fault.New(fault.Failed, "what was at %s in the container %q was not kept: it is a directory, or larger than 1 MiB", c.Path, c.name())
	}
	exit, err := machine.Run(ctx, e.Conn(c.name(), "0"), machine.Command{Argv: []string{"rm", "-rf", "--", c.Path}}, machine.Streams{})
	if err == nil && !exit.OK() {
		err = fault.New(fault.Failed, "cannot remove %s in the container %q: rm ended with code %d", c.Path, c.name(), exit.Code)
	}
	return err
}
