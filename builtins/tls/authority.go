package tls

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Read(`
def authority(name, days = 3650):
    """Makes an authority: a certificate that signs others, with its key.

    It signs for itself, and none that signs in turn (RFC 5280 4.2.1.9, a path length of
    0). The journal keeps it, with the key sealed: a resumed run gets the same one. It is
    kept nowhere else; see secret.put, and authority of @std//certificates.star. In check
    mode nothing is made, and what the run will get is not known.

    Args:
      name: whom it is the authority of; its common name, of 64 characters at most.
      days: how long it is valid, 1 to 36500. It begins an hour before now.

    Returns:
      A struct of certificate, a text in PEM; key, a secret, PKCS #8 in PEM; and expires,
      a time.

    Errors:
      invalid: the name is empty or too long, or days is out of range.

    Example:
      tls.authority("etcd of shop").certificate
    """`, &authority{})

// authority is the effect tls.authority.
type authority struct {
	Name string `star:"name"`
	Days int    `star:"days"`
}

var (
	_ effect.Validator = (*authority)(nil)
	_ effect.Describer = (*authority)(nil)
)

func (a *authority) Validate() error {
	if err := checkName(a.Name); err != nil {
		return err
	}
	return checkDays(a.Days)
}

func (a *authority) Describe() string { return a.Name }

func (a *authority) Perform(_ context.Context, env *effect.Env) (any, error) {
	if env.Run.Check {
		return value.NewUnknown("tls.authority(%q)", a.Name), nil
	}
	t := now(env)
	return sign(env, &x509.Certificate{
		Subject:               pkix.Name{CommonName: a.Name},
		NotBefore:             t.Add(-early),
		NotAfter:              t.AddDate(0, 0, a.Days),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}, nil, nil)
}
