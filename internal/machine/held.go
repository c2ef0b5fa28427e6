package machine

import (
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
	return exit, !soft(), err
}

// held is text with a watcher beside it, which ends the process group when the
// standard input of the line does. Every connection gives a line a group of its own.
//
// With input for the command, the watcher waits behind what passes the input on;
// its number comes by a descriptor of its own. head reads no further than it has to,
// or, as that of busybox, only where nothing follows.
func held(text string, stdin int) string {
	const watch = "(trap '' TERM HUP INT; cat >/dev/null; kill -s TERM 0; sleep 5; kill -s KILL 0)"
	// The shell must not say that it was killed, as bash would.
	const done = "\n_rc=$?; exec 2>/dev/null; kill -s KILL $_w; exit $_rc"
	if stdin == 0 {
		return "exec 3<&0 </dev/null\n" + watch + " <&3 >/dev/null 2>&1 &\n_w=$!; exec 3<&-\n(\n" + text + "\n)" + done
	}
	return fmt.Sprintf("exec 3<&0 5>&1\n_w=$({ { head -c %d <&3 2>/dev/null; %s <&3 >/dev/null 2>&1 4>&- 5>&- & echo $! >&4; } | (\n%s\n) >&5 3<&- 4>&- 5>&-; } 4>&1)%s",
		stdin, watch, text, done)
}

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
