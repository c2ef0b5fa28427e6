package tls

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

const certificateBlock = "CERTIFICATE"

// Texts in PEM, RFC 7468: what stands between the blocks is explanatory, and blocks of
// other kinds are passed over.

// parseCertificate returns the first certificate of a text.
func parseCertificate(text string) (*x509.Certificate, error) {
	if len(text) > maxText {
		return nil, fault.New(fault.Invalid, "a text with certificates must not be larger than %d bytes", maxText)
	}
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fault.New(fault.Invalid, "the text has no certificate in PEM").
				WithHint("it begins with -----BEGIN CERTIFICATE-----")
		}
		if block.Type != certificateBlock {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "cannot read the certificate").
				WithHint("it has to be a certificate of RFC 5280, whole, as it was issued")
		}
		return cert, nil
	}
}

// readCertificate is parseCertificate for a text that may have secrets in it.
func readCertificate(env *effect.Env, text string) (*x509.Certificate, error) {
	plain, err := env.Run.Secrets.Expand(text)
	if err != nil {
		return nil, err
	}
	return parseCertificate(plain)
}

// parseKey returns the first private key of a text: PKCS #8, or as OpenSSL wrote those of
// RSA and ECDSA before. Errors say nothing of the text.
func parseKey(text string) (crypto.Signer, error) {
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fault.New(fault.Invalid, "the key of the authority is no private key in PEM").
				WithHint("it begins with -----BEGIN PRIVATE KEY-----, and is not encrypted")
		}
		key, known := decodeKey(block)
		if !known {
			continue
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, fault.New(fault.Invalid, "cannot read the key of the authority").
			WithHint("keys of RSA, ECDSA and Ed25519 can sign; it must not be encrypted")
	}
}

// decodeKey returns what is in a block; known is false for one that is for no key.
func decodeKey(block *pem.Block) (key any, known bool) {
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, false
	}
	if err != nil {
		return nil, true
	}
	return key, true
}

var errOtherKey = errors.New("the key is that of another certificate")

// belongs fails unless a key is that of a certificate.
func belongs(cert *x509.Certificate, key crypto.Signer) error {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(cert.PublicKey) {
		return errOtherKey
	}
	return nil
}
