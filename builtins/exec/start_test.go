package exec

import (
	"bufio"
	"context"
	"net"
	"os"
	osexec "os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func background(text string) *start {
	return &start{
		Command: starlark.String(text), Shell: true, ReadyTimeout: 20 * time.Second,
		StopSignal: "TERM", StopGrace: 5 * time.Second, LogLines: 100,
	}
}

func TestStartAndStop(t *testing.T) {
	f := builtintest.New(t, Module)
	got := f.Eval(`
p = exec.start("mkfifo p; exec 3<>p; trap 'echo bye; exit 7' TERM; echo booting; echo ready; read x <&3", shell = True, ready = "^ready$")
first = exec.stop(p)
again = exec.stop(p.handle)
got = [p.handle, p.name, first.code, first.output, again.code]
`)
	if want := `["exec/0#1", "sh", 7, "booting\nready\nbye", None]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if strings.Join(f.Output, "|") != "stdout: booting|stdout: ready" {
		t.Errorf("output %q", f.Output)
	}
}

func TestStartPromptIsReady(t *testing.T) {
	f := builtintest.New(t, Module)
	s := background("printf 'mysql> '; exec sleep 100")
	s.Ready = "mysql> $"
	if _, err := s.Perform(t.Context(), envOf(f, effect.NoOptions)); err != nil {
		t.Error(err)
	}
}

func TestStartPort(t *testing.T) {
	if os.Getenv("EXEC_TEST_SERVE") != "" {
		serve()
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := builtintest.New(t, Module)
	s := background("exec sleep 100")
	s.ReadyPort = taken.Addr().(*net.TCPAddr).Port
	_, err = s.Perform(t.Context(), envOf(f, effect.NoOptions))
	wantFault(t, err, fault.Exists, "already listens")

	taken.Close() // its port is free now, and likely to stay so
	s.Command = starlark.String(os.Args[0] + " -test.run=^TestStartPort$")
	env := envOf(f, effect.Options{Env: map[string]string{"EXEC_TEST_SERVE": taken.Addr().String()}})
	if _, err := s.Perform(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func serve() {
	l, err := net.Listen("tcp", os.Getenv("EXEC_TEST_SERVE"))
	if err != nil {
		panic(err)
	}
	for {
		if conn, err := l.Accept(); err == nil {
			conn.Close()
		}
	}
}

func TestStartFails(t *testing.T) {
	f := builtintest.New(t, Module)
	s := background("echo cannot bind >&2; exit 9")
	s.Ready = "never"
	_, err := s.Perform(t.Context(), envOf(f, effect.NoOptions))
	e := wantFault(t, err, fault.Failed, "ended with code 9 before it was ready: cannot bind")
	if e.Details["output"] != "cannot bind" {
		t.Errorf("details %v", e.Details)
	}
	s = background("echo waiting; exec sleep 100")
	s.Ready, s.ReadyTimeout = "never", 100*time.Millisecond
	_, err = s.Perform(t.Context(), envOf(f, effect.NoOptions))
	wantFault(t, err, fault.Timeout, "was not ready after")
	if env := envOf(f, effect.NoOptions); f.Run.Live.Get(s.process(env).Handle) != nil {
		t.Error("a process that failed is kept")
	}
}

func TestUndoAndRevive(t *testing.T) {
	f := builtintest.New(t, Module)
	open := fifo(t, f.Dir)
	s := background("exec 3>fifo; echo $$ >&3; exec sleep 100")
	env := envOf(f, effect.NoOptions)
	remembered, err := s.Remember(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	p := past{remembered: remembered}
	if a, _ := s.Happened(t.Context(), env, p); a.Happened != effect.No {
		t.Errorf("before: %v", a)
	}
	for range 2 { // the second time does nothing
		if err := s.Revive(t.Context(), env, p); err != nil {
			t.Fatal(err)
		}
	}
	if a, _ := s.Happened(t.Context(), env, p); a.Happened != effect.Yes {
		t.Errorf("running: %v", a)
	}
	r := open()
	line(t, r)
	for range 2 {
		if err := s.Undo(t.Context(), env, p); err != nil {
			t.Fatal(err)
		}
	}
	if rest, err := r.ReadString('\n'); err == nil || rest != "" {
		t.Errorf("read %q, %v", rest, err)
	}
}

func TestRunEndStopsAll(t *testing.T) {
	f := builtintest.New(t, Module)
	open := fifo(t, f.Dir)
	s := background("trap '' TERM; exec 3>fifo; echo $$ >&3; sleep 100 & wait")
	s.StopGrace = 50 * time.Millisecond
	if _, err := s.Perform(t.Context(), envOf(f, effect.NoOptions)); err != nil {
		t.Fatal(err)
	}
	r := open()
	line(t, r)
	f.Run.Live.CloseAll()
	if rest, err := r.ReadString('\n'); err == nil || rest != "" {
		t.Errorf("read %q, %v", rest, err)
	}
}

// TestNothingOutlivesTheProgram kills a program that runs a command.
func TestNothingOutlivesTheProgram(t *testing.T) {
	if dir := os.Getenv("EXEC_TEST_DIR"); dir != "" {
		program(dir)
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills commands with the program")
	}
	for _, how := range []string{"run", "start"} {
		dir := t.TempDir()
		open := fifo(t, dir)
		cmd := osexec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheProgram$")
		cmd.Env = append(os.Environ(), "EXEC_TEST_DIR="+dir, "EXEC_TEST_HOW="+how, "GORACE=atexit_sleep_ms=0")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r := open()
		line(t, r)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		if rest, err := r.ReadString('\n'); err == nil || rest != "" {
			t.Errorf("%s: read %q, %v", how, rest, err)
		}
	}
}

func program(dir string) {
	files, err := sandbox.OpenFiles(dir, dir)
	if err != nil {
		panic(err)
	}
	env := &effect.Env{Run: &effect.Run{Files: files, State: dir, Secrets: value.NewSecrets(nil)}, Output: func(string, string) {}}
	const text = "exec 3>fifo; echo $$ >&3; exec sleep 100"
	if os.Getenv("EXEC_TEST_HOW") == "start" {
		_, err = background(text).Perform(context.Background(), env)
		if err == nil {
			select {}
		}
	} else {
		_, err = shell(text).Perform(context.Background(), env)
	}
	panic(err)
}

func line(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
}
