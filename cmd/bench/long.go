package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// long is one run of n effects on a Temporal server, in branches or one after the other,
// with a client and a worker that are processes of their own: how long it takes, what its
// histories are, and what the processes need.
func (b *bench) long(n, branches int) {
	program := temporaltest.Program()
	if program == "" {
		fmt.Println("a long run: skipped, there is no Temporal server (make tools)")
		return
	}
	dir, err := os.MkdirTemp(inMemory, "provisioning-bench-")
	check(err)
	defer os.RemoveAll(dir)
	server, err := temporaltest.Launch(program, dir)
	check(err)
	leftovers = append(leftovers, server.Stop, func() { _ = os.RemoveAll(dir) }) // it is in memory
	defer server.Stop()

	ws, file := b.workspace(fmt.Sprintf("def work(b):\n    for i in range(%d):\n        fs.exists(\"x\")\n\ndef main():\n    parallel(work, range(%d), limit = 0)\n", n/branches, branches))
	env := append(os.Environ(), "PROVISIONING_HOME="+b.dir, "PROVISIONING_ENGINE=temporal", "PROVISIONING_ENGINE_TEMPORAL_ADDRESS="+server.Address)
	worker := exec.Command(filepath.Join(b.dir, "provisioning"), "worker")
	worker.Dir, worker.Env, worker.Stderr = ws, env, os.Stderr
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(worker.Start())
	cmd := exec.Command(filepath.Join(b.dir, "provisioning"), "run", file, "--out", "json")
	cmd.Dir, cmd.Env, cmd.Stderr = ws, env, os.Stderr
	began := time.Now()
	out, err := cmd.Output()
	check(err)
	took := time.Since(began)
	var run struct{ Run string }
	check(json.Unmarshal(out, &run))

	fmt.Printf("%d effects in %d branches: %s, %.0f /s\n", n, branches, took.Round(100*time.Millisecond), float64(n)/took.Seconds())
	check(worker.Process.Signal(os.Interrupt))
	check(worker.Wait())
	for _, p := range []struct {
		what  string
		state *os.ProcessState
	}{{"worker", worker.ProcessState}, {"client", cmd.ProcessState}} {
		busy := p.state.UserTime() + p.state.SystemTime()
		fmt.Printf("  %s: %d MB at its peak, %s of processors\n", p.what, p.state.SysUsage().(*syscall.Rusage).Maxrss>>10, busy.Round(100*time.Millisecond))
	}
	b.histories(server, run.Run)
	files, size, largest := 0, int64(0), int64(0)
	check(filepath.WalkDir(b.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(filepath.Dir(name))) != "large" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			files, size, largest = files+1, size+info.Size(), max(largest, info.Size())
		}
		return err
	}))
	fmt.Printf("  large values: %d, together %d KB, the largest %d KB\n", files, size>>10, largest>>10)
}

// histories prints what the server keeps of a run.
func (b *bench) histories(server *temporaltest.Server, run string) {
	c := bareClient(server.Address)
	defer c.Close()
	list, err := c.ListWorkflow(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = '" + run + "'"})
	check(err)
	events, size := int64(0), int64(0)
	for _, e := range list.Executions {
		events, size = events+e.HistoryLength, size+e.HistorySizeBytes
	}
	fmt.Printf("  histories: %d, together %d events and %d KB\n", len(list.Executions), events, size>>10)
}
