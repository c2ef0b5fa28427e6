package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// engines measures effects on a Temporal server against the same number of activities
// that do nothing, of a workflow that does nothing else, on the same server.
func (b *bench) engines() {
	program := temporaltest.Program()
	if program == "" {
		fmt.Println("the Temporal engine: skipped, there is no Temporal server (make tools)")
		return
	}
	dir, err := os.MkdirTemp(inMemory, "provisioning-bench-") // a disk would hide what the engine adds
	check(err)
	defer os.RemoveAll(dir)
	server, err := temporaltest.Launch(program, dir)
	check(err)
	leftovers = append(leftovers, server.Stop, func() { _ = os.RemoveAll(dir) }) // it is in memory
	defer server.Stop()
	for _, c := range []struct {
		what           string
		branches, each int
	}{{"2,000 effects in 100 branches", 100, 20}, {"200 effects, one after the other", 1, 200}} {
		b.compareEngines(server, c.what, c.branches, c.each)
	}
	b.engineMemory(server)
}

// inMemory is a directory in memory, where there is one.
var inMemory = func() string {
	if exists("/dev/shm") {
		return "/dev/shm"
	}
	return ""
}()

// compareEngines has each engine do the same, in turns, so that what else the machine
// does meets all.
func (b *bench) compareEngines(server *temporaltest.Server, what string, branches, each int) {
	source := fmt.Sprintf("def work(n):\n    for i in range(%d):\n        fs.exists(\"x\")\n\ndef main():\n    parallel(work, range(%d), limit = 0)\n", each, branches)
	if branches == 1 {
		source = fmt.Sprintf("def main():\n    for i in range(%d):\n        fs.exists(\"x\")\n", each)
	}
	ours, endOurs := b.temporalEngine(server, source)
	defer endOurs()
	bare, endBare := b.bareEngine(server, branches, each)
	defer endBare()
	var local, engine, plain, engineCPU, plainCPU []time.Duration
	for range 3 {
		took, _, _ := b.run(source)
		local = append(local, took)
		before := processor()
		engine = append(engine, ours())
		between := processor()
		plain = append(plain, bare())
		engineCPU, plainCPU = append(engineCPU, between-before), append(plainCPU, processor()-between)
	}
	n := branches * each
	line(what+", Temporal", best(engine), best(plain), "bare activities of a bare workflow; at most 1.15")
	line("  processor time of worker and client", best(engineCPU), best(plainCPU), "the same")
	for _, e := range []struct {
		name string
		took []time.Duration
	}{{"Temporal", engine}, {"bare", plain}, {"local", local}} {
		fmt.Printf("  %-44s %11.0f /s\n", e.name, float64(n)/best(e.took).Seconds())
	}
}

// processor is the time of processors that this process has had.
func processor() time.Duration {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// temporalEngine returns a function that runs a script on the server, with a worker that
// is there already.
func (b *bench) temporalEngine(server *temporaltest.Server, source string) (run func() time.Duration, end func()) {
	dir, file := b.workspace(source)
	ws, err := workspace.At(dir)
	check(err)
	cfg := runtime.Config{Workspace: ws, Modules: builtins.All, Globals: builtins.Globals, Key: seal.KeyAt(filepath.Join(b.dir, "age.key"))}
	settings := temporal.Settings{Address: server.Address, Queue: filepath.Base(dir), Large: filepath.Join(dir, "large")}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		check(temporal.Serve(ctx, temporal.Work{Settings: settings, Runtime: cfg, Ready: func() { close(ready) }}))
	})
	<-ready
	rt := runtime.New(cfg)
	c, err := temporal.Dial(ctx, settings, cfg.Key, rt, event.Discard)
	check(err)
	return func() time.Duration {
			began := time.Now()
			out, err := c.Start(forever, runtime.Start{Script: file})
			check(err)
			if out.State != journal.Completed {
				check(fmt.Errorf("the run is %s", out.State))
			}
			return time.Since(began)
		}, func() {
			cancel()
			done.Wait()
			c.Close()
			check(rt.Close())
		}
}

// bareEngine is the same with nothing but the SDK.
func (b *bench) bareEngine(server *temporaltest.Server, branches, each int) (run func() time.Duration, end func()) {
	c := bareClient(server.Address)
	w := bareWorker(c, "bare", 0)
	check(w.Start())
	return func() time.Duration {
			began := time.Now()
			run, err := c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{TaskQueue: "bare"}, "shape", branches, each, "")
			check(err)
			check(run.Get(context.Background(), nil))
			return time.Since(began)
		}, func() {
			w.Stop()
			c.Close()
		}
}

func bareClient(address string) client.Client {
	c, err := client.Dial(client.Options{HostPort: address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	check(err)
	return c
}

// bareWorker has the options that workers of ours have.
func bareWorker(c client.Client, queue string, capacity int) worker.Worker {
	if capacity == 0 {
		capacity = 100
	}
	w := worker.New(c, queue, worker.Options{MaxConcurrentActivityExecutionSize: capacity, DeadlockDetectionTimeout: 2 * time.Minute})
	w.RegisterWorkflowWithOptions(shape, workflow.RegisterOptions{Name: "shape"})
	w.RegisterActivity(nothing)
	return w
}

// nothing is an activity; with an address it asks there.
func nothing(_ context.Context, url string) error {
	if url == "" {
		return nil
	}
	answer, err := http.Get(url)
	if err == nil {
		err = answer.Body.Close()
	}
	return err
}

// shape is a workflow with as many activities.
func shape(ctx workflow.Context, branches, each int, url string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour, HeartbeatTimeout: 15 * time.Second})
	group := workflow.NewWaitGroup(ctx)
	var failure error
	for range branches {
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			for range each {
				if err := workflow.ExecuteActivity(ctx, nothing, url).Get(ctx, nil); err != nil {
					failure = err
				}
			}
		})
	}
	group.Wait(ctx)
	return failure
}

// engineMemory is the most that a worker process needs while 1,000 effects are under
// way in it.
func (b *bench) engineMemory(server *temporaltest.Server) {
	const n = 1000
	var mu sync.Mutex
	arrived, all := 0, make(chan struct{})
	meeting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		if arrived++; arrived == n {
			close(all)
		}
		mu.Unlock()
		<-all // they are all under way at once
	}))
	defer meeting.Close()
	peak := func(worker *exec.Cmd, ready func(), run func()) int {
		worker.Stderr = os.Stderr
		worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		check(worker.Start())
		ready()
		arrived, all = 0, make(chan struct{})
		run()
		kb := peakOf(worker.Process.Pid)
		check(worker.Process.Kill())
		_ = worker.Wait() // it was killed
		return kb
	}
	self, err := os.Executable()
	check(err)
	c := bareClient(server.Address)
	defer c.Close()
	bare := peak(exec.Command(self, "bare-worker", server.Address), func() {}, func() {
		run, err := c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{TaskQueue: "bare-memory"}, "shape", n, 1, meeting.URL)
		check(err)
		check(run.Get(context.Background(), nil))
	})
	dir, file := b.workspace(fmt.Sprintf("def main():\n    parallel(lambda i: http.get(%q, timeout = 0), range(%d), limit = 0)\n", meeting.URL, n))
	env := append(os.Environ(), "PROVISIONING_HOME="+b.dir, "PROVISIONING_ENGINE=temporal", "PROVISIONING_ENGINE_TEMPORAL_ADDRESS="+server.Address)
	worker := exec.Command(filepath.Join(b.dir, "provisioning"), "worker", "--capacity", fmt.Sprint(n))
	worker.Dir, worker.Env = dir, env
	ours := peak(worker, func() {}, func() {
		cmd := exec.Command(filepath.Join(b.dir, "provisioning"), "run", file)
		cmd.Dir, cmd.Env, cmd.Stderr = dir, env, os.Stderr
		check(cmd.Run())
	})
	fmt.Printf("%-46s %11d MB %11d MB %7.2fx  a bare worker\n", "a worker with 1,000 effects under way", ours>>10, bare>>10, float64(ours)/float64(bare))
}

// peakOf is the most memory that a process has had, in KB.
func peakOf(pid int) (kb int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(err)
	i := slices.IndexFunc(strings.Split(string(status), "\n"), func(l string) bool { return strings.HasPrefix(l, "VmHWM:") })
	_, err = fmt.Sscanf(strings.Split(string(status), "\n")[i], "VmHWM: %d kB", &kb)
	check(err)
	return kb
}

// bareWorkerProcess is the process of a worker that knows nothing but the SDK.
func bareWorkerProcess(address string) {
	c := bareClient(address)
	defer c.Close()
	check(bareWorker(c, "bare-memory", 1000).Run(worker.InterruptCh()))
}
