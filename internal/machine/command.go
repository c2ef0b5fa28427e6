package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Command is something to run on a machine: Argv, or else Script.
type Command struct {
	Argv   []string          // the program and its arguments
	Script string            // text for sh
	Env    map[string]string // added to the environment
	Dir    string            // "": the home directory
	As     As
	Hidden bool // it has something in it that others on the machine must not see
}

// As is who runs a command. The zero value is the user of the connection.
type As struct {
	User     string // "" for root where Method is set
	Method   string // "sudo", "doas" or "su"; "" and a User means sudo
	Password string // asked by Method; "" when it needs none
}

// Other reports whether it is another user than that of the connection.
func (a As) Other() bool { return a.Method != "" || a.User != "" }

// name is that of the user.
func (a As) name() string {
	if a.User == "" {
		return "root"
	}
	return a.User
}

// maxInline is how long a line may be: Linux takes no argument that is longer
// than 128 KiB (MAX_ARG_STRLEN), and the line is one for the machine's sh.
const maxInline = 96 << 10

// Becomer is a Conn that lets any user read a line, without sudo, doas or su, which
// the machine need not have: an engine does so in a container.
type Becomer interface {
	ExecAs(ctx context.Context, user, line string, s Streams) (Exit, error)
}

// Run executes a command on a machine.
func Run(ctx context.Context, conn Conn, c Command, s Streams) (Exit, error) {
	if b, ok := conn.(Becomer); ok && c.As.Other() {
		conn, c.As = asUser{conn, b, c.As.name()}, As{}
	}
	var err error
	if c.As, err = c.As.checked(); err != nil {
		return Exit{}, err
	}
	line, head, err := c.line()
	if err != nil {
		return Exit{}, err
	}
	if head != "" {
		s.Stdin = withHead(head, s.Stdin)
	}
	if !c.As.Other() {
		return conn.Exec(ctx, line, s)
	}
	errs := &begun{to: s.Stderr}
	s.Stderr = errs
	exit, err := conn.Exec(ctx, line, s)
	if err != nil || errs.seen {
		return exit, err
	}
	return exit, c.As.refused(conn.Name(), errs.before.String())
}

// asUser is a machine as another user sees it.
type asUser struct {
	Conn
	become Becomer
	user   string
}

func (a asUser) Exec(ctx context.Context, line string, s Streams) (Exit, error) {
	return a.become.ExecAs(ctx, a.user, line, s)
}

func withHead(head string, rest io.Reader) io.Reader {
	if rest == nil {
		return strings.NewReader(head)
	}
	return io.MultiReader(strings.NewReader(head), rest)
}

// line is what sh reads, and what has to come first on its standard input.
func (c Command) line() (line, head string, err error) {
	text, err := c.Text()
	if err != nil {
		return "", "", err
	}
	if c.Hidden || len(text) > maxInline { // sh reads the rest of the line from its input
		head = escape(text) + "\n"
		text = `IFS= read -r _l && eval "$(printf %b "$_l")"`
	}
	if !c.As.Other() {
		return text, head, nil
	}
	line, password := c.As.wrap("printf %s\\\\n " + begunMark + " >&2; " + text)
	return line, password + head, nil
}

// Text is the command as sh reads it, run by the user that reads it.
func (c Command) Text() (string, error) {
	text := c.text()
	if strings.ContainsRune(text, 0) {
		return "", fault.New(fault.Invalid, "a command cannot have a NUL byte in it")
	}
	return text, nil
}

// text is the command for sh, run by the user that is to run it.
func (c Command) text() string {
	var b strings.Builder
	for _, name := range sortedKeys(c.Env) {
		fmt.Fprintf(&b, "export %s=%s; ", name, Quote(c.Env[name]))
	}
	if c.Dir != "" {
		fmt.Fprintf(&b, "cd %s || exit 126; ", Quote(c.Dir))
	}
	if len(c.Argv) == 0 {
		return b.String() + c.Script
	}
	for i, word := range c.Argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(Quote(word))
	}
	return b.String()
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Quote makes one word of sh of a text.
func Quote(text string) string {
	plain := text != "" && !strings.HasPrefix(text, "~")
	for i := 0; plain && i < len(text); i++ {
		b := text[i]
		plain = b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("-_./:,+@%", b) >= 0
	}
	if plain {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// escape makes one line of a text, for printf %b. The shells of the world agree
// on \0 with three octal digits and nothing else.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\0%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	// $(…) drops the newlines at the end; nothing in sh depends on those.
	return b.String()
}

// begunMark is what a line prints when its user has become another one: all that
// was printed before is of sudo.
const begunMark = "provisioning:begun"

// begun passes on what comes after the mark.
type begun struct {
	to     io.Writer
	before bytes.Buffer
	seen   bool
}

// maxBefore is how much of sudo's talk is kept.
const maxBefore = 64 << 10

func (w *begun) Write(p []byte) (int, error) {
	if w.seen {
		return w.pass(p)
	}
	if w.before.Len() < maxBefore {
		w.before.Write(p)
	}
	_, after, found := bytes.Cut(w.before.Bytes(), []byte(begunMark+"\n"))
	if found {
		w.seen = true
		if _, err := w.pass(bytes.Clone(after)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (w *begun) pass(p []byte) (int, error) {
	if w.to == nil || len(p) == 0 {
		return len(p), nil
	}
	return w.to.Write(p)
}
