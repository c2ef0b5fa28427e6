package machine

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// checked is who runs a command, with a password that is one line: it comes before
// all else on the input, and what follows a newline in it would be taken for the
// command, which then is not run. One at the end is of the file that it was read from.
func (a As) checked() (As, error) {
	a.Password = strings.TrimSuffix(strings.TrimSuffix(a.Password, "\n"), "\r")
	if strings.ContainsAny(a.Password, "\n\x00") {
		e := fault.New(fault.Invalid, "the password for %s has more than one line", a.name())
		e.Unsent = true
		return a, e
	}
	return a, nil
}

// inputMark is the line between the password and the input of the command. A program
// that does not ask after all leaves the password there: sudo does when it has just
// been given one, or asks for some commands only.
const (
	inputMark    = "provisioning:input"
	pastPassword = "while IFS= read -r _p && [ \"$_p\" != " + inputMark + " ]; do :; done; unset _p; "
)

// wrap makes a line that runs text as another user, and what has to come first on
// its standard input. The password is read by the shell and handed on through a
// pipe: it is never an argument, never in the environment, and a terminal is not
// involved.
func (a As) wrap(text string) (line, head string) {
	inner := "sh -c " + Quote(text)
	user := a.name()
	var ask, silent string
	switch a.Method {
	case "doas":
		return "exec doas -n -u " + Quote(user) + " " + inner, ""
	case "su":
		ask = "su -s /bin/sh " + Quote(user) + " -c " + Quote(text)
		if a.Password == "" {
			return "exec " + ask, ""
		}
		try := "printf %s\\\\n \"$_p\" | LC_ALL=C su -s /bin/sh " + Quote(user) + " -c true || exit; "
		ask = "su -s /bin/sh " + Quote(user) + " -c " + Quote(pastPassword+text)
		return "IFS= read -r _p; " + try + "{ printf %s\\\\n \"$_p\" " + inputMark + "; exec cat; } | LC_ALL=C " + ask, a.Password + "\n"
	default:
		silent = "sudo -n -u " + Quote(user) + " -- " + inner
		ask = "sudo -S -p '' -u " + Quote(user) + " -- sh -c " + Quote(pastPassword+text)
	}
	if a.Password == "" {
		return "LC_ALL=C exec " + silent, ""
	}
	// Where sudo needs no password it would leave it on the input of the command; to ask
	// whether it does must not cost input, which with use_pty sudo reads in any case. The
	// password is tried first: when it is refused, cat would go on reading an input that
	// stays open as long as the command is thought to run.
	return "IFS= read -r _p; if sudo -n -u " + Quote(user) + " -- true </dev/null 2>/dev/null; then unset _p; LC_ALL=C exec " + silent +
		"; else printf %s\\\\n \"$_p\" | LC_ALL=C sudo -S -p '' -u " + Quote(user) + " -- true || exit; { printf %s\\\\n \"$_p\" " + inputMark + "; unset _p; exec cat; } | LC_ALL=C " + ask + "; fi", a.Password + "\n"
}

// refused says why a user could not become another one.
func (a As) refused(machine, said string) error {
	method := a.Method
	if method == "" {
		method = "sudo"
	}
	said = strings.TrimSpace(said)
	e := fault.New(fault.Permission, "%s on %s did not run the command: %s", method, machine, lastLine(said))
	e.Unsent = true
	switch {
	case a.User != "" && (strings.Contains(said, "unknown user") || strings.Contains(said, "user "+a.User+" does not exist")):
		e.Kind, e.Msg = fault.NotFound, fmt.Sprintf("%s on %s did not run the command: there is no user %q", method, machine, a.User)
		return e.WithHint("op.user makes one")
	case strings.Contains(said, "not found"):
		return e.WithHint("install %s on the machine, or connect as a user that needs none", method)
	case strings.Contains(said, "incorrect password"), strings.Contains(said, "try again"):
		return e.WithHint("the password was refused")
	case strings.Contains(said, "a password is required"), strings.Contains(said, "Authentication"):
		return e.WithHint("give the password with the target (sudo_password = secret.get(…)), or let the user use %s without one", method)
	}
	return e
}

func lastLine(text string) string {
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	if text == "" {
		return "it said nothing"
	}
	return text
}
