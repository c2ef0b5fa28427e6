package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// pair executes a script, whose global "got" is a certificate with its key, and returns
// both as texts in PEM.
func pair(t *testing.T, f *builtintest.Fixture, script string) (certificate, key string) {
	t.Helper()
	globals, err := f.Exec(script)
	if err != nil {
		t.Fatalf("%s\n%v", script, err)
	}
	got := globals["got"].(*starlarkstruct.Struct)
	text, _ := got.Attr("certificate")
	secret, _ := got.Attr("key")
	certificate, _ = starlark.AsString(text)
	return certificate, f.Run.Secrets.Plain(secret.(*value.Secret))
}

func parsed(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	cert, err := parseCertificate(text)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// at is a clock that stands still.
type at struct {
	clock.Clock
	now time.Time
}

func (a at) Now() time.Time { return a.now }

const issueOne = `
ca = tls.authority("of shop")
got = tls.issue(ca.certificate, ca.key, "db-1", names = ["db-1", "*.shop.example"], addresses = ["10.0.0.5", "2001:db8::5"], client = True)
`

func TestAuthority(t *testing.T) {
	f := builtintest.New(t, Module)
	text, key := pair(t, f, `got = tls.authority("of shop", days = 10)`)
	cert := parsed(t, text)
	if !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero || cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || cert.CheckSignatureFrom(cert) != nil {
		t.Errorf("%+v", cert)
	}
	if valid := cert.NotAfter.Sub(cert.NotBefore); valid != 10*24*time.Hour+early || time.Since(cert.NotBefore) < early {
		t.Error(cert.NotBefore, cert.NotAfter)
	}
	if signer, err := parseKey(key); err != nil || belongs(cert, signer) != nil || !strings.HasPrefix(key, "-----BEGIN PRIVATE KEY-----\n") {
		t.Error(err)
	}
	if shown := f.Run.Secrets.Redact(key); shown != "«secret key of of shop»" {
		t.Error(shown)
	}
}

// TestChain has a server and a client talk that trust the authority and nobody else.
func TestChain(t *testing.T) {
	f := builtintest.New(t, Module)
	globals, err := f.Exec(issueOne + `
client = tls.issue(ca.certificate, ca.key, "app", server = False, client = True)
other = tls.authority("of shop")
stranger = tls.issue(other.certificate, other.key, "app", server = False, client = True)
`)
	if err != nil {
		t.Fatal(err)
	}
	load := func(name string) tls.Certificate {
		c, _ := globals[name].(*starlarkstruct.Struct).Attr("certificate")
		k, _ := globals[name].(*starlarkstruct.Struct).Attr("key")
		text, _ := starlark.AsString(c)
		loaded, err := tls.X509KeyPair([]byte(text), []byte(f.Run.Secrets.Plain(k.(*value.Secret))))
		if err != nil {
			t.Fatal(name, err)
		}
		return loaded
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(load("ca").Leaf)
	server := &tls.Config{Certificates: []tls.Certificate{load("got")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}
	for _, c := range []struct{ client, connects, want string }{
		{"client", "db-1", ""},
		{"client", "a.shop.example", ""},
		{"client", "10.0.0.5", ""},
		{"client", "2001:db8::5", ""},
		{"got", "db-1", ""}, // is for both
		{"client", "db-2", "not db-2"},
		{"client", "10.0.0.6", "not 10.0.0.6"},
		{"stranger", "db-1", "unknown certificate authority"},
	} {
		client := &tls.Config{Certificates: []tls.Certificate{load(c.client)}, RootCAs: trusted, ServerName: c.connects}
		if err := talk(server, client); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s connects to %s: %v, want %q", c.client, c.connects, err, c.want)
		}
	}
	if _, err := load("client").Leaf.Verify(x509.VerifyOptions{Roots: trusted}); err == nil {
		t.Error("the certificate of a client is good for a server")
	}
}

// talk sends a byte from a server to a client.
func talk(server, client *tls.Config) error {
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		s := tls.Server(there, server)
		_, _ = s.Write([]byte{1}) // the client tells what is wrong
		s.Close()
		there.Close()
	}()
	_, err := io.ReadFull(tls.Client(here, client), make([]byte, 1))
	return err
}

func TestIssued(t *testing.T) {
	f := builtintest.New(t, Module)
	begin := time.Date(2030, 1, 31, 12, 0, 0, 900, time.UTC)
	f.Run.Clock = at{clock.Real, begin}
	text, _ := pair(t, f, issueOne)
	again, _ := pair(t, f, issueOne)
	a, b := parsed(t, text), parsed(t, again)
	if a.SerialNumber.Cmp(b.SerialNumber) == 0 || a.SerialNumber.Sign() < 1 || a.SerialNumber.BitLen() > 159 {
		t.Error(a.SerialNumber, b.SerialNumber)
	}
	if a.IsCA || a.KeyUsage != x509.KeyUsageDigitalSignature || a.Version != 3 || len(a.AuthorityKeyId) == 0 {
		t.Errorf("%+v", a)
	}
	if want := time.Date(2031, 3, 4, 12, 0, 0, 0, time.UTC); !a.NotAfter.Equal(want) || !a.NotBefore.Equal(begin.Truncate(time.Second).Add(-early)) {
		t.Error(a.NotBefore, a.NotAfter)
	}
	short, _ := pair(t, f, `
ca = tls.authority("of shop", days = 5)
got = tls.issue(ca.certificate, ca.key, "db-1", names = ["db-1"])`)
	if end := parsed(t, short).NotAfter; !end.Equal(time.Date(2030, 2, 5, 12, 0, 0, 0, time.UTC)) {
		t.Error("it outlives its authority: ", end)
	}
}

// TestForeignAuthority has certificates issued by authorities as others make them.
func TestForeignAuthority(t *testing.T) {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	sec1, _ := x509.MarshalECPrivateKey(ecKey)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(edKey)
	for kind, c := range map[string]struct {
		public, private any
		der             []byte
	}{
		"RSA PRIVATE KEY": {rsaKey.Public(), rsaKey, x509.MarshalPKCS1PrivateKey(rsaKey)},
		"EC PRIVATE KEY":  {ecKey.Public(), ecKey, sec1},
		"PRIVATE KEY":     {edKey.Public(), edKey, pkcs8},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(7), Subject: pkix.Name{Organization: []string{"Shop"}}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), SubjectKeyId: []byte{1},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, c.public, c.private)
		if err != nil {
			t.Fatal(err)
		}
		f := builtintest.New(t, Module)
		certificate := "Shop\n" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		key := string(pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: c.der}))
		script := "ca = '''" + certificate + "'''\nmade = tls.issue(ca, '''" + key + "''', 'a', names = ['a'])\n"
		if got := f.Eval(script + `got = tls.signed(made.certificate, ca), tls.read(made.certificate).issuer`); got != `(True, "O=Shop")` {
			t.Errorf("%s: %s", kind, got)
		}
		if shown := f.Run.Secrets.Redact(key); strings.Contains(shown, "BEGIN "+kind) {
			t.Errorf("%s: the key that was given is shown", kind)
		}
	}
}

func TestRead(t *testing.T) {
	for script, want := range map[string]string{
		`tls.read(got.certificate).name`:                                          `"db-1"`,
		`tls.read(got.certificate).issuer`:                                        `"of shop"`,
		`tls.read(got.certificate).names`:                                         `["db-1", "*.shop.example"]`,
		`tls.read(got.certificate).addresses`:                                     `["10.0.0.5", "2001:db8::5"]`,
		`tls.read(got.certificate).authority, tls.read(ca.certificate).authority`: `(False, True)`,
		`tls.read(got.certificate).server, tls.read(got.certificate).client`:      `(True, True)`,
		`tls.read(ca.certificate).server, tls.read(ca.certificate).client`:        `(False, False)`,
		`tls.read(got.certificate).not_after == got.expires`:                      `True`,
		`tls.read(got.certificate).not_before < got.expires`:                      `True`,
		`len(tls.read(got.certificate).fingerprint)`:                              `64`,
		`tls.read("# db-1\n" + got.certificate + ca.certificate).name`:            `"db-1"`,
		`tls.signed(got.certificate, ca.certificate)`:                             `True`,
		`tls.signed(ca.certificate, ca.certificate)`:                              `True`,
		`tls.signed(got.certificate, got.certificate)`:                            `False`,
		`tls.signed(got.certificate, tls.authority("of shop").certificate)`:       `False`,
		`tls.signed(got.certificate, tls.authority("other").certificate)`:         `False`,
	} {
		if got := builtintest.New(t, Module).Eval(issueOne + "got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
}

func TestSecretCertificate(t *testing.T) {
	f := builtintest.New(t, Module)
	text, _ := pair(t, f, issueOne)
	kept, _ := f.Run.Secrets.Add("ws://ca", text)
	v, err := (&read{kept.String()}).Compute(f.Env())
	if err != nil || v.(certificate).Name != "db-1" {
		t.Error(v, err)
	}
}

func TestErrors(t *testing.T) {
	const ca = "ca = tls.authority('a')\nb = tls.authority('b')\nleaf = tls.issue(ca.certificate, ca.key, 'l', names = ['l'])\n"
	for script, want := range map[string]string{
		`tls.authority("")`:                                                                                                   "1 to 64 characters, not 0",
		`tls.authority("x" * 65)`:                                                                                             "1 to 64 characters, not 65",
		`tls.authority("a", days = 0)`:                                                                                        "within 1 and 36500, not 0",
		`tls.authority("a", days = 36501)`:                                                                                    "within 1 and 36500",
		`tls.authority("a", dys = 1)`:                                                                                         `did you mean "days"?`,
		`tls.issue(ca.certificate, ca.key, "l")`:                                                                              "needs a name or an address",
		`tls.issue(ca.certificate, ca.key, "l", server = False)`:                                                              "for nothing",
		`tls.issue(ca.certificate, ca.key, "", names = ["a"])`:                                                                "1 to 64 characters",
		`tls.issue(ca.certificate, ca.key, "l", names = ["a"], days = -1)`:                                                    "within 1 and 36500",
		`tls.issue(ca.certificate, ca.key, "l", names = ["a b"])`:                                                             `"a b" is no name`,
		`tls.issue(ca.certificate, ca.key, "l", names = [""])`:                                                                `"" is no name`,
		`tls.issue(ca.certificate, ca.key, "l", names = ["a..b"])`:                                                            `no name in the DNS`,
		`tls.issue(ca.certificate, ca.key, "l", names = ["a.*.b"])`:                                                           `no name in the DNS`,
		`tls.issue(ca.certificate, ca.key, "l", names = ["-a"])`:                                                              `no name in the DNS`,
		`tls.issue(ca.certificate, ca.key, "l", names = ["a." * 127 + "a"])`:                                                  `no name in the DNS`,
		`tls.issue(ca.certificate, ca.key, "l", names = ["10.0.0.5"])`:                                                        `is an address, and none of the names`,
		`tls.issue(ca.certificate, ca.key, "l", names = ["10.0.0.500"])`:                                                      `no name in the DNS`,
		`tls.issue(ca.certificate, ca.key, "l", addresses = ["db-1"])`:                                                        `"db-1" is no address`,
		`tls.issue(ca.certificate, ca.key, "l", addresses = ["10.0.0.5/24"])`:                                                 `is no address`,
		`tls.issue(ca.certificate, ca.key, "l", addresses = ["fe80::1%eth0"])`:                                                `is no address`,
		`tls.issue(ca.certificate, b.key, "l", names = ["a"])`:                                                                `"a" cannot sign: the key is that of another certificate`,
		`tls.issue(leaf.certificate, leaf.key, "l", names = ["a"])`:                                                           `"l" is that of no authority`,
		`tls.issue("hunter22", ca.key, "l", names = ["a"])`:                                                                   `no certificate in PEM`,
		`tls.issue(ca.certificate, "hunter22", "l", names = ["a"])`:                                                           `no private key in PEM`,
		`tls.issue(ca.certificate, "-----BEGIN PRIVATE KEY-----\nhunter22\n-----END PRIVATE KEY-----\n", "l", names = ["a"])`: `cannot read the key`,
		`tls.read("")`:                   `no certificate in PEM`,
		`tls.read(ca.certificate[:100])`: `no certificate in PEM`,
		`tls.read("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")`: `cannot read the certificate`,
		`tls.read("x" * 1048577)`:         `larger than 1048576 bytes`,
		`tls.signed(ca.certificate, "x")`: `no certificate in PEM`,
		`tls.signed("x", ca.certificate)`: `no certificate in PEM`,
	} {
		_, err := builtintest.New(t, Module).Exec(ca + script)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want %s", script, err, want)
		}
		if e := fault.As(err); e == nil || e.Hint == "" && strings.Contains(want, "no ") {
			t.Errorf("%s: no hint", script)
		}
		if err != nil && strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v shows what may be a secret", script, err)
		}
	}
}

func TestExpiredAuthority(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Clock = at{clock.Real, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	text, key := pair(t, f, `got = tls.authority("of shop", days = 1)`)
	f.Run.Clock = at{clock.Real, time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}
	script := "tls.issue('''" + text + "''', '''" + key + "''', 'a', names = ['a'])"
	if _, err := f.Exec(script); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `"of shop" has expired on 2020-01-02`) {
		t.Error(err)
	}
}

// TestCheckMode makes nothing, and refuses what the run would refuse.
func TestCheckMode(t *testing.T) {
	f := builtintest.New(t, Module)
	text, key := pair(t, f, `got = tls.authority("of shop")`)
	f.Run.Check = true
	got := f.Eval("got = tls.authority('x'), tls.issue('''" + text + "''', '''" + key + "''', 'a', names = ['a'])")
	if !strings.Contains(got, `tls.authority("x")`) || !strings.Contains(got, `tls.issue("a")`) || strings.Contains(got, "BEGIN") {
		t.Error(got)
	}
	globals, err := f.Exec("got = tls.authority('x')")
	if _, ok := globals["got"].(*value.Unknown); !ok || err != nil {
		t.Error(globals, err)
	}
	if _, err := f.Exec("tls.issue('x', 'y', 'a', names = ['a'])"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a"}, NotAfter: time.Now()}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	private, _ := x509.MarshalPKCS8PrivateKey(key)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f.Add(cert)
	f.Add(bytes.Join([][]byte{[]byte("text\n"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), cert}, nil))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n"))
	env := &effect.Env{Run: &effect.Run{Secrets: value.NewSecrets([]byte("test"))}}
	f.Fuzz(func(t *testing.T, text []byte) {
		if signer, err := parseKey(string(text)); err == nil && signer.Public() == nil || err != nil && !fault.Is(err, fault.Invalid) {
			t.Error(signer, err)
		}
		v, err := (&read{string(text)}).Compute(env)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Error(err)
			}
			return
		}
		value.Of(v) // scripts get it
		if _, err := (&signed{string(text), string(text)}).Compute(env); err != nil {
			t.Error(err)
		}
	})
}
