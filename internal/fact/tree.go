package fact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Tree is a directory with everything in it. Its value is a TreeState, which is
// empty when there is no directory.
var Tree = &Kind{Name: "directory trees", Script: treeScript, Parse: parseTrees}

// MaxTree is how many entries of a tree are looked at.
const MaxTree = 50_000

// TreeState is what is in a directory.
type TreeState struct {
	Entries []Entry // the directory itself first; names are whole paths
	Size    int64   // of all files
	Sum     string  // changes when anything in the tree does, but for contents within one second
	More    bool    // there are more than MaxTree entries
	Planned bool    // in check mode: a planned write will put into it what is not known before
	Odd     bool    // there are names with newlines in them, so Entries are not to be trusted
}

// Entry is a file within a tree. Its state has no sum and no content, and no
// target.
type Entry struct {
	Path string
	FileState
}

// The times are a part of what takes the place of FileState.ID.
const treeFormat = "%f %u %g %s %d:%i:%Y:%Z %U/%G/%n"

func treeScript(args []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "_tree() {\n[ ! -d \"$1\" ] || [ -L \"$1\" ] || find \"$1\" -exec stat -c '%s' {} + | head -n %d\nprintf '\\037\\n'\n}\n", treeFormat, MaxTree+1)
	for _, path := range args {
		b.WriteString("_tree " + machine.Quote(path) + "\n")
	}
	return b.String()
}

func parseTrees(args []string, text string) ([]any, error) {
	values := make([]any, len(args))
	for i, path := range args {
		part, rest, ok := cutPart(text)
		if !ok {
			return nil, errBroken
		}
		values[i], text = parseTree(path, part), rest
	}
	return values, nil
}

func parseTree(root, text string) TreeState {
	var t TreeState
	seen := map[string]bool{}
	sum := sha256.Sum256([]byte(text))
	t.Sum = hex.EncodeToString(sum[:])
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			continue
		}
		path, state, err := parseStat(line)
		if err != nil || seen[path] || path != root && !strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
			t.Odd = true
			continue
		}
		if len(t.Entries) == MaxTree {
			t.More = true
			break
		}
		seen[path] = true
		t.Entries = append(t.Entries, Entry{path, state})
		if state.Type == "file" {
			t.Size += state.Size
		}
	}
	return t
}
