package repl

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestHistoryItems(t *testing.T) {
	for _, item := range []string{"", "x", "def f():\n    return 1", `"a\n\\" + 'b'`, `\`, "a\r\nb", "é⏎"} {
		if got := decodeItem(encodeItem(item)); got != item {
			t.Errorf("%q comes back as %q", item, got)
		}
	}
}

func FuzzHistoryItem(f *testing.F) {
	f.Add("def f():\n    return '\\n'")
	f.Fuzz(func(t *testing.T, item string) {
		if got := decodeItem(encodeItem(item)); got != item {
			t.Errorf("%q comes back as %q", item, got)
		}
	})
}

func TestHistoryFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "history")
	h, items := OpenHistory(file)
	if items != nil {
		t.Errorf("a new history has %q", items)
	}
	want := []string{"x = 1", "def f():\n    return 1"}
	for _, item := range []string{want[0], want[0], " ", want[1]} {
		h.Add(item)
	}
	if _, items = OpenHistory(file); !reflect.DeepEqual(items, want) {
		t.Errorf("got %q", items)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	h, _ := OpenHistory(file)
	for i := range 2*maxHistory + 1 {
		h.Add(string(rune('a' + i%2)))
	}
	if _, items := OpenHistory(file); len(items) != maxHistory {
		t.Errorf("%d items", len(items))
	}
	if _, items := OpenHistory(file); len(items) != maxHistory {
		t.Errorf("%d items after it was cut", len(items))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
