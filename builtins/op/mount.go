package op

import (
	"fmt"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def mount(target, path, source = None, type = None, options = "defaults", dump = 0, passno = 0, state = "mounted"):
    """Makes a file system be mounted, now and at every start of the machine.

    Its line in /etc/fstab is the one with the path. A directory that is not there is
    made. Where options change, it is mounted anew without being unmounted.

    Args:
      target: the machine.
      path: where it is mounted.
      source: a device, "UUID=...", "LABEL=...", "server:/export", "tmpfs".
      type: of the file system.
      options: as mount has them.
      dump: fifth field of fstab.
      passno: sixth field of fstab: when it is checked.
      state: "mounted", "present" (in fstab only), "unmounted" (fstab stays as it is)
        or "absent" (neither).
    Returns:
      The struct of operations.
    Errors:
      invalid for a path that is none, or without source and type; failed when it
      cannot be mounted, or is in use when it shall be unmounted.
    Example:
      op.mount(db, "/srv/data", "/dev/vdb1", "ext4", options = "noatime", passno = 2, _sudo = True)
    """`, &mount{}, effect.Exact)

type mount struct {
	operation.Base
	Path    string `star:"path"`
	Source  string `star:"source"`
	Type    string `star:"type"`
	Options string `star:"options"`
	Dump    int    `star:"dump"`
	Passno  int    `star:"passno"`
	State   string `star:"state"`
}

const fstab = "/etc/fstab"

func (m *mount) Describe() string { return m.On() + ": " + m.Path }

func (m *mount) Validate() error {
	if err := m.Base.Validate(); err != nil {
		return err
	}
	if err := validPath(m.Path); err != nil {
		return err
	}
	if err := validState(m.State, "mounted", "present", "unmounted", "absent"); err != nil {
		return err
	}
	if m.State != "mounted" && m.State != "present" {
		return nil
	}
	if m.Source == "" || m.Type == "" {
		return fault.New(fault.Invalid, "what is mounted at %s needs a source and a type", m.Path)
	}
	for _, text := range []string{m.Source, m.Type, m.Options} {
		if text == "" || text[0] == '-' || text[0] == '#' || strings.ContainsAny(text, "\n\x00") {
			return fault.New(fault.Invalid, "%q cannot be a field of %s", text, fstab)
		}
	}
	return nil
}

func (m *mount) Facts() []fact.Fact {
	return []fact.Fact{fact.Mount.Of(m.Path), fact.Content.Of(fstab)}
}

func (m *mount) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.MountState](w, fact.Mount.Of(m.Path))
	table := fact.Get[fact.FileState](w, fact.Content.Of(fstab))
	var f files
	text := string(table.Content)
	if m.State != "unmounted" {
		text = m.inTable(text)
		if text != string(table.Content) {
			f.set(w, fstab, []byte(text))
		}
	}
	c := f.change(m.State == "absent")
	do, undo, diff := m.steps(now, f.script != "")
	if do == "" {
		return c, nil
	}
	if c == nil {
		c = &operation.Change{Undo: &operation.Step{}, After: map[fact.Fact]any{}}
	}
	c.Kind = map[bool]effect.Change{true: effect.Delete, false: effect.Update}[m.State == "absent"]
	c.Diff += diff
	c.Undo.Script = undo.before + c.Undo.Script + undo.after
	c.Script += do
	if m.State == "absent" || m.State == "unmounted" { // what cannot be unmounted stays in fstab
		c.Script = do + strings.TrimSuffix(c.Script, do)
	}
	c.After[fact.Mount.Of(m.Path)] = m.then(now)
	return c, nil
}

func (m *mount) then(now fact.MountState) fact.MountState {
	if m.State == "mounted" {
		return fact.MountState{Mounted: true, Source: m.Source, Type: m.Type, Options: m.Options, Exists: true}
	}
	return fact.MountState{Exists: now.Exists || m.State == "present"}
}

// around is what undo does before and after it has brought fstab back.
type around struct{ before, after string }

// steps are what is done besides the table.
func (m *mount) steps(now fact.MountState, edited bool) (do string, undo around, diff string) {
	dir := machine.Quote(m.Path)
	mounted := "grep -q " + machine.Quote("^[^ ]* "+strings.ReplaceAll(mountField(m.Path), `\`, `\\`)+" ") + " /proc/self/mounts"
	unmount := "! " + mounted + " || umount " + dir + "\n"
	again := mounted + " || mount -t " + machine.Quote(now.Type) + " -o " + machine.Quote(now.Options) + " " + machine.Quote(now.Source) + " " + dir + "\n"
	if m.State == "unmounted" || m.State == "absent" {
		if !now.Mounted {
			return "", around{}, ""
		}
		return unmount, around{after: again}, m.Path + ": mounted -> not mounted\n"
	}
	if !now.Exists {
		do, undo.after = "mkdir -p "+dir+"\n", "rmdir "+dir+" 2>/dev/null || :\n"
		diff = m.Path + ": directory created\n"
	}
	switch {
	case m.State == "present":
	case !now.Mounted:
		do += mounted + " || mount " + dir + "\n"
		undo.before = unmount
		diff += m.Path + ": not mounted -> mounted\n"
	case m.other(now):
		do += unmount + "mount " + dir + "\n"
		undo.before, undo.after = unmount, again+undo.after
		diff += fmt.Sprintf("%s: %s (%s) -> %s (%s)\n", m.Path, now.Source, now.Type, m.Source, m.Type)
	case edited:
		do += "mount -o remount " + dir + "\n"
		undo.after = "mount -o remount " + dir + " || :\n" + undo.after
		diff += m.Path + ": mounted anew\n"
	}
	return do, undo, diff
}

// other reports whether something else is mounted there. The kernel has other names
// for devices than fstab, so that these are taken for the same.
func (m *mount) other(now fact.MountState) bool {
	device := strings.HasPrefix(m.Source, "/") || strings.Contains(m.Source, "=") && !strings.Contains(m.Source, ":")
	return m.Type != "auto" && m.Type != "none" && m.Type != now.Type || !device && m.Source != now.Source && m.Type != "tmpfs"
}

// mountField writes a field of fstab.
func mountField(text string) string {
	return strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`).Replace(text)
}

// inTable puts the line of the path into a text of fstab, or takes it out.
func (m *mount) inTable(text string) string {
	line := fmt.Sprintf("%s %s %s %s %d %d", mountField(m.Source), mountField(m.Path), mountField(m.Type), mountField(m.Options), m.Dump, m.Passno)
	var b strings.Builder
	done := m.State == "absent"
	for old := range strings.Lines(text) {
		fields := strings.Fields(old)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || path.Clean(fields[1]) != mountField(m.Path) {
			b.WriteString(strings.TrimSuffix(old, "\n") + "\n")
			continue
		}
		if !done {
			if strings.Join(fields, " ") == line {
				line = strings.TrimSuffix(old, "\n") // as somebody has written it
			}
			b.WriteString(line + "\n")
			done = true
		}
	}
	if !done {
		b.WriteString(line + "\n")
	}
	return b.String()
}
