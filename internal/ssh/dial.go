package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// errSlow is why a connection is given up that is not made in its time.
var errSlow = errors.New("the time to connect is over")

// dial makes a connection. What goes wrong lies before anything was done on the
// machine.
func (c *Conn) dial(ctx context.Context, notice func(string)) (*link, error) {
	if ctx.Err() != nil {
		return nil, machine.Stopped(ctx, true)
	}
	a := &attempt{conn: c, limit: orDefault(c.host.ConnectTimeout, defaultTimeout)}
	var err error
	if a.login, err = newLogin(&c.host, c.keys); err != nil {
		return nil, err
	}
	if a.guard, err = newGuard(&c.host, c.pinned(), notice); err != nil {
		return nil, err
	}
	for {
		l, err := a.try(ctx)
		if err != nil && a.guard.again() {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.key = a.guard.shown
		c.mu.Unlock()
		return l, nil
	}
}

func (c *Conn) pinned() ssh.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.key
}

// attempt is one making of a connection.
type attempt struct {
	conn  *Conn
	limit time.Duration
	login *login
	guard *guard
}

func (a *attempt) try(ctx context.Context) (*link, error) {
	within, cancel := context.WithTimeoutCause(ctx, a.limit, errSlow)
	defer cancel()
	raw, err := a.conn.reach(within)
	if err != nil {
		return nil, a.unreachable(ctx, within, err)
	}
	w := &watched{Conn: newBatched(raw)}
	// A tunnel through a jump host knows no deadlines.
	stop := context.AfterFunc(within, func() { w.Close() })
	conn, channels, requests, err := ssh.NewClientConn(w, a.conn.host.addr(), &ssh.ClientConfig{
		User: a.conn.host.User, Auth: a.login.methods(within), AuthCallback: a.login.note,
		HostKeyCallback: a.guard.check, HostKeyAlgorithms: a.guard.algorithms(),
		ClientVersion: "SSH-2.0-provisioning",
	})
	a.login.close()
	if stopped := !stop(); err == nil && stopped {
		conn.Close()
		err = context.Cause(within)
	}
	if err != nil {
		w.Close()
		return nil, a.failure(ctx, within, w, err)
	}
	return newLink(a.conn, w, ssh.NewClient(conn, channels, requests)), nil
}

// reach opens a stream to the server.
func (c *Conn) reach(ctx context.Context) (net.Conn, error) {
	if c.jump != nil {
		return c.jump.DialTCP(ctx, c.host.addr())
	}
	if c.host.Proxy != "" {
		return openProxy(c.host.Proxy)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", c.host.addr())
}

// unknown says what can be done about a name that nobody knows.
func (h *Host) unknown() string {
	if near := spell.Nearest(h.Name, h.Aliases); near != "" {
		return fmt.Sprintf("did you mean %q, which the SSH configuration has?", near)
	}
	return "is the name right? Give its address with HostName in ~/.ssh/config, or to ssh.host(…)"
}

// unreachable is the error of a server that there is no stream to.
func (a *attempt) unreachable(ctx, within context.Context, err error) error {
	h := &a.conn.host
	if e := fault.As(err); e != nil && within.Err() == nil {
		return e // of the jump host
	}
	var lookup *net.DNSError
	switch {
	case ctx.Err() != nil:
		return machine.Stopped(ctx, true)
	case within.Err() != nil:
		return unsent(fault.Network, "cannot connect to %s: no answer within %s", h, a.limit).
			WithHint("is the machine up, is the address right, does a firewall let port %s through?", portOf(h))
	case errors.As(err, &lookup):
		e := unsent(fault.Network, "cannot connect to %s: there is no address for the name %q", h, lookup.Name).
			WithHint("%s", h.unknown())
		e.Cause = err
		return e
	case errors.Is(err, syscall.ECONNREFUSED):
		e := unsent(fault.Network, "cannot connect to %s: connection refused", h).
			WithHint("start the SSH server, or give its port with port = …")
		e.Cause = err
		return e
	}
	e := unsent(fault.Network, "cannot connect to %s: %s", h, plain(err))
	e.Cause = err
	return e
}

func portOf(h *Host) string {
	_, port, _ := net.SplitHostPort(h.addr())
	return port
}

// failure is the error of a stream that became no connection.
func (a *attempt) failure(ctx, within context.Context, w *watched, err error) error {
	h := &a.conn.host
	if ctx.Err() != nil {
		return machine.Stopped(ctx, true)
	}
	if a.guard.err != nil {
		return a.guard.err
	}
	var negotiation *ssh.AlgorithmNegotiationError
	if a.guard.last != nil && errors.As(err, &negotiation) {
		return a.guard.last // it has no other key
	}
	e := a.explain(within, w, err)
	if e.Cause == nil {
		e.Cause = err
	}
	e.Msg = "cannot connect to " + h.String() + ": " + e.Msg
	return e
}

func (a *attempt) explain(within context.Context, w *watched, err error) *fault.Error {
	var negotiation *ssh.AlgorithmNegotiationError
	silent := w.bytes.Load() == 0
	var proxy *proxied
	if b, ok := w.Conn.(*batched); ok {
		proxy, _ = b.Conn.(*proxied)
	}
	switch {
	case within.Err() != nil && silent:
		return unsent(fault.Network, "something accepts the connection, but does not answer as an SSH server does within %s", a.limit).
			WithHint("is port %s that of its SSH server?", portOf(&a.conn.host))
	case within.Err() != nil && a.login.asked:
		return unsent(fault.Network, "%s was not let in within %s", a.conn.host.User, a.limit).
			WithHint("a server that looks up names or asks other systems can take long; connect_timeout = … gives it more time")
	case within.Err() != nil:
		return unsent(fault.Network, "the server did not finish its greeting within %s", a.limit)
	case errors.As(err, &negotiation):
		return a.noCommon(negotiation)
	case silent && broken(err) && proxy != nil:
		return proxy.fault()
	case silent && broken(err):
		return unsent(fault.Network, "the server closed the connection before it said anything").
			WithHint("it may have too many connections being made (MaxStartups), or refuse this address")
	case strings.Contains(err.Error(), "version string"):
		return unsent(fault.Network, "what answers there is no SSH server").WithHint("give the port of its SSH server with port = …")
	case a.login.asked:
		return a.login.refused(err)
	case broken(err):
		return unsent(fault.Network, "the connection broke before %s was let in", a.conn.host.User)
	}
	return unsent(fault.Network, "%s", plain(err))
}

// noCommon is the error of two programs that have no algorithm in common.
func (a *attempt) noCommon(err *ssh.AlgorithmNegotiationError) *fault.Error {
	if strings.Contains(err.Error(), "host key") && len(a.guard.known) > 0 {
		return a.guard.otherType()
	}
	return unsent(fault.Network, "%s", plain(err)).
		WithHint("the server is too old, or allows too little: its KexAlgorithms, Ciphers, MACs and HostKeyAlgorithms say what it can do")
}

// broken reports whether the stream has ended.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// plain is the text of an error without the names of packages.
func plain(err error) string {
	text := err.Error()
	for _, noise := range []string{"ssh: handshake failed: ", "ssh: ", "dial tcp "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	return printable(text)
}

// maxForeign is how much of a server's text goes into a message.
const maxForeign = 300

// printable makes a text that a server has sent fit for a terminal.
func printable(text string) string {
	if len(text) > maxForeign {
		text = text[:maxForeign] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// watched is a stream that knows when something came last, and why it ended.
type watched struct {
	net.Conn
	bytes atomic.Int64
	last  atomic.Int64 // time of the last byte, in nanoseconds
	ended atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 {
		w.bytes.Add(int64(n))
		w.last.Store(time.Now().UnixNano())
	}
	if err != nil {
		w.ended.Store(true)
	}
	return n, err
}

// silence is how long nothing has come.
func (w *watched) silence() time.Duration { return time.Since(time.Unix(0, w.last.Load())) }
