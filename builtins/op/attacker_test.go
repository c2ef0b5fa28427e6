package op

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// TestPlaceBesideAnAttacker: who owns the directory puts a link in place of the new file
// while its content is on its way. What the link leads to gets neither mode nor owner.
func TestPlaceBesideAnAttacker(t *testing.T) {
	for _, sh := range shells(t) {
		t.Run(sh.name, func(t *testing.T) {
			sh.dir = t.TempDir()
			victim, file := filepath.Join(sh.dir, "victim"), filepath.Join(sh.dir, "file")
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			step := placed(file, []byte("12345678"), fact.FileState{Type: "file", Mode: 0o666})
			content := &swapped{Reader: bytes.NewReader(step.Stdin), swap: func() error {
				if _, err := os.Lstat(beside(file)); err != nil {
					return err // not yet made
				}
				if err := os.Remove(beside(file)); err != nil {
					return err
				}
				return os.Symlink(victim, beside(file))
			}}
			var stderr bytes.Buffer
			exit, err := sh.Exec(context.Background(), "set -e\n"+step.Script, machine.Streams{Stdin: content, Stderr: &stderr})
			if !content.done {
				t.Fatalf("the attacker was not quick enough: %d %v %s", exit.Code, err, &stderr)
			}
			info, err := os.Stat(victim)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("the file of somebody else has the mode %v", info.Mode())
			}
		})
	}
}

// swapped is a content of which the rest comes when something was swapped.
type swapped struct {
	io.Reader
	swap func() error
	done bool
}

// Read gives nothing until the swap has been made: the file is made before it is filled.
func (s *swapped) Read(p []byte) (int, error) {
	for began := time.Now(); !s.done; {
		if s.done = s.swap() == nil; !s.done && time.Since(began) > time.Minute {
			return 0, io.EOF // it was never made
		}
	}
	return s.Reader.Read(p)
}
