package container_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

func TestLines(t *testing.T) {
	f := containertest.New(t)
	name := f.Run(nil)
	for _, c := range []struct {
		about, user, line, stdin string
		stdout, stderr           string
		code                     int
	}{
		{about: "both streams", line: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		{about: "an exit code", line: "exit 7", code: 7},
		{about: "a signal", line: "kill -TERM $$", code: 143},
		{about: "the input", line: "cat", stdin: "a\x00b\n", stdout: "a\x00b\n"},
		{about: "input that is not read", line: "echo done", stdin: strings.Repeat("x", 1<<20), stdout: "done\n"},
		{about: "no input is an empty one", line: "cat; echo end", stdout: "end\n"},
		{about: "the home directory of root", line: "pwd", stdout: "/root\n"},
		{about: "the home directory of a user", user: "user", line: "pwd; id -un", stdout: "/home/user\nuser\n"},
		{about: "several lines", line: "x=1\necho $x", stdout: "1\n"},
		{about: "what sh does not understand", line: "if", stderr: "unexpected", code: 2},
		{about: "nothing", line: ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			var out, errs bytes.Buffer
			s := machine.Streams{Stdout: &out, Stderr: &errs}
			if c.stdin != "" {
				s.Stdin = strings.NewReader(c.stdin)
			}
			exit, err := f.Engine.Conn(name, c.user).Exec(context.Background(), c.line, s)
			if err != nil {
				t.Fatal(err)
			}
			if exit.Code != c.code || out.String() != c.stdout || !strings.Contains(errs.String(), c.stderr) || c.stderr == "" && errs.Len() > 0 {
				t.Errorf("got %d, %q, %q", exit.Code, out.String(), errs.String())
			}
		})
	}
}

// TestMachine: what machine.Run adds works in containers as elsewhere.
func TestMachine(t *testing.T) {
	f := containertest.New(t)
	conn := f.Engine.Conn(f.Run(nil), "")
	var out bytes.Buffer
	_, err := machine.Run(context.Background(), conn, machine.Command{
		Argv: []string{"sh", "-c", "echo $A; pwd; cat"}, Env: map[string]string{"A": "it's"}, Dir: "/tmp", Hidden: true,
	}, machine.Streams{Stdin: strings.NewReader("in"), Stdout: &out})
	if err != nil || out.String() != "it's\n/tmp\nin" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	out.Reset()
	_, err = machine.Run(context.Background(), conn, machine.Command{Argv: []string{"id", "-un"}, As: machine.As{User: "user"}}, machine.Streams{Stdout: &out})
	if err != nil || out.String() != "user\n" {
		t.Errorf("as another user, without sudo in the container: %q, %v", out.String(), err)
	}
	out.Reset()
	conn = f.Engine.Conn(conn.Container(), "user")
	_, err = machine.Run(context.Background(), conn, machine.Command{Script: "id -un; pwd", As: machine.As{Method: "sudo"}}, machine.Streams{Stdout: &out})
	if err != nil || out.String() != "root\n/root\n" {
		t.Errorf("as root, without sudo in the container: %q, %v", out.String(), err)
	}
}

func TestLargeOutput(t *testing.T) {
	f := containertest.New(t)
	const size = 20 << 20
	var out bytes.Buffer
	_, err := f.Engine.Conn(f.Run(nil), "").Exec(context.Background(), fmt.Sprintf("head -c %d /dev/zero; cat >&2", size),
		machine.Streams{Stdin: io.LimitReader(rand.Reader, size), Stdout: &out, Stderr: io.Discard})
	if err != nil || out.Len() != size {
		t.Errorf("got %d bytes, %v", out.Len(), err)
	}
}

// sleeps reports whether "sleep SECONDS" runs in a container.
func sleeps(t *testing.T, e *container.Engine, name, seconds string) bool {
	t.Helper()
	var out bytes.Buffer
	if _, err := e.Conn(name, "").Exec(context.Background(), "ps -o args", machine.Streams{Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	return slices.Contains(strings.Split(out.String(), "\n"), "sleep "+seconds)
}

// startedWriter tells when something was written.
type startedWriter struct{ began chan struct{} }

func (w startedWriter) Write(p []byte) (int, error) {
	select {
	case w.began <- struct{}{}:
	default:
	}
	return len(p), nil
}

// TestStopped: when the context ends, what the line has started ends too.
func TestStopped(t *testing.T) {
	f := containertest.New(t)
	name := f.Run(nil)
	for _, c := range []struct{ about, user, line, left string }{
		{"a program", "", "echo go; sleep 4242", "4242"},
		{"as another user", "user", "echo go; sleep 4243", "4243"},
		{"in the background, with the output closed", "", "sleep 4244 >/dev/null 2>&1 & echo go; wait", "4244"},
		{"that ignores SIGTERM", "", "trap '' TERM; echo go; sh -c 'sleep 4245; sleep 4245'", "4245"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(context.Background())
			w := startedWriter{make(chan struct{}, 1)}
			go func() {
				<-w.began
				if !sleeps(t, f.Engine, name, c.left) {
					t.Error("it has not begun")
				}
				cancel(errors.New("enough"))
			}()
			_, err := f.Engine.Conn(name, c.user).Exec(ctx, c.line, machine.Streams{Stdout: w})
			if e := fault.As(err); e == nil || !e.InDoubt || !strings.Contains(e.Msg, "enough") {
				t.Errorf("the error is %v", err)
			}
			if sleeps(t, f.Engine, name, c.left) {
				t.Error("it is still there")
			}
		})
	}
}

func TestStoppedBeforeIt(t *testing.T) {
	f := containertest.New(t)
	conn := f.Engine.Conn(f.Run(nil), "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := conn.Exec(ctx, "touch /x", machine.Streams{}); !fault.Is(err, fault.Cancelled) || !fault.As(err).Unsent {
		t.Errorf("a line that was not begun: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(context.Background(), "true", machine.Streams{}); err == nil || !fault.As(err).Unsent {
		t.Errorf("a closed connection: %v", err)
	}
}

func TestCloseEndsLines(t *testing.T) {
	f := containertest.New(t)
	name := f.Run(nil)
	conn := f.Engine.Conn(name, "")
	w := startedWriter{make(chan struct{}, 1)}
	go func() {
		<-w.began
		_ = conn.Close()
	}()
	if _, err := conn.Exec(context.Background(), "echo go; sleep 4246", machine.Streams{Stdout: w}); err == nil || !fault.As(err).InDoubt {
		t.Errorf("the error is %v", err)
	}
	if sleeps(t, f.Engine, name, "4246") {
		t.Error("it is still there")
	}
}

func TestNoSuchContainer(t *testing.T) {
	f := containertest.New(t)
	stopped := f.Run(nil)
	if _, err := f.Engine.Stop(context.Background(), stopped, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		kind fault.Kind
		want string
	}{
		{"provisioning-test-nobody", fault.NotFound, "there is no such container"},
		{stopped, fault.Failed, "it is not running"},
	} {
		_, err := f.Engine.Conn(c.name, "").Exec(context.Background(), "true", machine.Streams{})
		e := fault.As(err)
		if e == nil || e.Kind != c.kind || !e.Unsent || e.InDoubt || !strings.Contains(e.Msg, c.want) || e.Hint == "" {
			t.Errorf("%s: %+v", c.name, e)
		}
	}
}

func TestNoSuchProgram(t *testing.T) {
	f := containertest.New(t)
	name := f.Run(nil)
	_, err := f.Engine.Exec(context.Background(), name, container.Exec{Argv: []string{"nonesuch"}}, machine.Streams{})
	if e := fault.As(err); e == nil || e.Kind != fault.NotFound || !e.Unsent || !strings.Contains(e.Msg, "no such program") {
		t.Errorf("the error is %+v", e)
	}
}

// TestContainerGoes: a container that is killed ends its lines.
func TestContainerGoes(t *testing.T) {
	f := containertest.New(t)
	name := f.Run(nil)
	w := startedWriter{make(chan struct{}, 1)}
	go func() {
		<-w.began
		if err := f.Engine.Kill(context.Background(), name, "KILL"); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	exit, err := f.Engine.Conn(name, "").Exec(context.Background(), "echo go; sleep 4247", machine.Streams{Stdout: w})
	if err == nil && exit.OK() || time.Since(began) > 20*time.Second {
		t.Errorf("got %+v, %v", exit, err)
	}
}
