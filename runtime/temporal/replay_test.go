package temporal

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/isolate"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

var update = flag.Bool("update", false, "record the histories that are not there yet")

// recorded are runs whose histories are kept in testdata/replay.
var recorded = map[string]struct {
	script string
	state  journal.State
	undo   bool // take everything back when it fails
	apart  bool // its interpreter has a process of its own
	limits map[string]string
	then   func(*recording, *journal.Run) // what happens when it waits
}{
	"effects": {state: journal.Completed, script: `
def main():
    fs.mkdir("out")
    caught = attempt(fs.read, "missing")
    print(caught.error.kind)
    fs.write("out/a", "1")
    exec.run(["touch", "out/b"], _once = True)
    checkpoint("done")
    return fs.read("out/a")
`},
	"branches": {state: journal.Completed, script: `
def leaf(n):
    sleep("%dms" % (n * 3))
    fs.write("leaf-%d" % n, "x")
    if n == 2:
        fail("no")
    return n

def row(n):
    return [b.ok for b in parallel(leaf, range(4), limit = 2, on_error = "continue")]

def main():
    print(parallel(row, range(3)))
`},
	"waits": {state: journal.Completed, script: `
def main():
    a = approval("go on?")
    print(a.answer, a.reason)
    fs.write("after", "x")
    wait_until(lambda: fs.exists("after"), interval = "5ms")
`, then: (*recording).yes},
	"tries": {state: journal.Failed, script: `
def flaky():
    fs.append("tries", "x")
    fail("not yet")

def main():
    retry(flaky, attempts = 3, initial = "1ms")
`},
	"takes-back": {state: journal.RolledBack, undo: true, script: `
def main():
    on_rollback(fs.append, "undone", "x")
    fs.write("kept", "1")
    parallel(lambda n: fs.write("kept-%d" % n, "1"), range(2))
    fail("take it back")
`},
	"apart": {state: journal.RolledBack, undo: true, apart: true, script: `
def leaf(n):
    sleep("%dms" % (n * 3))
    fs.write("leaf-%d" % n, "x")
    return fs.read("leaf-%d" % n)

def late(n):
    if n == 1:
        fail("no")
    sleep("1h")

def main():
    on_rollback(fs.append, "undone", "x")
    parallel(lambda row: parallel(leaf, range(4), limit = 2), range(3))
    parallel(late, range(3))
`},
	"dies": {state: journal.Failed, apart: true, limits: map[string]string{"memory": "100Mi"}, script: `
def slow():
    exec.run(["sleep", "1"])

def grows():
    sleep("100ms")
    numbers = list(range(1 << 40))

def main():
    parallel(lambda f: f(), [slow, grows])
`},
	"lives": {state: journal.Completed, script: `
def main():
    s = exec.start(["sh", "-c", "echo up; sleep 100"], ready = "up")
    defer(exec.stop, s)
    fs.write("beside", "x")
`},
}

// TestReplay executes runs again from the histories that servers have kept of them. What
// fails here would break the runs that are under way when workers are replaced.
func TestReplay(t *testing.T) {
	key := replayKey(t)
	if *update {
		record(t, key)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "replay", "*.json"))
	if err != nil || len(files) < len(recorded) {
		t.Fatalf("there are %d histories of %d: make histories (%v)", len(files), len(recorded), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			if err := replay(t, key, readHistory(t, file)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReplayNotices: a history that does not fit is an error.
func TestReplayNotices(t *testing.T) {
	h := readHistory(t, filepath.Join("testdata", "replay", "effects.json"))
	for _, e := range h.Events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			a.ActivityType.Name = activityUndo
		}
	}
	if err := replay(t, replayKey(t), h); err == nil {
		t.Error("it replays with other activities")
	}
}

// replayKey is the key of the histories, in a file of its own: it has to be private.
func replayKey(t *testing.T) string {
	data, err := os.ReadFile(filepath.Join("testdata", "replay", "age.key"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "age.key")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func readHistory(t *testing.T, file string) *historypb.History {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func replay(t *testing.T, key string, h *historypb.History) error {
	data, failures, err := Settings{}.converters(seal.KeyAt(key))
	if err != nil {
		return err
	}
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: data, FailureConverter: failures, DisableDeadlockDetection: true,
	})
	if err != nil {
		return err
	}
	replayer.RegisterWorkflowWithOptions((&host{recordingConfig(t, key), data}).Run, workflow.RegisterOptions{Name: workflowRun})
	return replayer.ReplayWorkflowHistory(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), h)
}

func recordingConfig(t *testing.T, key string) runtime.Config {
	ws, err := workspace.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return runtime.Config{Workspace: ws, Modules: builtins.All, Globals: builtins.Globals, Key: seal.KeyAt(key)}
}

// TestMain: the binary of the tests is also the interpreter of runs that have a process
// for it.
func TestMain(m *testing.M) {
	if isolate.IsChild(os.Args) {
		if err := isolate.Child(builtins.All, builtins.Globals); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// recording is a run on a real server.
type recording struct {
	t      *testing.T
	client *Client
	in     runtime.Interrupt
}

func (r *recording) yes(run *journal.Run) {
	if err := r.client.Answer(r.in.Cut, run.ID, "0#1", "yes", "it is time"); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.client.Resume(r.in, run.ID, runtime.Resume{}); err != nil {
		r.t.Fatal(err)
	}
}

// record makes the histories that are not there yet.
func record(t *testing.T, key string) {
	server := temporaltest.Start(t)
	for name, what := range recorded {
		file := filepath.Join("testdata", "replay", name+".json")
		if _, err := os.Stat(file); err == nil {
			continue
		}
		cfg := recordingConfig(t, key)
		settings := Settings{Address: server.Address, Queue: name, KeyFile: key}
		ctx, stop := context.WithCancel(context.Background())
		ready, served := make(chan struct{}), make(chan error, 1)
		go func() { served <- Serve(ctx, Work{Settings: settings, Runtime: cfg, Ready: func() { close(ready) }}) }()
		<-ready
		begins := cfg
		begins.Isolate = what.apart
		rt := runtime.New(begins)
		c, err := Dial(ctx, settings, cfg.Key, rt, nil)
		if err != nil {
			t.Fatal(err)
		}
		script := filepath.Join(cfg.Workspace.Root, name+".star")
		write(t, script, what.script)
		r := &recording{t, c, runtime.Interrupt{Stop: ctx, Cut: ctx}}
		out, err := c.Start(r.in, runtime.Start{Script: script, RollbackOnFailure: what.undo, Limits: what.limits})
		if out == nil {
			t.Fatal(err)
		}
		if out.State == journal.Waiting && what.then != nil {
			what.then(r, out.Run)
		}
		run, err := c.Sync(ctx, out.Run.ID)
		if err != nil || run.State != what.state {
			t.Fatalf("%s: the run is %s: %v", name, run.State, err)
		}
		save(t, file, c.client, run.ID)
		c.Close()
		stop()
		if err := errors.Join(<-served, rt.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func save(t *testing.T, file string, c client.Client, id string) {
	var h historypb.History
	for events := c.GetWorkflowHistory(context.Background(), id, "", false, 0); events.HasNext(); {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		h.Events = append(h.Events, e)
	}
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(&h)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data) + "\n"
	if machine, err := os.Hostname(); err == nil { // where it was recorded is nobody's business
		text = strings.ReplaceAll(text, "@"+machine, "@worker") // in no sealed payload is a @
	}
	write(t, file, text)
}
