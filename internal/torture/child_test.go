package torture

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// The test binary is also the process that is killed: with TORTURE_CHILD it does
// one command, and dies at the point number TORTURE_KILL.
func TestMain(m *testing.M) {
	if verb := os.Getenv("TORTURE_CHILD"); verb != "" {
		os.Exit(child(verb))
	}
	os.Exit(m.Run())
}

var (
	points atomic.Int64
	killAt int64
)

// point is where the process may die.
func point() {
	if points.Add(1) == killAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// deadly dies at the boundaries of effects.
type deadly struct{}

func (deadly) Emit(e event.Event) {
	switch e.Type {
	case event.EffectStarted, event.EffectEnded, event.UndoStarted, event.UndoEnded:
		point()
	}
}

// What a child says by how it ends.
const (
	exitDone   = 0
	exitFailed = 1
	exitWaits  = 6
	exitKilled = -1
)

func child(verb string) int {
	if verb == "worker" {
		fmt.Println(work(os.Getenv("TORTURE_DIR")))
		return exitFailed
	}
	killAt, _ = strconv.ParseInt(os.Getenv("TORTURE_KILL"), 10, 64)
	rt, err := newRuntime(os.Getenv("TORTURE_DIR"), deadly{})
	if err == nil {
		err = command(rt, verb)
		if cerr := rt.Close(); err == nil {
			err = cerr
		}
	}
	fmt.Printf("points %d\n", points.Load())
	switch {
	case err == nil:
		return exitDone
	case fault.Is(err, fault.Waiting):
		return exitWaits
	}
	fmt.Print(fault.Render(err))
	return exitFailed
}

func newRuntime(dir string, sink event.Sink) (*runtime.Runtime, error) {
	cfg, err := newConfig(dir, sink)
	return runtime.New(cfg), err
}

func newConfig(dir string, sink event.Sink) (runtime.Config, error) {
	ws, err := workspace.At(filepath.Join(dir, "ws"))
	return runtime.Config{
		Workspace: ws, Modules: append([]*module.Module{worldModule}, builtins.All...), Globals: builtins.Globals,
		Key: seal.KeyAt(filepath.Join(dir, "home", "age.key")), Events: sink,
	}, err
}

func interrupt() runtime.Interrupt {
	return runtime.Interrupt{Stop: context.Background(), Cut: context.Background()}
}

func command(rt *runtime.Runtime, verb string) error {
	var err error
	switch verb {
	case "run":
		_, err = rt.Start(interrupt(), runtime.Start{Script: filepath.Join(os.Getenv("TORTURE_DIR"), "ws", "main.star")})
	case "resume":
		var answers []runtime.Answer
		for _, text := range strings.Fields(os.Getenv("TORTURE_ANSWERS")) {
			place, choice, _ := strings.Cut(text, "=")
			answers = append(answers, runtime.Answer{Place: place, Choice: choice})
		}
		_, err = rt.Resume(interrupt(), "last", runtime.Resume{Answers: answers})
	case "rollback":
		var out *runtime.Outcome
		if out, err = rt.Rollback(interrupt(), "last", os.Getenv("TORTURE_TO")); out != nil && out.Rollback != nil {
			for _, u := range out.Rollback.Failed {
				fmt.Println("failed", u.Place, u)
			}
		}
	}
	return err
}

// place is a directory with a workspace, a key and a world.
type place struct {
	t   *testing.T
	dir string
}

func newPlace(t *testing.T, script string) *place {
	t.Helper()
	p := &place{t, t.TempDir()}
	for name, text := range map[string]string{"ws/config/provisioning.toml": "", "ws/main.star": script, "home/.keep": ""} {
		file := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *place) ws() string    { return filepath.Join(p.dir, "ws") }
func (p *place) world() string { return filepath.Join(p.dir, "world.log") }

// cmd is the child process for a verb; prefix is put before it.
func (p *place) cmd(verb string, killAt int, env []string, prefix ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	argv := append(prefix[:len(prefix):len(prefix)], self)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TORTURE_CHILD="+verb, "TORTURE_DIR="+p.dir, "TORTURE_WORLD="+p.world(),
		"TORTURE_KILL="+strconv.Itoa(killAt), "GORACE=atexit_sleep_ms=0")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// do runs a child to its end, and waits for all that it has started: a command
// outlives its parent. It returns how the child ended and how many points it
// came to.
func (p *place) do(verb string, killAt int, env ...string) (code, points int) {
	p.t.Helper()
	cmd := p.cmd(verb, killAt, env)
	r, w, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Start()
	w.Close()
	if err == nil {
		_, _ = io.Copy(io.Discard, r) // ends when nobody holds the other end
		_ = cmd.Wait()                // the code says it
	}
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	_, _ = fmt.Sscanf(out.String(), "points %d", &points) // a killed child says nothing
	code = cmd.ProcessState.ExitCode()
	if code != exitDone && code != exitWaits && code != exitKilled {
		p.t.Fatalf("%s ended with %d:\n%s", verb, code, out.String())
	}
	return code, points
}
