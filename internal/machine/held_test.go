package machine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// shells are those that the text of a line is read by here.
func shells(t *testing.T) [][]string {
	all := [][]string{{"/bin/sh"}}
	for _, argv := range [][]string{{"bash"}, {"busybox", "sh"}} {
		if _, err := exec.LookPath(argv[0]); err == nil {
			all = append(all, argv)
		} else if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), argv[0]) {
			t.Fatalf("there is no %s, and REQUIRE demands it", argv[0])
		}
	}
	return all
}

// shell is a machine whose sh is another one.
type shell struct {
	machine.Local
	argv []string
}

func (s shell) Exec(ctx context.Context, line string, streams machine.Streams) (machine.Exit, error) {
	words := make([]string, 0, len(s.argv)+2)
	for _, w := range append(slices.Clone(s.argv), "-c", line) {
		words = append(words, machine.Quote(w))
	}
	return s.Local.Exec(ctx, "exec "+strings.Join(words, " "), streams)
}

func TestRunHeld(t *testing.T) {
	big := strings.Repeat("0123456789abcde\n", 20000)
	tests := []struct {
		name  string
		c     machine.Command
		stdin string
		out   string
		errs  string
		code  int
	}{
		{name: "output and code", c: machine.Command{Script: "echo out; echo err >&2; exit 7"}, out: "out\n", errs: "err\n", code: 7},
		{name: "words", c: machine.Command{Argv: []string{"printf", "%s|", "a b", "c'd", "", "é\n"}}, out: "a b|c'd||é\n|"},
		{name: "input", c: machine.Command{Argv: []string{"cat"}}, stdin: "a\x00b\nc", out: "a\x00b\nc"},
		{name: "large input", c: machine.Command{Argv: []string{"cat"}}, stdin: big, out: big},
		{name: "input that is not read", c: machine.Command{Script: "exit 4"}, stdin: big, code: 4},
		{name: "part of the input", c: machine.Command{Script: "head -n 1; exit 4"}, stdin: big, out: big[:16], code: 4},
		{name: "no input", c: machine.Command{Argv: []string{"cat"}}},
		{name: "hidden, with input", c: machine.Command{Script: "cat; echo $A", Env: map[string]string{"A": "x\ny"}, Hidden: true}, stdin: "in ", out: "in x y\n"},
		{name: "ended by a signal", c: machine.Command{Script: "kill -s TERM $$; sleep 100"}, code: 128 + 15},
		{name: "a directory that is not there", c: machine.Command{Script: "true", Dir: "/no such"}, code: 126},
		{name: "what it leaves behind goes on", c: machine.Command{Script: "sleep 100 >/dev/null 2>&1 & kill -0 $! && echo on"}, out: "on\n"},
	}
	for _, argv := range shells(t) {
		for _, test := range tests {
			t.Run(argv[0]+" "+test.name, func(t *testing.T) {
				if test.name == "ended by a signal" {
					test.c.Script = "sh -c 'kill -s TERM $$'"
				}
				var out, errs bytes.Buffer
				exit, stopped, err := machine.RunHeld(t.Context(), shell{argv: argv}, test.c, test.stdin, machine.Streams{Stdout: &out, Stderr: &errs})
				if err != nil || stopped {
					t.Fatalf("stopped %t, error %v", stopped, err)
				}
				if exit.Code != test.code || out.String() != test.out {
					t.Errorf("code %d and %.80q, want %d and %.80q; stderr %q", exit.Code, out.String(), test.code, test.out, errs.String())
				}
				if test.errs != "" && errs.String() != test.errs {
					t.Errorf("stderr %q", errs.String())
				}
			})
		}
	}
}

// The watcher must not hold up the end of a line, or the next goroutine leak.
func TestHeldEndsWithItsContext(t *testing.T) {
	for _, argv := range shells(t) {
		for _, stdin := range []string{"", "in"} {
			t.Run(argv[0]+stdin, func(t *testing.T) {
				mark := filepath.Join(t.TempDir(), "pid")
				ctx, cancel := context.WithCancelCause(t.Context())
				why := errors.New("enough")
				go func() {
					waitFor(t, func() bool { b, _ := os.ReadFile(mark); return len(b) > 0 })
					cancel(why)
				}()
				exit, stopped, err := machine.RunHeld(ctx, shell{argv: argv}, machine.Command{Script: "echo $$ >" + mark + "; sleep 1000; echo never"}, stdin, machine.Streams{})
				if err != nil || !stopped || exit.Code != 128+15 {
					t.Fatalf("%+v stopped %t error %v", exit, stopped, err)
				}
			})
		}
	}
}

// A program that is killed takes along what it has started on a machine: its end of
// the pipe is all that the machine sees of it.
func TestHeldEndsWithItsConnection(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "pid")
	line := &recorded{}
	_, _, _ = machine.RunHeld(t.Context(), line, machine.Command{Script: "echo $$ >" + mark + "; trap '' PIPE; exec sleep 1000"}, "", machine.Streams{})
	cmd := exec.Command("/bin/sh", "-c", line.text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { b, _ := os.ReadFile(mark); return len(b) > 0 })
	stdin.Close()
	if err := cmd.Wait(); err == nil {
		t.Error("it went on without a connection")
	}
}

type recorded struct {
	machine.Local
	text string
}

func (r *recorded) Exec(_ context.Context, line string, _ machine.Streams) (machine.Exit, error) {
	r.text = line
	return machine.Exit{}, nil
}

func waitFor(t *testing.T, met func() bool) {
	deadline := time.Now().Add(20 * time.Second)
	for !met() {
		if time.Now().After(deadline) {
			t.Error("waited in vain")
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}
