package ssh

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// link is a live connection. Once it is lost it stays lost.
type link struct {
	host     *Host
	wire     *watched
	client   *ssh.Client
	sessions *sessions
	login    atomic.Int32 // the shell of the login, as far as lines are concerned

	mu       sync.Mutex
	users    int       // lines, tunnels and listeners
	since    time.Time // when there was last one
	reaper   *reaper   // of lines that are held; nil: none
	unreaped int       // lines that were held without it
	why      error     // why it was given up; nil: the other side ended it
	done     chan struct{}
}

// Why a link is given up.
var (
	errClosed = errors.New("the connection was closed")
	errIdle   = errors.New("the connection was not used")
	errSilent = errors.New("the server does not answer")
	errBroken = errors.New("the connection broke")
)

func newLink(c *Conn, w *watched, client *ssh.Client) *link {
	l := &link{host: &c.host, wire: w, client: client, since: time.Now(), done: make(chan struct{})}
	l.sessions = newSessions(l, c)
	go func() {
		_ = client.Wait() // why it ended, says l.lost
		close(l.done)
		w.Close()
	}()
	go l.watch(orDefault(c.host.KeepAlive, defaultKeepAlive), orDefault(c.host.Idle, defaultIdle))
	return l
}

// alive reports whether the connection can be used, as far as is known.
func (l *link) alive() bool {
	select {
	case <-l.done:
		return false
	default:
		return !l.wire.ended.Load()
	}
}

// lose ends the connection.
func (l *link) lose(why error) {
	l.mu.Lock()
	if l.why == nil {
		l.why = why
	}
	l.mu.Unlock()
	l.wire.ended.Store(true)
	l.wire.Close()
}

// reason says for people why the connection is gone.
func (l *link) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(l.why, errSilent):
		return "it does not answer any more"
	case errors.Is(l.why, errClosed):
		return "it was closed"
	}
	return "it broke"
}

// use notes a user of the connection, who calls release at the end; ok is false
// when the connection is gone, or about to.
func (l *link) use() (release func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil || !l.alive() {
		return nil, false
	}
	l.users++
	var once sync.Once
	return func() {
		once.Do(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.users--
			l.since = time.Now()
		})
	}, true
}

// idle ends the connection if nobody has used it for so long, and returns how long
// that may take otherwise.
func (l *link) idle(limit time.Duration) (next time.Duration, ended bool) {
	l.mu.Lock()
	left := limit
	if l.users == 0 {
		left = limit - time.Since(l.since)
	}
	if left <= 0 {
		l.why = errIdle // from now on nobody can use it
	}
	l.mu.Unlock()
	if left <= 0 {
		l.lose(errIdle)
		return 0, true
	}
	return left, false
}

// never is longer than any run.
const never = 1 << 62

// watch asks a silent server whether it is there, and ends a connection that is
// not used.
func (l *link) watch(keepAlive, idle time.Duration) {
	for {
		wait := time.Duration(never)
		if keepAlive > 0 {
			wait = max(keepAlive-l.wire.silence(), keepAlive/8)
		}
		if idle > 0 {
			left, ended := l.idle(idle)
			if ended {
				return
			}
			wait = min(wait, left)
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.done:
			timer.Stop()
			return
		case <-timer.C:
		}
		if keepAlive > 0 && l.wire.silence() >= keepAlive && !l.answers(2*keepAlive) {
			l.lose(errSilent)
			return
		}
	}
}

// answers asks the server for a sign of life.
func (l *link) answers(within time.Duration) bool {
	answered := make(chan struct{})
	go func() { // it blocks as long as there is no answer, and ends with the connection
		_, _, _ = l.client.SendRequest("keepalive@openssh.com", true, nil) // that it answers is all
		close(answered)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-answered:
		return true
	case <-l.done:
		return true // lost, but not by silence
	case <-timer.C:
		return false
	}
}

// DialTCP connects to an address as seen from the host.
func (c *Conn) DialTCP(ctx context.Context, addr string) (net.Conn, error) {
	for first := true; ; first = false {
		l, err := c.connected(ctx, nil)
		if err != nil {
			return nil, err
		}
		conn, err := l.tunnel(ctx, addr)
		if err != nil && first && !l.alive() && ctx.Err() == nil {
			continue
		}
		return conn, err
	}
}

func (l *link) tunnel(ctx context.Context, addr string) (net.Conn, error) {
	release, ok := l.use()
	if !ok {
		return nil, unsent(fault.Network, "the connection to %s is gone", l.host)
	}
	conn, err := l.client.DialContext(ctx, "tcp", addr)
	if err != nil {
		release()
		var refused *ssh.OpenChannelError
		switch {
		case ctx.Err() != nil:
			return nil, machine.Stopped(ctx, true)
		case !errors.As(err, &refused):
			return nil, unsent(fault.Network, "the connection to %s is gone: %s", l.host, l.reason())
		case refused.Reason == ssh.Prohibited:
			return nil, unsent(fault.Permission, "%s does not let connections through to %s: %s", l.host, addr, printable(refused.Message)).
				WithHint("its sshd_config has to allow it: AllowTcpForwarding, PermitOpen")
		}
		return nil, unsent(fault.Network, "%s cannot connect to %s: %s", l.host, addr, printable(refused.Message))
	}
	return &tunnel{conn, release}, nil
}

// tunnel is a stream through a host.
type tunnel struct {
	net.Conn
	release func()
}

func (t *tunnel) Close() error {
	t.release()
	return t.Conn.Close()
}

// CloseWrite says that nothing more is sent.
func (t *tunnel) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
