package op

import (
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def link(target, path, to = "", hard = False, force = False, state = "present"):
    """Makes a path be a link.

    A link that leads elsewhere is replaced in one step. What a symbolic link leads to
    need not be there.

    Args:
      target: the machine.
      path: absolute path of the link.
      to: what it leads to: any path for a symbolic link, relative ones count from
        the directory of the link; an absolute path of a file for a hard one.
      hard: make another name of the same file instead of a symbolic link.
      force: replace a file that is in the way. A directory is never replaced.
      state: "present" or "absent". An absent hard link is a file that is removed.

    Returns:
      The struct of operations.

    Errors:
      invalid when there is something else at path; not_found when there is nothing
      that a hard link could be a name of; failed when the machine refuses.

    Example:
      op.link(web, "/etc/nginx/sites-enabled/app", to = "../sites-available/app")
      op.link(web, "/srv/app/current", to = "/srv/app/releases/42")
    """`, &link{}, effect.Exact)

type link struct {
	operation.Base
	Path  string `star:"path"`
	To    string `star:"to"`
	Hard  bool   `star:"hard"`
	Force bool   `star:"force"`
	State string `star:"state"`
}

func (l *link) Describe() string {
	if l.State == "absent" {
		return l.On() + ": " + l.Path
	}
	return l.On() + ": " + l.Path + " -> " + l.To
}

func (l *link) Validate() error {
	if err := l.Base.Validate(); err != nil {
		return err
	}
	if err := below(l.Path); err != nil {
		return err
	}
	if err := validState(l.State, "present", "absent"); err != nil || l.State == "absent" {
		return err
	}
	if l.Hard {
		return validPath(l.To)
	}
	return validTarget(l.To)
}

// validTarget checks what a symbolic link leads to: any path.
func validTarget(to string) error {
	for i := range len(to) {
		if to[i] == 0 || to[i] == '\n' {
			return fault.New(fault.Invalid, "a link to %q cannot be made", to).WithHint("write it without newlines")
		}
	}
	if to == "" {
		return fault.New(fault.Invalid, "the link leads nowhere").WithHint("give to")
	}
	return nil
}

func (l *link) Facts() []fact.Fact {
	facts := []fact.Fact{fact.Content.Of(l.Path)}
	if l.Hard && l.State == "present" {
		facts = append(facts, fact.Content.Of(l.To))
	}
	return facts
}

func (l *link) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(l.Path))
	if now.Type == "directory" || now.Type == "other" {
		return nil, fault.New(fault.Invalid, "%s on %s is a %s", l.Path, l.On(), described(now)).
			WithHint("remove it first, if that is what you want")
	}
	if l.State == "absent" {
		if now.Type == "file" && !l.Hard {
			return nil, fault.New(fault.Invalid, "%s on %s is a file, not a symbolic link", l.Path, l.On()).
				WithHint("op.file(…, state = \"absent\") removes a file")
		}
		return removal(l.Path, now), nil
	}
	then, script, err := l.wanted(w)
	if err != nil {
		return nil, err
	}
	if now.Type == then.Type && (l.Hard && now.ID == then.ID || !l.Hard && now.Target == then.Target) {
		return nil, nil
	}
	if now.Type == "file" && !l.Force {
		return nil, fault.New(fault.Invalid, "%s on %s is a file", l.Path, l.On()).WithHint("force = True replaces it by the link")
	}
	c := &operation.Change{
		Kind: effect.Update, Diff: l.diff(now), Undo: undone(l.Path, now, then), After: known(l.Path, then),
		Step: operation.Step{Script: unchanged(l.Path, now, then) + keepLarge(now, l.Path) + script},
	}
	if !now.Exists() {
		c.Kind = effect.Create
	}
	return c, nil
}

// wanted is what shall be at the path, and how it comes there.
func (l *link) wanted(w *fact.World) (then fact.FileState, script string, err error) {
	if !l.Hard {
		return fact.FileState{Type: "link", Mode: 0o777, Target: l.To}, linked(l.Path, l.To), nil
	}
	then = fact.Get[fact.FileState](w, fact.Content.Of(l.To))
	switch then.Type {
	case "":
		return then, "", fault.New(fault.NotFound, "there is no file %s on %s", l.To, l.On()).
			WithHint("a hard link is another name of a file that is there")
	case "file":
	default:
		return then, "", fault.New(fault.Invalid, "%s on %s is a %s, and only a file can have another name", l.To, l.On(), described(then))
	}
	temp := machine.Quote(beside(l.Path))
	return then, fmt.Sprintf("rm -f %s\nln %s %[1]s\nmv -f %[1]s %[3]s\nrm -f %[1]s\n", temp, machine.Quote(l.To), machine.Quote(l.Path)), nil
}

func (l *link) diff(now fact.FileState) string {
	kind := "link"
	if l.Hard {
		kind = "hard link"
	}
	switch now.Type {
	case "":
		return fmt.Sprintf("%s: new %s to %s\n", l.Path, kind, l.To)
	case "link":
		return fmt.Sprintf("%s: link to %s -> %s to %s\n", l.Path, now.Target, kind, l.To)
	}
	return fmt.Sprintf("%s: file -> %s to %s\n", l.Path, kind, l.To) + contentDiff(l.Path, now, fact.FileState{})
}
