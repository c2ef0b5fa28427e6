package temporal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, key: newKey(t)}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	a.file = keep(t, "ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate; the first one is that of the authority.
func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made
}

func keep(t *testing.T, name, kind string, der []byte) string {
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// client makes a certificate for a client, and returns its files.
func (a *authority) client(until time.Time) (cert, key string) {
	private := newKey(a.t)
	made := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "worker"}, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, private)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return keep(a.t, "client.pem", "CERTIFICATE", made.Raw), keep(a.t, "client.key", "PRIVATE KEY", der)
}

// server makes the settings of a server with the given name.
func (a *authority) server(name string, until time.Time) *tls.Config {
	private := newKey(a.t)
	made := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, private)
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{made.Raw}, PrivateKey: private}},
		ClientCAs:    clients, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
	}
}

// forward speaks TLS, and passes on what is said to a server that does not.
func forward(t *testing.T, cfg *tls.Config, to string) (address string) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, in)
			mu.Unlock()
			all.Go(func() {
				defer in.Close()
				if in.(*tls.Conn).Handshake() != nil {
					return
				}
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				all.Go(func() {
					_, _ = io.Copy(out, in) // either end may go
					out.Close()
				})
				_, _ = io.Copy(in, out)
			})
		}
	})
	return l.Addr().String()
}

func userKey(t *testing.T) *seal.Key { return seal.KeyAt(filepath.Join(t.TempDir(), "age.key")) }

// TestTLS: certificates of both sides are checked, and what is wrong is said with the
// setting that it is about.
func TestTLS(t *testing.T) {
	server := temporaltest.Start(t)
	ours, others := newAuthority(t), newAuthority(t)
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	address := forward(t, ours.server("temporal.test", later), server.Address)
	stale := forward(t, ours.server("temporal.test", past), server.Address)
	cert, key := ours.client(later)
	strange, strangeKey := others.client(later)
	expired, expiredKey := ours.client(past)

	for _, c := range []struct {
		name string
		set  func(*Settings)
		want []string // none: it succeeds
	}{
		{"all is right", func(*Settings) {}, nil},
		{"a wrong authority", func(s *Settings) { s.TLS.CA = others.file }, []string{"not made by the authority in [engine.temporal.tls] ca_file", others.file}},
		{"no authority", func(s *Settings) { s.TLS.CA = "" }, []string{"not one of an authority that this machine knows", "[engine.temporal.tls] ca_file"}},
		{"a file without a certificate", func(s *Settings) { s.TLS.CA = key }, []string{"there is no certificate in " + key, "ca_file"}},
		{"no client certificate", func(s *Settings) { s.TLS.Cert, s.TLS.Key = "", "" }, []string{"asks for a client certificate", "cert_file"}},
		{"a client certificate of others", func(s *Settings) { s.TLS.Cert, s.TLS.Key = strange, strangeKey }, []string{"does not accept the certificate in [engine.temporal.tls] cert_file", strange}},
		{"an expired client certificate", func(s *Settings) { s.TLS.Cert, s.TLS.Key = expired, expiredKey }, []string{"cert_file names, has expired at", expired}},
		{"the key of another certificate", func(s *Settings) { s.TLS.Key = strangeKey }, []string{"cannot use [engine.temporal.tls] cert_file", strangeKey}},
		{"a missing key", func(s *Settings) { s.TLS.Key = "/nowhere" }, []string{"cannot read [engine.temporal.tls] key_file", "/nowhere"}},
		{"the name of the address", func(s *Settings) { s.TLS.ServerName = "" }, []string{"is for another name", "server_name", "temporal.test"}},
		{"another name", func(s *Settings) { s.TLS.ServerName = "other.test" }, []string{"is for another name", "server_name"}},
		{"a server that has expired", func(s *Settings) { s.Address = stale }, []string{"has expired, or is not valid yet"}},
		{"no TLS", func(s *Settings) { s.TLS = Settings{}.TLS }, []string{"speaks TLS only", "enabled = true"}},
		{"a server in the clear", func(s *Settings) { s.Address = server.Address }, []string{"does not speak TLS", "take out [engine.temporal.tls]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := Settings{Address: address}
			s.TLS.CA, s.TLS.Cert, s.TLS.Key, s.TLS.ServerName = ours.file, cert, key, "temporal.test"
			c.set(&s)
			_, err := Inspect(t.Context(), s, userKey(t))
			if len(c.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			text := fault.Render(err)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said, but\n%s", want, text)
				}
			}
			if fault.KindOf(err) != fault.Config {
				t.Errorf("it is of the kind %s", fault.KindOf(err))
			}
		})
	}
}

// TestRenewedCertificate: a certificate is read for every connection.
func TestRenewedCertificate(t *testing.T) {
	a := newAuthority(t)
	first, firstKey := a.client(time.Now().Add(time.Hour))
	second, secondKey := a.client(time.Now().Add(2 * time.Hour))
	var s Settings
	s.TLS.Cert, s.TLS.Key = first, firstKey
	cfg, err := s.tls()
	if err != nil {
		t.Fatal(err)
	}
	before, err := cfg.GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{second: first, secondKey: firstKey} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	after, err := cfg.GetClientCertificate(nil)
	if err != nil || !after.Leaf.NotAfter.After(before.Leaf.NotAfter) {
		t.Errorf("it is still the one until %s, %v", after.Leaf.NotAfter, err)
	}
}

// keyed is a server that wants an API key, in front of one that does not.
type keyed struct {
	mu      sync.Mutex
	want    string
	headers []metadata.MD
}

func (k *keyed) guard(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	header, _ := metadata.FromIncomingContext(ctx)
	k.mu.Lock()
	k.headers = append(k.headers, header)
	fits := slices.Equal(header.Get("authorization"), []string{"Bearer " + k.want})
	k.mu.Unlock()
	if !fits {
		return nil, status.Error(codes.Unauthenticated, "the API key is not valid")
	}
	return handle(ctx, req)
}

func (k *keyed) change(want string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.want = want
}

// front starts it.
func (k *keyed) front(t *testing.T, cfg *tls.Config, to string) (address string) {
	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	through, err := proxy.NewWorkflowServiceProxyServer(proxy.WorkflowServiceProxyOptions{Client: workflowservice.NewWorkflowServiceClient(conn)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(cfg)), grpc.UnaryInterceptor(k.guard))
	workflowservice.RegisterWorkflowServiceServer(server, through)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // until it is stopped
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return l.Addr().String()
}

// TestAPIKey: the key goes with every call, beside the name of the namespace, and is read
// again when its file changes.
func TestAPIKey(t *testing.T) {
	behind := temporaltest.Start(t)
	a := newAuthority(t)
	cfg := a.server("temporal.test", time.Now().Add(time.Hour))
	cfg.ClientAuth = tls.NoClientCert
	k := &keyed{want: "first"}
	s := Settings{Address: k.front(t, cfg, behind.Address), APIKey: filepath.Join(t.TempDir(), "api.key")}
	s.TLS.CA, s.TLS.ServerName = a.file, "temporal.test"
	s = s.complete()
	write(t, s.APIKey, "first\n")
	c, _, err := s.dial(t.Context(), userKey(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	describe := func() error {
		_, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace})
		return err
	}
	if err := describe(); err != nil {
		t.Fatal(err)
	}
	last := k.headers[len(k.headers)-1]
	if got := last.Get("temporal-namespace"); !slices.Equal(got, []string{"default"}) {
		t.Errorf("the namespace arrives as %q", got)
	}

	k.change("second")
	if err := s.told(describe()); fault.KindOf(err) != fault.Permission || !strings.Contains(fault.Render(err), s.APIKey) {
		t.Errorf("a key that is not valid any more: %s", fault.Render(err))
	}
	write(t, s.APIKey, "second\n")
	if err := describe(); err != nil {
		t.Errorf("the new key was not read: %v", err)
	}

	write(t, s.APIKey, "third\n")
	if _, err := Inspect(t.Context(), s, userKey(t)); fault.KindOf(err) != fault.Permission || !strings.Contains(fault.Render(err), "[engine.temporal] api_key_file") {
		t.Errorf("a wrong key: %s", fault.Render(err))
	}
	s.APIKey = ""
	if _, err := Inspect(t.Context(), s, userKey(t)); fault.KindOf(err) != fault.Permission || !strings.Contains(fault.Render(err), "it may want an API key") {
		t.Errorf("no key: %s", fault.Render(err))
	}
}

// TestSharedKey: a key that is named is never made, as it would be another one on each
// machine.
func TestSharedKey(t *testing.T) {
	s := Settings{Address: "127.0.0.1:1", KeyFile: filepath.Join(t.TempDir(), "cluster.key")}
	_, err := Inspect(t.Context(), s, userKey(t))
	if text := fault.Render(err); !strings.Contains(text, "cannot read [engine.temporal] key_file") || !strings.Contains(text, "provisioning worker key "+s.KeyFile) {
		t.Error(text)
	}
	if _, err := os.Stat(s.KeyFile); !os.IsNotExist(err) {
		t.Error("it was made:", err)
	}
}
