package machine

import (
	"bytes"
	"context"
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
func RunHeld(ctx context.Context, conn Conn, c Command, stdin string, s Streams) (exit Exit, stopped bool, err error) {
	feed := newFeed(stdin)
	defer feed.Close()
	s.Stdin = feed
	errs := &untilMark{to: s.Stderr, mark: endedMark, found: feed.Close}
	s.Stderr = errs
	hard, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	ended := make(chan struct{})
	soft := context.AfterFunc(ctx, func() {
		feed.Close()
		patience := time.NewTimer(2 * grace)
		defer patience.Stop()
		select {
		case <-ended:
		case <-patience.C:
			cut(context.Cause(ctx))
		}
	})
	exit, err = Run(hard, conn, Command{Script: held(c.text(), len(stdin)), As: c.As, Hidden: c.Hidden}, s)
	close(ended)
	errs.flush()
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
		return heldBefore + text + heldAfter
	}
	return fmt.Sprintf("exec 3<&0 5>&1\n_w=$({ { head -c %d <&3 2>/dev/null; %s <&3 >/dev/null 2>&1 4>&- 5>&- & echo $! >&4; } | (\n%s\n) >&5 3<&- 4>&- 5>&-; } 4>&1)%s",
		stdin, fmt.Sprintf(watch, "cat >/dev/null"), text, watched)
}

// watch is the watcher, and watched what follows the command.
const (
	watch = "(trap '' TERM HUP INT; %s; kill -s TERM 0; sleep 5; kill -s KILL 0)"
	// The watcher goes before its input ends. The shell must not say so, as bash would.
	watched = "\n_rc=$?; exec 6>&2 2>/dev/null; kill -s KILL $_w; printf '\\036ended\\n' >&6; exit $_rc"
)

// What surrounds a command that has no input.
var (
	heldBefore = "exec 3<&0 </dev/null\n" + fmt.Sprintf(watch, "read -r _x") + " <&3 >/dev/null 2>&1 &\n_w=$!; exec 3<&-\n(\n"
	heldAfter  = "\n)" + watched
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
