package fact

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

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
	Size   int64
	Sum    string // SHA-256 in hex, of a regular file
	Target string // of a link
	// Content is that of a regular file, where it was asked for and is not too
	// large; then Known is set.
	Content []byte
	Known   bool
}

// Exists reports whether there is something.
func (f FileState) Exists() bool { return f.Type != "" }

// The fields come from stat, as GNU and busybox both have it. A file that cannot be
// looked at (no permission on the way) says so instead of "nothing there".
const fileFunction = `_file() {
if [ -L "$1" ]; then _t=link; elif [ -f "$1" ]; then _t=file; elif [ -d "$1" ]; then _t=directory; elif [ -e "$1" ]; then _t=other
else
  _d=$1; while [ "$_d" != / ] && [ "$_d" != . ]; do _d=$(dirname "$_d"); if [ -d "$_d" ]; then [ -x "$_d" ] || { echo "denied $_d"; return; }; break; fi; done
  echo none; return
fi
set -- "$1" "$2" $(stat -c '%a %U %G %s %u %g' "$1")
[ "$4" = UNKNOWN ] && set -- "$1" "$2" "$3" "$7" "$5" "$6" "$7" "$8"
[ "$5" = UNKNOWN ] && set -- "$1" "$2" "$3" "$4" "$8" "$6" "$7" "$8"
_s=- _x=-
case $_t in
link) _x=$(readlink "$1" | base64 | tr -d '\n') ;;
file)
  if [ -r "$1" ]; then
    _s=$(sha256sum <"$1"); _s=${_s%% *}
    if [ "$6" -le "$2" ]; then _x==$(base64 <"$1" | tr -d '\n'); fi
  fi ;;
esac
echo "$_t $3 $4 $5 $6 $_s $_x"
}
`

func fileScript(args []string) string    { return fileCalls(args, -1) }
func contentScript(args []string) string { return fileCalls(args, MaxContent) }

// fileCalls asks about files, with the content of those up to a size.
func fileCalls(args []string, limit int) string {
	var b strings.Builder
	b.WriteString(fileFunction)
	for _, path := range args {
		fmt.Fprintf(&b, "_file %s %d\n", machine.Quote(path), limit)
	}
	return b.String()
}

func parseFiles(args []string, text string) ([]any, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(args) {
		return nil, fmt.Errorf("%d lines for %d files", len(lines), len(args))
	}
	values := make([]any, len(args))
	for i, line := range lines {
		f, err := parseFile(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", args[i], err)
		}
		values[i] = f
	}
	return values, nil
}

func parseFile(line string) (FileState, error) {
	if line == "none" {
		return FileState{}, nil
	}
	if dir, ok := strings.CutPrefix(line, "denied "); ok {
		return FileState{}, fmt.Errorf("permission denied on the way to it, at %s", dir)
	}
	w := strings.Fields(line)
	if len(w) != 7 {
		return FileState{}, fmt.Errorf("unexpected answer %.100q", line)
	}
	f := FileState{Type: w[0], Owner: w[2], Group: w[3]}
	mode, err := strconv.ParseUint(w[1], 8, 32)
	if err != nil {
		return f, fmt.Errorf("unexpected mode %.20q", w[1])
	}
	f.Mode = uint32(mode)
	if f.Size, err = strconv.ParseInt(w[4], 10, 64); err != nil {
		return f, fmt.Errorf("unexpected size %.20q", w[4])
	}
	if w[5] != "-" {
		f.Sum = w[5]
	}
	encoded, known := strings.CutPrefix(w[6], "=")
	if encoded == "-" {
		return f, nil
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return f, fmt.Errorf("unexpected content: %w", err)
	}
	if f.Known = known; known {
		f.Content = data
	} else {
		f.Target = strings.TrimSuffix(string(data), "\n")
	}
	return f, nil
}
