package op

import (
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textedit"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def line(target, path, line = "", match = "", after = "", before = "", create = False, mode = None, owner = None, group = None, validate = "", backup = False, state = "present"):
    """Makes a line be in a file, or not.

    With match, the line is afterwards the only one that match matches: the first that
    matches becomes it, further ones go. Where none matches, and the line is not there, it
    is inserted: after the last line that after matches, else before the first that before
    matches, else at the end. Without match only the line itself is looked for.

    All else in the file stays as it is, line ends included.

    Args:
      target: the machine.
      path: absolute path of the file, 1 MiB at most.
      line: the line, without its end.
      match: regular expression of the lines that it replaces; with state = "absent",
        of the lines to remove. It looks anywhere in a line: ^ and $ are its ends.
      after: regular expression of the line that a new one comes after.
      before: regular expression of the line that a new one comes before.
      create: make the file when there is none.
      mode: permission bits, such as 0o640.
      owner: name or number of the user that owns the file.
      group: name or number of its group.
      validate: command that has to accept the new content before it takes the place
        of the old one; %s in it is the path of the new file. It is read by sh.
      backup: keep a copy of the former file beside it, as PATH.XXXXXXXX.bak.
      state: "present" or "absent".

    Returns:
      The struct of operations.

    Errors:
      not_found when there is no file and create is False; invalid when there is
      something else at path; permission when it cannot be read; too_large when it is
      larger than 1 MiB; failed when the machine refuses, or the command does.

    Example:
      op.line(web, "/etc/ssh/sshd_config", "PermitRootLogin no", match = "^#?PermitRootLogin\\\\b", validate = "sshd -t -f %s")
      op.line(web, "/etc/fstab", match = "^/dev/sdb1\\\\s", state = "absent")
    """`, &line{}, effect.Exact)

type line struct {
	operation.Base
	Edited
	Line   string `star:"line"`
	Match  string `star:"match"`
	After  string `star:"after"`
	Before string `star:"before"`
	State  string `star:"state"`
}

func (l *line) Describe() string {
	what := l.Line
	if what == "" {
		what = l.Match
	}
	return l.On() + ": " + l.Path + ": " + what
}

func (l *line) Validate() error {
	if err := l.Base.Validate(); err != nil {
		return err
	}
	if err := l.Edited.valid(); err != nil {
		return err
	}
	if strings.ContainsAny(l.Line, "\n\r") {
		return fault.New(fault.Invalid, "the line has a line end in it").WithHint("op.block puts several lines into a file")
	}
	for name, expr := range map[string]string{"match": l.Match, "after": l.After, "before": l.Before} {
		if _, err := compiled(name, expr); err != nil {
			return err
		}
	}
	if l.State == "absent" && l.Line == "" && l.Match == "" {
		return fault.New(fault.Invalid, "nothing says which line is to go").WithHint("give line, or match")
	}
	return validState(l.State, "present", "absent")
}

func (l *line) Facts() []fact.Fact { return []fact.Fact{l.fact()} }

func (l *line) Plan(w *fact.World) (*operation.Change, error) {
	match, _ := compiled("match", l.Match) // Validate has compiled them
	if l.State == "absent" {
		if !fact.Get[fact.FileState](w, l.fact()).Exists() {
			return nil, nil
		}
		return l.plan(&l.Base, w, func(text string) (string, error) { return textedit.DropLines(text, l.Line, match), nil })
	}
	return l.plan(&l.Base, w, func(text string) (string, error) {
		return textedit.SetLine(text, l.Line, match, placeOf(l.After, l.Before)), nil
	})
}

func placeOf(after, before string) (p textedit.Place) {
	p.After, _ = compiled("after", after)
	p.Before, _ = compiled("before", before)
	return p
}
