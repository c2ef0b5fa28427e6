package temporal

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.starlark.net/starlark"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// stage is a workspace, and a server that skips all waits.
type stage struct {
	t   *testing.T
	cfg runtime.Config
	rt  *runtime.Runtime
	env *testsuite.TestWorkflowEnvironment

	hands *hands
}

func newStage(t *testing.T) *stage {
	root := t.TempDir()
	ws, err := workspace.At(root)
	if err != nil {
		t.Fatal(err)
	}
	key := seal.KeyAt(filepath.Join(t.TempDir(), "age.key"))
	s := &stage{t: t, cfg: runtime.Config{Workspace: ws, Modules: builtins.All, Globals: builtins.Globals, Key: key}}
	s.rt = runtime.New(s.cfg)
	t.Cleanup(func() { s.rt.Close() })
	far := runtime.New(s.cfg)
	t.Cleanup(func() { far.Close() })
	beat := func(ctx context.Context, _ []byte, details ...any) error {
		activity.RecordHeartbeat(ctx, details...)
		return nil
	}
	s.hands = &hands{rt: far, data: converter.GetDefaultDataConverter(), beat: beat, runs: map[string]*hand{}, home: "home"}
	t.Cleanup(s.hands.closeAll)
	s.renew()
	return s
}

// renew makes a server on which another workflow can be executed.
func (s *stage) renew() {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s.env = suite.NewTestWorkflowEnvironment()
	s.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: thinking})
	s.env.SetTestTimeout(time.Minute)
	s.env.RegisterWorkflowWithOptions((&host{s.cfg, converter.GetDefaultDataConverter()}).Run, workflow.RegisterOptions{Name: workflowRun})
	for name, do := range s.hands.activities() {
		s.env.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
}

func (s *stage) news() (n news) {
	v, err := s.env.QueryWorkflow(queryNews, 0)
	if err == nil {
		err = v.Get(&n)
	}
	if err != nil {
		s.t.Error(err)
	}
	return n
}

func write(t *testing.T, file, content string) {
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// submit makes a run of a script.
func (s *stage) submit(script string) *journal.Run {
	file := filepath.Join(s.cfg.Workspace.Root, "test.star")
	write(s.t, file, script)
	in := runtime.Interrupt{Stop: context.Background(), Cut: context.Background()}
	run, err := s.rt.Submit(in, runtime.Start{Script: file}, Name)
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

// execute executes the run, and returns it as it then is.
func (s *stage) execute(run *journal.Run, in input) (*journal.Run, error) {
	var err error
	if in.Parcel, err = s.rt.Pack(run.ID); err != nil {
		s.t.Fatal(err)
	}
	s.env.ExecuteWorkflow(workflowRun, in)
	if !s.env.IsWorkflowCompleted() {
		s.t.Fatal("the workflow has not ended")
	}
	parcel, err := collect(func(from int) (p portion, err error) {
		v, err := s.env.QueryWorkflow(queryRun, from)
		if err == nil {
			err = v.Get(&p)
		}
		return p, err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	after, err := s.rt.Unpack(parcel)
	if err != nil {
		s.t.Fatal(err)
	}
	return after, s.env.GetWorkflowError()
}

// places are the effects of a run, in the order of their places.
func places(t *testing.T, run *journal.Run) []string {
	effects, err := run.Effects()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range effects {
		all = append(all, e.Place+" "+e.Kind+" "+e.Status.String())
	}
	slices.Sort(all)
	return all
}

// printed are the lines that a run has printed.
func printed(t *testing.T, run *journal.Run) string {
	lines, _, err := run.Lines(0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range lines {
		all = append(all, l.Text)
	}
	return strings.Join(all, "|")
}

func TestRun(t *testing.T) {
	s := newStage(t)
	after, err := s.execute(s.submit(`
def work(i):
    fs.write("out/%d" % i, str(i))
    return i * 2

def main():
    fs.mkdir("out")
    print("before")
    sleep("1h")
    print(parallel(work, range(3), limit = 2))
    return fs.read("out/2")
`), input{})
	if err != nil || after.State != journal.Completed {
		t.Fatal(after.State, err)
	}
	want := []string{
		"0#1 fs.mkdir done", "0#2 sleep done", "0#3 parallel done", "0#4 fs.read done",
		"0.0#1 fs.write done", "0.1#1 fs.write done", "0.2#1 fs.write done",
	}
	if got := places(t, after); !slices.Equal(got, want) {
		t.Errorf("effects\n%q, want\n%q", got, want)
	}
	if got := printed(t, after); got != "before|[0, 2, 4]" {
		t.Errorf("it printed %q", got)
	}
	if after.Executions != 1 {
		t.Errorf("it counts %d executions", after.Executions)
	}
	if v, err := new(codec.Codec).Decode(after.Result); err != nil || v != starlark.Value(starlark.String("2")) {
		t.Errorf("it returned %v, %v", v, err)
	}
}

// TestFailure: a run that fails ends its workflow, and another one goes on with it.
func TestFailure(t *testing.T) {
	s := newStage(t)
	run := s.submit(`
def main():
    caught = attempt(fs.read, "missing")
    print(caught.ok, caught.error.kind)
    fs.write("first", "1")
    print(fs.read("second"))
`)
	after, err := s.execute(run, input{})
	if err == nil || after.State != journal.Failed || after.Error == nil || after.Error.Kind != fault.NotFound {
		t.Fatal(after.State, after.Error, err)
	}
	if at := after.Error.Stack; len(at) == 0 || at[0].Line != 6 {
		t.Errorf("the error has the stack %v", at)
	}
	write(t, filepath.Join(s.cfg.Workspace.Root, "second"), "2")
	s.renew()
	after, err = s.execute(run, input{})
	if err != nil || after.State != journal.Completed {
		t.Fatal(after.State, err)
	}
	if got := printed(t, after); got != "False not_found|2" {
		t.Errorf("it printed %q", got)
	}
	want := []string{"0#1 fs.read failed, handled", "0#2 fs.write done", "0#3 fs.read done"}
	if got := places(t, after); !slices.Equal(got, want) {
		t.Errorf("effects\n%q, want\n%q", got, want)
	}
}

// TestApproval: a run that waits stays open, and goes on when it was answered.
func TestApproval(t *testing.T) {
	for answer, want := range map[string]journal.State{"yes": journal.Completed, "no": journal.Failed} {
		s := newStage(t)
		run := s.submit("def main():\n    approval(\"go on?\")\n    fs.write(\"out\", \"1\")\n")
		s.env.RegisterDelayedCallback(func() {
			if got := s.news().State; got != journal.Waiting {
				t.Errorf("the run is %s", got)
			}
			s.env.SignalWorkflow(signalAnswer, answered{"0#1", answer, "because"})
			s.env.SignalWorkflow(signalResume, runtime.Resume{})
		}, time.Hour)
		after, err := s.execute(run, input{})
		if after.State != want {
			t.Errorf("after the answer %s it is %s: %v", answer, after.State, err)
		}
	}
}

// TestCancelled: what is under way ends, nothing more is begun, and the run can go on.
func TestCancelled(t *testing.T) {
	s := newStage(t)
	run := s.submit("def main():\n    fs.write(\"a\", \"1\")\n    sleep(\"1h\")\n    fs.write(\"b\", \"1\")\n")
	s.env.RegisterDelayedCallback(s.env.CancelWorkflow, time.Minute)
	after, _ := s.execute(run, input{})
	if after.State != journal.Cancelled {
		t.Fatal(after.State, after.Error)
	}
	s.renew()
	after, err := s.execute(run, input{})
	if err != nil || after.State != journal.Completed {
		t.Fatal(after.State, err)
	}
	want := []string{"0#1 fs.write done", "0#2 sleep done", "0#3 fs.write done"}
	if got := places(t, after); !slices.Equal(got, want) {
		t.Errorf("effects\n%q, want\n%q", got, want)
	}
}

// TestRollback: undo is performed by workers, and calls what the script has registered.
func TestRollback(t *testing.T) {
	s := newStage(t)
	root := s.cfg.Workspace.Root
	write(t, filepath.Join(root, "kept"), "before")
	run := s.submit(`
def main():
    on_rollback(fs.write, "undone", "yes")
    fs.write("kept", "after")
    fs.write("new", "1")
`)
	if after, err := s.execute(run, input{}); err != nil {
		t.Fatal(after.State, err)
	}
	s.renew()
	after, err := s.execute(run, input{Rollback: &takeBack{}})
	if err != nil || after.State != journal.RolledBack {
		t.Fatal(after.State, err)
	}
	for name, want := range map[string]string{"kept": "before", "undone": "yes"} {
		if got, err := os.ReadFile(filepath.Join(root, name)); string(got) != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "new")); !os.IsNotExist(err) {
		t.Error("what was made is still there:", err)
	}
}

// TestLongHistory: the next history begins with all that the one before did.
func TestLongHistory(t *testing.T) {
	s := newStage(t)
	run := s.submit("def main():\n    for i in range(4):\n        fs.write(\"out%d\" % i, \"1\")\n    print(\"end\")\n")
	in, histories := input{Limit: 10}, 0
	for ; histories < 10; histories++ {
		s.env.SetOnActivityCompletedListener(func(*activity.Info, converter.EncodedValue, error) { s.env.SetCurrentHistoryLength(11) })
		s.env.SetCurrentHistoryLength(1)
		after, err := s.execute(run, in)
		var next *workflow.ContinueAsNewError
		if !errors.As(err, &next) {
			if err != nil || after.State != journal.Completed || printed(t, after) != "end" || after.Executions != 1 {
				t.Fatal(after.State, after.Executions, printed(t, after), err)
			}
			break
		}
		in = input{}
		if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &in); err != nil {
			t.Fatal(err)
		}
		if n := len(in.Parcel.Bundle.Effects); n != histories+1 {
			t.Fatalf("history %d hands on %d effects", histories, n)
		}
		s.renew()
	}
	if histories != 3 {
		t.Errorf("it took %d histories", histories)
	}
}

// TestLost: a worker that dies leaves the effect in doubt, and the world is asked.
func TestLost(t *testing.T) {
	for _, c := range []struct {
		name  string
		begun bool
		there bool // it did what it was told before it died
		tries int
	}{
		{"before it began", false, false, 2},
		{"after it began", true, false, 2},
		{"after it was done", true, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			run := s.submit("def main():\n    fs.append(\"out\", \"1\")\n")
			tries := 0
			s.env.OnActivity(activityPerform, mock.Anything, mock.Anything).Return(func(ctx context.Context, j job) (done, error) {
				if tries++; tries > 1 {
					return s.hands.Perform(ctx, j)
				}
				if !c.begun {
					return done{}, sdk.NewHeartbeatTimeoutError()
				}
				var last any
				h := &hands{rt: s.hands.rt, data: s.hands.data, runs: s.hands.runs}
				h.beat = func(_ context.Context, _ []byte, details ...any) error {
					last = details[0]
					if !c.there {
						return errors.New("the worker is gone")
					}
					return nil
				}
				if _, err := h.Perform(ctx, j); err != nil {
					return done{}, err
				}
				return done{}, sdk.NewHeartbeatTimeoutError(last)
			})
			after, err := s.execute(run, input{})
			if err != nil || after.State != journal.Completed || tries != c.tries {
				t.Fatalf("%s after %d tries: %v", after.State, tries, err)
			}
			if got := read(t, filepath.Join(s.cfg.Workspace.Root, "out")); got != "1" {
				t.Errorf("the file has %q", got)
			}
		})
	}
}

// TestSecretsStayHidden: what the server is told has no secret in it, and effects get it.
func TestSecretsStayHidden(t *testing.T) {
	s := newStage(t)
	const plain = "correct horse battery staple"
	t.Setenv("TOKEN", plain)
	run := s.submit(`
def main():
    token = secret.wrap(env.get("TOKEN"), "token")
    fs.write("token", "it is " + token)
    print("the token is", token)
    return token
`)
	after, err := s.execute(run, input{})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(s.cfg.Workspace.Root, "token")); got != "it is "+plain {
		t.Errorf("the effect got %q", got)
	}
	if got := printed(t, after); strings.Contains(got, plain) {
		t.Errorf("it printed %q", got)
	}
}
