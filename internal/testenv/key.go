package testenv

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// KeyFile is where the key is that logs in to the machines of an environment over SSH. It
// lets nobody in anywhere else, and goes with the environment.
func (s *Store) KeyFile(id string) string { return filepath.Join(s.Dir, id, "ssh_key") }

// NewKey makes the key of an environment, and returns its public half, as a line of
// authorized_keys.
func (s *Store) NewKey(id string) (string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "provisioning test environment "+id)
	if err != nil {
		return "", err
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(s.KeyFile(id), pem.EncodeToMemory(block), 0o600); err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot keep the key of the environment %s", id)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))), nil
}
