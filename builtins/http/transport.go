package http

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// transport keeps the connections of one TLS configuration until the run ends.
type transport struct{ *nethttp.Transport }

var _ effect.Closer = transport{}

func (t transport) Close() error {
	t.CloseIdleConnections()
	return nil
}

// making keeps two branches from making the same transport.
var making sync.Mutex

// clientFor returns a client on the transport that the TLS arguments ask for.
func clientFor(env *effect.Env, r *Request) (*nethttp.Client, error) {
	var pems [3]string
	for i, text := range []string{r.CAFile, r.ClientCert, r.ClientKey} {
		var err error
		if pems[i], err = readPEM(env, text); err != nil {
			return nil, err
		}
	}
	handle := "http/" + digest(fmt.Sprintf("%q %v", pems, r.Insecure))
	making.Lock()
	defer making.Unlock()
	t, ok := env.Run.Live.Get(handle).(transport)
	if !ok {
		config, err := tlsConfig(pems[0], pems[1], pems[2], r.Insecure)
		if err != nil {
			return nil, err
		}
		t = newTransport(config)
		env.Run.Live.Put(handle, t)
	}
	return &nethttp.Client{Transport: t.Transport, CheckRedirect: redirects(r)}, nil
}

func newTransport(config *tls.Config) transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return transport{&nethttp.Transport{
		Proxy:                 nethttp.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
	}}
}

func tlsConfig(ca, cert, key string, insecure bool) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure} //nolint:gosec // the script asks for it
	if ca != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, fault.New(fault.Invalid, "ca_file holds no certificate in PEM form")
		}
	}
	if cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "cannot use client_cert and client_key")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// readPEM takes the name of a file of the workspace, or the text itself.
func readPEM(env *effect.Env, text string) (string, error) {
	text, err := env.Run.Secrets.Expand(text)
	if err != nil || text == "" || strings.Contains(text, "-----BEGIN ") {
		return text, err
	}
	p, err := env.Run.Files.Resolve(text)
	if err != nil {
		return "", err
	}
	data, err := p.ReadFile(1 << 20)
	return string(data), err
}

// redirects decides which redirects are followed. net/http takes the password
// away when the host changes; other headers of the script may be secret too.
func redirects(r *Request) func(*nethttp.Request, []*nethttp.Request) error {
	return func(req *nethttp.Request, via []*nethttp.Request) error {
		first := via[0]
		switch {
		case !r.Follow:
			return nethttp.ErrUseLastResponse
		case len(via) >= 10:
			return fault.New(fault.Failed, "it redirects more than 10 times")
		case first.URL.Scheme == "https" && req.URL.Scheme != "https":
			return fault.New(fault.Failed, "it redirects from https to %s", req.URL.Scheme).
				WithHint("pass follow = False to see where to")
		}
		if req.URL.Host != first.URL.Host {
			for name := range r.Headers {
				if !harmless[nethttp.CanonicalHeaderKey(name)] {
					req.Header.Del(name)
				}
			}
			req.Header.Del("Authorization")
		}
		return nil
	}
}

var harmless = map[string]bool{
	"Accept": true, "Accept-Language": true, "Content-Type": true, "Range": true, "User-Agent": true,
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
