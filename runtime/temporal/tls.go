package temporal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// encrypted reports whether the connection is one of TLS.
func (s Settings) encrypted() bool {
	t := s.TLS
	return t.Enabled || t.CA != "" || t.Cert != "" || t.ServerName != "" || s.APIKey != ""
}

// tls makes the settings of the connection; nil for one in the clear.
func (s Settings) tls() (*tls.Config, error) {
	if !s.encrypted() {
		return nil, nil
	}
	t := s.TLS
	cfg := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fault.Wrap(fault.Config, err, "cannot read [engine.temporal.tls] ca_file")
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Config, "there is no certificate in %s, which [engine.temporal.tls] ca_file names", t.CA)
		}
	}
	if t.Cert != "" {
		if _, err := s.certificate(nil); err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = s.certificate
	}
	return cfg, nil
}

// certificate reads the certificate of the client, for every connection: it is renewed
// while a worker lives.
func (s Settings) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	for name, file := range map[string]string{"cert_file": s.TLS.Cert, "key_file": s.TLS.Key} {
		if _, err := os.Stat(file); err != nil {
			return nil, fault.Wrap(fault.Config, err, "cannot read [engine.temporal.tls] %s", name)
		}
	}
	pair, err := tls.LoadX509KeyPair(s.TLS.Cert, s.TLS.Key)
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot use [engine.temporal.tls] cert_file %s with key_file %s", s.TLS.Cert, s.TLS.Key)
	}
	if until := pair.Leaf.NotAfter; time.Now().After(until) {
		return nil, fault.New(fault.Config, "the certificate in %s, which [engine.temporal.tls] cert_file names, has expired at %s", s.TLS.Cert, until.UTC().Format(time.RFC3339)).
			WithHint("renew it")
	}
	return &pair, nil
}

// probe finds out which of the settings of TLS the server does not agree with, by a
// connection of its own: what gRPC says of a failed one does not tell. nil: none of them.
func (s Settings) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime/2)
	defer cancel()
	cfg, err := s.tls()
	if err != nil {
		return err
	}
	if cfg == nil {
		cfg = &tls.Config{InsecureSkipVerify: true} // it is only asked whether it speaks TLS
	}
	cfg.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return s.explain(err)
	}
	defer conn.Close()
	if !s.encrypted() {
		return s.misconfigured("the Temporal server at %s speaks TLS only", "set [engine.temporal.tls] enabled = true, and ca_file where its certificate is not one of a public authority", nil)
	}
	return s.explain(s.greet(ctx, conn))
}

// greet reads the first byte that a server sends: one that does not accept the
// certificate of the client says so only there.
func (s Settings) greet(ctx context.Context, conn net.Conn) error {
	if until, ok := ctx.Deadline(); ok {
		_ = conn.SetReadDeadline(until) // a connection that is broken is found out below
	}
	_, err := conn.Read(make([]byte, 1))
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return nil
	}
	return err
}

// explain says which setting is behind an error of TLS; nil for others, and for none.
func (s Settings) explain(err error) error {
	var plain tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &plain):
		if !s.encrypted() {
			return nil
		}
		return s.misconfigured("the Temporal server at %s does not speak TLS", "take out [engine.temporal.tls] and api_key_file, or name the address of one that does", nil)
	case errors.As(err, &authority) && s.TLS.CA == "":
		return s.misconfigured("the certificate of the Temporal server at %s is not one of an authority that this machine knows", "name the file with that of its authority: [engine.temporal.tls] ca_file", err)
	case errors.As(err, &authority):
		return s.misconfigured("the certificate of the Temporal server at %s was not made by the authority in [engine.temporal.tls] ca_file", "put the certificate of its authority into "+s.TLS.CA, err)
	case errors.As(err, &host):
		return s.misconfigured("the certificate of the Temporal server at %s is for another name", "set [engine.temporal.tls] server_name to one that it is for: "+strings.Join(host.Certificate.DNSNames, ", "), err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return s.misconfigured("the certificate of the Temporal server at %s has expired, or is not valid yet", "renew it there, or set the clock of this machine", err)
	}
	var far *net.OpError
	if !errors.As(err, &far) || far.Op != "remote error" {
		return nil
	}
	if s.TLS.Cert == "" {
		return s.misconfigured("the Temporal server at %s asks for a client certificate", "name one with [engine.temporal.tls] cert_file and key_file", err)
	}
	return s.misconfigured("the Temporal server at %s does not accept the certificate in [engine.temporal.tls] cert_file", "it has to be one of an authority that the server knows, for clients, and valid there: "+s.TLS.Cert, err)
}

func (s Settings) misconfigured(what, hint string, err error) error {
	if err == nil {
		return fault.New(fault.Config, what, s.Address).WithHint("%s", hint)
	}
	return fault.Wrap(fault.Config, err, what, s.Address).WithHint("%s", hint)
}
