package scenes

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// cutter kills the script of the next step, once, after some of its commands.
type cutter struct {
	mu    sync.Mutex
	rnd   *rand.Rand // nil: nothing is to be killed
	count int        // of scripts that were killed
}

// arm has the next step killed.
func (c *cutter) arm(rnd *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rnd = rnd
}

// take puts the end of its process group into a script; ok is false when nothing is to
// be killed.
func (c *cutter) take(text string) (cut string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rnd == nil {
		return text, false
	}
	cut, ok = cutText(text, c.rnd)
	if ok {
		c.rnd = nil
	}
	return cut, ok
}

// died notes that a script was killed.
func (c *cutter) died() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
}

// taken is how many scripts were killed since the last time it was asked.
func (c *cutter) taken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.count
	c.count = 0
	return n
}

const (
	begins = "set -e\n"    // every step does
	ends   = "\n)\n_rc=$?" // where questions follow a step
	killed = "kill -KILL 0\n"
)

// cutText puts a kill at the beginning of a random line of a step, or behind its
// end. It is one at which a command is over: elsewhere the kill would become a part of
// one.
func cutText(text string, rnd *rand.Rand) (string, bool) {
	head, step, found := strings.Cut(text, begins)
	if !found {
		return text, false
	}
	rest := ""
	if i := strings.Index(step, ends); i >= 0 {
		step, rest = step[:i], step[i:]
	}
	lines := strings.SplitAfter(strings.TrimSuffix(step, "\n"), "\n")
	for _, n := range rnd.Perm(len(lines) + 1) {
		before := strings.Join(lines[:n], "")
		if n > 0 && !strings.HasSuffix(before, "\n") {
			before += "\n"
		}
		if exec.Command("sh", "-n", "-c", before).Run() == nil {
			return head + begins + before + killed + strings.Join(lines[n:], "") + rest, true
		}
	}
	return text, false
}

// cutConn is a connection over which scripts may be killed. It then says that the
// connection was lost: what became of the script is not known.
type cutConn struct {
	machine.Conn
	cut *cutter
}

// hiddenLine is how a line begins that reads the rest of itself from its input.
const hiddenLine = "IFS= read -r _l && eval"

func (c *cutConn) Exec(ctx context.Context, line string, s machine.Streams) (machine.Exit, error) {
	ok := false
	if strings.HasPrefix(line, hiddenLine) {
		in := bufio.NewReader(s.Stdin)
		head, err := in.ReadString('\n')
		if err != nil {
			return machine.Exit{}, err
		}
		text := ""
		text, ok = c.cut.take(unescape(strings.TrimSuffix(head, "\n")))
		if ok {
			head = escape(text) + "\n"
		}
		s.Stdin = io.MultiReader(strings.NewReader(head), in)
	} else {
		line, ok = c.cut.take(line)
	}
	exit, err := c.Conn.Exec(ctx, line, s)
	if err == nil && ok && exit.Code != 137 {
		return exit, fmt.Errorf("the script was to be killed, but ended with %d:\n%s", exit.Code, line)
	}
	if err == nil && ok {
		c.cut.died()
		err = &fault.Error{Kind: fault.Network, Msg: "the connection was lost", InDoubt: true}
	}
	return exit, err
}

// unescape is what printf %b makes of a text that package machine has escaped.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			b.WriteByte(text[i])
		case strings.HasPrefix(text[i:], `\\`):
			b.WriteByte('\\')
			i++
		default: // \0 and three octal digits
			n, _ := strconv.ParseUint(text[i+2:i+5], 8, 8)
			b.WriteByte(byte(n))
			i += 4
		}
	}
	return b.String()
}

func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c == '\\' || c < ' ' || c == 0x7f {
			fmt.Fprintf(&b, `\0%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
