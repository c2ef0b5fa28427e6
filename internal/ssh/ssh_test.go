package ssh

import (
	"bytes"
	"context"
	"os"
	"os/user"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// hostOf is a test server, as a host.
func hostOf(s *sshtest.Server) Host {
	return Host{
		Name: "web-1", Address: "127.0.0.1", Port: s.Port, User: s.User,
		Auth: Auth{Keys: []Key{{File: s.Key}}}, Trust: Trust{Files: []string{s.KnownHosts}},
	}
}

func dial(t *testing.T, h Host) *Conn {
	t.Helper()
	c, err := (&Pool{}).Conn(t.Context(), h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// sh runs a line and returns what it has printed.
func sh(t *testing.T, c *Conn, line, stdin string) (machine.Exit, string, string) {
	t.Helper()
	var out, errs machine.Buffer
	s := machine.Streams{Stdout: &out, Stderr: &errs}
	if stdin != "" {
		s.Stdin = strings.NewReader(stdin)
	}
	exit, err := c.Exec(t.Context(), line, s)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return exit, out.String(), errs.String()
}

func wantFault(t *testing.T, err error, kind fault.Kind, text string) *fault.Error {
	t.Helper()
	e := fault.As(err)
	if e == nil {
		t.Fatalf("got %v, want a fault of the kind %s: %s", err, kind, text)
	}
	if e.Kind != kind || !strings.Contains(e.Msg+"\n"+e.Hint, text) {
		t.Fatalf("got %s: %s\nhint: %s\nwant %s: %s", e.Kind, e.Msg, e.Hint, kind, text)
	}
	return e
}

func TestExec(t *testing.T) {
	c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{})))
	binary := string([]byte{0, 1, 255, '\r', '\n', 0x1e, '9', '\n', 0})
	for _, test := range []struct {
		line, stdin    string
		exit           machine.Exit
		stdout, stderr string
	}{
		{line: "echo hello; echo oops >&2", stdout: "hello\n", stderr: "oops\n"},
		{line: "exit 7", exit: machine.Exit{Code: 7}},
		{line: "cat; exit 3", stdin: binary, stdout: binary, exit: machine.Exit{Code: 3}},
		{line: "cat", stdout: ""},
		{line: "true", stdin: strings.Repeat("not read\n", 100_000)},
		{line: "kill -TERM $$", exit: machine.Exit{Code: 143, Signal: "TERM"}},
		{line: "kill -KILL $$", exit: machine.Exit{Code: 137, Signal: "KILL"}},
		{line: "printf '\\0365\\n' >&2", stderr: "\x1e5\n"},
		{line: "pwd; [ -t 0 ] || [ -t 1 ] || echo no terminal", stdout: home(t) + "\nno terminal\n"},
		{line: "echo \"$SSH_AUTH_SOCK\"", stdout: "\n"},
		{line: "printf %s 'it'\\''s $HOME \\ \"quoted\"'", stdout: `it's $HOME \ "quoted"`},
		{line: "no-such-command; exit", exit: machine.Exit{Code: 127}, stderr: "/bin/sh: 2: no-such-command: not found\n"},
	} {
		exit, out, errs := sh(t, c, test.line, test.stdin)
		if exit != test.exit || out != test.stdout || errs != test.stderr {
			t.Errorf("%s: got %v, %q, %q; want %v, %q, %q", test.line, exit, out, errs, test.exit, test.stdout, test.stderr)
		}
	}
	if exit, _, errs := sh(t, c, "no-such-command", ""); exit.Code != 127 || !strings.Contains(errs, "no-such-command: not found") {
		t.Errorf("no such command: %v, %q", exit, errs)
	}
	if exit, _, errs := sh(t, c, "if", ""); exit.Code != 2 || !strings.Contains(errs, "Syntax error") {
		t.Errorf("a syntax error: %v, %q", exit, errs)
	}
	if c.Name() != "web-1" {
		t.Errorf("its name is %q", c.Name())
	}
}

// home is the home directory that sshd knows of, whatever HOME says.
func home(t *testing.T) string {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) > 5 && f[0] == me.Username {
			return f[5]
		}
	}
	return me.HomeDir
}

func TestLargeOutput(t *testing.T) {
	c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{})))
	const size = 20 << 20
	var out bytes.Buffer
	data := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	exit, err := c.Exec(t.Context(), "cat; echo end >&2", machine.Streams{Stdin: bytes.NewReader(data), Stdout: &out})
	if err != nil || !exit.OK() || !bytes.Equal(out.Bytes(), data) {
		t.Fatalf("%v, %v, %d bytes", exit, err, out.Len())
	}
}

func TestStop(t *testing.T) {
	for name, sessions := range map[string]int{"a session is free": 10, "no session is free": 1} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{MaxSessions: sessions})))
			ctx, cancel := context.WithCancel(t.Context())
			out := waiter{found: make(chan struct{}), on: "ready"}
			began := time.Now()
			go func() {
				<-out.found
				cancel()
			}()
			_, err := c.Exec(ctx, "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done", machine.Streams{Stdout: &out})
			e := wantFault(t, err, fault.Cancelled, "it was stopped: context canceled")
			if !e.InDoubt || e.Unsent {
				t.Errorf("in doubt %v, unsent %v", e.InDoubt, e.Unsent)
			}
			if sessions > 1 && (!strings.Contains(out.String(), "bye") || time.Since(began) > grace) {
				t.Errorf("it did not get SIGTERM: %q", out.String())
			}
		})
	}
}

// waiter tells when a text has come.
type waiter struct {
	machine.Buffer
	found chan struct{}
	on    string
}

func (w *waiter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.on != "" && strings.Contains(w.String(), w.on) {
		w.on = ""
		close(w.found)
	}
	return n, err
}
