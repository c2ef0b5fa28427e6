package container

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Stat describes what is at a path in a container, which need not run. found is
// false when there is nothing.
func (e *Engine) Stat(ctx context.Context, name, at string) (entry Entry, found bool, err error) {
	s, err := e.api.ContainerStatPath(ctx, name, at)
	if errdefs.IsNotFound(err) {
		if _, there, lerr := e.Look(ctx, name); lerr != nil || !there {
			_, err := e.Inspect(ctx, name)
			return Entry{}, false, err
		}
		return Entry{}, false, nil
	}
	if err != nil {
		return Entry{}, false, looked(e.fault(ctx, err, "cannot look at %s in the container %q", at, name))
	}
	return Entry{Mode: s.Mode, Link: s.LinkTarget, Size: s.Size}, true, nil
}

// File is a file to put into a container.
type File struct {
	Content io.Reader
	Size    int64
	Mode    fs.FileMode
	UID     int
	GID     int
}

// CopyFile puts a file at a path in a container, whose directory has to be there.
func (e *Engine) CopyFile(ctx context.Context, name, at string, f File) error {
	content := streamed(func(to io.Writer) error {
		w := tar.NewWriter(to)
		h := &tar.Header{Typeflag: tar.TypeReg, Name: path.Base(at), Size: f.Size, Mode: int64(f.Mode.Perm()), Uid: f.UID, Gid: f.GID}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(w, f.Content); err != nil {
			return err
		}
		return w.Close()
	})
	return e.put(ctx, name, at, content)
}

// CopyTree makes a path in a container be a copy of a tree, or adds the tree to the
// directory that is there. root owns it.
func (e *Engine) CopyTree(ctx context.Context, name, at string, tree fs.FS) error {
	return e.put(ctx, name, at, streamed(func(to io.Writer) error { return pack(ctx, to, tree, path.Base(at), nil) }))
}

func (e *Engine) put(ctx context.Context, name, at string, content io.ReadCloser) error {
	err := e.api.CopyToContainer(ctx, name, path.Dir(at), content, container.CopyToContainerOptions{CopyUIDGID: true})
	_ = content.Close() // what failed in it, the request has failed with
	if err == nil {
		return nil
	}
	var local *fs.PathError
	if errors.As(err, &local) {
		f := fault.Wrap(fault.Failed, local, "cannot copy to the container %q", name)
		f.InDoubt = true
		return f
	}
	f := e.fault(ctx, err, "cannot copy to %s in the container %q", at, name)
	if strings.Contains(err.Error(), "Could not find the file") {
		return f.WithHint("the directory %s has to be there", path.Dir(at))
	}
	return f
}

// CopyFrom calls each for what is at a path in a container: see Unpack.
func (e *Engine) CopyFrom(ctx context.Context, name, at string, each func(e Entry, content io.Reader) error) error {
	r, _, err := e.api.CopyFromContainer(ctx, name, at)
	if err != nil {
		f := looked(e.fault(ctx, err, "cannot copy %s from the container %q", at, name))
		if f.Kind == fault.NotFound {
			return f.WithHint("is it there? docker exec %s ls -l %s", name, path.Dir(at))
		}
		return f
	}
	defer r.Close()
	err = Unpack(r, each)
	if ctx.Err() != nil && !errors.Is(err, os.ErrExist) && err != nil {
		return looked(stopped(ctx, "cannot copy "+at+" from the container "+name))
	}
	return err
}
