package ssh

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// TestMaxSessions has more lines at a time than the server allows.
func TestMaxSessions(t *testing.T) {
	for _, allowed := range []int{1, 3} {
		s := sshtest.Start(t, sshtest.Options{MaxSessions: allowed})
		c := dial(t, hostOf(s))
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				var out machine.Buffer
				exit, err := c.Exec(t.Context(), fmt.Sprintf("echo %d", i), machine.Streams{Stdout: &out})
				if err != nil || !exit.OK() || out.String() != fmt.Sprintf("%d\n", i) {
					t.Errorf("line %d: %v, %q, %v", i, exit, out.String(), err)
				}
			})
		}
		all.Wait()
		if _, total := s.Connections(); total != 1 {
			t.Errorf("%d connections were made", total)
		}
	}
}

// TestWaitForASession is stopped while it waits for one.
func TestWaitForASession(t *testing.T) {
	c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{MaxSessions: 1})))
	begun := waiter{found: make(chan struct{}), on: "begun"}
	in, hold := io.Pipe()
	ended := make(chan error)
	go func() {
		_, err := c.Exec(t.Context(), "echo begun; cat", machine.Streams{Stdin: in, Stdout: &begun})
		ended <- err
	}()
	<-begun.found
	if limit := func() int {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, _ = c.Exec(ctx, "echo never", machine.Streams{}) // it waits in vain
		c.mu.Lock()
		l := c.link.sessions
		c.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.limit
	}(); limit != 1 {
		t.Errorf("it has learnt that %d sessions are allowed, not 1", limit)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Exec(ctx, "echo never", machine.Streams{})
	if e := wantFault(t, err, fault.Timeout, "it was stopped"); !e.Unsent || e.InDoubt {
		t.Errorf("in doubt %v, unsent %v", e.InDoubt, e.Unsent)
	}
	hold.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReconnect cuts the connection under a line, and goes on.
func TestReconnect(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := dial(t, hostOf(s))
	begun := waiter{found: make(chan struct{}), on: "begun"}
	go func() {
		<-begun.found
		s.Cut()
	}()
	in, hold := io.Pipe()
	defer hold.Close()
	_, err := c.Exec(t.Context(), "echo begun; cat", machine.Streams{Stdin: in, Stdout: &begun})
	e := wantFault(t, err, fault.Network, "was lost while a command ran: it broke")
	if !e.InDoubt || e.Unsent || !strings.Contains(e.Hint, "may go on there") {
		t.Errorf("in doubt %v, unsent %v, hint %s", e.InDoubt, e.Unsent, e.Hint)
	}
	if _, out, _ := sh(t, c, "echo again", ""); out != "again\n" {
		t.Errorf("got %q", out)
	}
	if _, total := s.Connections(); total != 2 {
		t.Errorf("%d connections", total)
	}
	s.Close()
	_, err = c.Exec(t.Context(), "true", machine.Streams{})
	if e := fault.As(err); e == nil || e.Kind != fault.Network || !e.Unsent && !e.InDoubt {
		t.Errorf("without a server: %v", err)
	}
	c.Close()
	_, err = c.Exec(t.Context(), "true", machine.Streams{})
	wantFault(t, err, fault.Cancelled, "was closed")
}

// TestSilence has a server that neither answers nor ends the connection.
func TestSilence(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	h := hostOf(s)
	h.KeepAlive = 50 * time.Millisecond
	c := dial(t, h)
	if _, out, _ := sh(t, c, "sleep 0.3; echo patient", ""); out != "patient\n" { // it does answer
		t.Fatalf("got %q", out)
	}
	begun := waiter{found: make(chan struct{}), on: "begun"}
	go func() {
		<-begun.found
		s.Freeze()
	}()
	in, hold := io.Pipe()
	defer hold.Close()
	_, err := c.Exec(t.Context(), "echo begun; cat", machine.Streams{Stdin: in, Stdout: &begun})
	if e := wantFault(t, err, fault.Network, "was lost while a command ran: it does not answer any more"); !e.InDoubt {
		t.Error("it is not in doubt")
	}
	s.Thaw()
}

func TestIdle(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	h := hostOf(s)
	h.Idle = 100 * time.Millisecond
	c := dial(t, h)
	sh(t, c, "sleep 0.3", "") // a line is use
	if _, total := s.Connections(); total != 1 {
		t.Errorf("%d connections", total)
	}
	<-c.link.done
	sh(t, c, "true", "")
	if _, total := s.Connections(); total != 2 {
		t.Errorf("%d connections", total)
	}
}

// TestJump goes through two hosts to a third, with a user, a key and a host key for
// each.
func TestJump(t *testing.T) {
	first, second, third := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	a, b, c, d := hostOf(first), hostOf(second), hostOf(third), hostOf(third)
	a.Name, b.Name = "bastion", "inner"
	b.Jump, c.Jump = &a, &b
	d.Name, d.Jump = "another name", &b
	pool := &Pool{}
	defer pool.Close()
	for _, h := range []Host{c, d} {
		conn, err := pool.Conn(t.Context(), h, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, out, _ := sh(t, conn, "echo $SSHTEST", ""); out != third.Addr+"\n" {
			t.Errorf("got %q", out)
		}
	}
	for _, s := range []*sshtest.Server{first, second, third} {
		if _, total := s.Connections(); total != 1 {
			t.Errorf("%d connections", total)
		}
	}
	// The middle of the way breaks, and is made again.
	second.Cut()
	conn, err := pool.Conn(t.Context(), c, nil)
	if err == nil {
		_, err = conn.Exec(t.Context(), "true", machine.Streams{})
	}
	if e := fault.As(err); err != nil && (e == nil || e.Kind != fault.Network) {
		t.Error(err)
	}
	if _, out, _ := sh(t, conn, "echo again", ""); out != "again\n" {
		t.Errorf("got %q", out)
	}
	// What is wrong with a host on the way is said of that host.
	b.Trust.Files = nil
	_, err = pool.Conn(t.Context(), c, nil)
	wantFault(t, err, fault.Permission, "the host key of inner ("+second.Addr+") is not known")
}

func TestJumpRefuses(t *testing.T) {
	far := sshtest.Start(t, sshtest.Options{})
	bastion := hostOf(sshtest.Start(t, sshtest.Options{Config: []string{"AllowTcpForwarding no"}}))
	h := hostOf(far)
	h.Jump = &bastion
	_, err := (&Pool{}).Conn(t.Context(), h, nil)
	wantFault(t, err, fault.Permission, "does not let connections through to "+far.Addr)
	open := hostOf(sshtest.Start(t, sshtest.Options{}))
	h.Jump, h.Port = &open, 1
	_, err = (&Pool{}).Conn(t.Context(), h, nil)
	wantFault(t, err, fault.Network, "cannot connect to 127.0.0.1:1")
}

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func ask(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestForwards(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	c := dial(t, hostOf(s))
	for name, forward := range map[string]func(context.Context, string, string) (*Forward, error){"local": c.Forward, "remote": c.Reverse} {
		t.Run(name, func(t *testing.T) {
			f, err := forward(t.Context(), "127.0.0.1:0", echo(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"hello", strings.Repeat("long", 1<<18)} {
				if got := ask(t, f.Addr(), text); got != text {
					t.Errorf("got %d bytes back of %d", len(got), len(text))
				}
			}
			if name == "local" { // it comes back with the connection
				s.Cut()
				if got := ask(t, f.Addr(), "again"); got != "again" {
					t.Errorf("after a cut: %q", got)
				}
			}
			if _, err := forward(t.Context(), f.Addr(), "127.0.0.1:1"); err == nil {
				t.Error("two listen at one address")
			} else if e := fault.As(err); !e.Unsent {
				t.Errorf("%v", err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			for end := time.Now().Add(10 * time.Second); ; { // sshd confirms before its listener is gone
				conn, err := net.Dial("tcp", f.Addr())
				if err != nil {
					break
				}
				conn.Close()
				if time.Now().After(end) {
					t.Fatal("it listens after its end")
				}
			}
		})
	}
}

// TestSudo becomes another user by a sudo that asks for a password.
func TestSudo(t *testing.T) {
	const password = "correct horse"
	s := sshtest.Start(t, sshtest.Options{Commands: map[string]string{"sudo": sshtest.FakeSudo(password)}})
	refusing := sshtest.Start(t, sshtest.Options{Commands: map[string]string{"sudo": sshtest.FakeSudo("-")}})
	for _, test := range []struct {
		name     string
		server   *sshtest.Server
		password string
		want     string
	}{
		{name: "the password is right", server: s, password: password},
		{name: "it is wrong", server: s, password: "wrong", want: "sudo on web-1 did not run the command: sudo: 1 incorrect password attempt"},
		{name: "there is none", server: s, want: "sudo on web-1 did not run the command: sudo: a password is required"},
		{name: "it is forbidden", server: refusing, password: password, want: "is not in the sudoers file."},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, hostOf(test.server))
			var out, errs machine.Buffer
			command := machine.Command{
				// What the machine's list of processes has, while the command runs.
				Script: "cat; ps -eo args 2>/dev/null || cat /proc/[0-9]*/cmdline; echo oops >&2",
				As:     machine.As{Method: "sudo", Password: test.password},
			}
			exit, err := machine.Run(t.Context(), c, command, machine.Streams{Stdin: strings.NewReader("input\n"), Stdout: &out, Stderr: &errs})
			if test.password != "" && strings.Contains(out.String()+errs.String(), test.password) {
				t.Errorf("the password is in the output or the list of processes:\n%s\n%s", out.String(), errs.String())
			}
			if test.want != "" {
				if e := wantFault(t, err, fault.Permission, test.want); !e.Unsent || strings.Contains(e.Msg+e.Hint, password) {
					t.Errorf("unsent %v: %s", e.Unsent, e.Msg)
				}
				return
			}
			if err != nil || !exit.OK() || !strings.HasPrefix(out.String(), "input\n") || errs.String() != "oops\n" {
				t.Errorf("%v, %v, %q, %q", exit, err, out.String(), errs.String())
			}
		})
	}
}

// TestBusybox runs lines by the sh of busybox.
func TestBusybox(t *testing.T) {
	if _, err := os.Stat("/bin/busybox"); err != nil {
		if _, err := os.Stat("/usr/bin/busybox"); err != nil {
			sshtest.Missing(t, "busybox")
		}
	}
	c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{})))
	var out machine.Buffer
	exit, err := machine.Run(t.Context(), c, machine.Command{Argv: []string{"busybox", "sh", "-c", "kill -l >/dev/null; echo $0 \"$X\""}, Env: map[string]string{"X": "it's"}},
		machine.Streams{Stdout: &out})
	if err != nil || !exit.OK() || out.String() != "busybox it's\n" && out.String() != "sh it's\n" {
		t.Errorf("%v, %v, %q", exit, err, out.String())
	}
}

// TestFullDisk writes to a disk that is full.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	c := dial(t, hostOf(sshtest.Start(t, sshtest.Options{})))
	exit, _, errs := sh(t, c, "set -e; cat > /dev/full; echo never", strings.Repeat("x", 1<<20))
	if exit.OK() || !strings.Contains(errs, "No space left on device") {
		t.Errorf("%v, %q", exit, errs)
	}
}

// TestScan asks for host keys, straight and through a jump host.
func TestScan(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{HostKeys: []string{"ecdsa", "ed25519", "rsa"}})
	bastion := hostOf(sshtest.Start(t, sshtest.Options{}))
	for _, jump := range []*Host{nil, &bastion} {
		pool := &Pool{}
		keys, err := pool.Scan(t.Context(), Host{Address: "127.0.0.1", Port: s.Port, User: "nobody", Jump: jump})
		if err != nil || len(keys) != 3 {
			t.Fatalf("%v, %v", keys, err)
		}
		var lines strings.Builder
		for _, k := range keys {
			lines.WriteString(k.Line + "\n")
		}
		known, err := Known([]string{write(t, lines.String())}, s.Addr)
		if err != nil || len(known) != 3 || known[0].Fingerprint() != keys[0].Fingerprint || keys[0].Type != "ssh-ed25519" {
			t.Errorf("%v, %v", known, err)
		}
		pool.Close()
	}
	_, err := (&Pool{}).Scan(t.Context(), Host{Address: "127.0.0.1", Port: 1})
	wantFault(t, err, fault.Network, "connection refused")
}

func TestNames(t *testing.T) {
	h := Host{Name: "web-1", Address: "10.0.0.1", User: "deploy", Auth: Auth{Password: "hush-hush"}}
	if h.String() != "web-1 (10.0.0.1)" || strings.Contains(h.id(), "hush") {
		t.Errorf("%s, %s", &h, h.id())
	}
	other := h
	other.Auth.Password = "another"
	if h.id() == other.id() {
		t.Error("hosts with different passwords share a connection")
	}
}
