package op

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// placed puts a file at a path, as a whole. The new one is made beside it under a
// name that is always the same, so that an attempt that was cut off leaves nothing
// that the next one does not clear away; it is created with O_EXCL (set -C), so that
// nobody can put a link there. Input that breaks off with the connection does not
// take the place of the file: the size is looked at first.
func placed(file string, content []byte, s fact.FileState) operation.Step {
	q := machine.Quote
	temp := path.Join(path.Dir(file), "."+path.Base(file)+".provisioning")
	var b strings.Builder
	fmt.Fprintf(&b, "_t=%s\nrm -f \"$_t\"\ntrap 'rm -f \"$_t\"' EXIT\n(umask 077; set -C; cat >\"$_t\")\n", q(temp))
	fmt.Fprintf(&b, "[ $(wc -c <\"$_t\") -eq %d ] || { echo 'the content broke off on its way' >&2; exit 75; }\n", len(content))
	if owner := ownership(s); owner != "" {
		fmt.Fprintf(&b, "chown %s \"$_t\"\n", q(owner))
	}
	fmt.Fprintf(&b, "chmod %o \"$_t\"\nmv -f \"$_t\" %s\n", s.Mode, q(file))
	return operation.Step{Script: b.String(), Stdin: content}
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
	if now.Mode != then.Mode || b.Len() > 0 {
		fmt.Fprintf(&b, "chmod %o %s\n", then.Mode, machine.Quote(file))
	}
	return b.String()
}

// undoDir keeps on the machine what is too large for the journal, by its SHA-256.
const undoDir = "/var/lib/provisioning/undo"

// keepLarge copies a file whose content the facts do not have, for undo.
func keepLarge(now fact.FileState, file string) string {
	if now.Type != "file" || now.Known || now.Sum == "" {
		return ""
	}
	return fmt.Sprintf("mkdir -p -m 700 %s\ncp -p %s %s.new\nmv -f %[3]s.new %[3]s\n", undoDir, machine.Quote(file), undoDir+"/"+now.Sum)
}

// restored brings back what was at a path.
func restored(file string, now fact.FileState) *operation.Step {
	switch {
	case !now.Exists():
		return &operation.Step{Script: "rm -f " + machine.Quote(file)}
	case now.Type == "link":
		return &operation.Step{Script: linked(file, now.Target)}
	case now.Type != "file", !now.Known && now.Sum == "":
		return nil
	case !now.Known:
		kept := undoDir + "/" + now.Sum
		return &operation.Step{Script: fmt.Sprintf("[ ! -e %s ] || mv -f %[1]s %s\n", kept, machine.Quote(file))}
	}
	step := placed(file, now.Content, now)
	return &step
}

// linked makes a path a link, as a whole.
func linked(file, to string) string {
	temp := path.Join(path.Dir(file), "."+path.Base(file)+".provisioning")
	return fmt.Sprintf("rm -f %s\nln -s %s %[1]s\nmv -fT %[1]s %[3]s 2>/dev/null || { rm -f %[3]s; mv -f %[1]s %[3]s; }\n",
		machine.Quote(temp), machine.Quote(to), machine.Quote(file))
}

// removal takes a file or a link away; nil when there is nothing.
func removal(file string, now fact.FileState) *operation.Change {
	if !now.Exists() {
		return nil
	}
	return &operation.Change{
		Kind: effect.Delete, Step: operation.Step{Script: keepLarge(now, file) + "rm -f " + machine.Quote(file) + "\n"},
		Diff: contentDiff(file, now, fact.FileState{}), Undo: restored(file, now),
		After: map[fact.Fact]any{fact.Content.Of(file): fact.FileState{}, fact.File.Of(file): fact.FileState{}},
	}
}

func attributesDiff(file string, now, then fact.FileState) string {
	if !now.Exists() {
		return ""
	}
	var b strings.Builder
	if now.Mode != then.Mode {
		fmt.Fprintf(&b, "%s: mode %04o -> %04o\n", file, now.Mode, then.Mode)
	}
	if now.Owner != then.Owner {
		fmt.Fprintf(&b, "%s: owner %s -> %s\n", file, now.Owner, then.Owner)
	}
	if now.Group != then.Group {
		fmt.Fprintf(&b, "%s: group %s -> %s\n", file, now.Group, then.Group)
	}
	return b.String()
}

// diffLines is how many lines of a difference are shown; people read plans.
const diffLines = 200

func textDiff(name string, before, after []byte, same func(a, b []byte) bool) string {
	if same(before, after) {
		return ""
	}
	if !isText(before) || !isText(after) {
		return fmt.Sprintf("%s: binary, %d -> %d bytes\n", name, len(before), len(after))
	}
	return textdiff.Unified(name, string(before), string(after), textdiff.Options{Limit: diffLines})
}

func isText(data []byte) bool { return utf8.Valid(data) && !bytes.ContainsRune(data, 0) }

func validPath(p string) error {
	if !path.IsAbs(p) {
		return fault.New(fault.Invalid, "the path %q is not absolute", p).
			WithHint("a machine has no workspace: say where it is from the root on")
	}
	if p != path.Clean(p) || strings.ContainsAny(p, "\x00\n") {
		return fault.New(fault.Invalid, "the path %q is not a plain one", p).WithHint("write it without //, . and .., as %q", path.Clean(p))
	}
	return nil
}

func validState(state string, states ...string) error {
	for _, s := range states {
		if s == state {
			return nil
		}
	}
	return fault.New(fault.Invalid, "the state must be one of %s, not %q", strings.Join(states, ", "), state)
}
