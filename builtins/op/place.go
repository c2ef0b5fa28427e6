package op

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// Placing a file is the same for all operations that make one: the new one is
// put together beside the old one, under a name that is always the same, so that an
// attempt that was cut off leaves nothing that the next one does not clear away; it
// is created with O_EXCL (set -C), and given away by its descriptor, so that nobody who
// can write to the directory can have something else given away. What broke
// off with the connection does not take the place of the file: its size, or sum, is
// looked at first. Then it gets its owner and mode, is shown to the command that has to
// accept it, and is renamed.

// placement is a file that comes to a path.
type placement struct {
	path     string
	now      fact.FileState // what is there
	then     fact.FileState // what shall be there; its Content is what is sent
	input    func() (io.ReadCloser, error)
	validate string // command that has to accept the file; %s is its path
	backup   bool
	secret   bool // the content has secrets in it
}

// change compares what is at a path with what shall be there.
func (p placement) change() *operation.Change {
	c := &operation.Change{Kind: effect.Update, After: known(p.path, p.then)}
	if !p.now.Exists() {
		c.Kind = effect.Create
	}
	switch {
	case p.now.Type != "file" || p.now.Sum == "" || p.now.Sum != p.then.Sum:
		c.Step = operation.Step{Script: p.script(), Stdin: p.then.Content, Input: p.input}
		c.Undo = undone(p.path, p.now, p.then)
		if c.Undo != nil && p.backup && p.now.Type == "file" {
			c.Undo.Script += fmt.Sprintf("rm -f %s %[1]s.new\n", machine.Quote(p.backupName()))
		}
	case sameAttributes(p.now, p.then):
		return nil
	default:
		c.Script = attributes(p.path, p.now, p.then)
		c.Undo = &operation.Step{Script: attributes(p.path, p.then, p.now)}
	}
	c.Diff = attributesDiff(p.path, p.now, p.then) + contentDiffOf(p.path, p.now, p.then, p.secret)
	return c
}

// changeOf is change for a file whose content stays as it is, and is not known.
func (p placement) changeOf(now fact.FileState) *operation.Change {
	c := p.change()
	if c != nil {
		p.then.Sum = now.Sum
		c.After = known(p.path, p.then)
	}
	return c
}

func (p placement) script() string {
	keep := ""
	if p.backup && p.now.Type == "file" {
		b := machine.Quote(p.backupName())
		gets := fmt.Sprintf("chmod %o \"$_o\"\n", p.now.Mode)
		if owner := ownership(p.now); owner != "" {
			gets = "chown " + machine.Quote(owner) + " \"$_o\"\n" + gets
		}
		keep = fmt.Sprintf("[ -e %[2]s ] || {\n_f=%[1]s _t=%[2]s.new\nrm -f \"$_t\"\n%[3]s%[4]sexec 3>&-\ntouch -r \"$_f\" \"$_t\" 2>/dev/null || :\nmv -f \"$_t\" %[2]s\n}\n",
			machine.Quote(p.path), b, strings.Replace(opened, "cat >&3", "cat \"$_f\" >&3", 1), gets)
	}
	return unchanged(p.path, p.now, p.then) + keepLarge(p.now, p.path) + keep +
		placing(p.path, p.then, p.input != nil, p.validate)
}

// backupName is where a copy of the file goes: another one for every content.
func (p placement) backupName() string {
	s := p.now.Sum
	if s == "" {
		s = "unreadable"
	}
	return p.path + "." + s[:8] + ".bak"
}

// placed puts a file at a path, as a whole.
func placed(file string, content []byte, s fact.FileState) operation.Step {
	s.Size = int64(len(content))
	return operation.Step{Script: placing(file, s, false, ""), Stdin: content}
}

// placing is the script that puts what it reads at a path. With verify it looks at
// the sum of what has come, without at its size.
func placing(file string, s fact.FileState, verify bool, validate string) string {
	q := machine.Quote
	var b strings.Builder
	fmt.Fprintf(&b, "_f=%s _t=%s\n", q(file), q(beside(file)))
	fmt.Fprintf(&b, "[ -d %s ] || { echo %s >&2; exit 1; }\n", q(path.Dir(file)), q("there is no directory "+path.Dir(file)))
	b.WriteString("rm -f \"$_t\"\ntrap 'rm -f \"$_t\"' EXIT\n" + opened)
	arrived := fmt.Sprintf("$(wc -c <\"$_t\") -eq %d", s.Size)
	if verify {
		arrived = fmt.Sprintf("\"$(sha256sum <\"$_t\")\" = '%s  -'", s.Sum)
	}
	fmt.Fprintf(&b, "[ %s ] || { echo 'the content broke off on its way, or was changed meanwhile' >&2; exit %d; }\n", arrived, operation.Moved)
	gets := ""
	if owner := ownership(s); owner != "" {
		gets = "chown " + q(owner) + " \"$_o\"\n"
	}
	gets += fmt.Sprintf("chmod %o \"$_o\"\n", s.Mode)
	b.WriteString(gets + "exec 3>&-\n")
	if validate != "" {
		fmt.Fprintf(&b, "%s </dev/null >&2 || { echo %s >&2; exit 1; }\n", strings.ReplaceAll(validate, "%s", `"$_t"`),
			q("the new content of "+file+" was refused by: "+validate))
	}
	b.WriteString(strings.Replace(inPlace, "GETS\n", strings.ReplaceAll(gets, "$_o", "$_f"), 1))
	return b.String()
}

// opened makes the new file, and fills it. It gets its owner and its mode by the
// descriptor that it is open by: its name may by then be that of something else, which
// who owns the directory has put there. A machine without /proc has only the name.
const opened = `_u=$(umask)
umask 077
set -C
exec 3>"$_t"
set +C
umask "$_u"
_o=/proc/self/fd/3
[ -e "$_o" ] || _o=$_t
cat >&3
`

// inPlace renames the new file to the old one. One that is a mount point, as
// /etc/hosts is in a container, cannot be replaced, and is written over; from then on
// the new one is kept until it is there as a whole, see unchanged. A rename loses the
// label that SELinux knows a file by. GETS is where the owner and the mode are given.
const inPlace = `[ ! -e /sys/fs/selinux/enforce ] || [ ! -e "$_f" ] || chcon --reference="$_f" "$_t" 2>/dev/null || :
if [ -d "$_f" ]; then
  [ -L "$_f" ] || { echo "$_f is a directory" >&2; exit 1; }
  rm -f "$_f"
fi
if ! mv -f "$_t" "$_f" 2>/dev/null; then
  if grep -qsF " $_f " /proc/self/mounts; then
    trap - EXIT
    cat "$_t" >"$_f"
GETS
    rm -f "$_t"
  else
    mv -f "$_t" "$_f"
  fi
fi
trap - EXIT
`

// beside is the name under which a new file is put together.
func beside(file string) string {
	return path.Join(path.Dir(file), "."+path.Base(file)+".provisioning")
}

func ownership(s fact.FileState) string {
	if s.Group != "" {
		return s.Owner + ":" + s.Group
	}
	return s.Owner
}

// attributes gives a file another mode and owner. The owner comes first: chown
// takes setuid away.
func attributes(file string, now, then fact.FileState) string {
	var b strings.Builder
	if now.Owner != then.Owner || now.Group != then.Group {
		fmt.Fprintf(&b, "chown -h %s %s\n", machine.Quote(ownership(then)), machine.Quote(file))
	}
	if then.Type != "link" && (now.Mode != then.Mode || b.Len() > 0) {
		fmt.Fprintf(&b, "chmod %o %s\n", then.Mode, machine.Quote(file))
	}
	return b.String()
}

func sameAttributes(a, b fact.FileState) bool {
	return a.Mode == b.Mode && a.Owner == b.Owner && a.Group == b.Group
}

// known are the facts of a path whose state is known.
func known(file string, s fact.FileState) map[fact.Fact]any {
	if len(s.Content) > fact.MaxContent {
		s.Content, s.Known = nil, false
	}
	return map[fact.Fact]any{fact.File.Of(file): s, fact.Content.Of(file): s}
}

// unchanged ends a script, before it has changed anything, when there is something
// else at a path than one of the states: what somebody else has made meanwhile is not
// lost. Content that was being written over, and was cut off, is ours.
func unchanged(file string, states ...fact.FileState) string {
	var patterns []string
	for _, s := range states {
		p := prints(s)
		if p == "" {
			return ""
		}
		patterns = append(patterns, machine.Quote(p))
	}
	return fmt.Sprintf(`_f=%s
if [ -L "$_f" ]; then _n="link $(readlink "$_f")"
elif [ -f "$_f" ]; then _n=$(sha256sum <"$_f"); _n="file ${_n%%%% *}"
elif [ -e "$_f" ]; then _n=other
else _n=nothing
fi
case $_n in
%s) ;;
*) [ -e %s ] || { echo "$_f has been changed since, which would be lost" >&2; exit %d; } ;;
esac
`, machine.Quote(file), strings.Join(patterns, "|"), machine.Quote(beside(file)), operation.Moved)
}

// prints is how unchanged tells a state; "" when it cannot.
func prints(s fact.FileState) string {
	switch s.Type {
	case "":
		return "nothing"
	case "link":
		return "link " + s.Target
	case "file":
		if s.Sum != "" {
			return "file " + s.Sum
		}
	}
	return ""
}

// undone brings back what was at a path, unless it is something else by now than
// what was put there.
func undone(file string, now, then fact.FileState) *operation.Step {
	step := restored(file, now)
	if step != nil {
		step.Script = unchanged(file, now, then) + step.Script
	}
	return step
}

// restored brings back what was at a path; nil when that cannot be done.
func restored(file string, now fact.FileState) *operation.Step {
	switch {
	case !now.Exists():
		return &operation.Step{Script: fmt.Sprintf("rm -f %s %s\n", machine.Quote(file), machine.Quote(beside(file)))}
	case now.Type == "link":
		return &operation.Step{Script: linked(file, now.Target) + attributes(file, fact.FileState{Type: "link"}, now)}
	case now.Type != "file", !now.Known && now.Sum == "":
		return nil
	case !now.Known:
		return &operation.Step{Script: restoredLarge(file, now)}
	}
	step := placed(file, now.Content, now)
	return &step
}

// linked makes a path a link, as a whole.
func linked(file, to string) string {
	temp := machine.Quote(beside(file))
	return fmt.Sprintf("rm -f %s\nln -s -- %s %[1]s\nmv -fT %[1]s %[3]s 2>/dev/null || { rm -f %[3]s; mv -f %[1]s %[3]s; }\n",
		temp, machine.Quote(to), machine.Quote(file))
}

// removal takes a file or a link away; nil when there is nothing.
func removal(file string, now fact.FileState) *operation.Change {
	if !now.Exists() {
		return nil
	}
	gone := fact.FileState{}
	return &operation.Change{
		Kind: effect.Delete,
		Step: operation.Step{Script: unchanged(file, now, gone) + keepLarge(now, file) + "rm -f " + machine.Quote(file) + "\n"},
		Diff: removalDiff(file, now), Undo: undone(file, now, gone), After: known(file, gone),
	}
}
