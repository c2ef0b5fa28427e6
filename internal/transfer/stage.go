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
	isDir  bool   // the destination is a directory already
	sole   bool   // the tree is one file or link
}

func newStage(root string, isDir, sole bool, key string) stage {
	s := stage{root: root, parent: stageBeside(root), isDir: isDir, sole: sole}
	if isDir {
		s.parent = path.Join(root, stageName)
	}
	sum := sha256.Sum256([]byte(key + root))
	s.dir = path.Join(s.parent, hex.EncodeToString(sum[:6]))
	return s
}

// Scripts work in the directory of the attempt, as [machine.Private] describes: names
// are relative to it, and the destination is two levels up.
const (
	treeName = "./tree" // where the new tree grows
	outside  = "../.."  // the directory that the destination is, or is in
)

// prelude makes the directory, and goes into it. In /tmp somebody else could have made
// one with the name: it is used only when it is the user's own.
func (s stage) prelude() string {
	return "set -e\n_u=$(umask); umask 077\n" + machine.Private(s.parent) +
		fmt.Sprintf("mkdir -p ./%[1]s\ncd -P ./%[1]s\n", path.Base(s.dir))
}

// unpack reads a stream of tar into the tree. A stream that ends between two files
// is whole for tar, so the last file in it is a mark.
func (s stage) unpack(first, zipped bool) string {
	begin := ""
	if first {
		begin = "rm -rf ./tree\n"
	}
	flag := ""
	if zipped {
		flag = "z"
	}
	return s.prelude() + begin + fmt.Sprintf(`mkdir -p ./tree
(cd -P ./tree && exec tar -x%spof -) || exit 1
[ -f ./tree/%s ] || { echo "the stream broke off" >&2; exit %d; }
rm -f ./tree/%[2]s
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
	return s.prelude() + fmt.Sprintf(`_f=%s
%s
%s >>"$_f" || exit 1
[ $(wc -c <"$_f") -eq %d ] || { echo "the stream broke off" >&2; exit %d; }
`, partName(id), map[bool]string{true: `: >"$_f"`}[at == 0], from, size, codeBroken)
}

// partName is where a part of a large file is, from the directory of the attempt.
func partName(id string) string { return "./" + partPrefix + id }

// claim takes the part that another attempt has left, and says its checksum.
func (s stage) claim(id string, p part) string {
	take := ""
	if p.path != path.Join(s.dir, partPrefix+id) {
		take = fmt.Sprintf("[ -O %[1]s ] && mv -f %[1]s %s\n", machine.Quote(p.path), partName(id))
	}
	return s.prelude() + take + fmt.Sprintf("_f=%s\n[ ! -L $_f ] && [ -f $_f ] && [ -O $_f ] && sha256sum <$_f\n", partName(id))
}

// whole says the checksum of a part.
func (s stage) whole(id string) string {
	return s.prelude() + fmt.Sprintf("sha256sum <%s\n", partName(id))
}

// adopt makes a part a file of the tree.
func (s stage) adopt(id string, e Entry) string {
	to := s.at(e.Path)
	return fmt.Sprintf("mkdir -p %s\nmv -f %s %s\nchmod %o %[3]s\n", machine.Quote("./"+path.Dir(to)), partName(id), machine.Quote(to), e.Mode)
}

// own gives everything in the tree its owner, and afterwards the bits that chown
// takes away.
func (s stage) own(o Options, sent []Entry) string {
	owner := ownership(o.Owner, o.Group)
	if owner == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "chown -hR %s %s\n", machine.Quote(owner), treeName)
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
	return bare(join(treeName, name))
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

// place moves the tree to its place. What is new gets its name first, and is moved
// into the directory then: mv would follow a link that somebody has put there.
func (s stage) place() string {
	if s.isDir {
		return merge + fmt.Sprintf("_merge %s %s\n", treeName, outside)
	}
	from := treeName
	if s.sole {
		from = s.at(".")
	}
	named := machine.Quote("./put/" + path.Base(s.root))
	return fmt.Sprintf("rm -rf ./put\nmkdir ./put\nmv -f %s %s\nmv -f %[2]s %s/\n", from, named, outside)
}

// clear removes what the attempt has left, but not parts of large files that a
// later one may go on with. It begins in the directory of the attempt, and leaves it.
func (s stage) clear(parts bool) string {
	gone := "./" + path.Base(s.dir)
	if parts {
		gone += "/tree " + gone + "/put"
	}
	return fmt.Sprintf("cd -P ..\nrm -rf %s\nrmdir ./* 2>/dev/null || :\ncd -P ..\nrmdir %s 2>/dev/null || :\ncd /\n", gone, machine.Quote("./"+path.Base(s.parent)))
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
