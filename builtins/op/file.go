package op

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def file(target, path, content = None, mode = None, owner = None, group = None, state = "present"):
    """Makes a file be there, with a content, a mode and an owner.

    The file is replaced as a whole: others see the old one or the new one. What is
    not given stays as it is; a new file is empty, has the mode 0o644 and belongs to
    the user that makes it.

    Args:
      target: the machine.
      path: absolute path of the file. Its directory has to be there.
      content: text or bytes. None: whatever it is.
      mode: permission bits, such as 0o640.
      owner: name of the user that owns it.
      group: name of its group.
      state: "present" or "absent".
    Returns:
      The struct of operations.
    Errors:
      invalid when there is something at path that is no file; failed when the
      machine refuses; network when it cannot be reached.
    Example:
      op.file(web, "/etc/motd", content = "Welcome.\\n", mode = 0o644)
      op.file(web, "/etc/nginx/sites-enabled/default", state = "absent")
    """`, &file{}, effect.Exact)

type file struct {
	operation.Base
	Path    string  `star:"path"`
	Content *[]byte `star:"content"`
	Mode    *int    `star:"mode"`
	Owner   *string `star:"owner"`
	Group   *string `star:"group"`
	State   string  `star:"state"`
}

func (f *file) Describe() string { return f.On() + ": " + f.Path }

func (f *file) Validate() error {
	if err := f.Base.Validate(); err != nil {
		return err
	}
	if err := validPath(f.Path); err != nil {
		return err
	}
	return validState(f.State, "present", "absent")
}

func (f *file) Facts() []fact.Fact { return []fact.Fact{fact.Content.Of(f.Path)} }

func (f *file) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(f.Path))
	switch now.Type {
	case "directory", "other":
		if f.State == "present" || now.Type == "directory" {
			return nil, fault.New(fault.Invalid, "%s on %s is a %s", f.Path, f.On(), described(now))
		}
	}
	if f.State == "absent" {
		return removal(f.Path, now), nil
	}
	if now.Type == "link" {
		return nil, fault.New(fault.Invalid, "%s on %s is a link to %s", f.Path, f.On(), now.Target).
			WithHint("name the file that it leads to, or remove the link first: op.link(…, state = \"absent\")")
	}
	return f.present(now)
}

func (f *file) present(now fact.FileState) (*operation.Change, error) {
	then := f.wanted(now)
	c := &operation.Change{Kind: effect.Update, After: map[fact.Fact]any{fact.Content.Of(f.Path): then}}
	if !now.Exists() {
		c.Kind = effect.Create
	}
	c.Diff = attributesDiff(f.Path, now, then) + contentDiff(f.Path, now, then)
	switch {
	case !now.Exists() || now.Sum != then.Sum || now.Sum == "" && f.Content != nil:
		c.Step = placed(f.Path, then.Content, then)
		c.Script = keepLarge(now, f.Path) + c.Script
		c.Undo = restored(f.Path, now)
	case now.Mode != then.Mode || now.Owner != then.Owner || now.Group != then.Group:
		c.Script = attributes(f.Path, now, then)
		c.Undo = &operation.Step{Script: attributes(f.Path, then, now)}
	default:
		return nil, nil
	}
	return c, nil
}

// wanted is what shall be at the path.
func (f *file) wanted(now fact.FileState) fact.FileState {
	then := now
	if !now.Exists() {
		then = fact.FileState{Type: "file", Mode: 0o644, Known: true, Sum: sum(nil)}
	}
	if f.Content != nil {
		then.Content, then.Known, then.Size, then.Sum = *f.Content, true, int64(len(*f.Content)), sum(*f.Content)
	}
	if f.Mode != nil {
		then.Mode = uint32(*f.Mode)
	}
	if f.Owner != nil {
		then.Owner = *f.Owner
	}
	if f.Group != nil {
		then.Group = *f.Group
	}
	return then
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

func described(s fact.FileState) string {
	if s.Type == "other" {
		return "device, socket or pipe"
	}
	return s.Type
}

func contentDiff(path string, now, then fact.FileState) string {
	if now.Exists() && now.Sum == then.Sum {
		return ""
	}
	if now.Exists() && !now.Known {
		return fmt.Sprintf("%s: %d -> %d bytes\n", path, now.Size, then.Size)
	}
	return textDiff(path, now.Content, then.Content, bytes.Equal)
}
