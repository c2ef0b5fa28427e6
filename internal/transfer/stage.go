package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Exit codes of the scripts; see sysexits.h.
const codeBroken = 75 // the stream broke off, or the size is not as it was said

// stageBeside is the directory for what is on its way to a path that is no directory,
// on the same file system.
func stageBeside(root string) string {
	return path.Join(path.Dir(root), "."+path.Base(root)+".provisioning")
}

// stage is where things are put together. It is for one attempt.
type stage struct {
	root   string // the destination
	parent string // shared by the attempts of all
	dir    string // of this one
	sole   bool   // the tree is one file or link
}

func newStage(root string, isDir, sole bool, key string) stage {
	s := stage{root: root, parent: stageBeside(root), sole: sole}
	if isDir {
		s.parent = path.Join(root, stageName)
	}
	sum := sha256.Sum256([]byte(key + root))
	s.dir = path.Join(s.parent, hex.EncodeToString(sum[:6]))
	return s
}

// tree is where the new tree grows.
func (s stage) tree() string { return path.Join(s.dir, "tree") }

// prelude makes the directory. In /tmp somebody else could have made one with the
// name: it is used only when it is the user's own.
func (s stage) prelude() string {
	return fmt.Sprintf(`set -e
_u=$(umask); umask 077
_q=%s _s=%s
mkdir "$_q" 2>/dev/null || [ -d "$_q" ] || mkdir "$_q"
if [ -L "$_q" ] || [ ! -O "$_q" ]; then echo "$_q: Permission denied: it belongs to somebody else" >&2; exit 1; fi
mkdir -p "$_s"
`, machine.Quote(s.parent), machine.Quote(s.dir))
}

// unpack reads a stream of tar into the tree. A stream that ends between two files
// is whole for tar, so the last file in it is a mark.
func (s stage) unpack(first, zipped bool) string {
	begin := ""
	if first {
		begin = "rm -rf \"$_s/tree\"\n"
	}
	flag := ""
	if zipped {
		flag = "z"
	}
	return s.prelude() + begin + fmt.Sprintf(`mkdir -p "$_s/tree"
cd "$_s/tree"
tar -x%spof - || exit 1
[ -f "$_s/tree/%s" ] || { echo "the stream broke off" >&2; exit %d; }
rm -f "$_s/tree/%[2]s"
`, flag, endName, codeBroken)
}

// endName is the last file of a stream.
const endName = ".provisioning-end"

// receive appends to a part of a large file, which began with the size at.
func (s stage) receive(id string, at, size int64, zipped bool) string {
	from := "cat"
	if zipped {
		from = "gzip -dc"
	}
	return s.prelude() + fmt.Sprintf(`_f=$_s/%s%s
%s
%s >>"$_f" || exit 1
[ $(wc -c <"$_f") -eq %d ] || { echo "the stream broke off" >&2; exit %d; }
`, partPrefix, id, map[bool]string{true: `: >"$_f"`}[at == 0], from, size, codeBroken)
}

// claim takes the part that another attempt has left, and says its checksum.
func (s stage) claim(id string, p part) string {
	return s.prelude() + fmt.Sprintf("_f=$_s/%s%s\n[ %s = \"$_f\" ] || { [ -O %[3]s ] && mv -f %[3]s \"$_f\"; }\nsha256sum <\"$_f\"\n", partPrefix, id, machine.Quote(p.path))
}

// whole says the checksum of a part.
func (s stage) whole(id string) string {
	return fmt.Sprintf("sha256sum <%s\n", machine.Quote(path.Join(s.dir, partPrefix+id)))
}

// adopt makes a part a file of the tree.
func (s stage) adopt(id string, e Entry) string {
	to := s.at(e.Path)
	return fmt.Sprintf("mkdir -p %s\nmv -f %s %s\nchmod %o %[3]s\n", machine.Quote(path.Dir(to)), machine.Quote(path.Join(s.dir, partPrefix+id)), machine.Quote(to), e.Mode)
}

// own gives everything in the tree its owner, and afterwards the bits that chown
// takes away.
func (s stage) own(o Options, sent []Entry) string {
	owner := ownership(o.Owner, o.Group)
	if owner == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "chown -hR %s %s\n", machine.Quote(owner), machine.Quote(s.tree()))
	for _, e := range sent {
		if e.Mode&0o6000 != 0 && e.Type != Link {
			fmt.Fprintf(&b, "chmod %o %s\n", e.Mode, machine.Quote(s.at(e.Path)))
		}
	}
	return b.String()
}

// at is where an entry is in the tree.
func (s stage) at(name string) string {
	if s.sole {
		name = soleName
	}
	return join(s.tree(), name)
}

func ownership(owner, group string) string {
	if group != "" {
		return owner + ":" + group
	}
	return owner
}

// merge moves what is in one tree into another one: new directories as a whole, and
// into those that are there already, the innermost first, each entry by rename. mv
// renames the entries that it is given one by one.
//
// find takes {} once only, even within the text of a script, so that of the inner one
// comes by the environment.
const merge = `_merge() {
if [ ! -e "$2" ] && [ ! -L "$2" ] || [ ! -d "$1" ]; then mv -f "$1" "$2"; return; fi
_each='find "$_d" -mindepth 1 -maxdepth 1 -exec sh -c '\''_t=$1; shift; exec mv -f "$@" "$_t"'\'' sh "$_to$_r/" {} +'
export _each
find "$1" -depth -type d -exec sh -c '_from=$1 _to=$2; shift 2
for _d; do
_r=${_d#"$_from"}
[ -d "$_to$_r" ] || continue
eval "$_each" || exit 1
rmdir "$_d" || exit 1
done' sh "$1" "$2" {} +
[ ! -e "$1" ] || { echo "$1: not all of it could be put in its place" >&2; return 1; }
}
`

// place moves the tree to its place.
func (s stage) place() string {
	if s.sole {
		return fmt.Sprintf("mv -f %s %s\n", machine.Quote(s.at(".")), machine.Quote(s.root))
	}
	return merge + fmt.Sprintf("_merge %s %s\n", machine.Quote(s.tree()), machine.Quote(s.root))
}

// clear removes what the attempt has left, but not parts of large files that a
// later one may go on with.
func (s stage) clear(parts bool) string {
	script := fmt.Sprintf("rm -rf %s\n", machine.Quote(s.dir))
	if parts {
		script = fmt.Sprintf("rm -rf %s\n", machine.Quote(s.tree()))
	}
	return script + fmt.Sprintf("rmdir %s/* 2>/dev/null || :\nrmdir %[1]s 2>/dev/null || :\n", machine.Quote(s.parent))
}

// maxNames is how long the names in one script may be together.
const maxNames = 48 << 10

// batches cuts a list of names into arguments of commands.
func batches(names []string) []string {
	var all []string
	var b strings.Builder
	for _, n := range names {
		if b.Len() > 0 && b.Len()+len(n) > maxNames {
			all = append(all, b.String())
			b.Reset()
		}
		b.WriteString(" " + machine.Quote(bare(n)))
	}
	if b.Len() > 0 {
		all = append(all, b.String())
	}
	return all
}

func paths(entries []Entry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Path
	}
	return names
}
