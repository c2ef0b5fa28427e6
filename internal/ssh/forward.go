package ssh

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Forward passes connections on, from one side of an SSH connection to the other. It
// goes on when the SSH connection is made again.
type Forward struct {
	conn    *Conn
	to      string
	remote  bool
	address string

	ctx    context.Context // until Close
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	listen net.Listener
}

// Forward listens at an address of this machine and passes connections on to one as
// seen from the host. The port of listen may be 0: then it is a free one.
func (c *Conn) Forward(ctx context.Context, listen, to string) (*Forward, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", listen)
	if err != nil {
		e := unsent(fault.Exists, "cannot listen at %s: %s", listen, plain(err))
		e.Cause = err
		return nil, e
	}
	f := newForward(c, l, to, false)
	f.done.Go(func() { f.serve(l) })
	return f, nil
}

// Reverse listens at an address of the host and passes connections on to one as seen
// from this machine.
func (c *Conn) Reverse(ctx context.Context, listen, to string) (*Forward, error) {
	l, err := c.listen(ctx, listen)
	if err != nil {
		return nil, err
	}
	f := newForward(c, l, to, true)
	f.done.Go(f.serveRemote)
	return f, nil
}

func newForward(c *Conn, l net.Listener, to string, remote bool) *Forward {
	f := &Forward{conn: c, to: to, remote: remote, address: l.Addr().String(), listen: l}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Addr is where it listens.
func (f *Forward) Addr() string { return f.address }

// Close ends it, and the connections that go through it.
func (f *Forward) Close() error {
	f.cancel()
	f.mu.Lock()
	err := f.listen.Close()
	f.mu.Unlock()
	f.done.Wait()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// remoteListener is a listener of a host, which keeps its connection in use.
type remoteListener struct {
	net.Listener
	release func()
}

func (l *remoteListener) Close() error {
	l.release()
	return l.Listener.Close()
}

// listen asks the host to listen.
func (c *Conn) listen(ctx context.Context, addr string) (net.Listener, error) {
	link, err := c.connected(ctx, nil)
	if err != nil {
		return nil, err
	}
	release, ok := link.use()
	if !ok {
		return nil, unsent(fault.Network, "the connection to %s is gone", &c.host)
	}
	type answer struct {
		l   net.Listener
		err error
	}
	answered := make(chan answer, 1)
	go func() { // it ends with the connection at the latest
		l, err := link.client.Listen("tcp", addr)
		answered <- answer{l, err}
	}()
	select {
	case a := <-answered:
		if a.err == nil {
			return &remoteListener{a.l, release}, nil
		}
		release()
		e := unsent(fault.Failed, "%s does not listen at %s: %s", &c.host, addr, plain(a.err)).
			WithHint("the port may be in use there, or its sshd_config forbids it: AllowTcpForwarding, PermitListen, GatewayPorts")
		e.Cause = a.err
		return nil, e
	case <-ctx.Done():
		go func() {
			if a := <-answered; a.err == nil {
				a.l.Close()
			}
			release()
		}()
		return nil, machine.Stopped(ctx, true)
	}
}

// serve passes on what comes to a listener, until it ends.
func (f *Forward) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		f.done.Go(func() { f.pass(in) })
	}
}

// Between attempts to have a host listen again that was lost.
const (
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
)

// serveRemote has the host listen again whenever the connection was lost.
func (f *Forward) serveRemote() {
	f.mu.Lock()
	l := f.listen
	f.mu.Unlock()
	for pause := firstPause; ; {
		f.serve(l)
		l.Close()
		next, err := f.conn.listen(f.ctx, f.address)
		if err == nil {
			pause = firstPause
			f.mu.Lock()
			f.listen, l = next, next
			f.mu.Unlock()
		}
		if f.ctx.Err() != nil {
			if err == nil {
				next.Close()
			}
			return
		}
		if err == nil {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, maxPause)
		case <-f.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pass connects to the other side and copies both ways.
func (f *Forward) pass(in net.Conn) {
	defer in.Close()
	var out net.Conn
	var err error
	if f.remote {
		var d net.Dialer
		out, err = d.DialContext(f.ctx, "tcp", f.to)
	} else {
		out, err = f.conn.DialTCP(f.ctx, f.to)
	}
	if err != nil {
		return // whoever connected sees it closed
	}
	defer out.Close()
	stop := context.AfterFunc(f.ctx, func() {
		in.Close()
		out.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { half(out, in) })
	both.Go(func() { half(in, out) })
	both.Wait()
}

// half copies one way, and passes the end on.
func half(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either side may end whenever it likes
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
		return
	}
	to.Close()
}

// Alive reports whether it passes connections on.
func (f *Forward) Alive() bool { return f.ctx.Err() == nil }
