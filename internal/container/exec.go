package container

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Exec is a program to run in a container, beside what runs there.
type Exec struct {
	Argv       []string
	User       string   // "": the user of the container
	Dir        string   // "": the working directory of the container
	Env        []string // "NAME=value", added to the environment of the container
	TTY        bool     // what it prints comes as one stream, on Stdout
	Privileged bool
	Resize     <-chan Size // sizes of the terminal, with TTY; may be nil
}

// Size is that of a terminal, in characters.
type Size struct{ Width, Height uint }

// Exec runs a program in a container and waits for its end. Errors are as those of
// [machine.Conn]; but a program goes on when ctx ends, since engines cannot end
// one. [Conn] can.
func (e *Engine) Exec(ctx context.Context, name string, x Exec, s machine.Streams) (machine.Exit, error) {
	p, err := e.begin(ctx, name, x, s)
	if err != nil {
		return machine.Exit{}, err
	}
	defer p.cut()
	select {
	case <-p.ended:
		return p.exit(ctx)
	case <-ctx.Done():
		p.cut()
		<-p.ended
		return machine.Exit{}, stopped(ctx, p.what)
	}
}

// process is a program that runs in a container.
type process struct {
	engine *Engine
	what   string // for errors
	id     string // of the exec
	cut    func() // ends the stream, not the program
	ended  chan struct{}
	err    error // why the stream ended, once it has; nil for its end
	first  start // of its standard output
}

// begin starts a program.
func (e *Engine) begin(ctx context.Context, name string, x Exec, s machine.Streams) (*process, error) {
	p := &process{engine: e, what: "cannot run " + x.Argv[0] + " in the container " + name, ended: make(chan struct{})}
	created, err := e.api.ContainerExecCreate(ctx, name, container.ExecOptions{
		User: x.User, Privileged: x.Privileged, Tty: x.TTY, Env: x.Env, WorkingDir: x.Dir, Cmd: x.Argv,
		AttachStdin: s.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		// Without a start nothing has happened, whatever became of the request.
		return nil, unsent(e.execFault(ctx, err, p.what, name))
	}
	p.id = created.ID
	stream, cut, err := e.attach(ctx, created.ID, x.TTY)
	if err != nil {
		f := e.execFault(ctx, err, p.what, name)
		if strings.Contains(err.Error(), "unable to upgrade") { // the engine has answered, and said no
			f.Kind, f.Unsent, f.InDoubt = fault.Failed, true, false
		}
		return nil, f
	}
	p.cut = cut
	if s.Stdin != nil {
		go func() {
			_, _ = io.Copy(stream.Conn, s.Stdin) // a program need not read all of its input
			_ = stream.CloseWrite()
		}()
	}
	if x.TTY && x.Resize != nil {
		go e.resize(ctx, created.ID, x.Resize, p.ended)
	}
	go p.read(stream.Reader, x.TTY, s)
	return p, nil
}

// read passes on what the program prints.
func (p *process) read(from io.Reader, tty bool, s machine.Streams) {
	defer close(p.ended)
	defer p.cut()
	p.first.to = s.Stdout
	if tty {
		_, p.err = io.Copy(&p.first, from)
		return
	}
	p.err = split(from, &p.first, s.Stderr)
}

func (e *Engine) resize(ctx context.Context, exec string, sizes <-chan Size, ended <-chan struct{}) {
	for {
		select {
		case size := <-sizes:
			// A terminal of the wrong size is no reason to stop.
			_ = e.api.ContainerExecResize(ctx, exec, container.ResizeOptions{Height: size.Height, Width: size.Width})
		case <-ended:
			return
		}
	}
}

// execFault says what is wrong with the container.
func (e *Engine) execFault(ctx context.Context, err error, what, name string) *fault.Error {
	f := e.fault(ctx, err, "%s", what)
	switch text := err.Error(); {
	case f.Kind == fault.NotFound:
		f.Msg = what + ": there is no such container"
		return f.WithHint("container.list() shows those that there are; docker ps -a, too")
	case strings.Contains(text, "is not running"):
		f.Msg = what + ": it is not running"
		return f.WithHint("container.start(%q) starts it; container.logs(%q) says why it ended", name, name)
	case strings.Contains(text, "is paused"):
		f.Msg = what + ": it is paused"
		return f.WithHint("docker unpause %s", name)
	}
	return f
}

// exit asks how the program ended, whose stream has ended. The engine may take a
// moment to notice; and a program may close its output long before it ends.
func (p *process) exit(ctx context.Context) (machine.Exit, error) {
	if p.err != nil {
		return machine.Exit{}, p.broken()
	}
	pause := time.Millisecond
	for {
		state, err := p.engine.api.ContainerExecInspect(ctx, p.id)
		if err != nil {
			f := p.engine.fault(ctx, err, "%s: how it ended is not known", p.what)
			f.InDoubt, f.Unsent = true, false
			return machine.Exit{}, f
		}
		if !state.Running {
			return p.judge(state.ExitCode)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 200*time.Millisecond)
		case <-ctx.Done():
			return machine.Exit{}, stopped(ctx, p.what)
		}
	}
}

// NoSuchProgram is what the message of an error ends with when a container does not
// have the program that it is to run.
const NoSuchProgram = "the container has no such program"

// judge tells a program that could not be started from one that failed: to engines
// both are exit codes.
func (p *process) judge(code int) (machine.Exit, error) {
	text := p.first.String()
	if (code != 126 && code != 127) || !strings.HasPrefix(text, "OCI runtime exec failed") {
		return machine.Exit{Code: code}, nil
	}
	f := fault.New(fault.Failed, "%s: %s", p.what, strings.TrimSpace(text))
	f.Unsent = true
	if strings.Contains(text, "not found") || strings.Contains(text, "no such file") {
		f.Kind = fault.NotFound
		f.Msg = p.what + ": " + NoSuchProgram
	}
	return machine.Exit{}, f
}

// broken is the error of a stream that did not come to its end.
func (p *process) broken() error {
	f := fault.Wrap(fault.Network, p.err, "%s: the connection to the container engine at %s was lost", p.what, p.engine.at.Host)
	f.InDoubt = true
	return f
}

// start passes on what is written, and keeps the beginning.
type start struct {
	to   io.Writer
	kept machine.Buffer
}

// maxStart is more than any error of a runtime takes.
const maxStart = 1 << 10

func (s *start) Write(p []byte) (int, error) {
	if s.kept.Max = maxStart; !s.kept.Full {
		_, _ = s.kept.Write(p)
	}
	if s.to == nil {
		return len(p), nil
	}
	return s.to.Write(p)
}

func (s *start) String() string { return s.kept.String() }

// takenOver is a connection that a request takes for itself. The client does not
// heed the context of such a request once it is connected: this does.
type takenOver struct {
	mu   sync.Mutex
	conn net.Conn
	over bool
}

type takenOverKey struct{}

// takeOver notes the connection of a request that takes it over.
func takeOver(ctx context.Context, conn net.Conn) {
	t, ok := ctx.Value(takenOverKey{}).(*takenOver)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = conn
	if t.over {
		_ = conn.Close()
	}
}

func (t *takenOver) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.conn != nil {
		_ = t.conn.Close() // nothing is written to it that was not read already
	}
}

// attach starts an exec and takes its streams over. When ctx ends before the engine
// has answered, the connection is cut; later, cut does so.
func (e *Engine) attach(ctx context.Context, exec string, tty bool) (types.HijackedResponse, func(), error) {
	t := &takenOver{}
	stop := context.AfterFunc(ctx, t.cut)
	stream, err := e.api.ContainerExecAttach(context.WithValue(ctx, takenOverKey{}, t), exec, container.ExecAttachOptions{Tty: tty})
	if !stop() && err == nil { // cut just now
		err = context.Cause(ctx)
	}
	if err != nil {
		t.cut()
	}
	return stream, t.cut, err
}
