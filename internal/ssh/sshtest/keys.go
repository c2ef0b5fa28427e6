package sshtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
)

// NewKey makes a private key of a type: "ed25519", "ecdsa", "ecdsa384" or "rsa".
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ecdsa":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("there is no type of key %q", kind)
}

// WriteKey makes a private key and writes it to a file, encrypted if there is a
// passphrase, with the public key beside it.
func WriteKey(file, kind, passphrase string) (ssh.Signer, error) {
	key, err := NewKey(kind)
	if err != nil {
		return nil, err
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	return signer, os.WriteFile(file+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o600)
}

// WriteCert signs a certificate and writes it to a file.
func WriteCert(file string, cert *ssh.Certificate, ca ssh.Signer) error {
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		return err
	}
	return os.WriteFile(file, ssh.MarshalAuthorizedKey(cert), 0o600)
}
