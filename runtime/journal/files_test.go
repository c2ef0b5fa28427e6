package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCloseFiles: a journal that is closed has no file open, whatever was written with it.
func TestCloseFiles(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run, err := j.Create(Run{ID: "00000000-0000-4000-8000-000000000001", Script: "//x.star", Params: []byte{'n'}, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.SetState(Running, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(open) == 0 {
		t.Skip("this system does not say which files are open")
	}
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, dir) {
			t.Errorf("%s is open", to)
		}
	}
}
