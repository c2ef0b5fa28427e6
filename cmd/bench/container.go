package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// image is one that make images builds.
const image = "provisioning/busybox:1"

// container runs commands in a container, against the engine's client by itself.
func (b *bench) container() {
	if !has("docker") {
		fmt.Println("commands in a container: skipped, there is no docker")
		return
	}
	out, err := exec.Command("docker", "run", "-d", "--rm", "--init", image, "sleep", "600").Output()
	if err != nil {
		fmt.Printf("commands in a container: skipped, docker cannot run %s; make images builds it\n", image)
		return
	}
	id := strings.TrimSpace(string(out))
	remove := func() { _ = exec.Command("docker", "rm", "-f", id).Run() }
	defer remove()
	leftovers = append(leftovers, remove)
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	check(err)
	defer engine.Close()
	const n = 20
	script := func(times int) string {
		return fmt.Sprintf("def main():\n    for i in range(%d):\n        target.run(container.target(%q), [\"true\"])\n", times, id)
	}
	var ours, raw []time.Duration
	for range 3 { // in turns, so that what else the machine does meets both
		one, _, _ := b.run(script(1))
		many, _, _ := b.run(script(1 + n))
		ours = append(ours, (many-one)/n)
		began := time.Now()
		for range n {
			rawExec(engine, id)
		}
		raw = append(raw, time.Since(began)/n)
	}
	line("a command in a container", best(ours), best(raw), "the client of the engine by itself")
}

func rawExec(engine *client.Client, id string) {
	ctx := context.Background()
	created, err := engine.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: []string{"/bin/sh", "-c", "true"}, AttachStdout: true, AttachStderr: true})
	check(err)
	stream, err := engine.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	check(err)
	_, err = stdcopy.StdCopy(io.Discard, io.Discard, stream.Reader)
	check(err)
	stream.Close()
	_, err = engine.ContainerExecInspect(ctx, created.ID)
	check(err)
}
