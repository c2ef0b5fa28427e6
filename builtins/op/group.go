package op

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def group(target, name, state = "present", gid = None, system = False):
    """Makes a group of users be there.

    Its members are a matter of op.user. Undo of a removal brings members back.

    Args:
      target: the machine.
      name: of the group.
      state: "present" or "absent".
      gid: its number. None: the next one that is free, or the one that it has.
      system: a new group gets a number of those for services.
    Returns:
      The struct of operations.
    Errors:
      invalid for a name that is none; failed when the machine refuses: the number is
      taken, or it is the primary group of a user.
    Example:
      op.group(web, "deploy", gid = 2000, _sudo = True)
    """`, &group{}, effect.Exact)

type group struct {
	operation.Base
	Name   string `star:"name"`
	State  string `star:"state"`
	GID    *int   `star:"gid"`
	System bool   `star:"system"`
}

func (g *group) Describe() string { return g.On() + ": " + g.Name }

func (g *group) Validate() error {
	if err := g.Base.Validate(); err != nil {
		return err
	}
	if err := validAccount(g.Name); err != nil {
		return err
	}
	if g.GID != nil && (*g.GID < 0 || *g.GID > maxID) {
		return fault.New(fault.Invalid, "a group cannot have the number %d", *g.GID)
	}
	return validState(g.State, "present", "absent")
}

// maxID is the largest number of a user or a group; the one after it means "none".
const maxID = 1<<32 - 2

func validAccount(name string) error {
	if !madeOf(name, "._-") || name[0] == '-' || name[0] == '.' || len(name) > 32 || name[0] >= '0' && name[0] <= '9' {
		return fault.New(fault.Invalid, "%q is no name of a user or a group", name).
			WithHint("letters, digits, and ._-; not a digit first")
	}
	return nil
}

func noAccounts(host string) error {
	return fault.New(fault.Failed, "%s has no program that changes users", host).
		WithHint("install useradd (the package passwd or shadow), or busybox with adduser; where they are in /usr/sbin, root alone finds them: _sudo = True")
}

func (g *group) Facts() []fact.Fact { return []fact.Fact{fact.Group.Of(g.Name)} }

func (g *group) Plan(w *fact.World) (*operation.Change, error) {
	f := fact.Group.Of(g.Name)
	now := fact.Get[fact.GroupState](w, f)
	then := fact.GroupState{Tool: now.Tool}
	if g.State == "present" {
		then = now
		then.Exists = true
		if g.GID != nil {
			then.GID = *g.GID
		}
	}
	if now.Exists == then.Exists && (!now.Exists || now.GID == then.GID) {
		return nil, nil
	}
	if now.Tool == "none" {
		return nil, noAccounts(g.On())
	}
	number := ""
	if g.GID != nil {
		number = strconv.Itoa(*g.GID)
	}
	c := &operation.Change{After: map[fact.Fact]any{f: then}}
	c.Script = groupScript(g.Name, now, then, number, g.System)
	switch {
	case !then.Exists:
		c.Kind, c.Diff = effect.Delete, fmt.Sprintf("group %s (%d): removed\n", g.Name, now.GID)
	case !now.Exists:
		c.Kind, c.Diff = effect.Create, fmt.Sprintf("group %s: created%s\n", g.Name, prefixed(" with the number ", number))
	default:
		c.Kind, c.Diff = effect.Update, fmt.Sprintf("group %s: number %d -> %d\n", g.Name, now.GID, then.GID)
	}
	c.Undo = &operation.Step{Script: groupScript(g.Name, then, now, strconv.Itoa(now.GID), false)}
	return c, nil
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// groupScript makes one state of the other. A number that is "" is up to the machine.
func groupScript(name string, now, then fact.GroupState, number string, system bool) string {
	q := machine.Quote(name)
	there := "grep -q " + machine.Quote("^"+strings.ReplaceAll(name, ".", `\.`)+":") + " /etc/group"
	busybox := now.Tool == "busybox"
	switch {
	case !then.Exists && busybox:
		return "! " + there + " || delgroup " + q + "\n"
	case !then.Exists:
		return "! " + there + " || groupdel " + q + "\n"
	case now.Exists && busybox:
		return fmt.Sprintf("sed -i 's/^\\(%s:[^:]*\\):[0-9]*:/\\1:%s:/' /etc/group\n", strings.ReplaceAll(name, ".", `\.`), number)
	case now.Exists:
		return "groupmod -g " + number + " " + q + "\n"
	}
	var b strings.Builder
	b.WriteString(there + " || ")
	if busybox {
		b.WriteString("addgroup" + flag(" -S", system) + prefixed(" -g ", number) + " " + q + "\n")
	} else {
		b.WriteString("groupadd" + flag(" -r", system) + prefixed(" -g ", number) + " " + q + "\n")
	}
	for _, member := range then.Members {
		b.WriteString(joined(now.Tool, member, name))
	}
	return b.String()
}

func flag(text string, on bool) string {
	if on {
		return text
	}
	return ""
}

// joined makes a user, if there is one, a member of a group.
func joined(tool, user, group string) string {
	u, g := machine.Quote(user), machine.Quote(group)
	if tool == "busybox" {
		return fmt.Sprintf("! grep -q '^%s:' /etc/passwd || addgroup %s %s\n", user, u, g)
	}
	return fmt.Sprintf("! grep -q '^%s:' /etc/passwd || usermod -a -G %s %s\n", user, g, u)
}

// parted ends the membership of a user in a group.
func parted(tool, user, group string) string {
	if tool == "busybox" {
		return fmt.Sprintf("delgroup %s %s\n", machine.Quote(user), machine.Quote(group))
	}
	return fmt.Sprintf("gpasswd -d %s %s >/dev/null\n", machine.Quote(user), machine.Quote(group))
}
