package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// wholeJournal is a database with something in every table.
func wholeJournal(f *testing.F) []byte {
	dir := f.TempDir()
	j := open(f, dir)
	for _, id := range []string{"a", "b"} {
		r := create(f, j, id)
		check(f, r.Intend(intent("0#1")))
		check(f, r.AddSource("//x.star", bytes.Repeat([]byte("# text\n"), 1000))) // more than a page
		check(f, r.AddSecret(journal.Secret{Name: "s", Sealed: []byte("x")}))
		check(f, r.Log(journal.Line{Place: "0", Level: "print", Text: "x"}))
		check(f, r.Ask(journal.Question{Place: "0#1", Kind: "approval", Choices: []string{"yes"}}))
		check(f, r.SetState(journal.Failed, os.ErrInvalid))
	}
	check(f, j.Close())
	data, err := os.ReadFile(filepath.Join(dir, journal.FileName))
	check(f, err)
	return data
}

// A damaged database is an error, now or when it is read, or goes unnoticed; it
// never stops the program.
func FuzzOpen(f *testing.F) {
	whole := wholeJournal(f)
	f.Add(uint(0), []byte("SQLite format 4"), uint(0))
	f.Add(uint(100), []byte{0xff, 0xff}, uint(5000))
	f.Add(uint(4096), bytes.Repeat([]byte{0xa5}, 4096), uint(0))
	f.Fuzz(func(t *testing.T, at uint, patch []byte, cut uint) {
		data := bytes.Clone(whole)
		copy(data[at%uint(len(data)):], patch)
		data = data[:uint(len(data))-cut%uint(len(data))]
		dir := t.TempDir()
		check(t, os.WriteFile(filepath.Join(dir, journal.FileName), data, 0o600))
		j, err := journal.Open(dir, journal.OpenOptions{})
		if err != nil {
			return
		}
		damaged := readAll(j)
		if _, err := j.Create(journal.Run{ID: "new", Params: []byte{'n'}}); err == nil && damaged == nil {
			if r, err := j.Find("last"); err == nil && r.ID != "new" {
				t.Errorf("a run was added, but the last one is %q", r.ID)
			}
		}
		_ = j.Close() // damage may be found as late as here
	})
}

// readAll reads all that there is and returns the last error.
func readAll(j *journal.Journal) error {
	runs, failed := j.Runs(0)
	for _, r := range runs {
		effects, err := r.Effects()
		for _, e := range effects {
			_ = e.Status.String() + e.UndoStatus.String()
			if derr := r.Details(e); derr != nil {
				err = derr
			}
		}
		for _, read := range []func() error{
			func() error { _, err := r.Sources(); return err },
			func() error { _, err := r.Secrets(); return err },
			func() error { _, _, err := r.Lines(0); return err },
			func() error { _, err := r.Questions(); return err },
			r.Reload,
		} {
			if rerr := read(); rerr != nil {
				err = rerr
			}
		}
		if err != nil {
			failed = err
		}
	}
	return failed
}

// What a fuzzer cannot hit on: the places that matter.
func TestDamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, journal.FileName), bytes.Repeat([]byte("no database "), 1000), 0o600))
	if _, err := journal.Open(dir, journal.OpenOptions{}); err == nil {
		t.Error("something else was opened as a journal")
	}
	if _, err := journal.Open(filepath.Join(dir, journal.FileName), journal.OpenOptions{}); err == nil {
		t.Error("a journal was opened in a file")
	}
}
