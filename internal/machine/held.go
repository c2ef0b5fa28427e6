package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// RunHeld executes a command that lives no longer than the connection. It is [Run]
// with two differences.
//
// When the connection is cut, or this program is killed, the command and everything
// of its process group gets SIGTERM, and SIGKILL 5 seconds later: a part of the line
// waits for the end of its standard input. Without that a command that prints
// nothing would go on for as long as it likes, as sshd does not end what it has
// started.
//
// When ctx ends, the command is ended in the same way, and its end is waited for.
// Then stopped is true and the exit is seen; there is no doubt about what has
// happened, as there is when the answer of a machine is not awaited.
//
// A machine that can do so by itself holds the command (see [Holder]).
func RunHeld(ctx context.Context, conn Conn, c Command, stdin string, s Streams) (exit Exit, stopped bool, err error) {
	if h, ok := conn.(Holder); ok && !c.As.Other() { // nobody else's processes can be ended
		if held, ok := h.Hold(); ok {
			exit, stopped, err = runHeldBy(ctx, held, c, stdin, s)
			if !errors.Is(err, ErrNotHeld) {
				return exit, stopped, err
			}
		}
	}
	return runWatched(ctx, conn, c, stdin, s)
}

// Holder is a Conn that can end a line while it runs, and ends it when the connection is
// cut.
type Holder interface {
	Conn
	// Hold returns the machine for one line, if it can hold one now.
	Hold() (Held, bool)
}

// Held is a machine that one line can be executed on, which is held.
type Held interface {
	Conn // Exec returns ErrNotHeld when the line was not begun and cannot be held

	// End sends SIGTERM to the line and everything of its process group, and SIGKILL
	// 5 seconds later. It returns when the line has ended, or was told to.
	End()

	// Release says that the line has ended, or that there will be none.
	Release()
}

// ErrNotHeld is why a line was not begun on a machine that was to hold it.
var ErrNotHeld = errors.New("the machine cannot hold the line")

// runHeldBy is RunHeld on a machine that holds the line.
func runHeldBy(ctx context.Context, conn Held, c Command, stdin string, s Streams) (exit Exit, stopped bool, err error) {
	defer conn.Release()
	s.Stdin = nil
	if stdin != "" {
		s.Stdin = strings.NewReader(stdin)
	} else if text := c.text(); c.Hidden || !isProgram(text) { // as text, it may come by the standard input itself
		c = Command{Script: "exec </dev/null; " + text, Hidden: c.Hidden}
	}
	return untilEnd(ctx, conn.End, func(ctx context.Context) (Exit, error) { return Run(ctx, conn, c, s) })
}

// runWatched is RunHeld by a watcher beside the command.
func runWatched(ctx context.Context, conn Conn, c Command, stdin string, s Streams) (exit Exit, stopped bool, err error) {
	feed := newFeed(stdin)
	defer feed.Close()
	s.Stdin = feed
	errs := &untilMark{to: s.Stderr, mark: endedMark, found: feed.Close}
	s.Stderr = errs
	c = Command{Script: held(c.text(), len(stdin)), As: c.As, Hidden: c.Hidden}
	exit, stopped, err = untilEnd(ctx, feed.Close, func(ctx context.Context) (Exit, error) { return Run(ctx, conn, c, s) })
	errs.flush()
	return exit, stopped, err
}

// untilEnd runs a line. When ctx ends, it has the line ended and waits for that, and
// after a while does not wait any longer. stopped says whether ctx has ended.
func untilEnd(ctx context.Context, end func(), run func(context.Context) (Exit, error)) (exit Exit, stopped bool, err error) {
	hard, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	ended := make(chan struct{})
	soft := context.AfterFunc(ctx, func() {
		go end()
		patience := time.NewTimer(2 * grace)
		defer patience.Stop()
		select {
		case <-ended:
		case <-patience.C:
			cut(context.Cause(ctx))
		}
	})
	exit, err = run(hard)
	close(ended)
	return exit, !soft(), err
}

// endedMark is what the line prints to stderr when the command has ended, so that
// nothing waits for the end of its input any more.
const endedMark = "\036ended\n"

// untilMark passes on what is written to it, without the mark.
type untilMark struct {
	to    io.Writer // nil: nowhere
	mark  string
	found func()
	held  []byte // what may be the beginning of the mark
}

func (w *untilMark) Write(p []byte) (int, error) {
	n := len(p)
	if len(w.held) > 0 {
		p = append(w.held, p...)
		w.held = nil
	}
	if before, after, ok := bytes.Cut(p, []byte(w.mark)); ok {
		w.found()
		p = append(bytes.Clone(before), after...)
	}
	if i := bytes.LastIndexByte(p, w.mark[0]); i >= 0 && strings.HasPrefix(w.mark, string(p[i:])) {
		w.held = bytes.Clone(p[i:])
		p = p[:i]
	}
	if w.to == nil || len(p) == 0 {
		return n, nil
	}
	if _, err := w.to.Write(p); err != nil {
		return 0, err
	}
	return n, nil
}

// flush passes on what was held back.
func (w *untilMark) flush() {
	if w.to != nil && len(w.held) > 0 {
		_, _ = w.to.Write(w.held)
	}
}

// held is text with a watcher beside it, which ends the process group when the
// standard input of the line does. Every connection gives a line a group of its own.
//
// Without input for the command the watcher reads with what the shell has built in:
// that takes a fork and no program more, a fifth of the time of a short command over
// SSH. With input, the watcher waits behind what passes the input on;
// its number comes by a descriptor of its own. head reads no further than it has to,
// or, as that of busybox, only where nothing follows.
func held(text string, stdin int) string {
	if stdin == 0 {
		if !isProgram(text) { // it may end with a comment
			text = "\n" + text + "\n"
		}
		return heldBefore + text + heldAfter
	}
	return fmt.Sprintf("exec 3<&0 5>&1\n_w=$({ { head -c %d <&3 2>/dev/null; %s <&3 >/dev/null 2>&1 4>&- 5>&- & echo $! >&4; } | (\n%s\n) >&5 3<&- 4>&- 5>&-; } 4>&1)%s",
		stdin, fmt.Sprintf(watch, "cat >/dev/null"), text, watched)
}

// watch is the watcher, and watched what follows the command.
const (
	watch = "(trap '' TERM HUP INT; %s; kill -s TERM 0; sleep 5; kill -s KILL 0)"
	// The watcher goes before its input ends. The shell must not say so, as bash would.
	watched = "; _rc=$?; exec 6>&2 2>/dev/null; kill -s KILL $_w; printf '\\036ended\\n' >&6; exit $_rc"
)

// What surrounds a command that has no input.
var (
	heldBefore = "exec 3<&0 </dev/null; " + fmt.Sprintf(watch, "read -r _x") + " <&3 >/dev/null 2>&1 & _w=$!; exec 3<&-; ("
	heldAfter  = ")" + watched
)

// feed is a reader that has a text, and after it blocks until it is closed.
type feed struct {
	text   *strings.Reader
	closed chan struct{}
	once   sync.Once
}

func newFeed(text string) *feed {
	return &feed{text: strings.NewReader(text), closed: make(chan struct{})}
}

func (f *feed) Read(p []byte) (int, error) {
	select {
	case <-f.closed:
		return 0, io.EOF
	default:
	}
	if f.text.Len() > 0 {
		return f.text.Read(p)
	}
	<-f.closed
	return 0, io.EOF
}

// Close ends the reader.
func (f *feed) Close() { f.once.Do(func() { close(f.closed) }) }
