package container

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

var _ = Module.Write(`
def copy_from(container, path, dest, engine = ""):
    """Copies a file or a directory out of a container into the workspace.

    The container need not run. Links stay links, wherever they lead; devices and the
    like are left out. Undo removes the copy.

    Args:
      container: its name, or what container.create has returned.
      path: absolute path in the container.
      dest: where the copy goes, relative to the workspace. There must be nothing.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is True.
    Errors:
      not_found when there is no such container or path; exists when there is
      something at dest.
    Example:
      container.copy_from("web", "/var/log/nginx", "logs/web")
    """`, &copyFrom{}, effect.Exact)

type copyFrom struct {
	of
	Path string `star:"path"`
	Dest string `star:"dest"`
}

var (
	_ effect.Validator = (*copyFrom)(nil)
	_ effect.Describer = (*copyFrom)(nil)
	_ effect.Predictor = (*copyFrom)(nil)
	_ effect.Toucher   = (*copyFrom)(nil)
	_ effect.Looker    = (*copyFrom)(nil)
	_ effect.Undoer    = (*copyFrom)(nil)
	_ effect.Asker     = (*copyFrom)(nil)
	_ effect.Remote    = (*copyFrom)(nil)
)

func (c *copyFrom) Describe() string                 { return c.name() + ":" + c.Path + " -> " + c.Dest }
func (c *copyFrom) Touches(env *effect.Env) []string { return localFile(env, c.Dest) }
func (c *copyFrom) Looks(env *effect.Env) []string   { return c.of.Touches(env) }

func (c *copyFrom) Validate() error {
	if err := validPath(c.Path); err != nil {
		return err
	}
	return c.of.Validate()
}

// dest is where the copy goes, if nothing is there.
func (c *copyFrom) dest(env *effect.Env) (sandbox.Path, error) {
	p, err := env.Run.Files.Resolve(c.Dest)
	if err != nil {
		return p, err
	}
	if _, err := p.Lstat(); !fault.Is(err, fault.NotFound) {
		if err == nil {
			err = fault.New(fault.Exists, "cannot copy to %q: there is something", c.Dest).WithHint("remove it first, with fs.remove, or choose another place")
		}
		return p, err
	}
	return p, nil
}

func (c *copyFrom) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	to, err := c.dest(env)
	if err != nil {
		return nil, err
	}
	if err := to.Parent().MkdirAll(0o755); err != nil {
		return nil, err
	}
	// Under another name until it is whole, so that a crash leaves no half of it.
	fresh := c.fresh(env, to)
	if err := clear(fresh); err != nil {
		return nil, err
	}
	if err := c.fetch(ctx, e, fresh); err != nil {
		_ = clear(fresh) // the first error is the one to report
		return nil, err
	}
	return changed(c.name(), true, c.diff(), began), fresh.Rename(to)
}

func (c *copyFrom) fresh(env *effect.Env, to sandbox.Path) sandbox.Path {
	return to.Sibling("." + filepath.Base(to.Abs) + "." + owner(env).Name())
}

func clear(p sandbox.Path) error {
	if _, err := p.Lstat(); fault.Is(err, fault.NotFound) {
		return nil
	}
	return p.RemoveAll()
}

// fetch puts what comes out of the container under a path.
func (c *copyFrom) fetch(ctx context.Context, e *engine.Engine, to sandbox.Path) error {
	modes := map[string]fs.FileMode{} // of directories: the last, since they may forbid to write
	err := e.CopyFrom(ctx, c.name(), c.Path, func(entry engine.Entry, content io.Reader) error {
		p := to
		if entry.Name != "" {
			p = to.Child(filepath.FromSlash(entry.Name))
		}
		switch {
		case entry.Mode.IsDir():
			modes[entry.Name] = entry.Mode.Perm()
			return p.Mkdir(0o700)
		case entry.Mode&fs.ModeSymlink != 0:
			return p.Symlink(entry.Link) // wherever it leads: nothing in the workspace is reached through it
		}
		return p.WriteFrom(content, entry.Mode.Perm())
	})
	for name, mode := range modes {
		if err != nil {
			return err
		}
		p := to
		if name != "" {
			p = to.Child(filepath.FromSlash(name))
		}
		err = p.Chmod(mode)
	}
	return err
}

func (c *copyFrom) diff() string {
	return fmt.Sprintf("%s: copied from %s:%s\n", c.Dest, c.name(), c.Path)
}

func (c *copyFrom) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	if _, err := c.needed(ctx, env); err != nil {
		return effect.Prediction{}, err
	}
	p, err := c.dest(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	env.Run.Planned.Set(p.Resource(), unknownFile(c.Dest))
	return prediction(c.name(), effect.Create, c.diff()), nil
}

// taken is what an intent keeps.
type taken struct {
	Made []string `json:"made,omitempty"` // directories made on the way
}

func (c *copyFrom) Remember(_ context.Context, env *effect.Env) (any, error) {
	p, err := c.dest(env)
	if err != nil {
		return nil, err
	}
	return taken{p.MissingParents()}, nil
}

func (c *copyFrom) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	var t taken
	if err := past.Remembered(&t); err != nil {
		return err
	}
	p, err := env.Run.Files.Resolve(c.Dest)
	if err != nil {
		return err
	}
	if err := clear(p); err != nil {
		return err
	}
	if err := clear(c.fresh(env, p)); err != nil {
		return err
	}
	return env.Run.Files.RemoveEmpty(t.Made)
}

// Happened: the copy has its name only when it is whole.
func (c *copyFrom) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	p, err := env.Run.Files.Resolve(c.Dest)
	if err != nil {
		return effect.Answer{}, err
	}
	_, err = p.Lstat()
	if err != nil && !fault.Is(err, fault.NotFound) {
		return effect.Answer{}, err
	}
	return went(err == nil, c.name(), c.diff(), "whether the copy is there"), nil
}
