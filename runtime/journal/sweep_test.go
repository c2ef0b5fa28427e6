package journal_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Sweep removes what only deleted runs had, and leaves what is new.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close() //nolint:errcheck // only files are looked at
	r := create(t, j, "a")
	put := func(text string) (hash [32]byte, file string) {
		hash, err := j.Blobs.Put(strings.Repeat(text, 1000))
		check(t, err)
		name := hex.EncodeToString(hash[:])
		return hash, filepath.Join(dir, "blobs", name[:2], name[2:])
	}
	age := func(file string) {
		old := time.Now().Add(-24 * time.Hour)
		check(t, os.Chtimes(file, old, old))
	}
	hash, kept := put("kept")
	_, unused := put("unused")
	_, fresh := put("fresh")
	age(kept)
	age(unused)
	e := intent("0#1")
	e.Status, e.Result = journal.Done, append([]byte{'S'}, hash[:]...)
	check(t, r.Intend(e))
	check(t, j.Sweep())
	for file, want := range map[string]bool{kept: true, unused: false, fresh: true} {
		if _, err := os.Stat(file); (err == nil) != want {
			t.Errorf("%s is there: %t", file, err == nil)
		}
	}
	check(t, r.Delete())
	check(t, j.Sweep())
	if _, err := os.Stat(kept); err == nil {
		t.Error("the output of a deleted run is kept")
	}
}
