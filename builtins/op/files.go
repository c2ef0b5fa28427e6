package op

import (
	"bytes"
	"encoding/base64"
	"maps"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// files is what an operation does with small files of its own, one after the other,
// in a single step.
type files struct {
	script string // makes them as they shall be
	undo   string // as they were
	diff   string
	after  map[fact.Fact]any
	fresh  bool // none of those that are changed was there
}

// set makes a file have a content, with the mode 0o644 unless it has another one.
func (f *files) set(w *fact.World, path string, content []byte) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(path))
	then := now
	then.Type, then.Content, then.Known, then.Size, then.Sum = "file", content, true, int64(len(content)), sum(content)
	if !now.Exists() {
		then.Mode = 0o644
	}
	if now.Type == "file" && now.Sum == then.Sum {
		return
	}
	f.note(path, now, then)
	f.script += unchanged(path, now, then) + inline(placed(path, content, then))
}

// remove makes a file not be there.
func (f *files) remove(w *fact.World, path string) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(path))
	if !now.Exists() {
		return
	}
	f.note(path, now, fact.FileState{})
	f.script += unchanged(path, now, fact.FileState{}) + "rm -f " + machine.Quote(path) + "\n"
}

func (f *files) note(path string, now, then fact.FileState) {
	if f.after == nil {
		f.after, f.fresh = map[fact.Fact]any{}, true
	}
	f.fresh = f.fresh && !now.Exists()
	f.diff += contentDiff(path, now, then)
	maps.Copy(f.after, known(path, then))
	if back := undone(path, now, then); back != nil {
		f.undo = inline(*back) + f.undo
	}
}

// inline is a step whose input is in its script, for what is small and no secret.
func inline(s operation.Step) string {
	switch {
	case s.Stdin == nil:
		return s.Script + "\n"
	case isText(s.Stdin) && !bytes.HasSuffix(s.Stdin, []byte("\n\n")):
		return "printf %s " + machine.Quote(string(s.Stdin)) + " | (\n" + s.Script + ")\n"
	}
	return "printf %s " + base64.StdEncoding.EncodeToString(s.Stdin) + " | base64 -d | (\n" + s.Script + ")\n"
}
