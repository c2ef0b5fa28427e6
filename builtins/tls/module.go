// Package tls is the module tls: authorities, and the certificates that they issue, by
// RFC 5280. What is made has random keys in it, so it is an effect whose result the
// journal keeps, with the key sealed; what reads certificates only computes.
package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Module is the module tls.
var Module = module.New("tls", `Certificates for services, and authorities that issue them.

An authority is a certificate and a key that sign others. Whoever trusts its
certificate trusts those. Keys are secrets; certificates are texts in PEM that may
be seen. The profile is that of RFC 5280, with keys of ECDSA on the curve P-256.`)

const (
	maxDays = 36500
	maxName = 64      // characters of a common name: ub-common-name of RFC 5280
	maxText = 1 << 20 // bytes of a text with certificates
	// early is how long before now a certificate begins to be valid, for machines whose
	// clocks are behind.
	early = time.Hour
)

// issued is what scripts get of a certificate that was made.
type issued struct {
	Certificate string        `star:"certificate"`
	Key         *value.Secret `star:"key"`
	Expires     time.Time     `star:"expires"`
}

// now is the time; certificates count seconds.
func now(env *effect.Env) time.Time { return env.Run.Time().Now().UTC().Truncate(time.Second) }

// sign makes the certificate of a template, with a key of its own. Without a parent, that
// key signs it.
func sign(env *effect.Env, template, parent *x509.Certificate, signer crypto.Signer) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parent == nil {
		parent, signer = template, key
	}
	// 16 octets, of the 20 that RFC 5280 4.1.2.2 allows; it may not be 0.
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, err
	}
	template.SerialNumber.Add(template.SerialNumber, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot sign the certificate of %q", template.Subject.CommonName)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	secret, _ := env.Run.Secrets.Add("key of "+template.Subject.CommonName, string(text))
	return &issued{
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der})),
		Key:         secret,
		Expires:     template.NotAfter,
	}, nil
}

func checkName(name string) error {
	if n := len([]rune(name)); n < 1 || n > maxName {
		return fault.New(fault.Invalid, "the name must have 1 to %d characters, not %d", maxName, n).
			WithHint("it is the common name; what clients connect to belongs into names and addresses")
	}
	return nil
}

func checkDays(days int) error {
	if days < 1 || days > maxDays {
		return fault.New(fault.Invalid, "days must be within 1 and %d, not %d", maxDays, days)
	}
	return nil
}
