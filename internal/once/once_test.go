package once_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/once"
)

// lossy is a machine whose connection can be cut before a line arrives, or after.
type lossy struct {
	machine.Local
	before, after bool
	late          []string // lines that are on their way
}

func (l *lossy) Exec(ctx context.Context, line string, s machine.Streams) (machine.Exit, error) {
	lost := &fault.Error{Kind: fault.Network, Msg: "the connection was cut", InDoubt: true}
	if l.before {
		l.late = append(l.late, line)
		return machine.Exit{}, lost
	}
	exit, err := l.Local.Exec(ctx, line, s)
	if l.after {
		return machine.Exit{}, lost
	}
	return exit, err
}

var count struct {
	sync.Mutex
	n int
}

func newMarker(t *testing.T, conn machine.Conn) *once.Marker {
	t.Helper()
	count.Lock()
	defer count.Unlock()
	count.n++
	m := &once.Marker{Conn: conn, Key: fmt.Sprintf("test-%d-%03d", os.Getpid(), count.n)}
	t.Cleanup(func() {
		if err := once.Forget(context.Background(), machine.Local{}, m.As, m.Key); err != nil {
			t.Error(err)
		}
	})
	return m
}

type streams struct{ out, err bytes.Buffer }

func (s *streams) to() once.Output { return once.Output{Stdout: &s.out, Stderr: &s.err} }

func TestStart(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	tests := []struct {
		name     string
		c        machine.Command
		stdin    string
		out, err string
		code     int
	}{
		{name: "both streams", c: machine.Command{Script: "echo out; echo err >&2; exit 3"}, out: "out\n", err: "err\n", code: 3},
		{name: "no output", c: machine.Command{Argv: []string{"true"}}},
		{name: "binary", c: machine.Command{Script: `printf 'X ended\n\000\036once\n'`}, out: "X ended\n\x00\036once\n"},
		{name: "input", c: machine.Command{Argv: []string{"cat"}}, stdin: big, out: big},
		{name: "environment, quotes", c: machine.Command{Argv: []string{"sh", "-c", `echo "$A" "it's" $PWD`}, Env: map[string]string{"A": "a 'b"}, Dir: "/"}, out: "a 'b it's /\n"},
		{name: "hidden", c: machine.Command{Script: "echo $A", Env: map[string]string{"A": "s3cret"}, Hidden: true}, out: "s3cret\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMarker(t, machine.Local{})
			var s streams
			end, err := m.Start(t.Context(), test.c, test.stdin, s.to())
			if err != nil || end.State != once.Ended || end.Code != test.code {
				t.Fatalf("%+v, %v", end, err)
			}
			if s.out.String() != test.out || s.err.String() != test.err {
				t.Errorf("printed %.100q and %.100q", s.out.String(), s.err.String())
			}
			var again streams
			if end, err = m.Ask(t.Context(), again.to()); err != nil || end.State != once.Ended || end.Code != test.code || again.out.String() != test.out {
				t.Errorf("asked later: %+v, %v, %.100q", end, err, again.out.String())
			}
		})
	}
}

// TestLate: who stood still while somebody else has asked, and has run the command, does
// not run it again.
func TestLate(t *testing.T) {
	m := newMarker(t, machine.Local{})
	file := filepath.Join(t.TempDir(), "file")
	c := machine.Command{Script: "echo x >>" + file}
	turn := func(n int64) *once.Marker { return &once.Marker{Conn: m.Conn, Key: m.Key, Turn: n} }
	if end, err := turn(7).Ask(t.Context(), (&streams{}).to()); err != nil || end.State != once.None {
		t.Fatal(end, err)
	}
	for _, stdin := range []string{"", "text"} {
		if _, err := turn(7).Start(t.Context(), c, stdin, (&streams{}).to()); fault.As(err) == nil || !fault.As(err).Unsent {
			t.Error("before:", err)
		}
	}
	if end, err := turn(8).Start(t.Context(), c, "", (&streams{}).to()); err != nil || end.State != once.Ended {
		t.Error(end, err)
	}
	if _, err := turn(6).Start(t.Context(), c, "", (&streams{}).to()); fault.As(err) == nil || !fault.As(err).Unsent {
		t.Error("after:", err)
	}
	if end, err := turn(8).Ask(t.Context(), (&streams{}).to()); err != nil || end.State != once.Ended || runs(t, file) != 1 {
		t.Error(end, err, runs(t, file))
	}
}

// runs counts how often a command ran.
func runs(t *testing.T, file string) int {
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "\n")
}

func counting(t *testing.T) (machine.Command, string) {
	file := filepath.Join(t.TempDir(), "runs")
	return machine.Command{Script: "echo >>" + file + "; echo done"}, file
}

func TestLostReply(t *testing.T) {
	conn := &lossy{after: true}
	m := newMarker(t, conn)
	c, file := counting(t)
	if _, err := m.Start(t.Context(), c, "", (&streams{}).to()); fault.As(err) == nil || !fault.As(err).InDoubt {
		t.Fatalf("%v is no doubt", err)
	}
	conn.after = false
	var s streams
	end, err := m.Ask(t.Context(), s.to())
	if err != nil || end.State != once.Ended || s.out.String() != "done\n" || runs(t, file) != 1 {
		t.Errorf("%+v, %v, %q, %d runs", end, err, s.out.String(), runs(t, file))
	}
}

// A line that arrives after somebody was told that it did not must not run.
func TestLateLine(t *testing.T) {
	conn := &lossy{}
	m := newMarker(t, conn)
	c, file := counting(t)
	for range 3 { // each attempt is lost on its way
		conn.before = true
		if _, err := m.Start(t.Context(), c, "", (&streams{}).to()); err == nil {
			t.Fatal("it was not lost")
		}
		conn.before = false
		if end, err := m.Ask(t.Context(), (&streams{}).to()); err != nil || end.State != once.None {
			t.Fatalf("%+v, %v", end, err)
		}
	}
	if end, err := m.Start(t.Context(), c, "", (&streams{}).to()); err != nil || end.State != once.Ended {
		t.Fatalf("%+v, %v", end, err)
	}
	for _, line := range conn.late {
		if _, err := conn.Local.Exec(t.Context(), line, machine.Streams{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := runs(t, file); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}

func TestSurvivesItsConnection(t *testing.T) {
	m := newMarker(t, machine.Local{})
	dir := t.TempDir()
	gate, began := filepath.Join(dir, "gate"), filepath.Join(dir, "began")
	c := machine.Command{Script: "echo first; : >" + began + "; until [ -e " + gate + " ]; do sleep .01; done; echo last"}
	ctx, cut := context.WithCancel(t.Context())
	go func() {
		waitFor(t, began)
		cut()
	}()
	if _, err := m.Start(ctx, c, "", (&streams{}).to()); !fault.Is(err, fault.Cancelled) {
		t.Fatalf("%v", err)
	}
	first := &signal{found: func() { _ = os.WriteFile(gate, nil, 0o600) }}
	end, err := m.Ask(t.Context(), once.Output{Stdout: first, Stderr: first})
	if err != nil || end.State != once.Ended || end.Code != 0 || first.String() != "first\nlast\n" {
		t.Errorf("%+v, %v, %q", end, err, first.String())
	}
}

// signal calls found when it has seen the first line: output comes while the command
// runs.
type signal struct {
	bytes.Buffer
	found func()
}

func (s *signal) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if s.found != nil && strings.Contains(s.String(), "first\n") {
		s.found()
		s.found = nil
	}
	return n, err
}

func TestKilledWithoutEnd(t *testing.T) {
	m := newMarker(t, machine.Local{})
	c := machine.Command{Script: `kill -s KILL 0`}
	end, err := m.Start(t.Context(), c, "", (&streams{}).to())
	if err != nil || end.State != once.Gone {
		t.Fatalf("%+v, %v", end, err)
	}
	if end, err = m.Ask(t.Context(), (&streams{}).to()); err != nil || end.State != once.Gone {
		t.Errorf("asked later: %+v, %v", end, err)
	}
	// A person has said that it is to run again.
	ok := machine.Command{Argv: []string{"true"}}
	if end, err = m.Start(t.Context(), ok, "", (&streams{}).to()); err != nil || end.State != once.Ended || end.Code != 0 {
		t.Errorf("made again: %+v, %v", end, err)
	}
}

func TestKill(t *testing.T) {
	m := newMarker(t, machine.Local{})
	dir := t.TempDir()
	began := filepath.Join(dir, "began")
	done := make(chan error, 1)
	go func() {
		waitFor(t, began)
		done <- m.Kill(t.Context())
	}()
	end, err := m.Start(t.Context(), machine.Command{Script: ": >" + began + "; sleep 1000"}, "", (&streams{}).to())
	if kerr := <-done; err != nil || kerr != nil {
		t.Fatal(err, kerr)
	}
	if end.State == once.Gone { // seen between its death and the note of it
		end, err = m.Ask(t.Context(), (&streams{}).to())
	}
	if err != nil || end.State != once.Ended || end.Code != 143 {
		t.Errorf("%+v, %v", end, err)
	}
}

// Two that resume the same run at once do not run it twice either.
func TestSideBySide(t *testing.T) {
	m := newMarker(t, machine.Local{})
	c, file := counting(t)
	c.Script += "; sleep .2"
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			if _, err := m.Ask(t.Context(), once.Output{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if end, err := m.Start(t.Context(), c, "", (&streams{}).to()); err != nil || end.State != once.Ended || runs(t, file) != 1 {
		t.Errorf("%+v, %v, %d runs", end, err, runs(t, file))
	}
}

func waitFor(t *testing.T, file string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Error("waited in vain for " + file)
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TestSlowToBegin: a machine may be so busy that a command has not begun when people
// stop waiting for it. It is closed then, and made again, and the slow one runs nothing.
func TestSlowToBegin(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a command to be given up")
	}
	dir := t.TempDir()
	setsid := fmt.Sprintf(`#!/bin/sh
mkdir %[1]s/first 2>/dev/null || exec "$@"
mkfifo %[1]s/wait; touch %[1]s/ready; read _ <%[1]s/wait
"$@"
echo >%[1]s/wait
`, dir)
	if err := os.WriteFile(filepath.Join(dir, "setsid"), []byte(setsid), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	m := newMarker(t, machine.Local{})
	c, file := counting(t)
	var s streams
	if end, err := m.Start(t.Context(), c, "", s.to()); err != nil || end.State != once.Ended || s.out.String() != "done\n" {
		t.Fatalf("%+v, %v, %q", end, err, s.out.String())
	}
	wait := filepath.Join(dir, "wait")
	if err := os.WriteFile(wait, []byte("\n"), 0); err != nil { // lets the slow one go on
		t.Fatal(err)
	}
	if _, err := os.ReadFile(wait); err != nil { // it has ended
		t.Fatal(err)
	}
	if n := runs(t, file); n != 1 {
		t.Errorf("it ran %d times", n)
	}
}
