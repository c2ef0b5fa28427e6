package op

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// account makes one state of a user account of another, with useradd or with the
// adduser of busybox.
type account struct {
	name      string
	now, then fact.UserState
	uid       bool // then.UID is wanted; else it is up to the machine
	home      bool // make the directory
	system    bool
	mark      string // file on the machine that says that the home directory was made
}

func (a account) busybox() bool { return a.now.Tool == "busybox" }

// there is a test for the account.
func (a account) there() string {
	return "grep -q " + machine.Quote("^"+strings.ReplaceAll(a.name, ".", `\.`)+":") + " /etc/passwd"
}

// created makes the account. What useradd may have done before it was cut off is done
// once more by what follows it.
func (a account) created() operation.Step {
	var b strings.Builder
	if a.home && a.mark != "" {
		fmt.Fprintf(&b, "_h=%s\n[ -n \"$_h\" ] || { _h=$(useradd -D 2>/dev/null | sed -n 's/^HOME=//p'); _h=${_h:-/home}/%s; }\n", machine.Quote(a.then.Home), a.name)
		fmt.Fprintf(&b, "[ -e \"$_h\" ] || { mkdir -p -m 700 %s; : >%s; }\n", undoDir, a.mark)
	}
	b.WriteString(a.there() + " || ")
	if a.busybox() {
		b.WriteString("adduser -D" + flag(" -S", a.system) + flag(" -H", !a.home) + a.attributes("-u", "-g", "-G", "-h", "-s"))
	} else {
		b.WriteString("useradd" + flag(" -r", a.system) + flag(" -m", a.home) + flag(" -M", !a.home) + a.attributes("-u", "-c", "-g", "-d", "-s"))
	}
	b.WriteString(" " + machine.Quote(a.name) + "\n")
	if a.home { // cut off before its directory; or adduser, where there is no directory above it
		b.WriteString("_h=$(grep " + machine.Quote("^"+a.name+":") + " /etc/passwd | cut -d : -f 6)\n")
		fmt.Fprintf(&b, "[ -d \"$_h\" ] || { mkdir -p \"$_h\"; cp -a /etc/skel/. \"$_h\" 2>/dev/null || :; chown -R %s: \"$_h\"; chmod 700 \"$_h\"; }\n", machine.Quote(a.name))
	}
	b.WriteString(a.membership(nil))
	return a.withPassword(b.String())
}

// attributes are arguments for those that are known: number, comment, primary group,
// home, shell.
func (a account) attributes(uid, comment, group, home, shell string) string {
	var b strings.Builder
	if a.uid {
		b.WriteString(" " + uid + " " + strconv.Itoa(a.then.UID))
	}
	for _, s := range []struct{ flag, now, then string }{
		{comment, a.now.Comment, a.then.Comment}, {group, a.now.Group, a.then.Group}, {home, a.now.Home, a.then.Home}, {shell, a.now.Shell, a.then.Shell},
	} {
		if s.now != s.then {
			b.WriteString(" " + s.flag + " " + machine.Quote(s.then))
		}
	}
	return b.String()
}

// changed gives the account other attributes.
func (a account) changed() operation.Step {
	a.uid = a.now.UID != a.then.UID
	var b strings.Builder
	switch attributes := a.attributes("-u", "-c", "-g", "-d", "-s"); {
	case attributes == "":
	case a.busybox():
		b.WriteString(a.rewritten())
	default:
		b.WriteString("usermod" + attributes + " " + machine.Quote(a.name) + "\n")
	}
	b.WriteString(a.membership(a.now.Groups))
	return a.withPassword(b.String())
}

// rewritten changes the line in /etc/passwd, which busybox has no program for. With
// another number, what is in the home directory becomes that of the new one, as usermod
// has it.
func (a account) rewritten() string {
	script := fmt.Sprintf(`_g=$(grep %s /etc/group | cut -d : -f 3)
awk -F: -v OFS=: -v n=%s -v u=%d -v g="$_g" -v c=%s -v h=%s -v s=%s \
  '$1 == n { $3 = u; if (g != "") $4 = g; $5 = c; $6 = h; $7 = s } { print }' /etc/passwd >/etc/passwd.new
chmod 644 /etc/passwd.new
mv -f /etc/passwd.new /etc/passwd
`, machine.Quote("^"+a.then.Group+":"), machine.Quote(a.name), a.then.UID, machine.Quote(a.then.Comment), machine.Quote(a.then.Home), machine.Quote(a.then.Shell))
	if a.now.UID != a.then.UID {
		script += fmt.Sprintf("for _h in %s %s; do\n  [ ! -d \"$_h\" ] || find \"$_h\" -user %d -exec chown -h %d {} +\ndone\n",
			machine.Quote(a.now.Home), machine.Quote(a.then.Home), a.now.UID, a.then.UID)
	}
	return script
}

// membership makes the other groups of the account those that it shall have.
func (a account) membership(now []string) string {
	var b strings.Builder
	for _, g := range a.then.Groups {
		if !slices.Contains(now, g) {
			b.WriteString(joined(a.now.Tool, a.name, g))
		}
	}
	for _, g := range now {
		if !slices.Contains(a.then.Groups, g) {
			fmt.Fprintf(&b, "! id -Gn %s | tr ' ' '\\n' | grep -qx -- %s || %s", machine.Quote(a.name), machine.Quote(g), parted(a.now.Tool, a.name, g))
		}
	}
	return b.String()
}

// withPassword sets the hash of the password, which nobody may see, last.
func (a account) withPassword(script string) operation.Step {
	if a.then.Password == a.now.Password || a.then.Password == "" {
		return operation.Step{Script: script}
	}
	return operation.Step{
		Script: "_line=$(cat)\n" + script + "printf '%s\\n' \"$_line\" | chpasswd -e >/dev/null\n",
		Stdin:  []byte(a.name + ":" + a.then.Password),
	}
}

// removed takes the account away. Its group of the same name goes with it, as the
// programs have it.
func (a account) removed() string {
	program := "userdel"
	if a.busybox() {
		program = "deluser"
	}
	return fmt.Sprintf("! %s || %s %s\n", a.there(), program, machine.Quote(a.name))
}

// unmade takes the account away that was made, with the home directory if that was
// made as well.
func (a account) unmade() string {
	return fmt.Sprintf("_h=$(grep %s /etc/passwd | cut -d : -f 6)\n[ ! -e %s ] || [ -z \"$_h\" ] || rm -rf \"$_h\"\n",
		machine.Quote("^"+strings.ReplaceAll(a.name, ".", `\.`)+":"), a.mark) + a.removed() + "rm -f " + a.mark + "\n" + leaveUndoDir
}

// archive is where the home directory is kept.
func (a account) archive() string {
	return a.mark + ".tar"
}

// archived keeps the home directory, and removes it. One that was half removed does
// not take the place of the whole.
func (a account) archived() string {
	home := machine.Quote(a.now.Home)
	return fmt.Sprintf(`if %s && [ -d %s ]; then
  [ "$(stat -c %%u %[2]s)" = %d ] || { echo %s >&2; exit 1; }
  mkdir -p -m 700 %s
  [ -e %s ] || { (umask 077; tar -C / -cf %[6]s.new %s); mv -f %[6]s.new %[6]s; }
  rm -rf %[2]s
fi
`, a.there(), home, a.now.UID, machine.Quote(a.now.Home+" belongs to somebody else than "+a.name), undoDir, a.archive(), machine.Quote("."+a.now.Home))
}

func (a account) unpacked() string {
	return fmt.Sprintf("[ ! -e %s ] || { tar -C / -xpf %[1]s; rm -f %[1]s; }\n"+leaveUndoDir, a.archive())
}

// grouped brings the primary group back that went with the account.
func (a account) grouped() string {
	g := fact.GroupState{Tool: a.then.Tool}
	return groupScript(a.then.Group, g, fact.GroupState{Exists: true, Tool: a.then.Tool}, strconv.Itoa(a.then.GID), false)
}
