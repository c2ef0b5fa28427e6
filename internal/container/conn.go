package container

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Conn is a container as a machine: its sh reads lines. A container is looked up
// by its name for every line, so that one that was made anew under that name is
// talked to.
type Conn struct {
	engine *Engine
	name   string
	user   string
	ctx    context.Context // of the connection, not of a call: Close ends it
	end    context.CancelCauseFunc
}

var (
	_ machine.Conn    = (*Conn)(nil)
	_ machine.Becomer = (*Conn)(nil)
)

// Conn returns the container as a machine on which lines run as user; "" is the
// user of the container. Nothing is asked before the first line.
func (e *Engine) Conn(name, user string) *Conn {
	ctx, end := context.WithCancelCause(context.Background())
	return &Conn{engine: e, name: name, user: user, ctx: ctx, end: end}
}

var errClosed = errors.New("the connection was closed")

func (c *Conn) Name() string { return "container " + c.name }

// Engine returns the engine of the container.
func (c *Conn) Engine() *Engine { return c.engine }

// Container returns the name of the container.
func (c *Conn) Container() string { return c.name }

func (c *Conn) Close() error {
	c.end(errClosed)
	return nil
}

const (
	// prelude has sh print its number, and go home. Every program that an engine
	// starts leads a process group: with the number of sh, all that the line has
	// started can be ended by another program in the container; engines cannot do so.
	// It is a line of its own, since some shells look at a whole line before they do
	// any of it, and the next one may not be well-formed.
	prelude = "echo $$ >&2; cd \"${HOME:-/}\" 2>/dev/null || cd /\n"

	grace     = 5 * time.Second // what a line has started may take to end by SIGTERM
	lastGrace = 2 * time.Second // and by SIGKILL, and any word of the engine meanwhile
)

// Exec has the sh of the container read a line.
func (c *Conn) Exec(ctx context.Context, line string, s machine.Streams) (machine.Exit, error) {
	return c.ExecAs(ctx, c.user, line, s)
}

// ExecAs is Exec as another user, which takes no sudo in the container.
func (c *Conn) ExecAs(ctx context.Context, user, line string, s machine.Streams) (machine.Exit, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(errClosed) })()
	if ctx.Err() != nil {
		return machine.Exit{}, unsent(stopped(ctx, "cannot run a line in the container "+c.name))
	}
	group := &group{to: s.Stderr, known: make(chan struct{})}
	s.Stderr = group
	p, err := c.engine.begin(ctx, c.name, Exec{Argv: []string{"/bin/sh", "-c", prelude + line}, User: user}, s)
	if err != nil {
		return machine.Exit{}, err
	}
	defer func() { <-p.ended }() // so that nothing is written after this
	defer p.cut()
	select {
	case <-p.ended:
		group.flush()
		return p.exit(ctx)
	case <-ctx.Done():
		c.endGroup(p, group, user)
		return machine.Exit{}, stopped(ctx, p.what)
	}
}

// endGroup ends what a line has started: by SIGTERM, and by SIGKILL when that does
// not help.
func (c *Conn) endGroup(p *process, g *group, user string) {
	select {
	case <-g.known:
	case <-p.ended:
		return
	case <-time.After(lastGrace): // sh has not begun, or does not run at all
		return
	}
	c.signal("TERM", g.id, user)
	select {
	case <-p.ended:
		c.signal("KILL", g.id, user) // what has closed its output and goes on
		return
	case <-time.After(grace):
	}
	c.signal("KILL", g.id, user)
	select {
	case <-p.ended:
	case <-time.After(lastGrace):
	}
}

// signal sends a signal to a process group: as root, since the line may have become
// another user, else as the user of the line, since a container may not let its
// root do that.
func (c *Conn) signal(name string, group int, user string) {
	ctx, cancel := context.WithTimeout(context.Background(), lastGrace)
	defer cancel()
	// No "--": the kill of busybox does not know it.
	kill := []string{"/bin/sh", "-c", "kill -" + name + " -" + strconv.Itoa(group)}
	exit, err := c.engine.Exec(ctx, c.name, Exec{Argv: kill, User: "0"}, machine.Streams{})
	if err == nil && exit.OK() {
		return
	}
	// It is over when this fails, too; there is no more that can be done.
	_, _ = c.engine.Exec(ctx, c.name, Exec{Argv: kill, User: user}, machine.Streams{})
}

// group takes the number of a process group from the first line of a stream, and
// passes on the rest.
type group struct {
	to    io.Writer
	id    int
	known chan struct{} // closed when id is known
	head  []byte
	past  bool // the first line is over
}

// maxNumber is more than the digits of any process number.
const maxNumber = 20

func (g *group) Write(p []byte) (int, error) {
	if g.past {
		return g.pass(p)
	}
	g.head = append(g.head, p...)
	line, rest, whole := bytes.Cut(g.head, []byte("\n"))
	if !whole && len(g.head) < maxNumber {
		return len(p), nil
	}
	g.past = true
	id, err := strconv.Atoi(string(line))
	if err != nil || !whole || id <= 1 { // it is not ours: sh could not be started
		rest = g.head
	} else {
		g.id = id
		close(g.known)
	}
	if _, err := g.pass(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush passes on a first line that has no end. The stream is over.
func (g *group) flush() {
	if !g.past && len(g.head) > 0 {
		g.past = true
		_, _ = g.pass(g.head)
	}
}

func (g *group) pass(p []byte) (int, error) {
	if g.to == nil || len(p) == 0 {
		return len(p), nil
	}
	return g.to.Write(p)
}
