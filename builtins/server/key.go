package server

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// key is what a script says of the key to log in with: None is that of the workspace,
// else a file, the text of a private key, or a public one.
type key struct{ text *string }

func (k key) isPublic() bool {
	return k.text != nil && (strings.HasPrefix(*k.text, "ssh-") || strings.HasPrefix(*k.text, "ecdsa-") || strings.HasPrefix(*k.text, "sk-"))
}

// private is what the target of a server has as its key: a file, or the text of one,
// which may be the marker of a secret; "" when only the public one is known.
func (k key) private(env *effect.Env) string {
	switch {
	case k.text == nil:
		return workspaceKey(env)
	case k.isPublic():
		return ""
	case k.isText():
		return env.Run.Secrets.Mark(*k.text) // the target goes into the journal
	}
	return k.file(env)
}

// isText: check mode has the marker of a secret, and Perform what is in it.
func (k key) isText() bool {
	return strings.Contains(*k.text, "PRIVATE KEY") || value.HasMarker(*k.text)
}

// file is the absolute path of the file that is named.
func (k key) file(env *effect.Env) string {
	name := *k.text
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(env.Run.Files.Workspace(), name)
	}
	return name
}

// public is the line of authorized_keys. The key of the workspace is made when it is
// not there.
func (k key) public(env *effect.Env) (string, error) {
	switch {
	case k.text == nil:
		return ensureKey(workspaceKey(env))
	case k.isPublic():
		line := strings.TrimSpace(*k.text)
		if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(line)); err != nil || len(bytes.TrimSpace(rest)) > 0 {
			return "", fault.New(fault.Invalid, "ssh_key begins like a public key, and is none")
		}
		return line, nil
	}
	plain, err := env.Run.Secrets.Expand(*k.text)
	if err != nil {
		return "", err
	}
	if strings.Contains(plain, "PRIVATE KEY") {
		return publicOf([]byte(plain), "ssh_key")
	}
	file := key{&plain}.file(env)
	if data, err := os.ReadFile(file + ".pub"); err == nil { // the private one may be encrypted
		return strings.TrimSpace(string(data)), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		kind := fault.Failed
		if errors.Is(err, fs.ErrNotExist) {
			kind = fault.NotFound
		}
		return "", fault.New(kind, "cannot read the SSH key %q: %v", plain, reason(err)).
			WithHint("ssh_key is a file, the text of a key, or left out: then the workspace has a key of its own")
	}
	return publicOf(data, plain)
}

func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// publicOf computes the public key of a private one.
func publicOf(private []byte, name string) (string, error) {
	signer, err := ssh.ParsePrivateKey(private)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked) && locked.PublicKey != nil:
		return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(locked.PublicKey))), nil
	case err != nil:
		return "", fault.New(fault.Invalid, "%s is no private key: %v", name, err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}

// ensureKey returns the public key of the file, and makes both where there is none.
// Of several that make it at once one wins.
func ensureKey(file string) (string, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(file); err == nil {
			data, err = os.ReadFile(file)
		}
	}
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot make the SSH key of the workspace")
	}
	return publicOf(data, file)
}

func makeKey(file string) error {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // the link to it stays
	_, err = temp.Write(pem.EncodeToMemory(block))
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err = os.Link(temp.Name(), file); errors.Is(err, fs.ErrExist) {
		return nil // somebody else was faster
	}
	return err
}
