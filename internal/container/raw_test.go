package container

import (
	"context"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

func rawExec(ctx context.Context, c api, name string, argv []string, out io.Writer) (int, error) {
	created, err := c.ContainerExecCreate(ctx, name, container.ExecOptions{Cmd: argv, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, err
	}
	stream, err := c.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	if _, err := stdcopy.StdCopy(out, out, stream.Reader); err != nil {
		return 0, err
	}
	state, err := c.ContainerExecInspect(ctx, created.ID)
	return state.ExitCode, err
}
