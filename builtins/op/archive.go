package op

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def archive(target, directory, path = "", source = None, creates = "", format = "", strip = 0, owner = None, group = None, state = "unpacked"):
    """Unpacks an archive into a directory, or packs a directory into an archive.

    An archive is unpacked once: a file in the directory, .NAME.unpacked, has its
    SHA-256, so that another archive is unpacked again. With creates it is unpacked when
    that path is not there, and the file is not made. It is unpacked beside and then moved
    in. What it replaces is kept on the machine for 30 days, for undo. In check mode an
    archive that a planned operation brings, such as op.download, is taken to be there.

    An archive is packed when it is missing, or when something in the directory has
    changed since; .NAME.packed beside it knows.

    Args:
      target: the machine.
      directory: absolute path of the directory. It is made when it is missing; the one
        above it has to be there.
      path: absolute path of the archive on the machine.
      source: instead of path, an archive of the workspace, of any size.
      creates: a path, absolute or in the directory, that is there when the archive has
        been unpacked.
      format: tar, tar.gz, tar.bz2, tar.xz, tar.zst or zip; by the name of the archive
        when it is empty.
      strip: how many leading directories of the names in a tar archive are left out.
      owner: name or number of the user that owns what was unpacked; without it the user
        that unpacks.
      group: name or number of its group.
      state: "unpacked" or "packed".

    Returns:
      The struct of operations.

    Errors:
      not_found when there is no archive, or no directory to pack; invalid when its
      format is not known; failed when the machine refuses, or lacks tar or unzip.

    Example:
      op.archive(web, "/opt/app", source = "dist/app-1.2.tar.gz", strip = 1, owner = "app")
      op.archive(web, "/srv/data", path = "/var/backups/data.tar.gz", state = "packed")
    """`, &archive{}, effect.Exact)

type archive struct {
	operation.Base
	Directory string  `star:"directory"`
	Path      string  `star:"path"`
	Source    *string `star:"source"`
	Creates   string  `star:"creates"`
	Format    string  `star:"format"`
	Strip     int     `star:"strip"`
	Owner     *string `star:"owner"`
	Group     *string `star:"group"`
	State     string  `star:"state"`

	sent *source
}

var _ operation.Preparer = (*archive)(nil)

func (a *archive) Describe() string {
	if a.State == "packed" {
		return a.On() + ": " + a.Directory + " into " + a.Path
	}
	return a.On() + ": " + a.name() + " into " + a.Directory
}

// name is the archive as the script names it.
func (a *archive) name() string {
	if a.Source != nil {
		return *a.Source
	}
	return a.Path
}

func (a *archive) Validate() error {
	if err := a.Base.Validate(); err != nil {
		return err
	}
	if err := below(a.Directory); err != nil {
		return err
	}
	if err := validState(a.State, "unpacked", "packed"); err != nil {
		return err
	}
	if (a.Path == "") == (a.Source == nil) || a.Source != nil && a.State == "packed" {
		return fault.New(fault.Invalid, "the archive is not named").WithHint("give path, or, to unpack, source")
	}
	if a.Path != "" {
		if err := below(a.Path); err != nil {
			return err
		}
	}
	if a.Creates != "" {
		if err := validPath(a.created()); err != nil {
			return err
		}
	}
	if a.State == "packed" && strings.HasPrefix(a.Path, a.Directory+"/") {
		return fault.New(fault.Invalid, "the archive %s is in the directory that is packed", a.Path)
	}
	if err := (Attributes{Owner: a.Owner, Group: a.Group}).valid(); err != nil {
		return err
	}
	return a.validFormat()
}

// formats are the ones that are known, by the ends of names. tar gets the flag, and
// zst a program of its own.
var formats = []struct{ name, short, flag string }{
	{"tar.gz", "tgz", "z"}, {"tar.bz2", "tbz2", "j"}, {"tar.xz", "txz", "J"}, {"tar.zst", "tzst", ""}, {"tar", "tar", ""}, {"zip", "zip", ""},
}

func (a *archive) format() string {
	for _, f := range formats {
		if a.Format == f.name || a.Format == "" && (strings.HasSuffix(a.name(), "."+f.name) || strings.HasSuffix(a.name(), "."+f.short)) {
			return f.name
		}
	}
	return ""
}

func (a *archive) validFormat() error {
	format := a.format()
	switch {
	case format == "":
		return fault.New(fault.Invalid, "the format of %s is not known", a.name()).
			WithHint("give format: tar, tar.gz, tar.bz2, tar.xz, tar.zst or zip")
	case a.Strip < 0 || a.Strip > 0 && (format == "zip" || a.State == "packed"):
		return fault.New(fault.Invalid, "strip is for tar archives that are unpacked")
	}
	return nil
}

// Prepare looks at the archive of the workspace.
func (a *archive) Prepare(_ context.Context, env *effect.Env) (err error) {
	if a.Source != nil {
		a.sent, err = openSource(env, *a.Source)
	}
	return err
}

// created is what creates names, as an absolute path.
func (a *archive) created() string {
	if path.IsAbs(a.Creates) {
		return a.Creates
	}
	return a.Directory + "/" + a.Creates
}

// stage is where the archive is unpacked first. It is there as long as that is not
// done.
func (a *archive) stage() string { return a.Directory + "/.provisioning-unpack" }

// note is the file that knows what was unpacked, or packed.
func (a *archive) note() string {
	if a.State == "packed" {
		return path.Join(path.Dir(a.Path), "."+path.Base(a.Path)+".packed")
	}
	return a.Directory + "/." + path.Base(a.name()) + ".unpacked"
}

func (a *archive) Facts() []fact.Fact {
	facts := []fact.Fact{fact.File.Of(a.Directory)}
	if a.State == "packed" {
		return append(facts, fact.Tree.Of(a.Directory), fact.Content.Of(a.Path), fact.Content.Of(a.note()))
	}
	facts = append(facts, fact.File.Of(a.stage()))
	if a.Path != "" {
		facts = append(facts, fact.File.Of(a.Path))
	}
	if a.Creates != "" {
		return append(facts, fact.File.Of(a.created()))
	}
	return append(facts, fact.Content.Of(a.note()))
}

func (a *archive) Plan(w *fact.World) (*operation.Change, error) {
	dir := fact.Get[fact.FileState](w, fact.File.Of(a.Directory))
	if dir.Planned {
		return nil, unforeseen(a.Directory, a.On())
	}
	if dir.Exists() && dir.Type != "directory" {
		return nil, fault.New(fault.Invalid, "%s on %s is a %s, not a directory", a.Directory, a.On(), described(dir))
	}
	if a.State == "packed" {
		return a.packed(w, dir)
	}
	whole := !fact.Get[fact.FileState](w, fact.File.Of(a.stage())).Exists()
	if whole && a.Creates != "" && fact.Get[fact.FileState](w, fact.File.Of(a.created())).Exists() {
		return nil, nil
	}
	sum, err := a.sum(w)
	if err != nil {
		return nil, err
	}
	var note fact.FileState
	if a.Creates == "" {
		note = fact.Get[fact.FileState](w, fact.Content.Of(a.note()))
	}
	switch {
	case note.Planned && sum == "", note.Known && sum != "" && whole && string(note.Content) == sum+"\n":
		return nil, nil
	case sum == "":
		return a.coming(dir, note), nil
	}
	return a.unpacked(dir, note, sum), nil
}

// coming is the change for an archive of which only the run will know what it is.
func (a *archive) coming(dir, note fact.FileState) *operation.Change {
	c := a.arriving(dir)
	c.Diff = fmt.Sprintf("%s: %s unpacked, when it is there\n", a.Directory, a.name())
	if note.Exists() {
		c.Unsure = "whether " + a.name() + " is another archive than the one that was unpacked"
	}
	if a.Creates == "" {
		then := newFile()
		then.Known, then.Sum, then.Planned = false, "", true
		c.After[fact.Content.Of(a.note())] = then
	}
	return c
}

// arriving is what is known of the change of unpacking without knowing the archive.
func (a *archive) arriving(dir fact.FileState) *operation.Change {
	c := &operation.Change{Kind: effect.Update, After: map[fact.Fact]any{}}
	if !dir.Exists() {
		c.Kind = effect.Create
		c.After = known(a.Directory, fact.FileState{Type: "directory", Mode: 0o755})
	}
	c.After[fact.Tree.Of(a.Directory)] = fact.TreeState{Planned: true}
	if a.Creates != "" {
		c.After[fact.File.Of(a.created())] = fact.FileState{Type: "other", Planned: true}
	}
	return c
}

// sum is the SHA-256 of the archive; "" when only the run will know it.
func (a *archive) sum(w *fact.World) (string, error) {
	if a.sent != nil {
		return a.sent.sum, nil
	}
	s := fact.Get[fact.FileState](w, fact.File.Of(a.Path))
	switch {
	case s.Planned:
		return s.Sum, nil
	case !s.Exists():
		return "", fault.New(fault.NotFound, "there is no archive %s on %s", a.Path, a.On())
	case s.Type != "file":
		return "", fault.New(fault.Invalid, "%s on %s is a %s, not an archive", a.Path, a.On(), described(s))
	case s.Sum == "":
		return "", fault.New(fault.Permission, "%s on %s cannot be read", a.Path, a.On()).WithHint("read it as root: _sudo = True")
	}
	return s.Sum, nil
}

func (a *archive) unpacked(dir, note fact.FileState, archived string) *operation.Change {
	c := a.arriving(dir)
	c.Diff = fmt.Sprintf("%s: %s unpacked, SHA-256 %s\n", a.Directory, a.name(), archived)
	u := unpacking{archive: a, sum: archived, note: note, makes: !dir.Exists()}
	c.Step = operation.Step{Script: u.script()}
	if a.sent != nil {
		c.Input, c.Stdin = a.sent.open, nil
	}
	c.Undo = &operation.Step{Script: u.undo()}
	if a.Creates == "" {
		c.After[fact.Content.Of(a.note())] = withContent(newFile(), []byte(archived+"\n"))
	}
	return c
}

func (a *archive) packed(w *fact.World, dir fact.FileState) (*operation.Change, error) {
	if !dir.Exists() {
		return nil, fault.New(fault.NotFound, "there is no directory %s on %s", a.Directory, a.On())
	}
	now := fact.Get[fact.FileState](w, fact.Content.Of(a.Path))
	if now.Exists() && now.Type != "file" {
		return nil, fault.New(fault.Invalid, "%s on %s is a %s", a.Path, a.On(), described(now))
	}
	tree := fact.Get[fact.TreeState](w, fact.Tree.Of(a.Directory))
	note := fact.Get[fact.FileState](w, fact.Content.Of(a.note()))
	same := string(note.Content) == tree.Sum+"\n"
	if tree.Planned {
		same = note.Planned
	}
	if now.Exists() && note.Exists() && same {
		return nil, nil
	}
	c := &operation.Change{
		Kind: effect.Update, After: known(a.Path, Attributes{Owner: a.Owner, Group: a.Group}.on(fact.FileState{Type: "file", Mode: 0o600, Planned: true})),
		Diff: fmt.Sprintf("%s: %d files of %s packed, %d bytes\n", a.Path, len(tree.Entries), a.Directory, tree.Size),
	}
	if !now.Exists() {
		c.Kind = effect.Create
	}
	then := withContent(newFile(), []byte(tree.Sum+"\n"))
	if tree.Planned {
		c.Diff = fmt.Sprintf("%s: %s packed, when all of it is there\n", a.Path, a.Directory)
		then.Known, then.Sum, then.Planned = false, "", true
	}
	c.After[fact.Content.Of(a.note())] = then
	c.Script = keepLarge(now, a.Path) + a.packScript(tree.Sum)
	if c.Undo = restored(a.Path, now); c.Undo != nil {
		c.Undo.Script += restoredNote(a.note(), note)
	}
	return c, nil
}
