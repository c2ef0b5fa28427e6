package ssh

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Key is a private key: a file, or the text of one.
type Key struct {
	File        string
	PEM         string   // instead of File
	Passphrase  string   // "": it is not encrypted, or the agent has it
	Certificate string   // file or text of its certificate; "": FILE-cert.pub, if there is one
	CertFiles   []string // files of certificates, one of which may be its own
	Default     bool     // nobody has named it: it is used if it is there
}

func (k *Key) String() string {
	if k.File != "" {
		return "the key " + k.File
	}
	return "the key that was given"
}

// loadedKey is a key that was read.
type loadedKey struct {
	Key
	signer ssh.Signer // nil: it is locked
	cert   ssh.Signer // nil: there is none
	public ssh.PublicKey
}

// all are the ways to use the key. The certificate goes first: who has made one
// means it to be used.
func (k *loadedKey) all() []ssh.Signer {
	if k.cert != nil {
		return []ssh.Signer{k.cert, k.signer}
	}
	return []ssh.Signer{k.signer}
}

func (k *loadedKey) locked(agent bool) error {
	e := unsent(fault.Config, "%s is encrypted", k.Key.String())
	if agent {
		e.Msg += ", and the SSH agent does not have it"
	}
	return e.WithHint("give its passphrase with passphrase = secret.get(…), or load it into the agent with ssh-add")
}

func sameKey(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && bytes.Equal(a.Marshal(), b.Marshal())
}

// keyring keeps the keys that were unlocked: to derive a key from a passphrase takes
// a tenth of a second, and a hundred hosts have the same. It is safe for concurrent
// use.
type keyring struct {
	mu   sync.Mutex
	keys map[[32]byte]ssh.Signer
}

// load reads a key. It is nil when it is one that nobody has named and cannot be used.
func (r *keyring) load(k Key) (*loadedKey, error) {
	text := []byte(k.PEM)
	if k.File != "" {
		var err error
		if text, err = os.ReadFile(k.File); err != nil {
			return k.public(err)
		}
	}
	signer, err := r.unlock(text, k.Passphrase)
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return k.publicHalf(missing.PublicKey)
	case err != nil && k.Default:
		return nil, nil
	case err != nil:
		return nil, k.unreadable(err)
	}
	loaded := &loadedKey{Key: k, signer: signer, public: signer.PublicKey()}
	loaded.cert, err = k.certificate(signer)
	return loaded, err
}

func (k *Key) unreadable(err error) error {
	e := unsent(fault.Config, "cannot read %s: it is no private key", k)
	if strings.Contains(err.Error(), "decryption password incorrect") || strings.Contains(err.Error(), "incorrect passphrase") {
		e = unsent(fault.Config, "cannot read %s: the passphrase is wrong", k)
	}
	return e // the cause may quote the text
}

// public makes do with the public key where there is no private one: the agent, or
// a token behind it, may have it.
func (k *Key) public(err error) (*loadedKey, error) {
	if errors.Is(err, os.ErrNotExist) {
		if loaded, _ := k.publicHalf(nil); loaded != nil && loaded.public != nil {
			return loaded, nil
		}
	}
	if k.Default {
		return nil, nil
	}
	kind := fault.Config
	if errors.Is(err, os.ErrNotExist) {
		kind = fault.NotFound
	}
	e := unsent(kind, "cannot read %s: %v", k, errors.Unwrap(err))
	e.Cause = err
	if kind == fault.NotFound {
		e.Hint = "ssh-keygen -f " + k.File + " makes one" + besides(k.File)
	}
	return nil, e
}

// besides names the keys that lie where one was looked for.
func besides(file string) string {
	found, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.pub"))
	if err != nil || len(found) == 0 || len(found) > 10 {
		return ""
	}
	for i, name := range found {
		found[i] = strings.TrimSuffix(filepath.Base(name), ".pub")
	}
	return "; there are " + strings.Join(found, ", ")
}

// publicHalf is a key that is locked.
func (k *Key) publicHalf(public ssh.PublicKey) (*loadedKey, error) {
	if public == nil && k.File != "" {
		if text, err := os.ReadFile(strings.TrimSuffix(k.File, ".pub") + ".pub"); err == nil {
			public, _, _, _, _ = ssh.ParseAuthorizedKey(text) // nil if it is none
		}
	}
	return &loadedKey{Key: *k, public: public}, nil
}

func (r *keyring) unlock(text []byte, passphrase string) (ssh.Signer, error) {
	if passphrase == "" {
		return ssh.ParsePrivateKey(text)
	}
	id := sha256.Sum256(append([]byte(passphrase+"\x00"), text...))
	r.mu.Lock()
	defer r.mu.Unlock() // held while it works: the others want the same key
	if signer := r.keys[id]; signer != nil {
		return signer, nil
	}
	signer, err := ssh.ParsePrivateKeyWithPassphrase(text, []byte(passphrase))
	if err != nil {
		if plain, err := ssh.ParsePrivateKey(text); err == nil {
			signer = plain // it is not encrypted at all
		} else {
			return nil, errors.New("incorrect passphrase")
		}
	}
	if r.keys == nil {
		r.keys = map[[32]byte]ssh.Signer{}
	}
	r.keys[id] = signer
	return signer, nil
}

// certificate is the key's certificate; nil when there is none.
func (k *Key) certificate(signer ssh.Signer) (ssh.Signer, error) {
	text, file := []byte(k.Certificate), k.Certificate
	switch {
	case k.Certificate == "":
		return k.foundCertificate(signer), nil
	case !strings.Contains(k.Certificate, "-cert-v01@openssh.com "):
		found, err := os.ReadFile(file)
		if err != nil {
			e := unsent(fault.NotFound, "cannot read the certificate %s: %v", file, errors.Unwrap(err))
			e.Cause = err
			return nil, e
		}
		text = found
	default:
		file = "that was given"
	}
	cert := parseCert(text)
	if cert == nil {
		return nil, unsent(fault.Config, "the certificate %s is none", file).
			WithHint("it has to be a line that begins with the type of a certificate, such as ssh-ed25519-cert-v01@openssh.com")
	}
	if err := valid(cert, "the certificate "+file); err != nil {
		return nil, err
	}
	certified, err := ssh.NewCertSigner(cert, signer)
	if err != nil {
		return nil, unsent(fault.Config, "the certificate %s is for another key than %s", file, k)
	}
	return certified, nil
}

// foundCertificate is one that nobody has named with the key; nil when there is none
// that is good. The key may do without.
func (k *Key) foundCertificate(signer ssh.Signer) ssh.Signer {
	files := k.CertFiles
	if k.File != "" {
		files = append(slices.Clone(files), k.File+"-cert.pub")
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		cert := parseCert(text)
		if cert == nil || !sameKey(cert.Key, signer.PublicKey()) || valid(cert, file) != nil {
			continue
		}
		if certified, err := ssh.NewCertSigner(cert, signer); err == nil {
			return certified
		}
	}
	return nil
}

// parseCert reads a certificate; nil when it is none.
func parseCert(text []byte) *ssh.Certificate {
	public, _, _, _, _ := ssh.ParseAuthorizedKey(text)
	cert, _ := public.(*ssh.Certificate)
	return cert
}

// valid checks the time of a certificate.
func valid(cert *ssh.Certificate, what string) error {
	now := time.Now()
	const layout = "2006-01-02 15:04:05 MST"
	switch {
	case cert.ValidAfter > uint64(now.Unix()):
		return unsent(fault.Config, "%s is not valid yet: it is from %s, and the clock of this machine says %s", what,
			time.Unix(int64(cert.ValidAfter), 0).UTC().Format(layout), now.UTC().Format(layout)).
			WithHint("one of the clocks is wrong: that of this machine, or that of the one that signed it")
	case cert.ValidBefore != ssh.CertTimeInfinity && cert.ValidBefore <= uint64(now.Unix()):
		return unsent(fault.Config, "%s is not valid any more: it was until %s, and the clock of this machine says %s", what,
			time.Unix(int64(cert.ValidBefore), 0).UTC().Format(layout), now.UTC().Format(layout)).
			WithHint("have a new one signed, if the clock is right")
	}
	return nil
}
