package tls

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"slices"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def read(certificate):
    """Returns what a certificate says (RFC 5280).

    It is not judged: it may have expired, and be signed by anybody; see tls.signed.

    Args:
      certificate: a text with a certificate in PEM. Of several the first is read.

    Returns:
      A struct of name and issuer, the common names of whose it is and of who has signed it
      (all of their names where they have no common one); names and addresses, lists of
      what clients may connect to; authority, whether it may sign others; server and
      client, whether it may be shown by one; not_before and not_after, the times between
      which it is valid; and fingerprint, the SHA-256 digest as 64 hexadecimal digits.

    Errors:
      invalid: the text has no certificate in it, or a damaged one.

    Example:
      ca = tls.authority("etcd of shop")
      tls.read(ca.certificate).not_after - time.now() > 30 * 24 * time.hour
    """`, &read{})

// read is the function tls.read.
type read struct {
	Certificate string `star:"certificate"`
}

// certificate is what scripts get of one that was read.
type certificate struct {
	Name        string    `star:"name"`
	Issuer      string    `star:"issuer"`
	Names       []string  `star:"names"`
	Addresses   []string  `star:"addresses"`
	Authority   bool      `star:"authority"`
	Server      bool      `star:"server"`
	Client      bool      `star:"client"`
	NotBefore   time.Time `star:"not_before"`
	NotAfter    time.Time `star:"not_after"`
	Fingerprint string    `star:"fingerprint"`
}

func (r *read) Compute(env *effect.Env) (any, error) {
	cert, err := readCertificate(env, r.Certificate)
	if err != nil {
		return nil, err
	}
	addresses := []string{}
	for _, ip := range cert.IPAddresses {
		addresses = append(addresses, ip.String())
	}
	sum := sha256.Sum256(cert.Raw)
	return certificate{
		Name:        nameOf(cert.Subject),
		Issuer:      nameOf(cert.Issuer),
		Names:       append([]string{}, cert.DNSNames...),
		Addresses:   addresses,
		Authority:   signs(cert),
		Server:      used(cert, x509.ExtKeyUsageServerAuth),
		Client:      used(cert, x509.ExtKeyUsageClientAuth),
		NotBefore:   cert.NotBefore,
		NotAfter:    cert.NotAfter,
		Fingerprint: hex.EncodeToString(sum[:]),
	}, nil
}

// used reports whether a certificate may be shown for a use. One of an authority is not
// for that; one that says nothing is for all.
func used(cert *x509.Certificate, usage x509.ExtKeyUsage) bool {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		return !signs(cert)
	}
	return slices.Contains(cert.ExtKeyUsage, usage) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// nameOf is the common name of somebody, or all of the names.
func nameOf(n pkix.Name) string {
	if n.CommonName != "" {
		return n.CommonName
	}
	return n.String()
}
