package main

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// TestTemporal runs the scripts on a Temporal server, each with a worker of its own:
// what users see is the same.
func TestTemporal(t *testing.T) {
	if testing.Short() {
		t.Skip("the scripts run once")
	}
	server, dir := temporaltest.Start(t), filepath.Dir(plainProgram(t))
	runScripts(t, func(env *testscript.Env) error {
		if err := setUpScript(env); err != nil {
			return err
		}
		env.Setenv("PATH", dir+string(filepath.ListSeparator)+env.Getenv("PATH"))
		env.Setenv("PROVISIONING_ENGINE", "temporal")
		env.Setenv("PROVISIONING_ENGINE_TEMPORAL_ADDRESS", server.Address)
		env.Setenv("PROVISIONING_ENGINE_TEMPORAL_TASK_QUEUE", filepath.Base(filepath.Dir(env.WorkDir))+"/"+filepath.Base(env.WorkDir))
		return startWorker(env)
	}, slices.Collect(maps.Keys(localOnly))...)
}

// localOnly are the scripts, and the folders, about what only the engine in this program
// has, with the reason.
var localOnly = map[string]string{
	"about":    "starts no run",
	"author":   "starts no run",
	"repl":     "the interactive shell is the run's process",
	"test":     "tests of scripts are executed by the program that was started for them",
	"temporal": "starts servers and workers of its own",

	"schedule/local": "schedules that the journal of the workspace keeps",

	"check/apply-killed":   "kills the process that executes the run",
	"containers/errors":    "sets a variable again and again, which the process that performs effects has to have",
	"containers/killed":    "kills the process that executes the run",
	"containers/module":    "replaces commands on the PATH of the process that performs effects",
	"isolate/end":          "kills the process that executes the run",
	"edited":               "resume --edited compares, and goes on, on this machine",
	"export/parallel-here": "--isolate and resume --edited, on this machine",
	"export/session":       "starts a run in a second workspace, which has no worker",
	"op/once":              "kills the process that executes the run",
	"limits/memory":        "workers share their memory among runs, and refuse the limit",
	"resume/background":    "kills the process that executes the run",
	"resume/kill-exec":     "kills the process that executes the run",
	"resume/kill-sleep":    "kills the process that executes the run",
	"resume/once":          "kills the process that executes the run",
	"resume/owner":         "a process owns the run",
	"resume/redo-once":     "kills the process that executes the run",
	"resume/redo-skip":     "kills the process that executes the run",
	"rollback/killed":      "kills the process that executes the run",
	"testenv/runtime":      "sets a variable again and again, which the process that performs effects has to have",
	"testenv/worker":       "kills the process that executes the run",
	"testenv/elsewhere":    "several workspaces, of which one would have a worker",
	"travel/breakpoint":    "a breakpoint stops on the terminal of the process that executes the run",
	"travel/edited":        "resume --edited compares, and goes on, on this machine",
	"travel/killed":        "kills the process that executes the run",
	"secrets/large":        "large outputs are kept beside the local journal",
	"target/killed":        "kills the process that executes the run",
}

// startWorker starts a worker for the workspace of a script, if it has one.
func startWorker(env *testscript.Env) error {
	root := ""
	for _, dir := range []string{"", "ws"} {
		if _, err := os.Stat(filepath.Join(env.WorkDir, dir, "config", "provisioning.toml")); err == nil {
			root = filepath.Join(env.WorkDir, dir)
		}
	}
	if root == "" {
		return nil
	}
	var program string
	for _, dir := range filepath.SplitList(env.Getenv("PATH")) {
		if found, err := exec.LookPath(filepath.Join(dir, "provisioning")); err == nil {
			program = found
			break
		}
	}
	ready := &spoken{come: make(chan struct{})}
	worker := exec.Command(program, "worker")
	given, err := variables(env)
	if err != nil {
		return err
	}
	worker.Dir, worker.Env, worker.Stderr = root, append(slices.Clone(env.Vars), given...), ready
	stop, err := workerReady(worker, ready)
	if err != nil {
		return err
	}
	env.Defer(stop)
	return nil
}

// workerReady starts a worker, and waits until it says that it is ready.
func workerReady(worker *exec.Cmd, ready *spoken) (stop func(), err error) {
	worker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := worker.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = worker.Process.Kill() // it may be gone
		_ = worker.Wait()
	}
	select {
	case <-ready.come:
	case <-time.After(pollDeadline):
	}
	if text := ready.text.String(); !strings.Contains(text, "ready") {
		stop()
		return nil, errors.New("the worker says: " + text)
	}
	return stop, nil
}

// variables are those that the script is going to set: effects see the environment of
// the worker that performs them.
func variables(env *testscript.Env) ([]string, error) {
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-") + ".txtar"
	text, err := os.ReadFile(filepath.Join(env.Values["dir"].(string), name))
	if err != nil {
		return nil, err
	}
	var given []string
	for line := range strings.Lines(string(text)) {
		set, ok := strings.CutPrefix(line, "env ")
		if set = strings.ReplaceAll(set, "$WORK/", env.WorkDir+"/"); ok && !strings.Contains(set, "$") {
			given = append(given, strings.TrimSpace(set))
		}
	}
	return given, nil
}

// spoken tells when the first line is written to it.
type spoken struct {
	text bytes.Buffer
	come chan struct{}
	told bool
}

func (f *spoken) Write(p []byte) (int, error) {
	if f.told {
		return len(p), nil
	}
	f.text.Write(p)
	if bytes.ContainsRune(p, '\n') {
		f.told = true
		close(f.come)
	}
	return len(p), nil
}
