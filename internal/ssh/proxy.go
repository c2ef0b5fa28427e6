package ssh

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// proxied is a stream to a server that a command of the user's SSH configuration
// makes: its standard input and output.
type proxied struct {
	cmd   *exec.Cmd
	name  string
	out   io.WriteCloser
	in    io.ReadCloser
	said  lastWords
	close sync.Once
	ended chan struct{} // closed some time after Close
}

var _ net.Conn = (*proxied)(nil)

// openProxy starts the command as OpenSSH does, by the shell. It is in a group of its
// own: Ctrl-C at the terminal is for the run, which closes the connection when it ends.
func openProxy(command string) (*proxied, error) {
	p := &proxied{cmd: exec.Command("/bin/sh", "-c", "exec "+command), name: command, ended: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = &p.said
	p.cmd.WaitDelay = time.Second // what it has left behind may hold its standard error
	var err error
	if p.out, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

func (p *proxied) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	if errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

func (p *proxied) Write(b []byte) (int, error) { return p.out.Write(b) }

// killDelay is how long a command may take to end.
const killDelay = 5 * time.Second

// Close ends the command, and what it has started.
func (p *proxied) Close() error {
	p.close.Do(func() {
		_ = p.out.Close()
		group := -p.cmd.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM) // it may have ended
		stubborn := time.AfterFunc(killDelay, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
		go func() {
			_ = p.cmd.Wait() // how it ended matters to nobody
			stubborn.Stop()
			close(p.ended)
		}()
	})
	return nil
}

// fault is the error of a command that made no stream. It waits for what the command
// has said of that.
func (p *proxied) fault() *fault.Error {
	select {
	case <-p.ended:
	case <-time.After(time.Second):
	}
	e := unsent(fault.Network, "its ProxyCommand ended before the server said anything")
	if said := p.said.line(); said != "" {
		e.Msg += ": " + said
	}
	return e.WithHint("try it by hand: %s", printable(p.name))
}

func (p *proxied) LocalAddr() net.Addr  { return proxyAddr{} }
func (p *proxied) RemoteAddr() net.Addr { return proxyAddr{} }

// Pipes have no deadlines; a connection that takes too long is closed.
func (*proxied) SetDeadline(time.Time) error      { return nil }
func (*proxied) SetReadDeadline(time.Time) error  { return nil }
func (*proxied) SetWriteDeadline(time.Time) error { return nil }

type proxyAddr struct{}

func (proxyAddr) Network() string { return "command" }
func (proxyAddr) String() string  { return "ProxyCommand" }

// lastWords keeps the end of what a command says on its standard error.
type lastWords struct {
	mu   sync.Mutex
	text string
}

const maxLastWords = 4 << 10

func (l *lastWords) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(b)
	l.text = l.text[max(0, len(l.text)-maxLastWords):]
	return len(b), nil
}

// line is the last line.
func (l *lastWords) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSpace(l.text)
	return printable(strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:]))
}
