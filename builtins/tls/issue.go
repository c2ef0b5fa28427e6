package tls

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/netip"
	"regexp"
	"slices"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Read(`
def issue(authority_certificate, authority_key, name, names = [], addresses = [], days = 397, server = True, client = False):
    """Issues a certificate, signed by an authority, with a key of its own.

    Clients look for what they connect to among names and addresses (RFC 5280 4.2.1.6),
    and not at name. The journal keeps it, with the key sealed: a resumed run gets the same
    one. In check mode nothing is made, and what the run will get is not known.

    Args:
      authority_certificate: that of tls.authority, or of another authority, in PEM.
      authority_key: its key, in PEM: of RSA, ECDSA or Ed25519, and not encrypted.
      name: whose certificate it is; the common name, of 64 characters at most.
      names: list of names in the DNS; the first part of one may be a star.
      addresses: list of addresses, of IPv4 or IPv6.
      days: how long it is valid, 1 to 36500; no longer than the authority. It begins an
        hour before now.
      server: it may be shown by servers, which need a name or an address.
      client: it may be shown by clients, to servers that ask for one.

    Returns:
      A struct of certificate, a text in PEM; key, a secret, PKCS #8 in PEM; and expires,
      a time.

    Errors:
      invalid: a name or an address is none, an argument is out of range, what is given as
        the authority is none, has expired, or has another key.

    Example:
      ca = tls.authority("etcd of shop")
      tls.issue(ca.certificate, ca.key, "db-1", names = ["db-1"], addresses = ["10.0.0.5"])
    """`, &issue{})

// issue is the effect tls.issue.
type issue struct {
	Authority string   `star:"authority_certificate"`
	Key       string   `star:"authority_key,secret"`
	Name      string   `star:"name"`
	Names     []string `star:"names"`
	Addresses []string `star:"addresses"`
	Days      int      `star:"days"`
	Server    bool     `star:"server"`
	Client    bool     `star:"client"`
}

var (
	_ effect.Validator = (*issue)(nil)
	_ effect.Describer = (*issue)(nil)
)

// goodHost is a name of the DNS. Names with _ are in use, and accepted by who compares.
var goodHost = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)

// numeric is what ends as no name of the DNS does: an address that is mistyped.
var numeric = regexp.MustCompile(`(^|\.)[0-9]+$`)

func (i *issue) Validate() error {
	if err := checkName(i.Name); err != nil {
		return err
	}
	if err := checkDays(i.Days); err != nil {
		return err
	}
	for _, name := range i.Names {
		if _, err := netip.ParseAddr(name); err == nil {
			return fault.New(fault.Invalid, "%q is an address, and none of the names", name).WithHint("addresses = [%q]", name)
		}
		if len(name) > 253 || !goodHost.MatchString(name) || numeric.MatchString(name) {
			return fault.New(fault.Invalid, "%q is no name in the DNS", name).
				WithHint(`names are letters, digits and -, in parts with dots between them: "db-1.example.com", "*.example.com"`)
		}
	}
	for _, address := range i.Addresses {
		a, err := netip.ParseAddr(address)
		if err == nil && a.Is4In6() { // certificates do not tell them apart
			return fault.New(fault.Invalid, "%q is an address of IPv4", address).WithHint("write it so: %q", a.Unmap().String())
		}
		if err != nil || a.Zone() != "" {
			return fault.New(fault.Invalid, "%q is no address", address).WithHint(`addresses are written like "10.0.0.5" and "2001:db8::5"; others belong into names`)
		}
	}
	switch {
	case !i.Server && !i.Client:
		return fault.New(fault.Invalid, "the certificate is for nothing").WithHint("server = True, client = True, or both")
	case i.Server && len(i.Names)+len(i.Addresses) == 0:
		return fault.New(fault.Invalid, "the certificate of a server needs a name or an address").
			WithHint("clients compare what they connect to with names and addresses, and with nothing else")
	}
	return nil
}

func (i *issue) Describe() string { return i.Name }

func (i *issue) Perform(_ context.Context, env *effect.Env) (any, error) {
	cert, key, err := i.authority(env)
	if err != nil {
		return nil, err
	}
	t := now(env)
	if !cert.NotAfter.After(t) {
		return nil, fault.New(fault.Invalid, "the authority %q has expired on %s", nameOf(cert.Subject), cert.NotAfter.Format("2006-01-02")).
			WithHint("make another one, and have all trust it")
	}
	if env.Run.Check {
		return value.NewUnknown("tls.issue(%q)", i.Name), nil
	}
	end := t.AddDate(0, 0, i.Days)
	if cert.NotAfter.Before(end) {
		end = cert.NotAfter
	}
	var usages []x509.ExtKeyUsage
	if i.Server {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	if i.Client {
		usages = append(usages, x509.ExtKeyUsageClientAuth)
	}
	return sign(env, &x509.Certificate{
		Subject:               pkix.Name{CommonName: i.Name},
		NotBefore:             t.Add(-early),
		NotAfter:              end,
		DNSNames:              slices.Clone(i.Names),
		IPAddresses:           i.ips(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           usages,
		BasicConstraintsValid: true,
	}, cert, key)
}

// authority reads who signs.
func (i *issue) authority(env *effect.Env) (*x509.Certificate, crypto.Signer, error) {
	cert, err := readCertificate(env, i.Authority)
	if err != nil {
		return nil, nil, err
	}
	if !signs(cert) {
		return nil, nil, fault.New(fault.Invalid, "the certificate of %q is that of no authority", nameOf(cert.Subject)).
			WithHint("only a certificate that is made for it signs others: tls.authority makes one")
	}
	text, err := env.Run.Secrets.Expand(i.Key)
	if err != nil {
		return nil, nil, err
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, nil, err
	}
	if err := belongs(cert, key); err != nil {
		return nil, nil, fault.Wrap(fault.Invalid, err, "the authority %q cannot sign", nameOf(cert.Subject)).
			WithHint("give the certificate and the key that were made together")
	}
	return cert, key, nil
}

// signs reports whether a certificate is that of an authority.
func signs(cert *x509.Certificate) bool {
	return cert.BasicConstraintsValid && cert.IsCA && (cert.KeyUsage == 0 || cert.KeyUsage&x509.KeyUsageCertSign != 0)
}

// ips are the addresses, which Validate has accepted.
func (i *issue) ips() []net.IP {
	var ips []net.IP
	for _, address := range i.Addresses {
		ips = append(ips, net.ParseIP(address))
	}
	return ips
}
