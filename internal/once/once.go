// Package once runs a command on a machine so that it can be told later whether it
// ran, and how it ended, however the program or the connection has ended meanwhile.
//
// What is known of a command is a directory on the machine, its marker, in
// /var/lib/provisioning/once, or below the home directory of a user that is not
// root. In it is a directory for every attempt, numbered from 1. Whoever makes one
// has that attempt for himself, as mkdir either makes a directory or fails:
//
//	void    an attempt that shall never be made: whoever has asked and was told
//	        "it did not run" has closed it, so that a line that is still on its way
//	        cannot run it after all
//	go      link that says who has decided: "run", that it runs, or "void"
//	pid     process, its start time and the boot of the machine; written, and on the
//	        disk, before the command starts
//	out err what the command has printed
//	end     exit code and time; written, and on the disk, when it has ended
//
// Beside the attempts is a file closed-N for each turn N that has asked: whoever has
// made an attempt looks for them before anything runs.
//
// The command runs in a session of its own, where the machine has setsid, and goes
// on when the connection is cut. The line that starts it only watches it, as does
// the line of someone who comes later and asks.
package once

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Marker is what a machine knows of one command.
type Marker struct {
	Conn machine.Conn
	As   machine.As // who runs the command, and has the marker
	Key  string     // its name: letters, digits and dashes
	// Turn is the number of whoever starts the command, or asks about it, where there
	// may be several who do not know of each other: those who come later have higher
	// ones. Once one of them has asked, no earlier one can run the command any more,
	// however long it stood still. 0: there is nobody else.
	Turn int64
}

// State is how far a command has come.
type State string

const (
	None  State = "none"  // it did not run, and no earlier attempt will
	Ended State = "ended" // it ran, and End says how it ended
	Gone  State = "gone"  // it was started, is there no more, and has left no result
)

// End is how a command ended.
type End struct {
	State State
	Code  int
	Took  time.Duration // in whole seconds
}

// Output takes what the command prints, as it comes.
type Output struct{ Stdout, Stderr io.Writer }

// Start runs the command, and waits for its end. Where an earlier attempt is still
// under way it waits for that one. When ctx ends, or the connection, the command
// goes on.
func (m *Marker) Start(ctx context.Context, c machine.Command, stdin string, out Output) (End, error) {
	attempt := 1
	for {
		end, next, err := m.start(ctx, attempt, c, stdin, out)
		if err != nil || next == 0 {
			return end, err
		}
		attempt = next
	}
}

// start makes one attempt. next is the number of another one, where this one was
// made by somebody before.
func (m *Marker) start(ctx context.Context, attempt int, c machine.Command, stdin string, out Output) (end End, next int, err error) {
	text, err := c.Text()
	if err != nil {
		return End{}, 0, err
	}
	script := prelude(m.Key) + startScript(attempt, m.Turn, len(stdin), text)
	end, taken, err := m.exec(ctx, machine.Command{Script: script, As: m.As, Hidden: c.Hidden}, stdin, out)
	switch {
	case err != nil:
		return End{}, 0, err
	case end.State == stateLate:
		e := fault.New(fault.Unavailable, "somebody else has asked about the command on %s since, and performs it", m.Conn.Name())
		e.Unsent = true
		return End{}, 0, e
	case end.State == stateVoid, taken > 0 && end.State == Ended, taken > 0 && end.State == Gone:
		return End{}, max(taken, attempt) + 1, nil
	}
	return end, 0, nil
}

// Ask finds out how far the command has come; one that is under way is waited for.
// Once it has said None, nothing that was sent before can run the command any more.
func (m *Marker) Ask(ctx context.Context, out Output) (End, error) {
	end, _, err := m.exec(ctx, machine.Command{Script: prelude(m.Key) + closeScript(m.Turn) + askScript, As: m.As}, "", out)
	if end.State == stateVoid {
		end.State = None
	}
	return end, err
}

// Kill ends the command if it is under way, and waits until it is gone. Its end is
// then that of SIGTERM.
func (m *Marker) Kill(ctx context.Context) error {
	_, _, err := m.exec(ctx, machine.Command{Script: prelude(m.Key) + killScript, As: m.As}, "", Output{io.Discard, io.Discard})
	return err
}

// Forget removes all markers whose keys begin with a prefix: letters, digits and
// dashes.
func Forget(ctx context.Context, conn machine.Conn, as machine.As, prefix string) error {
	script := place + `cd "$_d" 2>/dev/null || exit 0` + "\nrm -rf -- " + prefix + "*"
	var errs machine.Buffer
	exit, err := machine.Run(ctx, conn, machine.Command{Script: script, As: as}, machine.Streams{Stderr: &errs})
	if err == nil && !exit.OK() {
		err = fault.New(fault.Failed, "cannot remove the markers of _once on %s: %s", conn.Name(), strings.TrimSpace(errs.String()))
	}
	return err
}

// exec runs one of the scripts and reads what it says.
func (m *Marker) exec(ctx context.Context, c machine.Command, stdin string, out Output) (end End, taken int, err error) {
	r := &reader{out: out}
	errs := &machine.Buffer{Max: 16 << 10}
	s := machine.Streams{Stdout: r, Stderr: errs}
	if stdin != "" {
		s.Stdin = strings.NewReader(stdin)
	}
	exit, err := machine.Run(ctx, m.Conn, c, s)
	switch {
	case err != nil:
		return End{}, 0, err
	case r.err != nil:
		return End{}, 0, doubt(fault.Wrap(fault.Failed, r.err, "cannot read what %s says of the command", m.Conn.Name()))
	case r.done:
		return r.end, r.taken, nil
	case exit.Code == codeNoMarker:
		e := fault.New(fault.Failed, "cannot keep the marker of _once on %s: %s", m.Conn.Name(), strings.TrimSpace(errs.String()))
		e.Unsent = true
		return End{}, 0, e.WithHint("make room, or give the user a home directory that it can write to")
	case exit.Code == codeBroken:
		e := fault.New(fault.Network, "the input of the command broke off on its way to %s", m.Conn.Name())
		e.Unsent = true
		return End{}, 0, e
	}
	return End{}, 0, doubt(fault.New(fault.Failed, "the line that watched the command on %s ended with code %d: %s",
		m.Conn.Name(), exit.Code, strings.TrimSpace(errs.String())))
}

func doubt(e *fault.Error) error {
	e.InDoubt = true
	return e
}

// stateVoid is an attempt that was closed.
const stateVoid State = "void"

// stateLate is that of one who wants to start the command, when a later one has asked.
const stateLate State = "late"

// reader reads the answers of the scripts, which come in frames on stdout:
//
//	T n       the attempt n was there already
//	O n       n bytes of the command's stdout follow
//	E n       the same of its stderr
//	X state code began ended
//
// Whatever precedes the first mark is of the machine, such as a greeting.
type reader struct {
	out   Output
	begun bool
	head  []byte
	to    io.Writer // where the rest of a frame goes
	left  int
	taken int
	end   End
	done  bool
	err   error
}

const (
	mark    = "\036once\n"
	maxHead = 64 << 10
)

// Write takes the next part of the answers. An error of the answers is kept and does
// not end the line: the command goes on anyway.
func (r *reader) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && r.err == nil {
		if r.left > 0 {
			k := min(r.left, len(p))
			if _, err := r.to.Write(p[:k]); err != nil {
				r.err = err
			}
			r.left -= k
			p = p[k:]
			continue
		}
		b := p[0]
		p = p[1:]
		if r.head = append(r.head, b); len(r.head) > maxHead {
			r.err = errors.New("it says too much")
		}
		if b == '\n' {
			r.line()
		}
	}
	return n, nil
}

func (r *reader) line() {
	if !r.begun {
		r.begun = strings.HasSuffix(string(r.head), mark)
		if r.begun {
			r.head = r.head[:0]
		}
		return
	}
	if err := r.frame(strings.TrimSuffix(string(r.head), "\n")); err != nil {
		r.err = fmt.Errorf("%w: %.100q", err, r.head)
	}
	r.head = r.head[:0]
}

func (r *reader) frame(head string) error {
	var n, code int
	var began, ended int64
	var state State
	switch {
	case r.done:
		return errors.New("it goes on after its end")
	case scan(head, "T %d", &n):
		r.taken = n
	case scan(head, "O %d", &n) && n > 0:
		r.to, r.left = r.out.Stdout, n
	case scan(head, "E %d", &n) && n > 0:
		r.to, r.left = r.out.Stderr, n
	case scan(head, "X ended %d %d %d", &code, &began, &ended):
		r.done, r.end = true, End{Ended, code, time.Duration(max(0, min(ended-began, 1<<31))) * time.Second}
	case scan(head, "X %s", &state) && (state == stateVoid || state == stateLate || state == Gone):
		r.done, r.end = true, End{State: state}
	default:
		return errors.New("an answer that makes no sense")
	}
	return nil
}

func scan(head, format string, into ...any) bool {
	n, err := fmt.Sscanf(head, format, into...)
	return err == nil && n == len(into)
}
