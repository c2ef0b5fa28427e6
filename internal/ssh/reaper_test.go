package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// reaped is a connection whose link has a reaper.
func reaped(t *testing.T, s *sshtest.Server) *Conn {
	t.Helper()
	c := dial(t, hostOf(s))
	for range reaperAfter {
		if _, _, err := machine.RunHeld(t.Context(), c, machine.Command{Argv: []string{"uname"}}, "", machine.Streams{}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "there is a reaper", func() bool { return c.link.hasReaper() })
	return c
}

func (l *link) hasReaper() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reaper != nil
}

func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// gone reports whether there is no process with the number that the file has in it.
func gone(t *testing.T, file string) bool {
	t.Helper()
	return errors.Is(syscall.Kill(numberIn(t, file), 0), syscall.ESRCH)
}

func numberIn(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestReaped(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := reaped(t, s)
	big := strings.Repeat("0123456789abcde\n", 20000)
	for _, test := range []struct {
		name      string
		c         machine.Command
		stdin     string
		out, errs string
		code      int
	}{
		{name: "program", c: machine.Command{Argv: []string{"env", "printf", "%s|", "a b", "c'd", ""}}, out: "a b|c'd||"},
		{name: "no such program", c: machine.Command{Argv: []string{"no-such-program"}}, code: 127},
		{name: "text", c: machine.Command{Script: "echo out; echo err >&2; exit 7 # done"}, out: "out\n", errs: "err\n", code: 7},
		{name: "environment and directory", c: machine.Command{Script: "echo $A; pwd", Env: map[string]string{"A": "x\ny"}, Dir: "/"}, out: "x y\n/\n"},
		{name: "input", c: machine.Command{Argv: []string{"cat"}}, stdin: "a\x00b\nc", out: "a\x00b\nc"},
		{name: "large input", c: machine.Command{Argv: []string{"cat"}}, stdin: big, out: big},
		{name: "input that is not read", c: machine.Command{Script: "exit 4"}, stdin: big, code: 4},
		{name: "no input", c: machine.Command{Script: "cat; [ -c /proc/self/fd/0 ] && echo device"}, out: "device\n"},
		{name: "hidden", c: machine.Command{Argv: []string{"echo", "x"}, Hidden: true}, out: "x\n"},
		{name: "hidden, without input", c: machine.Command{Script: "cat; [ -c /proc/self/fd/0 ] && echo device", Hidden: true}, out: "device\n"},
		{name: "hidden, with input", c: machine.Command{Script: "cat; echo end", Hidden: true}, stdin: "in ", out: "in end\n"},
		{name: "ended by a signal", c: machine.Command{Script: "kill -s TERM $$; sleep 100"}, code: 128 + 15},
		{name: "what it leaves behind goes on", c: machine.Command{Script: "sleep 1000 >/dev/null 2>&1 & echo $! >$HOME/left"}},
	} {
		var out, errs bytes.Buffer
		exit, stopped, err := machine.RunHeld(t.Context(), c, test.c, test.stdin, machine.Streams{Stdout: &out, Stderr: &errs})
		if err != nil || stopped || exit.Code != test.code || out.String() != test.out || test.errs != "" && errs.String() != test.errs {
			t.Errorf("%s: code %d and %.80q, want %d and %.80q; stderr %q, stopped %t, error %v", test.name, exit.Code, out.String(), test.code, test.out, errs.String(), stopped, err)
		}
	}
	if err := syscall.Kill(numberIn(t, filepath.Join(s.Home, "left")), syscall.SIGKILL); err != nil {
		t.Errorf("what it left behind: %v", err)
	}
	if c.link.reaper.lines != 0 || c.link.reaper.made != 1 {
		t.Errorf("one line after the other: %d lines are held, with %d files", c.link.reaper.lines, c.link.reaper.made)
	}
}

// TestReapOne ends one of two lines that run.
func TestReapOne(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := reaped(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	other, release := context.WithCancel(t.Context())
	var both sync.WaitGroup
	line := func(ctx context.Context, name string) (exit machine.Exit, stopped bool) {
		exit, stopped, err := machine.RunHeld(ctx, c, machine.Command{Script: "echo $$ >" + s.Home + "/" + name + "; trap '' PIPE; sleep 1000; echo never"}, "", machine.Streams{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return exit, stopped
	}
	ended := make(chan struct{})
	both.Go(func() {
		defer close(ended)
		if exit, stopped := line(ctx, "one"); !stopped || exit.Code != 128+15 {
			t.Errorf("one: %v, stopped %t", exit, stopped)
		}
	})
	both.Go(func() {
		if exit, stopped := line(other, "two"); !stopped || exit.Code != 128+15 {
			t.Errorf("two: %v, stopped %t", exit, stopped)
		}
	})
	for _, name := range []string{"one", "two"} {
		until(t, name+" runs", func() bool { text, _ := os.ReadFile(filepath.Join(s.Home, name)); return len(text) > 0 })
	}
	cancel()
	<-ended
	if gone(t, filepath.Join(s.Home, "two")) {
		t.Error("the end of one line was that of the other")
	}
	release()
	both.Wait()
}

// TestReapAll cuts the connection under a line. What an earlier line has left behind, and
// what a later connection does, goes on.
func TestReapAll(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := reaped(t, s)
	left := filepath.Join(s.Home, "left")
	if _, _, err := machine.RunHeld(t.Context(), c, machine.Command{Script: "sleep 1000 >/dev/null 2>&1 & echo $! >" + left}, "", machine.Streams{}); err != nil {
		t.Fatal(err)
	}
	runs := filepath.Join(s.Home, "runs")
	failed := make(chan error)
	go func() {
		_, _, err := machine.RunHeld(t.Context(), c, machine.Command{Script: "echo $$ >" + runs + "; trap '' PIPE; sleep 1000"}, "", machine.Streams{})
		failed <- err
	}()
	until(t, "the line runs", func() bool { text, _ := os.ReadFile(runs); return len(text) > 0 })
	files := c.link.reaper.files
	s.Cut()
	if err := <-failed; err == nil {
		t.Error("there is no error")
	}
	until(t, "the line has ended", func() bool { return gone(t, runs) })
	until(t, "the files are gone", func() bool { there, _ := filepath.Glob(files + "*"); return len(there) == 0 })
	if err := syscall.Kill(numberIn(t, left), syscall.SIGKILL); err != nil {
		t.Errorf("what a line had left behind: %v", err)
	}
	if _, out, _ := sh(t, c, "echo again", ""); out != "again\n" {
		t.Errorf("got %q", out)
	}
}

// TestReaperWithoutFiles has lines that cannot say which process they are: each is run
// once, by other means.
func TestReaperWithoutFiles(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := reaped(t, s)
	if err := os.Remove(c.link.reaper.files + "alive"); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		exit, stopped, err := machine.RunHeld(t.Context(), c, machine.Command{Script: "cat >>" + s.Home + "/done; exit 3"}, fmt.Sprintln(i), machine.Streams{})
		if err != nil || stopped || exit.Code != 3 {
			t.Errorf("%v, stopped %t, error %v", exit, stopped, err)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(s.Home, "done")); string(text) != "0\n1\n" {
		t.Errorf("the lines did %q", text)
	}
}

// TestReaperOfFewSessions has servers that allow fewer sessions than a reaper is worth.
func TestReaperOfFewSessions(t *testing.T) {
	for _, allowed := range []int{1, 2, 3} {
		c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{MaxSessions: allowed})))
		for range 3 {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					var out bytes.Buffer
					exit, stopped, err := machine.RunHeld(t.Context(), c, machine.Command{Argv: []string{"env", "echo", strconv.Itoa(i)}}, "", machine.Streams{Stdout: &out})
					if err != nil || stopped || !exit.OK() || out.String() != fmt.Sprintln(i) {
						t.Errorf("%d sessions, line %d: %v, %q, %v", allowed, i, exit, out.String(), err)
					}
				})
			}
			all.Wait()
		}
		if held, ok := c.Hold(); ok {
			held.Release()
			t.Errorf("%d sessions, one of which is a reaper's", allowed)
		}
	}
}

// TestReapedByNoisyLogin has a login whose start-up file prints, and guards its files. What
// it prints is no output, also not of a line that is tried again.
func TestReapedByNoisyLogin(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	if err := os.WriteFile(filepath.Join(s.Home, ".bashrc"), []byte("echo hello\nset -o noclobber\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := reaped(t, s)
	line := func() {
		t.Helper()
		var out bytes.Buffer
		exit, stopped, err := machine.RunHeld(t.Context(), c, machine.Command{Argv: []string{"env", "echo", "out"}}, "", machine.Streams{Stdout: &out})
		if err != nil || stopped || !exit.OK() || out.String() != "out\n" {
			t.Errorf("%v, %q, %v", exit, out.String(), err)
		}
	}
	line()
	line()
	if c.link.reaper.made != 1 || c.link.reaper.serves.Err() != nil {
		t.Error("the second line could not say which process it is")
	}
	if err := os.Remove(c.link.reaper.files + "alive"); err != nil {
		t.Fatal(err)
	}
	line()
}

// TestTooLongToBeReaped has a line that leaves no room to say which process it is.
func TestTooLongToBeReaped(t *testing.T) {
	c := reaped(t, sshtest.Start(t, sshtest.Options{}))
	text := "echo " + strings.Repeat(`"'"`, 20_000) + " | wc -c"
	for range 2 {
		var out bytes.Buffer
		exit, stopped, err := machine.RunHeld(t.Context(), c, machine.Command{Script: text}, "", machine.Streams{Stdout: &out})
		if err != nil || stopped || !exit.OK() || strings.TrimSpace(out.String()) != "20001" {
			t.Errorf("%v, %q, %v", exit, out.String(), err)
		}
	}
	if c.link.reaper.serves.Err() != nil {
		t.Error("the reaper has gone")
	}
}

// TestReaping has the program of a reaper read by every sh there is.
func TestReaping(t *testing.T) {
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash"}, {"busybox", "sh"}, {"mksh"}, {"ksh"}} {
		if _, err := exec.LookPath(shell[0]); err != nil {
			continue
		}
		t.Run(shell[0], func(t *testing.T) {
			dir := t.TempDir()
			reaper := exec.Command(shell[0], append(shell[1:], "-c", "name=X\n"+reaping)...)
			reaper.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
			reaper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			input, err := reaper.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			said, err := reaper.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := reaper.Start(); err != nil {
				t.Fatal(err)
			}
			files := dir + "/provisioning-X-"
			where := make([]byte, len(files)+1)
			if n, err := said.Read(where); err != nil || string(where[:n]) != files+"\n" {
				t.Fatalf("it said %q, error %v", where[:n], err)
			}
			told, cut, other := sleeper(t, files+"0", 0), sleeper(t, files+"1", 0), sleeper(t, files+"2", time.Second)
			// A file may have another line's process in it by the time that it is read.
			if _, err := fmt.Fprintf(input, "1 %d\n0 %[1]d\n", told.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if err := told.Wait(); err == nil {
				t.Error("what it was told to end has ended by itself")
			}
			if err := cut.Process.Signal(syscall.Signal(0)); err != nil {
				t.Error("it has ended another line than that which it was told to")
			}
			input.Close()
			if err := cut.Wait(); err == nil {
				t.Error("what ran when it was cut has ended by itself")
			}
			if err := reaper.Wait(); err != nil {
				t.Error(err)
			}
			if err := other.Process.Signal(syscall.Signal(0)); err != nil {
				t.Error("it has ended a process that was started at another time than the line with its number")
			}
			_ = syscall.Kill(-other.Process.Pid, syscall.SIGKILL)
			_ = other.Wait()
			if left, _ := filepath.Glob(files + "*"); len(left) > 0 {
				t.Errorf("it has left %q", left)
			}
		})
	}
}

// TestReapingWithoutGroup has no reaper where processes have no group of their own.
func TestReapingWithoutGroup(t *testing.T) {
	said, err := exec.Command("sh", "-c", "name=X\n"+reaping).Output()
	if err != nil || len(said) > 0 {
		t.Errorf("it said %q, error %v", said, err)
	}
}

// sleeper is a process group that a file of a reaper tells of, as if the line with its
// number had written it so long before.
func sleeper(t *testing.T, file string, before time.Duration) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	up, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d %.2f\n", cmd.Process.Pid, up-before.Seconds()), 0o600); err != nil {
		t.Fatal(err)
	}
	return cmd
}
