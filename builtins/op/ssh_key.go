package op

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/textedit"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def ssh_key(target, user, key, options = None, exclusive = False, state = "present"):
    """Lets a user in by SSH with a key, or not.

    The key gets into ~/.ssh/authorized_keys of the user, which is made with the owner
    and the modes that sshd asks for: 0o700 for the directory and 0o600 for the file.

    Args:
      target: the machine.
      user: name of the user.
      key: the public key, as ssh-keygen writes it; several keys are a line each.
      options: what the key may be used for, such as ["no-pty", "from=\\"10.0.0.0/8\\""].
        None: what stands before the key, mostly nothing.
      exclusive: remove all other keys of the user.
      state: "present" or "absent".

    Returns:
      The struct of operations.

    Errors:
      invalid when it is no public key; not_found when there is no such user, or no home
      directory; permission when the file cannot be read; failed when the machine
      refuses.

    Example:
      op.ssh_key(web, "deploy", fs.read("keys/deploy.pub"), exclusive = True)
    """`, &sshKey{}, effect.Exact)

type sshKey struct {
	operation.Base
	User      string    `star:"user"`
	Key       string    `star:"key"`
	Options   *[]string `star:"options"`
	Exclusive bool      `star:"exclusive"`
	State     string    `star:"state"`
}

func (k *sshKey) Describe() string { return k.On() + ": " + k.User }

func (k *sshKey) Validate() error {
	if err := k.Base.Validate(); err != nil {
		return err
	}
	if err := validName("user", &k.User); err != nil {
		return err
	}
	if k.Exclusive && k.State == "absent" {
		return fault.New(fault.Invalid, "exclusive is about the keys that stay, and the state is absent")
	}
	if err := validState(k.State, "present", "absent"); err != nil {
		return err
	}
	_, err := k.keys()
	return err
}

func (k *sshKey) keys() ([]textedit.Key, error) {
	keys, err := textedit.ParseKeys(k.Key)
	if err != nil || k.Options == nil {
		return keys, err
	}
	for i := range keys {
		keys[i].Options = *k.Options
		again, err := textedit.ParseKeys(keys[i].String())
		if err != nil || len(again) != 1 {
			return nil, fault.New(fault.Invalid, "the options %q cannot stand before a key", strings.Join(*k.Options, ",")).
				WithHint("options are words such as no-pty and from=\"10.0.0.0/8\", with quotes around values")
		}
		keys[i] = again[0]
	}
	return keys, nil
}

func (k *sshKey) Facts() []fact.Fact { return []fact.Fact{fact.AuthorizedKeys.Of(k.User)} }

func (k *sshKey) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.KeysState](w, fact.AuthorizedKeys.Of(k.User))
	dir, file := now.Paths()
	switch {
	case now.Home == "":
		return nil, fault.New(fault.NotFound, "there is no user %s on %s", k.User, k.On()).WithHint("op.user makes one")
	case k.State == "absent" && !now.File.Exists():
		return nil, nil
	case !now.Place.Exists():
		return nil, fault.New(fault.NotFound, "the home directory %s of %s on %s is not there", now.Home, k.User, k.On())
	case now.Dir.Exists() && now.Dir.Type != "directory":
		return nil, fault.New(fault.Invalid, "%s on %s is a %s, not a directory", dir, k.On(), described(now.Dir)).
			WithHint("what root writes there would get elsewhere")
	}
	if err := editable(&k.Base, file, now.File); err != nil {
		return nil, err
	}
	keys, err := k.keys()
	if err != nil {
		return nil, err
	}
	then := now
	if k.State == "absent" {
		then.File = withContent(now.File, []byte(textedit.DropKeys(string(now.File.Content), keys)))
		return k.change(now, then), nil
	}
	then.Dir = k.owned(now.Dir, "directory", 0o700, now)
	then.File = withContent(k.owned(now.File, "file", 0o600, now), []byte(textedit.SetKeys(string(now.File.Content), keys, k.Exclusive)))
	return k.change(now, then), nil
}

// owned is what sshd asks of the directory and the file: that nobody but the user
// can write to them. What the group is does not matter then.
func (k *sshKey) owned(s fact.FileState, kind string, mode uint32, user fact.KeysState) fact.FileState {
	if s.Exists() && s.UID == user.UID && s.Mode == mode {
		return s
	}
	s.Type, s.Mode = kind, mode
	if s.UID != user.UID {
		s.Owner, s.UID, s.Group, s.GID = k.User, user.UID, user.GID, user.GID
	}
	return s
}

// change makes the directory and the file what they shall be.
func (k *sshKey) change(now, then fact.KeysState) *operation.Change {
	dir, file := now.Paths()
	c := placement{path: file, now: now.File, then: then.File}.change()
	if c == nil {
		if sameAttributes(now.Dir, then.Dir) {
			return nil
		}
		c = &operation.Change{Kind: effect.Update, Undo: &operation.Step{}}
	}
	q := machine.Quote(dir)
	switch {
	case !now.Dir.Exists() && then.Dir.Exists():
		c.Script = fmt.Sprintf("[ -d %s ] || mkdir -m 700 %[1]s\n", q) + attributes(dir, fact.FileState{}, then.Dir) + c.Script
		c.Diff = attributesDiff(dir, now.Dir, then.Dir) + c.Diff
		c.Undo.Script += fmt.Sprintf("[ ! -d %s ] || rmdir %[1]s\n", q)
	case !sameAttributes(now.Dir, then.Dir):
		c.Script = attributes(dir, now.Dir, then.Dir) + c.Script
		c.Diff = attributesDiff(dir, now.Dir, then.Dir) + c.Diff
		c.Undo.Script += attributes(dir, then.Dir, now.Dir)
	}
	c.Script = fmt.Sprintf("[ ! -L %s ] || { echo %s >&2; exit 1; }\n", q, machine.Quote(dir+" is a link")) + c.Script
	c.After = known(file, then.File)
	for f, v := range known(dir, then.Dir) {
		c.After[f] = v
	}
	c.After[fact.AuthorizedKeys.Of(k.User)] = then
	return c
}
