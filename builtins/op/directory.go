package op

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def directory(target, path, mode = None, owner = None, group = None, recursive = False, file_mode = None, parents = True, state = "present"):
    """Makes a directory be there, with a mode and an owner, or be gone.

    What is not given stays as it is; a new directory has the mode 0o755 and belongs to
    the user that makes it. An absent one goes with everything in it; undo brings it back
    from a copy that is kept on the machine for 30 days, if it has less than 256 MiB.

    Args:
      target: the machine.
      path: absolute path of the directory.
      mode: permission bits, such as 0o750.
      owner: name or number of the user that owns it.
      group: name or number of its group.
      recursive: give the owner and the group to everything in it, and the mode to all
        directories in it.
      file_mode: with recursive, permission bits of the files in it.
      parents: make the directories above it that are missing, with the mode 0o755 and
        the user that makes them.
      state: "present" or "absent".

    Returns:
      The struct of operations.

    Errors:
      invalid when there is something at path that is no directory; not_found when
      parents is False and the directory above it is missing; too_large when recursive
      is to go through more than 50000 entries; failed when the machine refuses, or
      something is mounted in a directory that has to go.

    Example:
      op.directory(web, "/srv/app", mode = 0o750, owner = "app")
      op.directory(web, "/srv/app/uploads", owner = "app", recursive = True, mode = 0o755, file_mode = 0o644)
      op.directory(web, "/srv/old", state = "absent")
    """`, &directory{}, effect.Exact)

type directory struct {
	operation.Base
	Path string `star:"path"`
	Attributes
	Recursive bool   `star:"recursive"`
	FileMode  *int   `star:"file_mode"`
	Parents   bool   `star:"parents"`
	State     string `star:"state"`
}

func (d *directory) Describe() string { return d.On() + ": " + d.Path }

func (d *directory) Validate() error {
	if err := d.Base.Validate(); err != nil {
		return err
	}
	if err := below(d.Path); err != nil {
		return err
	}
	if err := d.Attributes.valid(); err != nil {
		return err
	}
	if err := validMode(d.FileMode); err != nil {
		return err
	}
	if d.FileMode != nil && !d.Recursive {
		return fault.New(fault.Invalid, "file_mode is the mode of the files in the directory").WithHint("say recursive = True")
	}
	return validState(d.State, "present", "absent")
}

func (d *directory) Facts() []fact.Fact {
	facts := []fact.Fact{fact.File.Of(d.Path)}
	if d.State == "absent" || d.Recursive {
		facts = append(facts, fact.Tree.Of(d.Path))
	}
	if d.State == "present" {
		for _, up := range above(d.Path) {
			facts = append(facts, fact.File.Of(up))
		}
	}
	return facts
}

// above are the directories above a path, the nearest first, without the root.
func above(p string) []string {
	var dirs []string
	for up := path.Dir(p); up != "/"; up = path.Dir(up) {
		dirs = append(dirs, up)
	}
	return dirs
}

func (d *directory) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, fact.File.Of(d.Path))
	switch {
	case now.Planned:
		return nil, unforeseen(d.Path, d.On())
	case now.Type == "link":
		return nil, fault.New(fault.Invalid, "%s on %s is a link to %s", d.Path, d.On(), now.Target).
			WithHint("name the directory that it leads to, or remove the link first: op.link(…, state = \"absent\")")
	case now.Exists() && now.Type != "directory":
		return nil, fault.New(fault.Invalid, "%s on %s is a %s", d.Path, d.On(), described(now)).
			WithHint("op.file(…, state = \"absent\") removes a file")
	case d.State == "absent" && now.Exists():
		return d.absent(fact.Get[fact.TreeState](w, fact.Tree.Of(d.Path))), nil
	case d.State == "absent":
		return nil, nil
	case !now.Exists():
		return d.created(w)
	case d.Recursive:
		return d.throughout(now, d.grown(w, now))
	}
	then := d.Attributes.on(now)
	if sameAttributes(now, then) {
		return nil, nil
	}
	return &operation.Change{
		Kind: effect.Update, Diff: attributesDiff(d.Path, now, then), After: known(d.Path, then),
		Step: operation.Step{Script: attributes(d.Path, now, then)}, Undo: &operation.Step{Script: attributes(d.Path, then, now)},
	}, nil
}

// created makes the directory, and those above it.
func (d *directory) created(w *fact.World) (*operation.Change, error) {
	missing := []string{d.Path}
	for _, up := range above(d.Path) {
		if fact.Get[fact.FileState](w, fact.File.Of(up)).Exists() {
			break
		}
		missing = append(missing, up)
	}
	if len(missing) > 1 && !d.Parents {
		return nil, fault.New(fault.NotFound, "there is no directory %s on %s", missing[1], d.On()).
			WithHint("parents = True makes it")
	}
	then := d.Attributes.on(fact.FileState{Type: "directory", Mode: 0o755})
	c := &operation.Change{Kind: effect.Create, Undo: &operation.Step{}, After: map[fact.Fact]any{}}
	for _, dir := range missing { // undone from the inside, made from the outside
		c.Undo.Script += fmt.Sprintf("[ ! -d %s ] || rmdir %[1]s\n", machine.Quote(dir))
	}
	slices.Reverse(missing)
	for _, dir := range missing {
		s := fact.FileState{Type: "directory", Mode: 0o755}
		if dir == d.Path {
			s = then
		}
		for f, v := range known(dir, s) {
			c.After[f] = v
		}
		// another branch may make it at the same time
		c.Script += fmt.Sprintf("[ -d %s ] || mkdir -m 755 %[1]s 2>/dev/null || [ -d %[1]s ] || mkdir -m 755 %[1]s\n", machine.Quote(dir))
		c.Diff += attributesDiff(dir, fact.FileState{}, s)
	}
	if then.Mode != 0o755 || ownership(then) != "" {
		c.Script += attributes(d.Path, fact.FileState{Mode: 0o755}, then)
	}
	return c, nil
}

// grown is the tree with what is known of the files in it: in check mode planned writes
// may have made them.
func (d *directory) grown(w *fact.World, now fact.FileState) fact.TreeState {
	tree := fact.Get[fact.TreeState](w, fact.Tree.Of(d.Path))
	files := w.Below(d.Path)
	files[d.Path] = now
	var entries []fact.Entry
	for _, e := range tree.Entries {
		if s, known := files[e.Path]; known {
			e.FileState = s
			delete(files, e.Path)
		}
		entries = append(entries, e)
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, fact.Entry{Path: p, FileState: files[p]})
	}
	tree.Entries = slices.DeleteFunc(entries, func(e fact.Entry) bool { return !e.Exists() })
	return tree
}

// throughout gives the owner and the modes to all that is in the directory.
func (d *directory) throughout(now fact.FileState, tree fact.TreeState) (*operation.Change, error) {
	if tree.More {
		return nil, fault.New(fault.TooLarge, "%s on %s has more than %d entries", d.Path, d.On(), fact.MaxTree).
			WithHint("name the directories in it that matter")
	}
	if tree.Odd {
		return nil, fault.New(fault.Invalid, "%s on %s has files with newlines in their names", d.Path, d.On()).WithHint("rename them first")
	}
	if tree.Planned {
		return &operation.Change{
			Kind: effect.Update, Unsure: "what comes into " + d.Path, After: known(d.Path, d.Attributes.on(now)),
			Diff: attributesDiff(d.Path, now, d.Attributes.on(now)) + d.Path + ": and all that comes into it\n",
		}, nil
	}
	after := fact.TreeState{Entries: slices.Clone(tree.Entries), Size: tree.Size}
	there, back := newAttributeList(), newAttributeList()
	var diff strings.Builder
	for i, e := range tree.Entries {
		then := d.of(e)
		after.Entries[i].FileState = then
		if sameAttributes(e.FileState, then) {
			continue
		}
		there.add(e.Path, e.FileState, then)
		back.add(e.Path, then, e.FileState)
		diff.WriteString(attributesDiff(e.Path, e.FileState, then))
	}
	if diff.Len() == 0 {
		return nil, nil
	}
	c := &operation.Change{
		Kind: effect.Update, Diff: shortened(diff.String()), After: known(d.Path, d.of(fact.Entry{Path: d.Path, FileState: now})),
		Step: operation.Step{Script: there.script()}, Undo: &operation.Step{Script: back.script()},
	}
	c.After[fact.Tree.Of(d.Path)] = after
	return c, nil
}

// of is what an entry of the tree shall be.
func (d *directory) of(e fact.Entry) fact.FileState {
	a := d.Attributes
	switch {
	case e.Type == "link":
		a.Mode = nil // those of links mean nothing
	case e.Type != "directory":
		a.Mode = d.FileMode
	}
	return a.on(e.FileState)
}

// attributeList collects paths by the attributes that they get, so that few
// commands do for many.
type attributeList struct{ owners, modes groups }

type groups struct {
	names []string
	paths map[string][]string
}

func newAttributeList() *attributeList {
	return &attributeList{groups{paths: map[string][]string{}}, groups{paths: map[string][]string{}}}
}

func (g *groups) add(name, path string) {
	if g.paths[name] == nil {
		g.names = append(g.names, name)
	}
	g.paths[name] = append(g.paths[name], path)
}

func (l *attributeList) add(path string, now, then fact.FileState) {
	chowned := now.Owner != then.Owner || now.Group != then.Group
	if chowned {
		l.owners.add(ownership(then), path)
	}
	if then.Type != "link" && (now.Mode != then.Mode || chowned) {
		l.modes.add(fmt.Sprintf("%o", then.Mode), path)
	}
}

// script gives the owners first: chown takes setuid away. A file that is gone by
// now needs nothing.
func (l *attributeList) script() string {
	var b strings.Builder
	for _, g := range []struct {
		command string
		groups
	}{{"chown -h", l.owners}, {"chmod", l.modes}} {
		for _, name := range g.names {
			for some := range slices.Chunk(g.paths[name], 500) {
				b.WriteString("set --")
				for _, p := range some {
					b.WriteString(" " + machine.Quote(p))
				}
				fmt.Fprintf(&b, "\nfor _p do shift; if [ -e \"$_p\" ] || [ -L \"$_p\" ]; then set -- \"$@\" \"$_p\"; fi; done\n[ $# = 0 ] || %s %s \"$@\"\n", g.command, machine.Quote(name))
			}
		}
	}
	return b.String()
}

// shortened keeps a difference readable.
func shortened(diff string) string {
	lines := strings.SplitAfter(diff, "\n")
	if len(lines) <= diffLines {
		return diff
	}
	return strings.Join(lines[:diffLines], "") + fmt.Sprintf("... %d more lines\n", len(lines)-diffLines-1)
}

// maxKeptTree is the size of a tree up to which a copy is kept for undo.
const maxKeptTree = 256 << 20

// absent removes the directory with everything in it.
func (d *directory) absent(tree fact.TreeState) *operation.Change {
	c := &operation.Change{Kind: effect.Delete, After: known(d.Path, fact.FileState{})}
	c.After[fact.Tree.Of(d.Path)] = fact.TreeState{}
	var diff strings.Builder
	fmt.Fprintf(&diff, "%s: directory removed\n", d.Path)
	for _, e := range tree.Entries {
		if e.Path != d.Path {
			fmt.Fprintf(&diff, "%s: %s removed\n", e.Path, described(e.FileState))
		}
	}
	c.Script = unmounted(d.Path)
	if tree.More || tree.Size > maxKeptTree {
		diff.WriteString(d.Path + ": too large to be kept, so that this cannot be undone\n")
		c.Script += "rm -rf " + machine.Quote(d.Path) + "\n"
	} else {
		id := sum([]byte(d.Path))[:16] + "-" + tree.Sum
		c.Script += removedTree(d.Path, id)
		c.Undo = &operation.Step{Script: restoredTree(d.Path, id)}
	}
	c.Diff = shortened(diff.String())
	return c
}

// unmounted refuses to go on when something is mounted in a directory: it would
// be emptied.
func unmounted(dir string) string {
	return fmt.Sprintf(`_d=%s
while read -r _ _m _; do
  case $_m in "$_d"|"$_d"/*) echo "$_m is mounted: unmount it first" >&2; exit 1 ;; esac
done </proc/self/mounts
`, machine.Quote(dir))
}

// removedTree removes a directory when there is a whole copy of it. The file done
// says that it was removed as a whole: what is there later is of somebody else.
func removedTree(dir, id string) string {
	return makeKeepDir + fmt.Sprintf(`_d=%s _c="$_k"/%s
if [ ! -d "$_c" ] && [ -d "$_d" ]; then
  rm -rf "$_c.new"
  (umask 077; mkdir "$_c.new")
  cp -a "$_d" "$_c.new/tree"
  mv "$_c.new" "$_c"
fi
rm -rf "$_d"
: >"$_c/done"
`, machine.Quote(dir), id)
}

// restoredTree brings a directory back. Where something in it was changed between
// an attempt that was cut off and the one that removed it, the copy has another name.
func restoredTree(dir, id string) string {
	return keepDir + fmt.Sprintf(`_d=%s _c="$_k"/%s _t=%s
if [ ! -d "$_c" ]; then
  for _x in "$_k"/%s-*/; do [ ! -d "$_x/tree" ] || { [ -d "$_c" ] && [ "$_c" -nt "$_x" ]; } || _c=${_x%%/}; done
fi
if [ -d "$_c/tree" ]; then
  if [ -e "$_d" ] && [ -e "$_c/done" ]; then echo "$_d has been made anew since, which would be lost" >&2; exit %d; fi
  rm -rf "$_t"
  cp -a "$_c/tree" "$_t"
  rm -f "$_c/done"
  rm -rf "$_d"
  mv "$_t" "$_d"
  rm -rf "$_c"
%selse
  [ -d "$_d" ] || { echo "the copy of $_d that was kept for undo is gone" >&2; exit 1; }
fi
`, machine.Quote(dir), id, machine.Quote(beside(dir)), id[:strings.IndexByte(id, '-')], operation.Moved, leaveKeepDir)
}
