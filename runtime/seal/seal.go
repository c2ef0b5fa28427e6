// Package seal keeps what the journal must not show: with an age key of the user
// ([Key]), and with a key of each run ([Box]) that the age key seals.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Key is the age key of a user. It is read, or made, on first use.
type Key struct {
	file string
	load func() (*age.X25519Identity, error)
}

// KeyAt returns the key that is kept in file, in the format of age-keygen. A key
// that does not exist is made, with mode 0600; one that others can read is
// refused.
func KeyAt(file string) *Key {
	k := &Key{file: file}
	k.load = sync.OnceValues(k.open)
	return k
}

func (k *Key) open() (*age.X25519Identity, error) {
	data, err := os.ReadFile(k.file)
	if errors.Is(err, os.ErrNotExist) {
		if err := k.make(); err != nil {
			return nil, fault.Wrap(fault.Config, err, "cannot make the key %q", k.file)
		}
		data, err = os.ReadFile(k.file) // another process may have been first
	}
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot read the key %q", k.file)
	}
	if info, err := os.Stat(k.file); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Config, "the key %q can be read by others", k.file).WithHint("chmod 600 %s", k.file)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "AGE-SECRET-KEY-") {
			id, err := age.ParseX25519Identity(line)
			if err != nil {
				break
			}
			return id, nil
		}
	}
	return nil, fault.New(fault.Config, "there is no age key in %q", k.file).
		WithHint("put the right key there; what was sealed with it cannot be read without")
}

// make writes a new key in one step, and keeps one that is there already.
func (k *Key) make() error {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(k.file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(k.file), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = fmt.Fprintf(tmp, "# key of provisioning; it opens what journals and workspaces hold sealed\n# public key: %s\n%s\n", id.Recipient(), id)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), k.file); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	// Without the key no run can be resumed, so its name must be durable, too.
	for dir, last := filepath.Dir(k.file), ""; dir != last; dir, last = filepath.Dir(dir), dir {
		if d, err := os.Open(dir); err == nil {
			_ = d.Sync() // not every directory above is ours, and some file systems cannot
			d.Close()
		}
	}
	return nil
}

// Seal encrypts plain for the owner of the key; the result is ASCII armour.
func (k *Key) Seal(plain string) (string, error) {
	id, err := k.load()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, id.Recipient())
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot seal")
	}
	if _, err := io.WriteString(w, plain); err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot seal")
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return "", fault.Wrap(fault.Internal, err, "cannot seal")
	}
	return out.String(), nil
}

// Unseal decrypts what Seal has made.
func (k *Key) Unseal(sealed string) (string, error) {
	id, err := k.load()
	if err != nil {
		return "", err
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), id)
	if err != nil {
		return "", fault.New(fault.Permission, "cannot open what was sealed: %v", unquoted(err)).
			WithHint("it was sealed with another key than %s, or is damaged", k.file)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return "", fault.Wrap(fault.Failed, unquoted(err), "cannot open what was sealed")
	}
	return string(plain), nil
}

// unquoted keeps lines of the text out of an error: it may be a secret that was never
// sealed.
func unquoted(err error) error {
	if _, ok := errors.AsType[*armor.Error](err); ok {
		return errors.New("it does not look like something that was sealed (ASCII armor of age)")
	}
	return err
}

// Derive returns a key of 32 bytes for a purpose, which is the same wherever this key
// is (RFC 5869).
func (k *Key) Derive(purpose string) ([]byte, error) {
	id, err := k.load()
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, []byte(id.String()), nil, purpose, 32)
}

// Box seals with the key of a run: quickly, for what is sealed at every effect.
type Box struct {
	Key  []byte // 32 bytes
	aead cipher.AEAD
}

// NewBox makes a box with a new key.
func NewBox() *Box {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return BoxOf(key)
}

// BoxOf returns the box with the given key of 32 bytes.
func BoxOf(key []byte) *Box {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a key of another length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // not with AES
	}
	return &Box{key, aead}
}

// Seal encrypts.
func (b *Box) Seal(plain []byte) []byte { return b.aead.Seal(nil, nil, plain, nil) }

// Open decrypts what Seal has made.
func (b *Box) Open(sealed []byte) ([]byte, error) {
	plain, err := b.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, fault.New(fault.Failed, "the journal is damaged: a sealed record cannot be opened")
	}
	return plain, nil
}
