package container

import (
	"archive/tar"
	"context"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Unpack lays a tar over a directory of a container, whether it runs or not.
func (e *Engine) Unpack(ctx context.Context, name, dir string, archive io.Reader) error {
	if err := e.api.CopyToContainer(ctx, name, dir, archive, container.CopyToContainerOptions{}); err != nil {
		return e.fault(ctx, err, "cannot write below %s in the container %q", dir, name)
	}
	return nil
}

// ReadFile returns the beginning of a file in a container, at most max bytes,
// whether it runs or not. A link is not followed. One that is not there is an error
// of the kind not_found.
func (e *Engine) ReadFile(ctx context.Context, name, path string, max int64) ([]byte, error) {
	r, _, err := e.api.CopyFromContainer(ctx, name, path)
	if errdefs.IsNotFound(err) {
		return nil, fault.New(fault.NotFound, "there is no %s in the container %q", path, name)
	}
	if err != nil {
		return nil, looked(e.fault(ctx, err, "cannot read %s in the container %q", path, name))
	}
	defer r.Close()
	files := tar.NewReader(r)
	h, err := files.Next()
	if err == nil && h.Typeflag != tar.TypeReg {
		return nil, fault.New(fault.Invalid, "%s in the container %q is no file", path, name)
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(files, max))
	}
	if err != nil {
		return nil, looked(e.fault(ctx, err, "cannot read %s in the container %q", path, name))
	}
	return data, nil
}
