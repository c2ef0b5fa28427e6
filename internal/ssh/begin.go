package ssh

import (
	"bytes"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// maxLine is the longest line that the shell of a login is sure to take: Linux
// allows 128 KiB for an argument.
const maxLine = 127 << 10

// The shells of logins, as far as lines are concerned.
const (
	unknownShell = iota
	plainShell   // a quoted text may have newlines in it
	cShell       // it may not
	posixShell   // it reads what is portable as sh does
)

// beganMark is what a line of standard output starts with where that of the line
// begins, followed by the process and the shell of the login. What precedes it is of the
// start-up files of the shell.
const beganMark = "\036begun "

// began has a shell say so.
const began = `printf '\036begun %s %s\n' $$ "$SHELL"`

// wrap has sh read the line, whatever the shell of the login is, and has it say
// first that it has begun, once it has read what comes before that. Where there
// may be no newline in what the shell of the login reads, one in the line costs a process
// more; a login with a shell that is as good as sh for the line saves one.
func wrap(before, line string, shell int32) (wrapped string, ok bool) {
	portable, ok := machine.Portable(line)
	mark := began + "\n" // sh reads what follows afterwards: it may be no sh
	if ok {
		mark = began + "; "
	}
	before += mark
	text := before + line
	switch {
	case shell == posixShell && ok:
		wrapped = before + portable
	case shell == posixShell || shell == plainShell || !strings.Contains(text, "\n"):
		wrapped = "exec /bin/sh -c " + quote(text)
	default:
		coded := strings.NewReplacer("\\", `\\`, "\n", `\0012`).Replace(text)
		wrapped = `exec /bin/sh -c '_l=$1; shift; eval "$(printf %b "$_l")"' sh ` + quote(coded)
	}
	if len(wrapped) > maxLine { // quoting has made it too long
		return line, false
	}
	return wrapped, true
}

// quote makes one word of a text, for sh, csh and fish. Between single quotes fish
// takes \\ for one backslash and \' for a quote, and csh looks for events of its history.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\'', c == '!', c == '\\' && (i+1 == len(text) || strings.IndexByte(`\'!`, text[i+1]) >= 0):
			b.WriteString(`'\`)
			b.WriteByte(c)
			b.WriteByte('\'')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// begins takes what [wrap] has the line say first.
func (r *run) begins(text string) bool {
	number, shell, _ := strings.Cut(text, " ")
	pid, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return false
	}
	r.pid = int(pid)
	close(r.known)
	r.link.login.Store(kindOf(path.Base(shell)))
	return true
}

func kindOf(shell string) int32 {
	switch shell {
	case "sh", "ash", "bash", "dash", "ksh", "mksh":
		return posixShell
	}
	if strings.HasSuffix(shell, "csh") {
		return cShell
	}
	return plainShell
}

// notBegun is the error of a line that the server, or the shell of the login, did not
// run: that something else ended well is no success.
func (r *run) notBegun(exit machine.Exit) error {
	said := printable(strings.TrimSpace(r.errs.first() + " " + r.said.before()))
	if said == "" {
		said = "it said nothing"
	}
	return unsent(fault.Failed, "%s lets %s in, but did not begin the command: what it ran instead ended with code %d: %s", r.link.host, r.link.host.User, exit.Code, said).
		WithHint("the login shell of %s may let nobody in (nologin), a start-up file of it may end (exit in .bashrc), or the server may run another command (ForceCommand, or command= in authorized_keys)", r.link.host.User)
}

// begun passes on what comes after the line that begins with [beganMark].
type begun struct {
	to   io.Writer
	took func(rest string) bool // takes the rest of that line, and says whether it is right

	mu    sync.Mutex
	held  []byte // as long as that line has not come
	seen  bool   // it has, or is not waited for
	never bool   // all has come, and the mark was not in it
}

// maxBefore is what a shell may print before the line begins.
const maxBefore = 64 << 10

func (b *begun) Write(p []byte) (int, error) {
	b.mu.Lock()
	if b.seen {
		b.mu.Unlock()
		return b.to.Write(p)
	}
	b.held = append(b.held, p...)
	_, rest, found := bytes.Cut(b.held, []byte(beganMark))
	text, after, whole := bytes.Cut(rest, []byte("\n"))
	if !(found && whole) && len(b.held) < maxBefore {
		b.mu.Unlock()
		return len(p), nil
	}
	pass := b.held
	if found && whole && b.took(string(text)) {
		pass = after
	}
	b.seen, b.held = true, nil
	b.mu.Unlock()
	if len(pass) > 0 {
		if _, err := b.to.Write(pass); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// flush ends the output of a line. What came of one that never began is passed on, if it
// is to be.
func (b *begun) flush(pass bool) {
	b.mu.Lock()
	held := b.held
	b.never = !b.seen
	b.seen = true
	b.mu.Unlock()
	if pass && len(held) > 0 {
		_, _ = b.to.Write(held)
	}
}

// missed reports whether all has come, and the line did not begin.
func (b *begun) missed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.never
}

// before is what came instead of the line.
func (b *begun) before() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.held)
}
