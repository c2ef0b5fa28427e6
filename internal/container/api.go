package container

import (
	"context"
	"io"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// api is all that is used of the engine's client: what another client would have to
// do.
type api interface {
	ClientVersion() string
	Close() error
	Info(ctx context.Context) (system.Info, error)
	ServerVersion(ctx context.Context) (types.Version, error)

	ContainerCreate(ctx context.Context, c *container.Config, h *container.HostConfig, n *network.NetworkingConfig, p *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerInspect(ctx context.Context, name string) (container.InspectResponse, error)
	ContainerList(ctx context.Context, o container.ListOptions) ([]container.Summary, error)
	ContainerStart(ctx context.Context, name string, o container.StartOptions) error
	ContainerStop(ctx context.Context, name string, o container.StopOptions) error
	ContainerRestart(ctx context.Context, name string, o container.StopOptions) error
	ContainerKill(ctx context.Context, name, signal string) error
	ContainerUpdate(ctx context.Context, name string, c container.UpdateConfig) (container.UpdateResponse, error)
	ContainerRemove(ctx context.Context, name string, o container.RemoveOptions) error
	ContainerCommit(ctx context.Context, name string, o container.CommitOptions) (container.CommitResponse, error)
	ContainerWait(ctx context.Context, name string, until container.WaitCondition) (<-chan container.WaitResponse, <-chan error)
	ContainerLogs(ctx context.Context, name string, o container.LogsOptions) (io.ReadCloser, error)
	ContainerStats(ctx context.Context, name string, stream bool) (container.StatsResponseReader, error)
	ContainerExecCreate(ctx context.Context, name string, o container.ExecOptions) (container.ExecCreateResponse, error)
	ContainerExecAttach(ctx context.Context, exec string, o container.ExecAttachOptions) (types.HijackedResponse, error)
	ContainerExecInspect(ctx context.Context, exec string) (container.ExecInspect, error)
	ContainerExecResize(ctx context.Context, exec string, o container.ResizeOptions) error
	ContainerStatPath(ctx context.Context, name, path string) (container.PathStat, error)
	CopyFromContainer(ctx context.Context, name, path string) (io.ReadCloser, container.PathStat, error)
	CopyToContainer(ctx context.Context, name, path string, content io.Reader, o container.CopyToContainerOptions) error

	ImageBuild(ctx context.Context, dir io.Reader, o build.ImageBuildOptions) (build.ImageBuildResponse, error)
	ImageImport(ctx context.Context, from image.ImportSource, ref string, o image.ImportOptions) (io.ReadCloser, error)
	ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (image.InspectResponse, error)
	ImageList(ctx context.Context, o image.ListOptions) ([]image.Summary, error)
	ImagePull(ctx context.Context, ref string, o image.PullOptions) (io.ReadCloser, error)
	ImageRemove(ctx context.Context, ref string, o image.RemoveOptions) ([]image.DeleteResponse, error)
	ImageTag(ctx context.Context, from, to string) error

	NetworkConnect(ctx context.Context, name, to string, c *network.EndpointSettings) error
	NetworkCreate(ctx context.Context, name string, o network.CreateOptions) (network.CreateResponse, error)
	NetworkDisconnect(ctx context.Context, name, from string, force bool) error
	NetworkInspect(ctx context.Context, name string, o network.InspectOptions) (network.Inspect, error)
	NetworkList(ctx context.Context, o network.ListOptions) ([]network.Summary, error)
	NetworkRemove(ctx context.Context, name string) error

	VolumeCreate(ctx context.Context, o volume.CreateOptions) (volume.Volume, error)
	VolumeInspect(ctx context.Context, name string) (volume.Volume, error)
	VolumeList(ctx context.Context, o volume.ListOptions) (volume.ListResponse, error)
	VolumeRemove(ctx context.Context, name string, force bool) error
}

var _ api = (*client.Client)(nil)
