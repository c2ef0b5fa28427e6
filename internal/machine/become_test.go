package machine

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// TestRefused: what the programs say that make another user of one, on Debian and
// busybox, and what is made of it. Plans go on past a user who is not there yet.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		as   As
		said string
		kind fault.Kind
		hint string
	}{
		{As{User: "app"}, "sudo: unknown user app\nsudo: error initializing audit plugin sudoers_audit", fault.NotFound, "op.user makes one"},
		{As{User: "app", Method: "su"}, "su: user app does not exist or the user entry does not contain all the required fields", fault.NotFound, "op.user"},
		{As{User: "app", Method: "su"}, "su: unknown user app", fault.NotFound, "op.user"},
		{As{Method: "sudo"}, "sh: sudo: not found", fault.Permission, "install sudo"},
		{As{Method: "sudo"}, "sudo: a password is required", fault.Permission, "give the password"},
		{As{Method: "sudo"}, "Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt", fault.Permission, "was refused"},
		{As{Method: "doas"}, "doas: Operation not permitted", fault.Permission, ""},
	} {
		e := fault.As(c.as.refused("web", c.said))
		if e.Kind != c.kind || !e.Unsent || !strings.Contains(e.Hint, c.hint) || (e.Hint == "") != (c.hint == "") {
			t.Errorf("%q: %s %q, hint %q", c.said, e.Kind, e.Msg, e.Hint)
		}
	}
}

// input is a machine that notes what a line is given to read.
type input struct {
	Local
	text string
}

func (i *input) Exec(_ context.Context, _ string, s Streams) (Exit, error) {
	all, err := io.ReadAll(s.Stdin)
	i.text = string(all)
	_, _ = io.WriteString(s.Stderr, begunMark+"\n")
	return Exit{}, err
}

// TestPasswordLine: what follows the password on the input is the command.
func TestPasswordLine(t *testing.T) {
	for _, end := range []string{"", "\n", "\r\n"} {
		m := &input{}
		c := Command{Script: "id", Hidden: true, As: As{Method: "sudo", Password: "geheim" + end}}
		if _, err := Run(t.Context(), m, c, Streams{}); err != nil || m.text != "geheim\nid\n" {
			t.Errorf("%q: got %q, %v", end, m.text, err)
		}
	}
	_, err := Run(t.Context(), &input{}, Command{Script: "id", As: As{Method: "su", Password: "a\nb"}}, Streams{})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("two lines: %v", err)
	}
}

// TestPasswordNotAsked: a sudo that asks the first time only, as it does where it
// remembers, leaves the password on its input.
func TestPasswordNotAsked(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nwhile [ \"$1\" != -- ]; do [ \"$1\" != -n ] || exit 1; shift; done; shift\n" +
		"[ -e " + dir + "/asked ] || { read -r _; : >" + dir + "/asked; }\nexec \"$@\"\n"
	if err := os.WriteFile(dir+"/sudo", []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	as := As{Method: "sudo", Password: "geheim"}
	for _, hidden := range []bool{false, true} {
		if err := os.RemoveAll(dir + "/asked"); err != nil {
			t.Fatal(err)
		}
		var out, errs Buffer
		exit, err := Run(t.Context(), Local{}, Command{Script: "cat", As: as, Hidden: hidden}, Streams{Stdin: strings.NewReader("mine\n"), Stdout: &out, Stderr: &errs})
		if err != nil || !exit.OK() || out.String() != "mine\n" || errs.String() != "" {
			t.Errorf("hidden %t: got %v, %q, %q, %v", hidden, exit, out.String(), errs.String(), err)
		}
	}
}
