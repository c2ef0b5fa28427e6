// Package ssh runs lines on machines over SSH.
//
// A [Conn] is one connection to a [Host], kept and shared: lines run side by side in
// channels of it, as many as the server's MaxSessions allows, and more wait for a
// free one. It is made when it is first needed, closed when it was not used for a
// while, and made again when it was lost: a line that was under way is in doubt then,
// one that was not begun gets the new connection.
//
// Nobody is talked to whose host key is not known (see [Trust]). A line costs one
// round trip: its channel was opened while the one before it ran. There is no
// terminal, and the agent is not forwarded.
package ssh

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Host is a machine with an SSH server, and how to get in.
type Host struct {
	Name    string // how people call it; "": its address
	Address string // name or address
	Port    int    // 0: 22
	User    string
	Auth    Auth
	Trust   Trust
	Aliases []string // names that the configuration has, for what a name may have been meant to be
	Jump    *Host    // the connection goes through this one; nil: straight
	Proxy   string   // line for the shell of this machine, whose input and output are the connection; ""

	ConnectTimeout time.Duration // until commands can be run; 0: 30 s
	KeepAlive      time.Duration // silence after which the server is asked whether it is there; 0: 15 s, negative: never
	Idle           time.Duration // without use, after which the connection is closed; 0: 10 min, negative: never
}

const (
	defaultTimeout   = 30 * time.Second
	defaultKeepAlive = 15 * time.Second
	defaultIdle      = 10 * time.Minute
)

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// addr is host:port.
func (h *Host) addr() string {
	port := h.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(h.Address, strconv.Itoa(port))
}

// String is how messages call the host: its name, and where that is.
func (h *Host) String() string {
	where := h.addr()
	if h.Port == 0 || h.Port == 22 {
		where = h.Address
	}
	if h.Name == "" || h.Name == h.Address || h.Name == where {
		return where
	}
	return h.Name + " (" + where + ")"
}

// id is equal for hosts that can share a connection. It has no secrets in it.
func (h *Host) id() string {
	told := *h
	told.Name = ""
	all, _ := json.Marshal(told) // plain data: it never fails
	sum := sha256.Sum256(all)
	return h.User + "@" + h.addr() + "#" + hex.EncodeToString(sum[:8])
}

// Pool keeps one connection for each host. It is safe for concurrent use.
type Pool struct {
	mu     sync.Mutex
	conns  map[string]*Conn
	keys   keyring
	closed bool
}

// Conn returns the connection to a host, and makes it if it is not there. notice is
// told what people should know: that a host key was recorded. It is not called
// after Conn has returned, and may be nil.
func (p *Pool) Conn(ctx context.Context, h Host, notice func(string)) (*Conn, error) {
	c, err := p.of(&h)
	if err != nil {
		return nil, err
	}
	if _, err := c.connected(ctx, notice); err != nil {
		return nil, err
	}
	return c, nil
}

// of returns the connection to a host, which may have to be made yet.
func (p *Pool) of(h *Host) (*Conn, error) {
	var jump *Conn
	if h.Jump != nil {
		var err error
		if jump, err = p.of(h.Jump); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, unsent(fault.Cancelled, "the connection to %s was not made: the run has ended", h)
	}
	id := h.id()
	c := p.conns[id]
	if c == nil {
		c = &Conn{host: *h, jump: jump, keys: &p.keys}
		if p.conns == nil {
			p.conns = map[string]*Conn{}
		}
		p.conns[id] = c
	}
	return c, nil
}

// Close ends all connections.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // nobody is left to tell
	}
	return nil
}

// Conn is the connection to a host. It is safe for concurrent use.
type Conn struct {
	host Host
	jump *Conn
	keys *keyring

	mu      sync.Mutex
	link    *link         // the live connection; nil: none
	dialing chan struct{} // closed when whoever makes one has ended; nil: nobody
	limit   int           // sessions that the server allows at a time; 0: not known
	key     ssh.PublicKey // what the server showed first: it has to stay the same
	closed  bool
}

var _ machine.Conn = (*Conn)(nil)

// Name is how people call the host.
func (c *Conn) Name() string {
	if c.host.Name != "" {
		return c.host.Name
	}
	return c.host.addr()
}

// Close ends the connection and all that is under way. It is not made again.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	l := c.link
	c.link = nil
	c.mu.Unlock()
	if l != nil {
		l.lose(errClosed)
	}
	return nil
}

// connected returns the live connection. The first who needs it makes it, the
// others wait.
func (c *Conn) connected(ctx context.Context, notice func(string)) (*link, error) {
	for {
		c.mu.Lock()
		switch {
		case c.closed:
			c.mu.Unlock()
			return nil, unsent(fault.Cancelled, "the connection to %s was closed", &c.host)
		case c.link != nil && c.link.alive():
			l := c.link
			c.mu.Unlock()
			return l, nil
		case c.dialing == nil:
			c.dialing = make(chan struct{})
			c.mu.Unlock()
			return c.redial(ctx, notice)
		}
		other := c.dialing
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, machine.Stopped(ctx, true)
		}
	}
}

// redial makes the connection for all that wait for it.
func (c *Conn) redial(ctx context.Context, notice func(string)) (*link, error) {
	l, err := c.dial(ctx, notice)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.dialing)
	c.dialing = nil
	if err != nil {
		return nil, err
	}
	if c.closed {
		l.lose(errClosed)
		return nil, unsent(fault.Cancelled, "the connection to %s was closed", &c.host)
	}
	c.link = l
	return l, nil
}

// unsent is an error before anything was done on the machine.
func unsent(kind fault.Kind, format string, args ...any) *fault.Error {
	e := fault.New(kind, format, args...)
	e.Unsent = true
	return e
}

// doubtful is an error after which it is not known what was done.
func doubtful(kind fault.Kind, format string, args ...any) *fault.Error {
	e := fault.New(kind, format, args...)
	e.InDoubt = true
	return e
}
