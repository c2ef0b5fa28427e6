package ssh

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the format of known_hosts has it
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func signer(t *testing.T, kind string) ssh.Signer {
	t.Helper()
	key, err := sshtest.NewKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func hashOf(name string) string {
	salt := make([]byte, 20)
	_, _ = rand.Read(salt) // never fails, see its documentation
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	encode := base64.StdEncoding.EncodeToString
	return "|1|" + encode(salt) + "|" + encode(mac.Sum(nil))
}

// TestHostKeys has one server, and what known_hosts files can say of it.
func TestHostKeys(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{HostKeys: []string{"ecdsa", "ed25519"}})
	name := fmt.Sprintf("[127.0.0.1]:%d", s.Port)
	ed, ec, other := s.HostKeys[1], s.HostKeys[0], signer(t, "ed25519").PublicKey()
	rsa := signer(t, "rsa").PublicKey()
	text := func(k ssh.PublicKey) string { return string(ssh.MarshalAuthorizedKey(k)) }
	for _, test := range []struct {
		name, file string
		want       string // of the error; FILE is the file
		hint       string
	}{
		{name: "known", file: name + " " + text(ed)},
		{name: "known by the type that it does not prefer", file: "# a comment\n\n" + name + " " + text(ec)},
		{name: "hashed", file: hashOf(name) + " " + text(ed)},
		{name: "with a pattern", file: "[127.0.0.*]:* " + text(ed)},
		{name: "one of two", file: name + " " + text(other) + name + " " + text(ed)},
		{name: "bad lines around it", file: "x\n@what is this\n|1|a|b ssh-ed25519 AAAA\n" + name + " ssh-ed25519 !!!\n" + name + " " + text(ed)},
		{
			name: "unknown", file: "[127.0.0.1]:1 " + text(ed) + "127.0.0.1 " + text(ed),
			want: fmt.Sprintf("the host key of web-1 (127.0.0.1:%d) is not known: it shows ", s.Port), hint: "first-use",
		},
		{name: "negated", file: "!" + name + ",[127.*]:* " + text(ed), want: "is not known", hint: name + " "},
		{
			name: "changed", file: "# old\n" + name + " " + text(other),
			want: fmt.Sprintf("the host key of web-1 (127.0.0.1:%d) has changed: it shows ssh-ed25519 %s, but FILE:2 has ssh-ed25519 %s", s.Port, ssh.FingerprintSHA256(ed), ssh.FingerprintSHA256(other)),
			hint: "ssh-keygen -R '" + name + "' -f FILE",
		},
		{
			name: "of a type that it has no more", file: name + " " + text(rsa),
			want: "it shows no host key of the type that is known: ssh-rsa " + ssh.FingerprintSHA256(rsa) + " (FILE:1)", hint: "ssh-keygen -R",
		},
		{name: "revoked", file: name + " " + text(ed) + "@revoked * " + text(ed), want: "is revoked: ssh-ed25519 " + ssh.FingerprintSHA256(ed) + ", by FILE:2"},
		{name: "an authority for another", file: "@cert-authority *.example.org " + text(ed), want: "is not known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := hostOf(s)
			file := write(t, test.file)
			h.Trust.Files = []string{filepath.Join(t.TempDir(), "missing"), file}
			c, err := (&Pool{}).Conn(t.Context(), h, nil)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			e := wantFault(t, err, fault.Permission, strings.ReplaceAll(test.want, "FILE", file))
			if !e.Unsent || !strings.Contains(e.Hint, strings.ReplaceAll(test.hint, "FILE", file)) {
				t.Errorf("unsent %v, hint: %s", e.Unsent, e.Hint)
			}
		})
	}
}

func TestPinned(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{HostKeys: []string{"ecdsa", "ed25519"}})
	other := signer(t, "ed25519").PublicKey()
	for _, test := range []struct {
		name, want string
		keys       []string
	}{
		{name: "fingerprint", keys: []string{ssh.FingerprintSHA256(s.HostKeys[1])}},
		{name: "fingerprint of the type that it does not prefer", keys: []string{ssh.FingerprintSHA256(s.HostKeys[0])}},
		{name: "key", keys: []string{keyText(s.HostKeys[0])}},
		{name: "one of two", keys: []string{keyText(other), ssh.FingerprintSHA256(s.HostKeys[1])}},
		{name: "another", keys: []string{keyText(other)}, want: "is not the one that was given: it shows ssh-ed25519 " + ssh.FingerprintSHA256(s.HostKeys[1]) + ", and ssh-ed25519 " + ssh.FingerprintSHA256(other) + " is pinned"},
		{name: "another fingerprint", keys: []string{ssh.FingerprintSHA256(other)}, want: "is not the one that was given"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := hostOf(s)
			h.Trust = Trust{Policy: Pinned, Keys: test.keys}
			c, err := (&Pool{}).Conn(t.Context(), h, nil)
			if test.want != "" {
				wantFault(t, err, fault.Permission, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
	h := hostOf(s)
	for text, want := range map[string]string{"": "is no host key", "SHA256:abc": "is no fingerprint", "ssh-ed25519 AAAA": "is no host key"} {
		h.Trust = Trust{Policy: Pinned, Keys: []string{text}}
		_, err := (&Pool{}).Conn(t.Context(), h, nil)
		wantFault(t, err, fault.Invalid, want)
	}
}

// TestFirstUse has many runs meet a machine for the first time at once.
func TestFirstUse(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{})
	file := filepath.Join(t.TempDir(), ".provisioning", "known_hosts")
	h := hostOf(s)
	h.Trust = Trust{Policy: FirstUse, Files: []string{file}, Record: file}
	var mu sync.Mutex
	var notices []string
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := (&Pool{}).Conn(t.Context(), h, func(text string) {
				mu.Lock()
				defer mu.Unlock()
				notices = append(notices, text)
			})
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	all.Wait()
	want := fmt.Sprintf("web-1 (127.0.0.1:%d) was not known: its host key %s is recorded in %s", s.Port, show(s.HostKeys[0]), file)
	if len(notices) != 1 || notices[0] != want {
		t.Errorf("notices %q, want %q", notices, want)
	}
	recorded, err := os.ReadFile(file)
	if err != nil || string(recorded) != fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, ssh.MarshalAuthorizedKey(s.HostKeys[0])) {
		t.Errorf("recorded %q, %v", recorded, err)
	}
	// From now on it is as good as known.
	other := signer(t, "ed25519").PublicKey()
	if err := os.WriteFile(file, fmt.Appendf(nil, "[127.0.0.1]:%d %s", s.Port, ssh.MarshalAuthorizedKey(other)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = (&Pool{}).Conn(t.Context(), h, nil)
	wantFault(t, err, fault.Permission, "has changed")
}

// TestFirstUseBesideMarkers: lines about authorities and revoked keys of a host are no
// record of its key.
func TestFirstUseBesideMarkers(t *testing.T) {
	key, other := signer(t, "ed25519").PublicKey(), signer(t, "ed25519").PublicKey()
	h := &Host{Name: "web-1", Address: "10.0.0.1", Port: 22}
	h.Trust.Policy = FirstUse
	h.Trust.Record = write(t, "@cert-authority * "+keyText(other)+"\n@revoked * "+keyText(other)+"\n")
	h.Trust.Files = []string{h.Trust.Record}
	for range 2 { // recorded, and known
		g, err := newGuard(h, nil, nil)
		if err == nil {
			err = g.check("", nil, key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	g, err := newGuard(h, nil, nil)
	if err == nil {
		err = g.check("", nil, other)
	}
	if err == nil || !strings.Contains(err.Error(), "is revoked") {
		t.Error(err)
	}
}

func TestRecordAfterACutLine(t *testing.T) {
	file := write(t, "web-1 ssh-ed25519 AAAA")
	key := signer(t, "ed25519").PublicKey()
	if known, err := record(file, "web-2:22", key); err != nil || known != nil {
		t.Fatal(known, err)
	}
	known, err := Known([]string{file}, "web-2:22")
	if err != nil || len(known) != 1 || known[0].Line != 2 || !sameKey(known[0].Key, key) {
		t.Errorf("%v, %v", known, err)
	}
}

func TestHostCertificates(t *testing.T) {
	ca := signer(t, "ed25519")
	now := uint64(time.Now().Unix())
	for _, test := range []struct {
		name, want string
		template   ssh.Certificate
		policy     Policy
		markers    string
	}{
		{name: "good", template: ssh.Certificate{ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}},
		{name: "clock skew", template: ssh.Certificate{ValidAfter: now + 3600, ValidBefore: ssh.CertTimeInfinity}, want: "is not valid yet: it is from "},
		{name: "expired", template: ssh.Certificate{ValidBefore: now - 3600}, want: "is not valid any more: it was until "},
		{name: "another name", template: ssh.Certificate{ValidPrincipals: []string{"web-2"}, ValidBefore: ssh.CertTimeInfinity}, want: "is not good: principal"},
		{name: "revoked authority", template: ssh.Certificate{ValidBefore: ssh.CertTimeInfinity}, markers: "@revoked * ", want: "is revoked"},
		{name: "no authority", template: ssh.Certificate{ValidBefore: ssh.CertTimeInfinity}, markers: "# ", want: "which no known_hosts file has as an authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := sshtest.Start(t, sshtest.Options{HostCert: &sshtest.HostCert{CA: ca, Template: test.template}})
			h := hostOf(s)
			line := "@cert-authority 127.0.0.* " + string(ssh.MarshalAuthorizedKey(ca.PublicKey()))
			if test.markers != "" {
				line = test.markers + string(ssh.MarshalAuthorizedKey(ca.PublicKey()))
			}
			h.Trust.Files = []string{write(t, line)}
			c, err := (&Pool{}).Conn(t.Context(), h, nil)
			if test.want != "" {
				wantFault(t, err, fault.Permission, test.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
		})
	}
}

func FuzzKnownHosts(f *testing.F) {
	f.Add([]byte("[127.0.0.1]:22,!a*,b? ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== x\n@revoked * ssh-rsa AAAA\n|1|YQ==|YQ== ssh-rsa AAAA"), "127.0.0.1:22")
	f.Fuzz(func(t *testing.T, text []byte, addr string) {
		known, err := readKnown(strings.NewReader(string(text)), "file", addr)
		if err != nil && fault.As(err) == nil {
			t.Fatal(err)
		}
		for _, k := range known {
			if k.Key == nil || k.Line < 1 {
				t.Fatalf("%+v", k)
			}
		}
	})
}
