package tls

import (
	"bytes"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def signed(certificate, authority):
    """Reports whether an authority has signed a certificate.

    Only names and signature count (RFC 5280 6.1.3, the first and the last of its checks):
    either may have expired by now; see tls.read.

    Args:
      certificate: a text with a certificate in PEM.
      authority: a text with that of the authority.

    Returns:
      A bool. False also where the second is no authority.

    Errors:
      invalid: one of the texts has no certificate in it, or a damaged one.

    Example:
      ca = tls.authority("etcd of shop")
      tls.signed(ca.certificate, ca.certificate)
    """`, &signed{})

// signed is the function tls.signed.
type signed struct {
	Certificate string `star:"certificate"`
	Authority   string `star:"authority"`
}

func (s *signed) Compute(env *effect.Env) (any, error) {
	cert, err := readCertificate(env, s.Certificate)
	if err != nil {
		return nil, err
	}
	authority, err := readCertificate(env, s.Authority)
	if err != nil {
		return nil, err
	}
	return bytes.Equal(cert.RawIssuer, authority.RawSubject) && cert.CheckSignatureFrom(authority) == nil, nil
}
