package op

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def user(target, name, state = "present", uid = None, group = None, groups = None, append = True, comment = None, home = None, create_home = True, shell = None, password_hash = None, system = False, remove_home = False):
    """Makes a user account be there, as it shall be.

    What is not given stays as it is; of a new account it is what the machine gives.
    Groups have to be there (see op.group).

    Args:
      target: the machine.
      name: of the account.
      state: "present" or "absent".
      uid: its number.
      group: its primary group. A new account gets one of its own name where the
        machine does that.
      groups: other groups that it belongs to.
      append: it stays in groups that groups does not name.
      comment: full name, or what the account is for.
      home: its home directory. A new account that has another one already is moved
        there; the directory itself is not.
      create_home: make the directory, for a new account.
      shell: path of the program that a login starts.
      password_hash: hash of its password, as crypt(3) makes it; "!" or "*" for none.
        It is handled as a secret.
      system: a new account gets a number of those for services.
      remove_home: with "absent", remove the home directory as well. It is kept below
        /var/lib/provisioning/undo, for undo.
    Returns:
      The struct of operations.
    Errors:
      invalid for a name that is none; failed when the machine refuses: a number that
      is taken, a group that there is not.
    Example:
      op.user(web, "deploy", groups = ["www-data"], shell = "/bin/bash", _sudo = True)
      op.user(web, "olduser", state = "absent", remove_home = True)
    """`, &user{}, effect.Exact)

type user struct {
	operation.Base
	Name         string    `star:"name"`
	State        string    `star:"state"`
	UID          *int      `star:"uid"`
	Group        *string   `star:"group"`
	Groups       *[]string `star:"groups"`
	Append       bool      `star:"append"`
	Comment      *string   `star:"comment"`
	Home         *string   `star:"home"`
	CreateHome   bool      `star:"create_home"`
	Shell        *string   `star:"shell"`
	PasswordHash *string   `star:"password_hash,secret"`
	System       bool      `star:"system"`
	RemoveHome   bool      `star:"remove_home"`
}

func (u *user) Describe() string { return u.On() + ": " + u.Name }

func (u *user) Validate() error {
	if err := u.Base.Validate(); err != nil {
		return err
	}
	names := []string{u.Name}
	if u.Group != nil {
		names = append(names, *u.Group)
	}
	if u.Groups != nil {
		names = append(names, *u.Groups...)
	}
	for _, name := range names {
		if err := validAccount(name); err != nil {
			return err
		}
	}
	for _, p := range []*string{u.Home, u.Shell} {
		if p != nil {
			if err := validPath(*p); err != nil {
				return err
			}
		}
	}
	for name, p := range map[string]*string{"comment": u.Comment, "home": u.Home, "shell": u.Shell, "password_hash": u.PasswordHash} {
		if p != nil && strings.ContainsAny(*p, ":\n\x00") {
			return fault.New(fault.Invalid, "the argument %q must not have a colon or a line break in it", name)
		}
	}
	if u.UID != nil && (*u.UID < 0 || *u.UID > maxID) {
		return fault.New(fault.Invalid, "a user cannot have the number %d", *u.UID)
	}
	return validState(u.State, "present", "absent")
}

func (u *user) Facts() []fact.Fact { return []fact.Fact{fact.User.Of(u.Name)} }

func (u *user) Plan(w *fact.World) (*operation.Change, error) {
	f := fact.User.Of(u.Name)
	now := fact.Get[fact.UserState](w, f)
	if u.State == "absent" && !now.Exists {
		return nil, nil
	}
	if now.Tool == "none" {
		return nil, noAccounts(u.On())
	}
	if u.State == "absent" {
		if u.RemoveHome && now.HasHome && strings.Count(path.Clean(now.Home), "/") < 2 {
			return nil, fault.New(fault.Invalid, "the home of %s on %s is %s, which is not removed", u.Name, u.On(), now.Home).
				WithHint("remove the user without remove_home")
		}
		return u.removal(now), nil
	}
	then := u.wanted(now)
	diff := userDiff(u.Name, now, then)
	if diff == "" {
		return nil, nil
	}
	do := account{name: u.Name, now: now, then: then, uid: u.UID != nil, home: u.CreateHome, system: u.System, mark: u.mark()}
	undo := account{name: u.Name, now: then, then: now, uid: true, mark: u.mark()}
	c := &operation.Change{Kind: effect.Update, Step: do.changed(), Diff: diff, After: map[fact.Fact]any{f: then}}
	switch {
	case !now.Exists:
		c.Kind, c.Step = effect.Create, do.created()
		c.Undo = &operation.Step{Script: undo.unmade()}
	default:
		back := undo.changed()
		c.Undo = &back
	}
	return c, nil
}

// mark is a file on the machine for what undo has to know.
func (u *user) mark() string {
	sum := sha256.Sum256([]byte(u.Key()))
	return undoDir + "/home-" + hex.EncodeToString(sum[:8])
}

// wanted is what the account shall be.
func (u *user) wanted(now fact.UserState) fact.UserState {
	then := now
	then.Exists = true
	then.HasHome = now.HasHome || !now.Exists && u.CreateHome
	for _, s := range []struct {
		given *string
		field *string
	}{{u.Group, &then.Group}, {u.Comment, &then.Comment}, {u.Home, &then.Home}, {u.Shell, &then.Shell}, {u.PasswordHash, &then.Password}} {
		if s.given != nil {
			*s.field = *s.given
		}
	}
	if u.UID != nil {
		then.UID = *u.UID
	}
	if u.Groups != nil {
		then.Groups = slices.Clone(*u.Groups)
		if u.Append {
			then.Groups = append(then.Groups, now.Groups...)
		}
		then.Groups = slices.DeleteFunc(then.Groups, func(g string) bool { return g == then.Group })
		slices.Sort(then.Groups)
		then.Groups = slices.Compact(then.Groups)
	}
	return then
}

func (u *user) removal(now fact.UserState) *operation.Change {
	a := account{name: u.Name, now: now, mark: u.mark()}
	c := &operation.Change{Kind: effect.Delete, After: map[fact.Fact]any{fact.User.Of(u.Name): fact.UserState{Tool: now.Tool}}}
	c.Diff = fmt.Sprintf("user %s (%d): removed\n", u.Name, now.UID)
	restored := account{name: u.Name, now: fact.UserState{Tool: now.Tool}, then: now, uid: true}
	back := restored.created()
	if restored.busybox() || now.Group == u.Name {
		back.Script = strings.Replace(back.Script, restored.there(), restored.grouped()+restored.there(), 1)
	}
	if u.RemoveHome && now.HasHome {
		c.Diff += now.Home + ": removed\n"
		c.Script = a.archived()
		back.Script += a.unpacked()
	}
	c.Script += a.removed()
	c.Undo = &back
	return c
}

func userDiff(name string, now, then fact.UserState) string {
	var b strings.Builder
	if !now.Exists {
		fmt.Fprintf(&b, "user %s: created\n", name)
	}
	for _, s := range []struct{ what, now, then string }{
		{"group", now.Group, then.Group}, {"groups", strings.Join(now.Groups, ","), strings.Join(then.Groups, ",")},
		{"comment", now.Comment, then.Comment}, {"home", now.Home, then.Home}, {"shell", now.Shell, then.Shell},
	} {
		if s.now != s.then {
			fmt.Fprintf(&b, "user %s: %s %s -> %s\n", name, s.what, orNone(s.now, "none"), orNone(s.then, "none"))
		}
	}
	if now.UID != then.UID {
		fmt.Fprintf(&b, "user %s: number %d -> %d\n", name, now.UID, then.UID)
	}
	if now.Password != then.Password {
		fmt.Fprintf(&b, "user %s: another password\n", name)
	}
	return b.String()
}
