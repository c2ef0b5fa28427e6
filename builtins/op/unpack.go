package op

import (
	"fmt"
	"path"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// unpacking is what unpacks an archive, and takes that back.
type unpacking struct {
	*archive
	sum   string
	note  fact.FileState // what was unpacked before
	makes bool           // the directory
}

// head names the places: _d the directory, _s where the archive is unpacked first,
// _c where what undo needs is kept: files, dirs and made are the names of what came,
// of its directories and of those that are new, old and tree what was replaced.
func (u unpacking) head() string {
	id := sum([]byte(u.Directory + "\n" + u.name() + "\n" + u.sum + "\n" + u.note.Sum))
	return keepDir + fmt.Sprintf("_d=%s _s=%s _c=\"$_k\"/%s\n",
		machine.Quote(u.Directory), machine.Quote(u.stage()), id)
}

func (u unpacking) script() string {
	q := machine.Quote
	var b strings.Builder
	b.WriteString(strings.Replace(makeKeepDir, keepDir, u.head(), 1))
	fmt.Fprintf(&b, "[ -d %s ] || { echo %s >&2; exit 1; }\n", q(path.Dir(u.Directory)), q("there is no directory "+path.Dir(u.Directory)))
	there := "[ -e " + q(u.created()) + " ]"
	if u.Creates == "" {
		there = fmt.Sprintf("[ \"$(cat %s 2>/dev/null)\" = %s ]", q(u.archive.note()), u.sum)
	}
	b.WriteString("if [ -d \"$_c\" ] && [ ! -e \"$_s\" ] && " + there + "; then exit 0; fi\n[ -e \"$_s\" ] || rm -rf \"$_c\"\n")
	b.WriteString("[ -d \"$_d\" ] || mkdir -m 755 \"$_d\"\nrm -rf \"$_s\"\nmkdir -m 700 \"$_s\" \"$_s/x\"\n")
	file := q(u.Path)
	if u.Source != nil {
		file = "\"$_s/archive\""
		b.WriteString("cat >" + file + "\n")
	}
	fmt.Fprintf(&b, "[ \"$(sha256sum <%s)\" = '%s  -' ] || { echo 'the archive broke off on its way, or was changed meanwhile' >&2; exit %d; }\n", file, u.sum, operation.Moved)
	b.WriteString(u.extract(file))
	if u.Owner != nil || u.Group != nil {
		fmt.Fprintf(&b, "chown -Rh %s \"$_s/x\"\n", q(ownership(Attributes{Owner: u.Owner, Group: u.Group}.on(fact.FileState{}))))
	}
	b.WriteString(moveIn)
	if u.Creates == "" {
		fmt.Fprintf(&b, "printf '%s\\n' >\"$_s/note\"\nmv -f \"$_s/note\" %s\n", u.sum, q(u.archive.note()))
	}
	b.WriteString("rm -rf \"$_s\"\n")
	return b.String()
}

// extract unpacks a file into $_s/x. Owners are those who unpack: numbers out of an
// archive mean nothing on this machine.
func (u unpacking) extract(file string) string {
	strip := ""
	if u.Strip > 0 {
		strip = fmt.Sprintf(" --strip-components=%d", u.Strip)
	}
	format := u.format()
	switch format {
	case "zip":
		return "unzip -q -o " + file + " -d \"$_s/x\" >&2\n"
	case "tar.zst":
		return "zstd -q -d -c " + file + " >\"$_s/tar\"\ntar -xof \"$_s/tar\" -C \"$_s/x\"" + strip + "\nrm -f \"$_s/tar\"\n"
	}
	for _, f := range formats {
		if f.name == format {
			return fmt.Sprintf("tar -xo%sf %s -C \"$_s/x\"%s\n", f.flag, file, strip)
		}
	}
	return "" // Validate has refused it
}

// moveIn moves what was unpacked into the directory. What undo needs is whole
// before the first file is replaced. A directory that is new is moved as a whole, of
// the others the files. What is kept belongs to this attempt as long as $_s is
// there, and is left behind by an earlier one when it is not.
const moveIn = `[ -z "$(find "$_s/x" -name '*
*')" ] || { echo 'the archive has names with newlines in them' >&2; exit 1; }
if [ ! -d "$_c" ]; then
  rm -rf "$_c.new"
  (umask 077; mkdir "$_c.new")
  (cd "$_s/x"; find . ! -type d) >"$_c.new/files"
  (cd "$_s/x"; find . -type d) >"$_c.new/dirs"
  while IFS= read -r _p; do if [ -e "$_d/$_p" ] || [ -L "$_d/$_p" ]; then printf '%s\n' "$_p"; fi; done <"$_c.new/files" >"$_c.new/old"
  while IFS= read -r _p; do [ -d "$_d/$_p" ] || printf '%s\n' "$_p"; done <"$_c.new/dirs" >"$_c.new/made"
  (umask 077; mkdir "$_c.new/tree")
  [ ! -s "$_c.new/old" ] || (cd "$_d"; tr '\n' '\0' <"$_c.new/old" | xargs -0 sh -c 'cp -a --parents -- "$@" "$0"' "$_c.new/tree")
  mv "$_c.new" "$_c"
fi
while IFS= read -r _p; do
  [ -d "$_s/x/$_p" ] || continue
  if [ ! -d "$_d/$_p" ]; then mv "$_s/x/$_p" "$_d/$_p"; continue; fi
  find "$_s/x/$_p" -mindepth 1 -maxdepth 1 ! -type d -exec sh -c 'mv -f -- "$@" "$0"' "$_d/$_p" {} +
done <"$_c/dirs"
[ -z "$(find "$_s/x" ! -type d)" ] || { echo 'not all of the archive could be moved into the directory' >&2; exit 1; }
`

func (u unpacking) undo() string {
	remove := ""
	if u.makes {
		remove = "[ ! -d \"$_d\" ] || rmdir \"$_d\"\n"
	}
	return u.head() + `rm -rf "$_s" "$_c.new"
if [ -d "$_c" ] && [ -d "$_d" ]; then
  cd "$_d"
  [ ! -s "$_c/files" ] || tr '\n' '\0' <"$_c/files" | xargs -0 rm -f --
  [ ! -s "$_c/old" ] || (cd "$_c/tree"; tr '\n' '\0' <"$_c/old" | xargs -0 sh -c 'cp -a --parents -- "$@" "$0"' "$_d")
  sort -r "$_c/made" | while IFS= read -r _p; do [ ! -d "$_p" ] || rmdir "$_p"; done
  cd /
fi
` + restoredNote(u.archive.note(), u.note) + remove + "rm -rf \"$_c\"\n" + leaveKeepDir
}

// restoredNote brings back a file that knows what was unpacked or packed.
func restoredNote(file string, was fact.FileState) string {
	q := machine.Quote(file)
	if !was.Exists() {
		return "rm -f " + q + "\n"
	}
	return fmt.Sprintf("[ ! -d %s ] || { printf %%s %s >%s.new; mv -f %[3]s.new %[3]s; }\n", machine.Quote(path.Dir(file)), machine.Quote(string(was.Content)), q)
}

// packScript packs the directory as a whole, with its name.
func (a *archive) packScript(state string) string {
	q := machine.Quote
	var b strings.Builder
	fmt.Fprintf(&b, "_f=%s _t=%s\nrm -f \"$_t\"\ntrap 'rm -f \"$_t\" \"$_t.zip\" \"$_t.tar\"' EXIT\numask 077\n", q(a.Path), q(beside(a.Path)))
	from := "-C " + q(path.Dir(a.Directory)) + " -- " + q(path.Base(a.Directory))
	switch format := a.format(); format {
	case "zip":
		fmt.Fprintf(&b, "(cd %s; zip -q -r \"$_t.zip\" -- %s)\nmv -f \"$_t.zip\" \"$_t\"\n", q(path.Dir(a.Directory)), q(path.Base(a.Directory)))
	case "tar.zst":
		fmt.Fprintf(&b, "tar -cf \"$_t.tar\" %s\nzstd -q -f -o \"$_t\" \"$_t.tar\"\nrm -f \"$_t.tar\"\n", from)
	default:
		flag := ""
		for _, f := range formats {
			if f.name == format {
				flag = f.flag
			}
		}
		fmt.Fprintf(&b, "tar -c%sf \"$_t\" %s\n", flag, from)
	}
	if owner := ownership(Attributes{Owner: a.Owner, Group: a.Group}.on(fact.FileState{})); owner != "" {
		fmt.Fprintf(&b, "chown -h %s \"$_t\"\n", q(owner))
	}
	fmt.Fprintf(&b, "mv -f \"$_t\" \"$_f\"\ntrap - EXIT\nprintf '%s\\n' >%s.new\nmv -f %[2]s.new %[2]s\n", state, q(a.note()))
	return b.String()
}
