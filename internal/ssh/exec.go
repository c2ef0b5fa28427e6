package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Exec has the host's sh read a line. See [machine.Conn] for what it promises.
func (c *Conn) Exec(ctx context.Context, line string, s machine.Streams) (machine.Exit, error) {
	for range maxLinks {
		l, err := c.connected(ctx, nil)
		if err != nil {
			return machine.Exit{}, err
		}
		exit, err := l.exec(ctx, line, s, nil)
		if !errors.Is(err, errGone) {
			return exit, err
		}
		l.lose(errBroken) // before the line was begun, so that another can have it
		<-l.done
	}
	return machine.Exit{}, unsent(fault.Network, "%s lets %s in, and ends the connection before a command can be begun", &c.host, c.host.User).
		WithHint("look at the log of its SSH server")
}

// maxLinks is how many connections may be lost before a line was begun.
const maxLinks = 3

// exec runs a line, which is held if h is not nil.
func (l *link) exec(ctx context.Context, line string, s machine.Streams, h *held) (machine.Exit, error) {
	release, ok := l.use()
	if !ok {
		return machine.Exit{}, errGone
	}
	defer release()
	take := l.sessions.take
	if h != nil {
		take = h.session
	}
	ch, err := take(ctx)
	if err != nil {
		return machine.Exit{}, err
	}
	defer l.sessions.give(ch)
	r, before := newRun(l, ch, s), ""
	if h != nil {
		before = h.holds(r)
	}
	if err := r.start(before, line); err != nil {
		return machine.Exit{}, err
	}
	l.sessions.prepare()
	return r.wait(ctx)
}

// run is a line that is run.
type run struct {
	link  *link
	ch    *session
	stdin io.Reader
	said  *begun // standard output, and what the shell has said before the line begins
	out   *gate  // standard output of the line
	errs  *gate  // standard error

	answered chan struct{} // closed when the server has taken the line, or is gone
	denied   chan struct{} // closed when it has refused the line
	ended    chan struct{} // closed when nothing more comes
	exited   chan struct{} // closed when the end is known
	full     chan error    // that a writer takes no more
	fed      chan struct{} // closed when the input was sent
	known    chan struct{} // closed when pid is there
	pid      int           // of the line
	held     bool          // by a reaper

	mu   sync.Mutex
	exit *machine.Exit
}

func newRun(l *link, ch *session, s machine.Streams) *run {
	r := &run{
		link: l, ch: ch, stdin: s.Stdin, out: &gate{to: s.Stdout}, errs: &gate{to: s.Stderr},
		answered: make(chan struct{}), denied: make(chan struct{}), ended: make(chan struct{}), exited: make(chan struct{}), full: make(chan error, 2), fed: make(chan struct{}), known: make(chan struct{}),
	}
	r.said = &begun{to: r.out, took: r.begins}
	return r
}

// start sends the line, and what sh is to read before it begins. The answer is not
// waited for: what the line prints comes with it.
func (r *run) start(before, line string) error {
	if len(line) > maxLine {
		return unsent(fault.TooLarge, "the command is %d bytes long, and %s takes %d at most", len(line), r.link.host, maxLine)
	}
	wrapped, ok := wrap(before, line, r.link.login.Load())
	if !ok && r.held {
		return errLong
	}
	r.said.seen = !ok
	go func() {
		taken, err := r.ch.SendRequest("exec", true, ssh.Marshal(struct{ Line string }{wrapped}))
		if err == nil && !taken {
			close(r.denied)
			return
		}
		close(r.answered)
	}()
	go r.follow()
	go r.feed()
	go r.read()
	return nil
}

// feed sends the input, once the line is there to take it.
func (r *run) feed() {
	defer close(r.fed)
	select {
	case <-r.answered:
	case <-r.denied:
		return
	}
	if r.stdin != nil {
		_, _ = io.Copy(r.ch, r.stdin) // a line that ends without reading all has its reasons
	}
	_ = r.ch.CloseWrite() // it may have ended
}

// read passes on what the line prints.
func (r *run) read() {
	defer close(r.ended)
	var both sync.WaitGroup
	both.Go(func() {
		r.pass(r.said, r.ch)
		r.said.flush(!r.held) // what is not begun is tried again
	})
	both.Go(func() { r.pass(r.errs, r.ch.Stderr()) })
	both.Wait()
}

// copies are buffers for what lines print.
var copies = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (r *run) pass(to io.Writer, from io.Reader) {
	buf := copies.Get().(*[32 << 10]byte)
	defer copies.Put(buf)
	if _, err := io.CopyBuffer(to, from, buf[:]); err != nil {
		select {
		case r.full <- err:
		default:
		}
		_, _ = io.Copy(io.Discard, from) // until the line is stopped
	}
}

// follow takes what the server says of the end.
func (r *run) follow() {
	defer close(r.exited)
	for req := range r.ch.requests {
		exit := exitOf(req)
		if req.WantReply {
			_ = req.Reply(false, nil) // nothing of the kind is done here
		}
		if exit == nil {
			continue
		}
		r.mu.Lock()
		first := r.exit == nil
		if first {
			r.exit = exit
		}
		r.mu.Unlock()
		if first {
			go func() {
				for req := range r.ch.requests {
					if req.WantReply {
						_ = req.Reply(false, nil)
					}
				}
			}()
			return
		}
	}
}

// exitOf reads how a line ended, if the request says so.
func exitOf(req *ssh.Request) *machine.Exit {
	switch req.Type {
	case "exit-status":
		var m struct{ Code uint32 }
		if ssh.Unmarshal(req.Payload, &m) == nil {
			return &machine.Exit{Code: int(m.Code)}
		}
	case "exit-signal":
		var m struct {
			Signal     string
			Core       bool
			Text, Lang string
		}
		if ssh.Unmarshal(req.Payload, &m) == nil {
			code, ok := signals[m.Signal]
			if !ok {
				return &machine.Exit{Code: 255, Signal: printable(m.Signal)}
			}
			return &machine.Exit{Code: 128 + code, Signal: m.Signal}
		}
	}
	return nil
}

var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
}

// grace is how long what a line has started may take to end by SIGTERM, and how
// long output is waited for that something in the background may still make.
const grace = 5 * time.Second

// wait waits for the end of the line, or brings it about.
func (r *run) wait(ctx context.Context) (machine.Exit, error) {
	defer r.out.close()
	defer r.errs.close()
	defer r.letGo()
	select {
	case <-r.denied:
		return machine.Exit{}, unsent(fault.Failed, "%s lets %s in, but does not run commands for it", r.link.host, r.link.host.User).
			WithHint("the account may be for something else only, such as files or Git: see ForceCommand and the authorized_keys of %s", r.link.host.User)
	case <-r.exited:
	case err := <-r.full:
		r.stop()
		return machine.Exit{}, r.tooMuch(err)
	case <-ctx.Done():
		r.stop()
		return machine.Exit{}, machine.Stopped(ctx, false)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C: // something in the background holds the output
		return r.result(false)
	case <-ctx.Done():
		return machine.Exit{}, machine.Stopped(ctx, false)
	}
	select {
	case err := <-r.full:
		return machine.Exit{}, r.tooMuch(err)
	default:
		return r.result(true)
	}
}

// letGo waits until the input is not read any more, unless its reader blocks.
func (r *run) letGo() {
	_ = r.ch.Close()
	if r.stdin == nil {
		return
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-r.fed:
	case <-timer.C:
	}
}

// tooMuch is the error of a line whose output is not wanted any more.
func (r *run) tooMuch(err error) error {
	e := &fault.Error{Kind: fault.Failed, Msg: err.Error()}
	if f := fault.As(err); f != nil {
		copied := *f
		e = &copied
	}
	e.Msg = r.link.host.String() + ": the command was stopped: " + e.Msg
	e.Cause, e.InDoubt, e.Unsent = err, true, false
	return e
}

// result judges the end. complete says that all of the output has come.
func (r *run) result(complete bool) (machine.Exit, error) {
	r.mu.Lock()
	exit := r.exit
	r.mu.Unlock()
	lost := !r.link.alive()
	switch {
	case exit != nil && complete && r.said.missed() && r.held && exit.Code == notReaped:
		return machine.Exit{}, errNoFile
	case exit != nil && complete && r.said.missed():
		return machine.Exit{}, r.notBegun(*exit)
	case exit != nil && (!lost || !complete):
		return *exit, nil
	case lost && exit != nil:
		return machine.Exit{}, doubtful(fault.Network, "the connection to %s was lost (%s) while the last output of a command came; it had ended with code %d", r.link.host, r.link.reason(), exit.Code)
	case lost:
		return machine.Exit{}, doubtful(fault.Network, "the connection to %s was lost while a command ran: %s", r.link.host, r.link.reason()).
			WithHint("the command may go on there, and may have done its work")
	}
	return machine.Exit{}, doubtful(fault.Failed, "%s ended a command without saying how", r.link.host).
		WithHint("its session may have been killed, by a reboot or for lack of memory: look at the log of its SSH server")
}

// stop ends what the line has started: by a signal through its channel, which many
// servers deny, and by a line of its own, which needs a free session.
func (r *run) stop() {
	_, _ = r.ch.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{"TERM"}))
	ctx, cancel := context.WithTimeout(context.Background(), grace+2*time.Second)
	defer cancel()
	go func() {
		select {
		case <-r.known: // its number may come later than what it prints
		case <-r.exited:
		case <-ctx.Done():
		}
		select {
		case <-r.known:
			if r.pid > 1 {
				r.link.kill(r.pid)
			}
		default:
		}
	}()
	select {
	case <-r.exited:
	case <-r.link.done:
	case <-ctx.Done():
		_, _ = r.ch.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{"KILL"}))
		return
	}
	last, release := context.WithTimeout(ctx, time.Second)
	defer release()
	select {
	case <-r.ended: // its last words have come
	case <-last.Done():
	}
}

// killLater is for sh: what is still there of the process group pid when grace is over
// gets SIGKILL.
const killLater = "for i in 1 2 3 4 5; do kill -0 -$pid || exit; sleep 1; done; kill -KILL -$pid"

// kill ends a process and all that is of its group.
func (l *link) kill(pid int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*grace)
	defer cancel()
	ch, err := l.sessions.take(ctx)
	if err != nil {
		return // the signal has to do
	}
	defer l.sessions.give(ch)
	r := newRun(l, ch, machine.Streams{})
	_ = r.start("", fmt.Sprintf("pid=%d; kill -TERM -$pid 2>/dev/null || kill -TERM $pid; ", pid)+killLater)
	select {
	case <-r.exited:
	case <-l.done:
	case <-ctx.Done():
	}
}

// gate is a writer that can be closed: nothing is written afterwards.
type gate struct {
	mu     sync.Mutex
	to     io.Writer // nil: nothing is kept
	start  []byte    // what came first
	closed bool
}

// maxFirst is how much a gate remembers.
const maxFirst = 1 << 10

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := min(maxFirst-len(g.start), len(p)); n > 0 {
		g.start = append(g.start, p[:n]...)
	}
	if g.closed || g.to == nil {
		return len(p), nil
	}
	return g.to.Write(p)
}

// first is the beginning of what was written.
func (g *gate) first() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return string(g.start)
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
