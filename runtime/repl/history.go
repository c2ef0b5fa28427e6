package repl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// History is the items that a person has entered, in a file that only they can
// read. Several shells may add to it at the same time.
type History struct {
	file string
	last string
}

// maxHistory is how many items are kept.
const maxHistory = 1000

// OpenHistory returns the history in a file, and its items, oldest first. A file
// that cannot be read has none; file "" keeps nothing.
func OpenHistory(file string) (*History, []string) {
	h := &History{file: file}
	data, err := os.ReadFile(file)
	if file == "" || err != nil {
		return h, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) > 2*maxHistory {
		lines = lines[len(lines)-maxHistory:]
		h.replace(lines)
	}
	lines = lines[max(0, len(lines)-maxHistory):]
	items := make([]string, len(lines))
	for i, line := range lines {
		items[i] = decodeItem(line)
	}
	h.last = items[len(items)-1]
	return h, items
}

// Add keeps an item, unless it is the same as the last one. It fails in silence:
// the history is a convenience.
func (h *History) Add(item string) {
	if h.file == "" || item == h.last || strings.TrimSpace(item) == "" {
		return
	}
	h.last = item
	if os.MkdirAll(filepath.Dir(h.file), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_ = f.Chmod(0o600) // it may be older than this program
	_, _ = f.WriteString(encodeItem(item) + "\n")
}

// replace puts lines in place of the file.
func (h *History) replace(lines []string) {
	f, err := os.CreateTemp(filepath.Dir(h.file), ".history-*") // mode 0600
	if err != nil {
		return
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if cerr := f.Close(); err != nil || cerr != nil || os.Rename(f.Name(), h.file) != nil {
		os.Remove(f.Name()) //nolint:errcheck // see Add
	}
}

var itemEncoder = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)

// encodeItem makes one line of an item, and decodeItem the item again.
func encodeItem(item string) string { return itemEncoder.Replace(item) }

func decodeItem(line string) string {
	var out bytes.Buffer
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' || i+1 == len(line) {
			out.WriteByte(line[i])
			continue
		}
		i++
		switch line[i] {
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		default:
			out.WriteByte(line[i])
		}
	}
	return out.String()
}
