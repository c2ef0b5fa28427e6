package container

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// WaitExit waits until a container does not run any more, and returns the exit code
// of its process 1.
func (e *Engine) WaitExit(ctx context.Context, name string) (int, error) {
	ended, errs := e.api.ContainerWait(ctx, name, container.WaitConditionNotRunning)
	select {
	case end := <-ended:
		if end.Error != nil && end.Error.Message != "" {
			return 0, fault.New(fault.Failed, "cannot wait for the end of the container %q: %s", name, end.Error.Message)
		}
		return int(end.StatusCode), nil
	case err := <-errs:
		return 0, looked(e.fault(ctx, err, "cannot wait for the end of the container %q", name))
	}
}

// healthPause is how often the health of a container is looked at.
const healthPause = 100 * time.Millisecond

// WaitHealthy waits until a container is healthy: by its health check if it has
// one, else until it runs. One that ends meanwhile is an error with the last it
// printed.
func (e *Engine) WaitHealthy(ctx context.Context, name string) (Container, error) {
	for {
		c, err := e.Inspect(ctx, name)
		if err != nil {
			return c, err
		}
		switch {
		case c.State == "running" && (c.Health == "" || c.Health == "healthy"):
			return c, nil
		case !c.Alive() && c.State != "created":
			return c, e.ended(ctx, c)
		}
		select {
		case <-time.After(healthPause):
		case <-ctx.Done():
			f := looked(stopped(ctx, "the container "+strconv.Quote(name)+" is not healthy yet, but "+state(c)))
			return c, f.WithHint("container.logs(%q) says more", name)
		}
	}
}

func state(c Container) string {
	if c.Health != "" {
		return c.Health
	}
	return c.State
}

// ended is the error of a container that should run.
func (e *Engine) ended(ctx context.Context, c Container) error {
	f := fault.New(fault.Failed, "the container %q has ended, with exit code %d", c.Name, c.ExitCode)
	var tail bytes.Buffer
	if err := e.Logs(ctx, c.Name, LogOptions{Tail: 5}, &tail, &tail); err == nil && tail.Len() > 0 {
		f.Msg += ":\n" + strings.TrimRight(tail.String(), "\n")
	}
	return f
}

// LogOptions choose from what a container has printed.
type LogOptions struct {
	Follow     bool      // and what it prints from now on, until it ends
	Tail       int       // lines from the end; 0 is all
	Since      time.Time // zero is the beginning
	Timestamps bool      // put a time before each line
}

// Logs writes what process 1 of a container has printed.
func (e *Engine) Logs(ctx context.Context, name string, o LogOptions, out, errs io.Writer) error {
	c, err := e.api.ContainerInspect(ctx, name)
	if err != nil {
		return looked(e.fault(ctx, err, "cannot read the log of the container %q", name))
	}
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: o.Follow, Timestamps: o.Timestamps, Tail: "all"}
	if o.Tail > 0 {
		options.Tail = strconv.Itoa(o.Tail)
	}
	if !o.Since.IsZero() {
		options.Since = o.Since.Format(time.RFC3339Nano)
	}
	r, err := e.api.ContainerLogs(ctx, name, options)
	if err == nil {
		defer r.Close()
		if c.Config != nil && c.Config.Tty {
			_, err = io.Copy(out, r)
		} else {
			err = split(r, out, errs)
		}
	}
	if err != nil {
		return looked(e.fault(ctx, err, "cannot read the log of the container %q", name))
	}
	return nil
}
