package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/providers/local"
)

const killScript = `
def main():
    for s in parallel(lambda n: server.create(n, image = "provisioning/busybox:1", plan = "1xCPU-128MB"), ["a", "b"]):
        print(s.name, s.status)
`

// TestKilledWhileCreating kills the program at moments all along the making of two
// servers. Whatever was there by then, the resumed run ends with these two, and
// rollback with none.
func TestKilledWhileCreating(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes many servers")
	}
	if ok, err := condition("image:provisioning/busybox:1"); err != nil {
		t.Fatal(err)
	} else if !ok {
		t.Skip("there is no image provisioning/busybox:1 (make images)")
	}
	t.Parallel()
	points := 4
	if os.Getenv("TORTURE") == "full" {
		points = 16
	}
	program := plainProgram(t)
	took := timeOfCreation(t, program)
	for i := range points {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			// Each is moved by half a step: before the first effect there is nothing to see.
			killWhileCreating(t, program, took*time.Duration(2*i+1)/time.Duration(2*points))
		})
	}
}

func killWhileCreating(t *testing.T, program string, after time.Duration) {
	w := killWorkspace(t, program)
	cmd := w.command("run", "kill.star")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	if err != nil && cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the run ended by itself: %v", err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, ".provisioning", "journal.db")); err != nil || w.runs(t) == 0 {
		return // it was too early for a run
	}
	if err != nil { // else it was over before it was killed
		out, err := w.command("resume", "last").CombinedOutput()
		if err != nil && !strings.Contains(string(out), "has completed") { // it was killed after its last word
			t.Fatalf("resume: %v\n%s", err, out)
		}
	}
	servers := w.servers(t)
	if len(servers) != 2 || servers[0].Name != "a" || servers[1].Name != "b" {
		t.Fatalf("killed after %s, and resumed: there are %v", after, servers)
	}
	for _, s := range servers {
		if s.Status != providers.Running {
			t.Errorf("the server %s is %s", s.Name, s.Status)
		}
	}
	w.must(t, "rollback", "last")
	if servers := w.servers(t); len(servers) > 0 {
		t.Fatalf("after rollback there is %v", servers)
	}
}

// killed is a workspace whose runs are killed.
type killed struct{ dir, program string }

func killWorkspace(t *testing.T, program string) killed {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"config/provisioning.toml": "", "kill.star": killScript} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { removeServers(dir) })
	return killed{dir, program}
}

func (w killed) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.program, args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "PROVISIONING_HOME="+filepath.Join(w.dir, "home"))
	return cmd
}

func (w killed) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("provisioning %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (w killed) runs(t *testing.T) int {
	return strings.Count(w.must(t, "runs", "list", "--out", "json"), `"id"`)
}

func (w killed) servers(t *testing.T) []providers.Server {
	t.Helper()
	p := local.New(nil)
	defer p.Close() //nolint:errcheck // it was only asked
	servers, err := p.ListServers(t.Context(), providers.Filter{Workspace: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	return servers
}

// timeOfCreation is how long the script takes when nobody kills it.
func timeOfCreation(t *testing.T, program string) time.Duration {
	t.Helper()
	w := killWorkspace(t, program)
	began := time.Now()
	w.must(t, "run", "kill.star")
	took := time.Since(began)
	w.must(t, "rollback", "last")
	return took
}
