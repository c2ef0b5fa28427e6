package fact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// File is what is at a path, without following a link. Its value is a FileState.
var File = &Kind{Name: "files", Script: fileScript, Parse: parseFiles}

// Content is File with the content of a regular file of at most MaxContent bytes.
var Content = &Kind{Name: "file contents", Script: contentScript, Parse: parseFiles}

// MaxContent is the size up to which the content of a file is a fact.
const MaxContent = 1 << 20

// FileState is what is at a path.
type FileState struct {
	Type   string // "file", "directory", "link", "other"; "" when there is nothing
	Mode   uint32 // permission bits, with setuid, setgid and sticky as chmod has them
	Owner  string // name, or number where there is none
	Group  string
	UID    string // their numbers; "" when they are not known
	GID    string
	Size   int64
	ID     string // equal for the names of one file: device and inode
	Sum    string // SHA-256 in hex, of a regular file that can be read
	Target string // of a link
	// Content is that of a regular file, where it was asked for and is not too
	// large; then Known is set.
	Content []byte
	Known   bool
	// Planned says, in check mode, that a write which is only planned will make it, and
	// that its content is not known before: Sum may be, Content and Size are not. Of what
	// the Type is "other" nothing else is known either.
	Planned bool
}

// Exists reports whether there is something.
func (f FileState) Exists() bool { return f.Type != "" }

// statFormat is what stat prints of a file, as GNU and busybox both have it: the
// type and the mode as the kernel has them, for words depend on the language, and
// the path last. Names of users may have spaces in them, but no slashes.
const statFormat = "%f %u %g %s %d:%i %U/%G/%n"

// The function asks about all files at once: one stat, one sha256sum, one head,
// and a readlink for each link, however many files there are. What it prints:
//
//	!DIR           there is no way to the file on the next line, for lack of permission
//	FORMAT         a line of stat for each that is there
//	US             (0x1f on a line of its own)
//	PATH, TARGET, US   for each link
//	US
//	SUM  PATH      of sha256sum
//	US
//	==> PATH <==   of head: contents, when a limit is given
//
// Nothing in it depends on what is within files: where contents were not told
// apart rightly, their sums say so.
const fileFunction = `_files() {
_m=$1; shift
_i=0 _e= _r=
for _p do
  _i=$((_i+1))
  if [ -L "$_p" ] || [ -e "$_p" ]; then
    _e="$_e \"\${$_i}\""
    [ -L "$_p" ] || [ ! -f "$_p" ] || [ ! -r "$_p" ] || _r="$_r \"\${$_i}\""
    continue
  fi
  _d=$_p
  while _d=${_d%/*}; [ -n "$_d" ]; do
    [ -d "$_d" ] || continue
    [ -x "$_d" ] || printf '!%s\n%s\n' "$_d" "$_p"
    break
  done
done
[ -z "$_e" ] || eval "stat -c '` + statFormat + `' $_e"
printf '\037\n'
for _p do
  if [ -L "$_p" ]; then printf '%s\n' "$_p"; readlink "$_p"; printf '\037\n'; fi
done
printf '\037\n'
[ -z "$_r" ] || eval "sha256sum $_r"
printf '\037\n'
[ -z "$_r" ] || [ "$_m" = 0 ] || eval "head -v -c $_m $_r"
}
`

func fileScript(args []string) string { return fileFunction + filesCall(0, args) }

// contentScript asks for a byte more than there may be: so a file that is too
// large can be told from one that is just as large as it may be.
func contentScript(args []string) string { return fileFunction + filesCall(MaxContent+1, args) }

func filesCall(limit int, args []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "_files %d", limit)
	for _, path := range args {
		b.WriteByte(' ')
		b.WriteString(machine.Quote(path))
	}
	return b.String() + "\n"
}

func parseFiles(args []string, text string) ([]any, error) {
	states, err := parseStates(args, text)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(args))
	for i, path := range args {
		values[i] = states[path]
	}
	return values, nil
}

// separator stands between the parts of an answer.
const separator = "\037\n"

// parseStates reads what _files has printed. A path without a state is one where
// there is nothing.
func parseStates(paths []string, text string) (map[string]FileState, error) {
	stats, text, ok := cutPart(text)
	states := make(map[string]FileState, len(paths))
	if !ok {
		return nil, errBroken
	}
	if err := parseStats(states, stats); err != nil {
		return nil, err
	}
	if text, ok = parseLinks(states, text); !ok {
		return nil, errBroken
	}
	sums, contents, ok := cutPart(text)
	if !ok {
		return nil, errBroken
	}
	if err := parseSums(states, sums); err != nil {
		return nil, err
	}
	return states, parseContents(paths, states, contents)
}

var errBroken = fmt.Errorf("the answer breaks off")

// cutPart splits a text at a separator on a line of its own.
func cutPart(text string) (part, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(text, separator); ok {
		return "", rest, true
	}
	part, rest, ok = strings.Cut(text, "\n"+separator)
	return part + "\n", rest, ok
}

func parseStats(states map[string]FileState, text string) error {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if dir, denied := strings.CutPrefix(lines[i], "!"); denied && i+1 < len(lines) {
			return fault.New(fault.Permission, "cannot look at %s: permission denied in %s", lines[i+1], dir).
				WithHint("look as root: _sudo = True")
		}
		if lines[i] == "" {
			continue
		}
		path, state, err := parseStat(lines[i])
		if err != nil {
			return err
		}
		states[path] = state
	}
	return nil
}

// parseStat reads a line of statFormat.
func parseStat(line string) (file string, f FileState, err error) {
	w := strings.SplitN(line, " ", 6)
	bad := fmt.Errorf("unexpected answer %.100q", line)
	if len(w) != 6 {
		return "", f, bad
	}
	names := strings.SplitN(w[5], "/", 3)
	mode, err := strconv.ParseUint(w[0], 16, 32)
	if err != nil || len(names) != 3 {
		return "", f, bad
	}
	if f.Size, err = strconv.ParseInt(w[3], 10, 64); err != nil {
		return "", f, bad
	}
	f.Type, f.Mode, f.ID = typeOf(mode), uint32(mode)&0o7777, w[4]
	f.UID, f.GID = w[1], w[2]
	f.Owner, f.Group = nameOr(names[0], w[1]), nameOr(names[1], w[2])
	return names[2], f, nil
}

// typeOf reads the type out of a mode as the kernel has it.
func typeOf(mode uint64) string {
	switch mode & 0o170000 {
	case 0o100000:
		return "file"
	case 0o040000:
		return "directory"
	case 0o120000:
		return "link"
	}
	return "other"
}

func nameOr(name, number string) string {
	if name == "UNKNOWN" || name == "" {
		return number
	}
	return name
}

func parseLinks(states map[string]FileState, text string) (rest string, ok bool) {
	for {
		if rest, ok := strings.CutPrefix(text, separator); ok {
			return rest, true
		}
		path, after, ok := strings.Cut(text, "\n")
		if !ok {
			return "", false
		}
		to, after, ok := strings.Cut(after, "\n"+separator)
		if !ok {
			return "", false
		}
		if f, known := states[path]; known {
			f.Target = to
			states[path] = f
		}
		text = after
	}
}

func parseSums(states map[string]FileState, text string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		escaped := strings.HasPrefix(line, `\`) // GNU says so of a name with a backslash in it
		sum, path, ok := strings.Cut(strings.TrimPrefix(line, `\`), "  ")
		if line == "" {
			continue
		}
		if !ok || len(sum) != 2*sha256.Size {
			return fmt.Errorf("unexpected sum %.100q", line)
		}
		if escaped {
			path = strings.ReplaceAll(path, `\\`, `\`)
		}
		if f, known := states[path]; known {
			f.Sum = sum
			states[path] = f
		}
	}
	return nil
}

// parseContents takes the contents apart by the headers that head has put before
// each. Those of which there is a sum are there, in their order.
func parseContents(paths []string, states map[string]FileState, text string) error {
	var with []string
	for _, path := range paths {
		if states[path].Sum != "" {
			with = append(with, path)
		}
	}
	for i, path := range with {
		if i == 0 && text == "" {
			return nil // contents were not asked for
		}
		rest, ok := strings.CutPrefix(text, header(path))
		if !ok {
			return fmt.Errorf("%s: %w", path, errMoving)
		}
		content := rest
		if i+1 < len(with) {
			if content, rest, ok = strings.Cut(rest, "\n"+header(with[i+1])); !ok {
				return fmt.Errorf("%s: %w", path, errMoving)
			}
			text = header(with[i+1]) + rest
		}
		if len(content) > MaxContent {
			continue
		}
		f := states[path]
		if sum := sha256.Sum256([]byte(content)); hex.EncodeToString(sum[:]) != f.Sum {
			return fmt.Errorf("%s: %w", path, errMoving)
		}
		f.Content, f.Known, f.Size = []byte(content), true, int64(len(content))
		states[path] = f
	}
	return nil
}

func header(path string) string { return "==> " + path + " <==\n" }
