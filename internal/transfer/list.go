package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// listing is what is at a path of a machine.
type listing struct {
	entries []Entry
	parts   map[string]part // of earlier attempts, by identity
	gzip    bool            // the machine can unpack
}

// part is what an earlier attempt has left of a large file.
type part struct {
	path string // on the machine
	size int64
}

func (l *listing) root() *Entry {
	if len(l.entries) == 0 {
		return nil
	}
	return &l.entries[0]
}

// Names of what transfers keep beside the things that they make: a directory with
// one directory for each attempt.
const (
	stageName  = ".provisioning"
	partPrefix = "part-"
)

// listScript lists a path. A name may have anything in it but NUL, so records begin
// with a word that nobody can know. Links are read one by one, as busybox can read
// no more; there are few.
//
// A directory is listed without following a link, except at the path itself. Parts are
// those of the user: where others can write, they could leave one, and would own what
// becomes of it.
const listScript = `_t=%[1]s
command -v gzip >/dev/null 2>&1 && echo "%[2]s Z"
for _p in "$_t"/.provisioning/*/part-* %[3]s/part-*; do [ -f "$_p" ] && [ -O "$_p" ] && stat -c '%[2]s P %%s %%n' "$_p"; done
if [ -d "$_t" ]; then cd "$_t" || exit 1; set -- .
elif [ -e "$_t" ] || [ -L "$_t" ]; then cd "$(dirname "$_t")" || exit 1; set -- "./$(basename "$_t")"
else
  _d=$_t; while [ "$_d" != / ] && [ "$_d" != . ]; do _d=$(dirname "$_d"); [ -d "$_d" ] || continue; [ -x "$_d" ] || { echo "$_d: Permission denied" >&2; exit 1; }; break; done
  echo "%[2]s end"; exit 0
fi
find "$@" -name .provisioning -prune -o -exec stat -c '%[2]s E %%f %%U %%G %%u %%g %%s %%n' {} + || exit 1
find "$@" -name .provisioning -prune -o -type l -exec sh -c 'for _f; do printf "%%s" "%[2]s L $_f%[2]s T $(readlink "$_f"; echo .)"; done' sh {} + || exit 1
echo "%[2]s end"
`

// maxListing bounds what a machine may say of a tree.
const maxListing = 256 << 20

func (m *Machine) list(ctx context.Context, root string) (*listing, error) {
	nonce := newNonce()
	out := &machine.Buffer{Max: maxListing}
	script := fmt.Sprintf(listScript, machine.Quote(root), nonce, machine.Quote(stageBeside(root))+"/*")
	if err := m.run(ctx, script, nil, out); err != nil {
		return nil, err
	}
	if out.Full {
		return nil, fault.New(fault.TooLarge, "%s on %s has too many files to list", root, m.Conn.Name())
	}
	l, err := parseListing(out.Bytes(), nonce)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read what %s says of %s", m.Conn.Name(), root)
	}
	return l, nil
}

func newNonce() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails, see its documentation
	return "\036" + hex.EncodeToString(random[:])
}

func parseListing(text []byte, nonce string) (*listing, error) {
	l := &listing{parts: map[string]part{}}
	at := map[string]int{}
	link, ended := "", false
	records := bytes.Split(text, []byte(nonce+" "))
	for _, record := range records[1:] { // what precedes is a greeting
		kind, rest, _ := strings.Cut(string(record), " ")
		switch kind {
		case "Z\n":
			l.gzip = true
		case "P":
			if err := l.addPart(strings.TrimSuffix(rest, "\n")); err != nil {
				return nil, err
			}
		case "E":
			e, err := parseEntry(strings.TrimSuffix(rest, "\n"))
			if err != nil {
				return nil, err
			}
			at[e.Path] = len(l.entries)
			l.entries = append(l.entries, e)
		case "L":
			link = cleaned(rest)
		case "T":
			i, ok := at[link]
			if !ok || l.entries[i].Type != Link {
				return nil, fmt.Errorf("%.100q is no link", link)
			}
			l.entries[i].Target = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(rest, "."), "\n"), "\n")
		case "end\n":
			ended = true
		default:
			return nil, fmt.Errorf("an answer that makes no sense: %.100q", record)
		}
	}
	if !ended {
		return nil, errors.New("the answer breaks off")
	}
	if len(l.entries) == 1 { // a file, which has a name
		l.entries[0].Path = "."
	}
	slices.SortFunc(l.entries, func(a, b Entry) int { return comparePaths(a.Path, b.Path) })
	if len(l.entries) > 0 && l.entries[0].Path != "." {
		return nil, errors.New("the answer has no root")
	}
	return l, l.sound()
}

// sound refuses what find cannot have printed. A name such as ../../x, or one below a
// link, would be written beside the destination, not in it, and whoever owns a
// machine does not own the workspace.
func (l *listing) sound() error {
	dirs := map[string]bool{}
	for i, e := range l.entries {
		switch {
		case e.Path == "." && i == 0:
		case e.Path == "." || !filepath.IsLocal(e.Path) || path.Clean(e.Path) != e.Path:
			return fmt.Errorf("a name that leads out of the directory: %.100q", e.Path)
		case i > 0 && e.Path == l.entries[i-1].Path:
			return fmt.Errorf("a name that is there twice: %.100q", e.Path)
		case !dirs[path.Dir(e.Path)]:
			return fmt.Errorf("a name that is in no directory: %.100q", e.Path)
		}
		if e.Type == Dir {
			dirs[e.Path] = true
		}
	}
	return nil
}

// cleaned is a name as find prints it, below the root.
func cleaned(name string) string { return strings.TrimPrefix(name, "./") }

func (l *listing) addPart(text string) error {
	size, name, ok := strings.Cut(text, " ")
	n, err := strconv.ParseInt(size, 10, 64)
	i := strings.LastIndex(name, "/"+partPrefix)
	if !ok || err != nil || n < 0 || i < 0 || strings.Contains(name[i+1:], "/") {
		return fmt.Errorf("an answer that makes no sense: %.100q", text)
	}
	l.parts[name[i+1+len(partPrefix):]] = part{name, n}
	return nil
}

func parseEntry(text string) (Entry, error) {
	w := strings.SplitN(text, " ", 7)
	if len(w) != 7 || w[6] == "" {
		return Entry{}, fmt.Errorf("unexpected entry %.100q", text)
	}
	mode, err := strconv.ParseUint(w[0], 16, 32)
	if err != nil {
		return Entry{}, fmt.Errorf("unexpected mode %.20q", w[0])
	}
	e := Entry{Path: cleaned(w[6]), Mode: uint32(mode) & 0o7777, Owner: w[1], Group: w[2]}
	if e.Owner == "UNKNOWN" {
		e.Owner = w[3]
	}
	if e.Group == "UNKNOWN" {
		e.Group = w[4]
	}
	switch mode & 0o170000 {
	case 0o100000:
		e.Type = File
		if e.Size, err = strconv.ParseInt(w[5], 10, 64); err != nil || e.Size < 0 {
			return Entry{}, fmt.Errorf("unexpected size %.20q", w[5])
		}
	case 0o040000:
		e.Type = Dir
	case 0o120000:
		e.Type = Link
	default:
		e.Type = Other
	}
	return e, nil
}

// comparePaths orders a root first, and directories before what is in them.
func comparePaths(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == ".":
		return -1
	case b == ".":
		return 1
	}
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

// sums returns the checksums of files below root, by path. A file that cannot be
// read, or is not there any more, has none; nor has any where sha256sum is missing:
// those are sent.
func (m *Machine) sums(ctx context.Context, root string, isFile bool, names []string) (map[string]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	args := make([]string, len(names))
	dir := root
	for i, name := range names {
		args[i] = bare(name)
	}
	if isFile {
		dir, args = "/", []string{root}
	}
	out := &machine.Buffer{Max: maxListing}
	script := "cd " + machine.Quote(dir) + " || exit 1\nprintf '\\036\\n'\nxargs -0 sha256sum 2>/dev/null\nexit 0"
	if err := m.run(ctx, script, strings.NewReader(strings.Join(args, "\x00")+"\x00"), out); err != nil {
		return nil, err
	}
	_, text, _ := strings.Cut(out.String(), "\036\n")
	sums := map[string]string{}
	for i, sum := range parseSums(text, args) {
		if sum != "" {
			sums[names[i]] = sum
		}
	}
	return sums, nil
}

// parseSums reads the output of sha256sum about files in their order. That of GNU
// writes names with a newline or a backslash in another way, and says so by a
// backslash at the beginning; that of busybox writes them as they are.
func parseSums(text string, names []string) []string {
	sums := make([]string, len(names))
	escaper := strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\r", "\\r")
	for i, name := range names {
		for _, form := range []struct{ prefix, name string }{{"", name}, {"\\", escaper.Replace(name)}} {
			rest, ok := strings.CutPrefix(text, form.prefix)
			if !ok || len(rest) < 66 {
				continue
			}
			sum := rest[:64]
			after, ok := strings.CutPrefix(rest[66:], form.name+"\n")
			if _, err := hex.DecodeString(sum); !ok || err != nil || rest[64] != ' ' {
				continue
			}
			sums[i], text = sum, after
			break
		}
	}
	return sums
}

var _ io.Writer = (*machine.Buffer)(nil)
