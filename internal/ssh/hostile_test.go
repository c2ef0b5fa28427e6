package ssh

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// listen serves each connection by a function, and returns the host.
func listen(t *testing.T, serve func(net.Conn)) Host {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go serve(conn)
		}
	}()
	return Host{
		Name: "web-1", Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "deploy", ConnectTimeout: 10 * time.Second,
		Auth: Auth{Password: "secret"},
	}
}

// hostile is an SSH server that does not behave. Its session is served by a
// function; the rest is as it should be.
type hostile struct {
	config  ssh.ServerConfig
	session func(conn net.Conn, ch ssh.Channel, requests <-chan *ssh.Request)
	open    func(ssh.NewChannel) bool // false: it has dealt with it
}

func (s *hostile) start(t *testing.T) Host {
	t.Helper()
	key := signer(t, "ed25519")
	s.config.AddHostKey(key)
	if s.config.PasswordCallback == nil && s.config.KeyboardInteractiveCallback == nil && s.config.PublicKeyCallback == nil {
		s.config.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }
	}
	h := listen(t, func(conn net.Conn) {
		_, channels, requests, err := ssh.NewServerConn(conn, &s.config)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		for c := range channels {
			if s.open != nil && !s.open(c) {
				continue
			}
			ch, requests, err := c.Accept()
			if err != nil {
				return
			}
			go s.session(conn, ch, requests)
		}
	})
	h.Trust = Trust{Policy: Pinned, Keys: []string{ssh.FingerprintSHA256(key.PublicKey())}}
	return h
}

// begin takes the line, and says that it has begun as process 4711.
func begin(ch ssh.Channel, requests <-chan *ssh.Request) {
	req := <-requests
	_ = req.Reply(true, nil)
	go ssh.DiscardRequests(requests)
	_, _ = io.WriteString(ch, beganMark+"4711 /bin/bash\n")
}

func status(ch ssh.Channel, code uint32) {
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{code}))
}

// TestHostileLines has servers that let in and then do not behave.
func TestHostileLines(t *testing.T) {
	for _, test := range []struct {
		name    string
		session func(net.Conn, ssh.Channel, <-chan *ssh.Request)
		open    func(ssh.NewChannel) bool
		kind    fault.Kind // "": no error
		want    string
		doubt   bool
		exit    machine.Exit
		stdout  string
	}{
		{
			name: "ends without saying how", kind: fault.Failed, want: "ended a command without saying how", doubt: true,
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) { begin(ch, r); ch.Close() },
		},
		{
			name: "drops the connection while it runs", kind: fault.Network, want: "was lost while a command ran: it broke", doubt: true,
			session: func(c net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				begin(ch, r)
				_, _ = io.WriteString(ch, "half of ")
				c.Close()
			},
		},
		{
			name: "drops the connection within the output", kind: fault.Network, want: "while the last output of a command came; it had ended with code 0", doubt: true,
			session: func(c net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				begin(ch, r)
				status(ch, 0)
				_, _ = io.WriteString(ch, "half of ")
				c.Close()
			},
		},
		{
			name: "endless output", kind: fault.TooLarge, want: "the command was stopped: it prints more than", doubt: true,
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				begin(ch, r)
				for block := make([]byte, 32<<10); ; {
					if _, err := ch.Write(block); err != nil {
						return
					}
				}
			},
		},
		{
			name: "runs no commands", kind: fault.Failed, want: "lets deploy in, but does not run commands for it",
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				for req := range r {
					_ = req.Reply(false, nil)
				}
			},
		},
		{
			name: "runs something else", kind: fault.Failed, want: "did not begin the command: what it ran instead ended with code 0: only files", stdout: "only\033files",
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				req := <-r
				_ = req.Reply(true, nil)
				_, _ = io.WriteString(ch, "only\033files")
				status(ch, 0)
				ch.Close()
			},
		},
		{
			name: "greets", stdout: "mine",
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				req := <-r
				_ = req.Reply(true, nil)
				_, _ = io.WriteString(ch, "welcome\n")
				_, _ = io.WriteString(ch, beganMark[:3])
				_, _ = io.WriteString(ch, beganMark[3:]+"4711\nmine")
				status(ch, 0)
				ch.Close()
			},
		},
		{
			name: "refuses channels", kind: fault.Failed, want: "lets deploy in, but runs nothing for it: go away",
			open: func(c ssh.NewChannel) bool { _ = c.Reject(ssh.Prohibited, "go\033away"); return false },
		},
		{
			name: "says how it ended before all else", exit: machine.Exit{Code: 3}, stdout: "late",
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				status(ch, 3)
				req := <-r
				_, _ = io.WriteString(ch, beganMark+"4711 /bin/bash\nlate")
				_ = ch.CloseWrite()
				_ = req.Reply(true, nil)
				ch.Close()
			},
		},
		{
			name: "says twice how it ended, and asks things", exit: machine.Exit{Code: 1},
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				begin(ch, r)
				_, _ = ch.SendRequest("what@example.org", true, []byte("x"))
				_, _ = ch.SendRequest("exit-status", false, []byte("x"))
				status(ch, 1)
				status(ch, 2)
				ch.Close()
			},
		},
		{
			name: "an unknown signal", exit: machine.Exit{Code: 255, Signal: "LO L"},
			session: func(_ net.Conn, ch ssh.Channel, r <-chan *ssh.Request) {
				begin(ch, r)
				_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
					Signal     string
					Core       bool
					Text, Lang string
				}{"LO\033L", true, "", ""}))
				ch.Close()
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &hostile{session: test.session, open: test.open}
			h := s.start(t)
			c := dial(t, h)
			out := machine.Buffer{Max: 1 << 20, Strict: true}
			exit, err := c.Exec(t.Context(), "work", machine.Streams{Stdout: &out, Stderr: &machine.Buffer{Max: 1 << 10}})
			if test.kind == "" {
				if err != nil || exit != test.exit || out.String() != test.stdout {
					t.Fatalf("got %v, %q, %v; want %v, %q", exit, out.String(), err, test.exit, test.stdout)
				}
				return
			}
			e := wantFault(t, err, test.kind, test.want)
			if e.InDoubt != test.doubt || e.Unsent == test.doubt {
				t.Errorf("in doubt %v, unsent %v", e.InDoubt, e.Unsent)
			}
			if !strings.Contains(e.Msg, fmt.Sprintf("web-1 (127.0.0.1:%d)", h.Port)) || strings.Contains(e.Msg, "\033") {
				t.Errorf("message %q", e.Msg)
			}
		})
	}
}

// TestDropsEveryChannel has a server that ends each connection at the first channel.
func TestDropsEveryChannel(t *testing.T) {
	key := signer(t, "ed25519")
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(key)
	h := listen(t, func(conn net.Conn) {
		if _, channels, _, err := ssh.NewServerConn(conn, config); err == nil {
			<-channels
			conn.Close()
		}
	})
	h.Trust = Trust{Policy: Pinned, Keys: []string{ssh.FingerprintSHA256(key.PublicKey())}}
	_, err := dial(t, h).Exec(t.Context(), "work", machine.Streams{})
	e := wantFault(t, err, fault.Network, "lets deploy in, and ends the connection before a command can be begun")
	if !e.Unsent || e.InDoubt {
		t.Errorf("in doubt %v, unsent %v", e.InDoubt, e.Unsent)
	}
}

// TestHostileGreeting has servers that never become a connection.
func TestHostileGreeting(t *testing.T) {
	slow := 200 * time.Millisecond
	for _, test := range []struct {
		name    string
		serve   func(net.Conn)
		timeout time.Duration
		want    string
	}{
		{"says nothing", func(net.Conn) {}, slow, "something accepts the connection, but does not answer as an SSH server does within 200ms"},
		{"greets by and by", func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "x\r\n"); err != nil {
					return
				}
				time.Sleep(time.Millisecond) // it is what the server does, not what the test waits for
			}
		}, slow, ""},
		{"closes at once", func(c net.Conn) { c.Close() }, 0, "the server closed the connection before it said anything"},
		{"is no SSH server", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request "+strings.Repeat("x", 300))
		}, 0, "what answers there is no SSH server"},
		{"greets and is silent", func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-x\r\n") }, slow, "the server did not finish its greeting within 200ms"},
		{"greets and leaves", func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
			_, _ = c.Read(make([]byte, 1))
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c)
		}, 0, "the connection broke before deploy was let in"},
		{"sends rubbish", func(c net.Conn) {
			_, _ = io.WriteString(c, "SSH-2.0-x\r\n"+strings.Repeat("\xff", 1000))
			_, _ = io.Copy(io.Discard, c)
		}, 0, "cannot connect to web-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := listen(t, test.serve)
			if test.timeout > 0 {
				h.ConnectTimeout = test.timeout
			}
			_, err := (&Pool{}).Conn(t.Context(), h, nil)
			e := wantFault(t, err, fault.Network, test.want)
			if !e.Unsent || !strings.HasPrefix(e.Msg, fmt.Sprintf("cannot connect to web-1 (127.0.0.1:%d): ", h.Port)) {
				t.Errorf("unsent %v: %s", e.Unsent, e.Msg)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	_, err = (&Pool{}).Conn(t.Context(), Host{Name: "web-1", Address: "127.0.0.1", Port: port}, nil)
	e := wantFault(t, err, fault.Network, fmt.Sprintf("cannot connect to web-1 (127.0.0.1:%d): connection refused", port))
	if !e.Unsent || !strings.Contains(e.Hint, "port = …") {
		t.Errorf("unsent %v, hint %s", e.Unsent, e.Hint)
	}
	_, err = (&Pool{}).Conn(t.Context(), Host{Address: "no-such-host.invalid"}, nil)
	wantFault(t, err, fault.Network, `there is no address for the name "no-such-host.invalid"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = (&Pool{}).Conn(ctx, Host{Address: "127.0.0.1"}, nil)
	wantFault(t, err, fault.Cancelled, "it was stopped")
}
