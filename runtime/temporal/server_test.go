package temporal

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// site is a workspace and a server in earnest.
type site struct {
	t        *testing.T
	settings Settings
	cfg      runtime.Config
	rt       *runtime.Runtime
}

func newSite(t *testing.T) *site {
	server := temporaltest.Start(t)
	ws, err := workspace.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, settings: Settings{Address: server.Address}}
	s.cfg = runtime.Config{Workspace: ws, Modules: builtins.All, Globals: builtins.Globals, Key: seal.KeyAt(filepath.Join(t.TempDir(), "age.key"))}
	s.rt = runtime.New(s.cfg)
	t.Cleanup(func() { s.rt.Close() })
	return s
}

// withWorker does something while there is a worker.
func (s *site) withWorker(do func(c *Client, in runtime.Interrupt)) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Serve(ctx, Work{Settings: s.settings, Runtime: s.cfg, Ready: func() { close(ready) }})
	}()
	select {
	case err := <-ended:
		s.t.Fatal(err)
	case <-ready:
	}
	c, err := Dial(ctx, s.settings, s.cfg.Key, s.rt, event.Discard)
	if err != nil {
		s.t.Fatal(err)
	}
	do(c, runtime.Interrupt{Stop: ctx, Cut: ctx})
	c.Close()
	cancel()
	if err := <-ended; err != nil {
		s.t.Error(err)
	}
}

func (s *site) script(text string) runtime.Start {
	file := filepath.Join(s.cfg.Workspace.Root, "test.star")
	write(s.t, file, text)
	return runtime.Start{Script: file}
}

// TestLargeValue: where there is no directory for it, a value that the server does not
// take is a failure, and the run goes on when there is one.
func TestLargeValue(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("megabytes take minutes under the race detector")
	}
	s := newSite(t)
	noise := make([]byte, 2<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(noise) // never fails
	write(t, filepath.Join(s.cfg.Workspace.Root, "large"), hex.EncodeToString(noise))
	s.withWorker(func(c *Client, in runtime.Interrupt) {
		out, err := c.Start(in, s.script("def main():\n    fs.write(\"before\", \"1\")\n    text = fs.read(\"large\")\n    fs.write(\"copy\", text)\n    return len(text)\n"))
		if !fault.Is(err, fault.TooLarge) || out == nil || out.State != journal.Failed {
			t.Fatal(out, err)
		}
	})
	s.settings.Large = t.TempDir()
	s.withWorker(func(c *Client, in runtime.Interrupt) {
		out, err := c.Resume(in, "last", runtime.Resume{})
		if err != nil || out.State != journal.Completed {
			t.Fatal(out, err)
		}
		if got := read(t, filepath.Join(s.cfg.Workspace.Root, "copy")); got != hex.EncodeToString(noise) {
			t.Errorf("the copy has %d bytes", len(got))
		}
	})
}

// TestManyHistories: a run goes on from history to history, and loses nothing.
func TestManyHistories(t *testing.T) {
	s := newSite(t)
	s.settings.History = 60
	const branches, each = 5, 12
	s.withWorker(func(c *Client, in runtime.Interrupt) {
		out, err := c.Start(in, s.script(fmt.Sprintf(`
def work(n):
    return sum([1 for i in range(%d) if not fs.exists("none-%%d" %% i)])

def sum(numbers):
    total = 0
    for n in numbers:
        total += n
    return total

def main():
    return sum(parallel(work, range(%d), limit = 0))
`, each, branches)))
		if err != nil || out.State != journal.Completed || fmt.Sprint(out.Value) != fmt.Sprint(branches*each) {
			t.Fatal(out, err)
		}
		if n := len(places(t, out.Run)); n != branches*each+1 {
			t.Errorf("it has %d effects", n)
		}
		if out.Run.Executions != 1 {
			t.Errorf("it counts %d executions", out.Run.Executions)
		}
	})
}

// TestRollbackInManyHistories: so does what takes it back after a failure, in place and
// with a process for the interpreter.
func TestRollbackInManyHistories(t *testing.T) {
	for name, apart := range map[string]bool{"in place": false, "apart": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.settings.History = 60
			begins := s.cfg
			begins.Isolate = apart
			s.rt = runtime.New(begins)
			defer s.rt.Close()
			s.withWorker(func(c *Client, in runtime.Interrupt) {
				start := s.script(`
def main():
    for i in range(20):
        fs.write("made-%d" % i, "x")
        on_rollback(fs.append, "undone", "x")
    fail("take it back")
`)
				start.RollbackOnFailure = true
				out, err := c.Start(in, start)
				if out == nil || out.State != journal.RolledBack {
					t.Fatal(out, err)
				}
				if made, _ := filepath.Glob(filepath.Join(s.cfg.Workspace.Root, "made-*")); len(made) > 0 {
					t.Errorf("there are still %q", made)
				}
			})
			if got := read(t, filepath.Join(s.cfg.Workspace.Root, "undone")); len(got) != 20 {
				t.Errorf("what it has registered was called %d times", len(got))
			}
		})
	}
}
