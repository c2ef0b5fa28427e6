package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Check(); err != nil {
		t.Errorf("a new journal: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	// The pages behind the first are overwritten: the schema still opens.
	file := filepath.Join(dir, journal.FileName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	copy(data[2*page:], bytes.Repeat([]byte{0xa5}, len(data)-2*page))
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if j, err = journal.Open(dir, journal.OpenOptions{}); err != nil {
		t.Skip("the damage is seen when the journal is opened:", err)
	}
	defer j.Close() //nolint:errcheck // it is damaged
	if err := j.Check(); err == nil {
		t.Error("the damage was not found")
	}
}
