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
def block(target, path, content = "", name = "provisioning", comment = "# %s", after = "", before = "", create = False, mode = None, owner = None, group = None, validate = "", backup = False, state = "present"):
    """Makes a block of lines be in a file, between two lines that mark it, or not.

    The marks are comments, "# BEGIN provisioning" and "# END provisioning" unless
    something else is said. What is between them is replaced as a whole; all else in the
    file stays as it is. A new block comes after the last line that after matches, else
    before the first that before matches, else to the end.

    Args:
      target: the machine.
      path: absolute path of the file, 1 MiB at most.
      content: the lines.
      name: what tells the block from other blocks in the file.
      comment: how the file writes a comment; %s in it is the text.
      after: regular expression of the line that a new block comes after.
      before: regular expression of the line that a new block comes before.
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
      not_found when there is no file and create is False; invalid when a mark has no
      counterpart, or there is something else at path; permission when it cannot be
      read; too_large when it is larger than 1 MiB; failed when the machine refuses, or
      the command does.

    Example:
      op.block(web, "/etc/ssh/sshd_config", "Match User deploy\\n    X11Forwarding no\\n", name = "deploy")
      op.block(web, "/var/www/index.html", "<p>Closed.</p>", comment = "<!-- %s -->", after = "<body>")
    """`, &block{}, effect.Exact)

type block struct {
	operation.Base
	Edited
	Content string `star:"content"`
	Name    string `star:"name"`
	Comment string `star:"comment"`
	After   string `star:"after"`
	Before  string `star:"before"`
	State   string `star:"state"`
}

func (b *block) Describe() string { return b.On() + ": " + b.Path + ": " + b.Name }

func (b *block) Validate() error {
	if err := b.Base.Validate(); err != nil {
		return err
	}
	if err := b.Edited.valid(); err != nil {
		return err
	}
	if strings.Count(b.Comment, "%s") != 1 || strings.ContainsAny(b.Comment+b.Name, "\n\r") {
		return fault.New(fault.Invalid, "the comment %q cannot mark the block %q", b.Comment, b.Name).
			WithHint("it is one line with one %%s in it, such as \"# %%s\"")
	}
	for name, expr := range map[string]string{"after": b.After, "before": b.Before} {
		if _, err := compiled(name, expr); err != nil {
			return err
		}
	}
	m := b.markers()
	for text := range strings.Lines(b.Content) {
		if text = strings.TrimRight(text, "\r\n"); text == m.Begin || text == m.End {
			return fault.New(fault.Invalid, "the content has the line %q, which marks the block", text).WithHint("give the block another name")
		}
	}
	return validState(b.State, "present", "absent")
}

func (b *block) markers() textedit.Markers {
	return textedit.Markers{
		Begin: strings.Replace(b.Comment, "%s", "BEGIN "+b.Name, 1),
		End:   strings.Replace(b.Comment, "%s", "END "+b.Name, 1),
	}
}

func (b *block) Facts() []fact.Fact { return []fact.Fact{b.fact()} }

func (b *block) Plan(w *fact.World) (*operation.Change, error) {
	if b.State == "absent" {
		if !fact.Get[fact.FileState](w, b.fact()).Exists() {
			return nil, nil
		}
		return b.plan(&b.Base, w, func(text string) (string, error) { return textedit.DropBlock(text, b.markers()) })
	}
	return b.plan(&b.Base, w, func(text string) (string, error) {
		return textedit.SetBlock(text, b.Content, b.markers(), placeOf(b.After, b.Before))
	})
}
