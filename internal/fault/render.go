package fault

import (
	"fmt"
	"strings"
)

// Render prints err for a terminal: first line as editors parse it, then the
// source line, the script's call stack, and the hint.
//
//	deploy.star:12:8: ssh.run: cannot connect to "web-1:22": connection refused
//	    12 | ssh.run("web-1", "uptime")
//	    deploy.star:30:5  main
//	hint: start the server, or pass port = …
func Render(err error) string {
	e := As(err)
	if e == nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	if len(e.Stack) > 0 {
		fmt.Fprintf(&b, "%s: ", e.Stack[0])
	}
	b.WriteString(e.Error())
	b.WriteByte('\n')
	if len(e.Stack) > 0 && e.Stack[0].Text != "" {
		fmt.Fprintf(&b, "    %d | %s\n", e.Stack[0].Line, strings.TrimSpace(e.Stack[0].Text))
	}
	for _, f := range e.Stack {
		if f.Func != "" && (len(e.Stack) > 1 || f.Func != "<toplevel>") {
			fmt.Fprintf(&b, "    %s  %s\n", f, f.Func)
		}
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", strings.ReplaceAll(e.Hint, "\n", "\n      "))
	}
	return b.String()
}

// ExitCode maps a failure to the exit code of the program.
//
//	0 done, 1 failed, 2 usage, 3 configuration, 4 permission, 5 not found,
//	6 the run waits for an answer, 130 interrupted
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	switch KindOf(err) {
	case Usage:
		return 2
	case Config:
		return 3
	case Permission:
		return 4
	case NotFound:
		return 5
	case Waiting:
		return 6
	case Cancelled:
		return 130
	}
	return 1
}
