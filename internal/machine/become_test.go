package machine

import (
	"context"
	"io"
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
