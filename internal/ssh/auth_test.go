package ssh

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// authorize lets another key into a server.
func authorize(t *testing.T, s *sshtest.Server, key ssh.PublicKey) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.Dir, "authorized_keys"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(ssh.MarshalAuthorizedKey(key)); err != nil {
		t.Fatal(err)
	}
}

// holder is an agent with a key; it returns the socket.
func holder(t *testing.T, private any, cert *ssh.Certificate) string {
	t.Helper()
	ring := agent.NewKeyring()
	if private != nil {
		if err := ring.Add(agent.AddedKey{PrivateKey: private, Certificate: cert}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "agent") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		_ = os.RemoveAll(dir)
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = agent.ServeAgent(ring, conn) // it ends with the connection
				conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// TestKeys lets in by all types of keys, and by all ways to have one.
func TestKeys(t *testing.T) {
	ca := signer(t, "ed25519")
	s := sshtest.Start(t, sshtest.Options{UserCA: ca.PublicKey()})
	dir := t.TempDir()
	files := map[string]string{}
	for _, kind := range []string{"ed25519", "ecdsa", "ecdsa384", "rsa", "locked"} {
		file, passphrase, typ := filepath.Join(dir, kind), "", kind
		if kind == "locked" {
			passphrase, typ = "open sesame", "ed25519"
		}
		k, err := sshtest.WriteKey(file, typ, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		authorize(t, s, k.PublicKey())
		files[kind] = file
	}
	text, err := os.ReadFile(files["rsa"])
	if err != nil {
		t.Fatal(err)
	}
	inAgent, err := sshtest.NewKey("ecdsa")
	if err != nil {
		t.Fatal(err)
	}
	held, err := ssh.NewSignerFromKey(inAgent)
	if err != nil {
		t.Fatal(err)
	}
	authorize(t, s, held.PublicKey())
	half := filepath.Join(dir, "half")
	if err := os.WriteFile(half+".pub", ssh.MarshalAuthorizedKey(held.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	certified := certify(t, dir, ca, s.User, 0, ssh.CertTimeInfinity)
	early := certify(t, dir, ca, s.User, uint64(time.Now().Add(time.Hour).Unix()), ssh.CertTimeInfinity)
	foreign := certify(t, dir, ca, "somebody-else", 0, ssh.CertTimeInfinity)
	stranger := certify(t, dir, ca, "", 0, 0)
	socket, empty := holder(t, inAgent, nil), holder(t, nil, nil)
	for _, test := range []struct {
		name string
		auth Auth
		kind fault.Kind
		want string
	}{
		{name: "ed25519", auth: Auth{Keys: []Key{{File: files["ed25519"]}}}},
		{name: "ecdsa", auth: Auth{Keys: []Key{{File: files["ecdsa"]}}}},
		{name: "ecdsa384", auth: Auth{Keys: []Key{{File: files["ecdsa384"]}}}},
		{name: "rsa, as a text", auth: Auth{Keys: []Key{{PEM: string(text)}}}},
		{name: "encrypted", auth: Auth{Keys: []Key{{File: files["locked"], Passphrase: "open sesame"}}}},
		{name: "not encrypted, with a passphrase", auth: Auth{Keys: []Key{{File: files["rsa"], Passphrase: "needless"}}}},
		{name: "by the agent", auth: Auth{Agent: socket}},
		{name: "by the agent, for a public key", auth: Auth{Keys: []Key{{File: half}}, Agent: socket, Only: true}},
		{name: "by a certificate beside it", auth: Auth{Keys: []Key{{File: certified}}}},
		{name: "by a certificate elsewhere", auth: Auth{Keys: []Key{{File: certified, Certificate: certified + "-cert.pub"}}}},
		{name: "the second of two", auth: Auth{Keys: []Key{{File: stranger}, {File: filepath.Join(dir, "missing"), Default: true}, {File: files["rsa"]}}}},
		{
			name: "wrong passphrase", auth: Auth{Keys: []Key{{File: files["locked"], Passphrase: "close sesame"}}},
			kind: fault.Config, want: "cannot read the key " + files["locked"] + ": the passphrase is wrong",
		},
		{
			name: "no passphrase", auth: Auth{Keys: []Key{{File: files["locked"]}}, Agent: empty, Only: true},
			kind: fault.Config, want: "the key " + files["locked"] + " is encrypted, and the SSH agent does not have it",
		},
		{name: "missing", auth: Auth{Keys: []Key{{File: filepath.Join(dir, "missing")}}}, kind: fault.NotFound, want: "missing: no such file"},
		{name: "no key", auth: Auth{Keys: []Key{{File: s.KnownHosts}}}, kind: fault.Config, want: "it is no private key"},
		{
			name: "not authorized", auth: Auth{Keys: []Key{{File: stranger}}}, kind: fault.Permission,
			want: s.User + " is not let in: tried the key " + stranger + ", and the server wants publickey",
		},
		{name: "nothing", auth: Auth{}, kind: fault.Permission, want: "there was nothing to try"},
		{name: "a password where keys are wanted", auth: Auth{Password: "hush-hush"}, kind: fault.Permission, want: "there was nothing to try, and the server wants publickey"},
		{name: "no agent", auth: Auth{Agent: filepath.Join(dir, "no"), NeedAgent: true}, kind: fault.Config, want: "cannot ask the SSH agent at"},
		{
			name: "clock skew", auth: Auth{Keys: []Key{{File: early, Certificate: early + "-cert.pub"}}}, kind: fault.Config,
			want: "the certificate " + early + "-cert.pub is not valid yet: it is from ",
		},
		{name: "a certificate for somebody else", auth: Auth{Keys: []Key{{File: foreign, Certificate: foreign + "-cert.pub"}}}, kind: fault.Permission, want: "is not let in"},
		{
			name: "a certificate of another key", auth: Auth{Keys: []Key{{File: files["rsa"], Certificate: certified + "-cert.pub"}}}, kind: fault.Config,
			want: "is for another key than the key " + files["rsa"],
		},
		{name: "no certificate", auth: Auth{Keys: []Key{{File: files["rsa"], Certificate: s.KnownHosts}}}, kind: fault.Config, want: "the certificate " + s.KnownHosts + " is none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := hostOf(s)
			h.Auth = test.auth
			c, err := (&Pool{}).Conn(t.Context(), h, nil)
			if test.kind == "" {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			e := wantFault(t, err, test.kind, test.want)
			if !e.Unsent || strings.Contains(e.Msg+e.Hint, "sesame") || strings.Contains(e.Msg+e.Hint, "hush") {
				t.Errorf("unsent %v: %s", e.Unsent, e.Msg)
			}
		})
	}
}

// certify makes a key with a certificate for a user beside it.
func certify(t *testing.T, dir string, ca ssh.Signer, user string, after, before uint64) string {
	t.Helper()
	f, err := os.CreateTemp(dir, "certified")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	k, err := sshtest.WriteKey(f.Name(), "ed25519", "")
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: k.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{user}, ValidAfter: after, ValidBefore: before}
	if err := sshtest.WriteCert(f.Name()+"-cert.pub", cert, ca); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func TestPasswords(t *testing.T) {
	ask := func(questions []string, echos []bool, want string) ssh.ServerConfig {
		return ssh.ServerConfig{KeyboardInteractiveCallback: func(_ ssh.ConnMetadata, client ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := client("", "", questions, echos)
			if err != nil || len(answers) == 0 || answers[0] != want {
				return nil, errors.New("no")
			}
			return nil, nil
		}}
	}
	plain := ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if string(password) != "hush-hush" {
			return nil, errors.New("no")
		}
		return nil, nil
	}}
	for _, test := range []struct {
		name, password, want string
		config               ssh.ServerConfig
	}{
		{name: "password", password: "hush-hush", config: plain},
		{name: "wrong", password: "wrong-one", config: plain, want: "deploy is not let in: tried the password, and the server wants password"},
		{name: "none", config: plain, want: "deploy is not let in: there was nothing to try, and the server wants password"},
		{name: "by a question", password: "hush-hush", config: ask([]string{"Password: "}, []bool{false}, "hush-hush")},
		{name: "wrong, by a question", password: "wrong-one", config: ask([]string{"Password: "}, []bool{false}, "hush-hush"), want: "tried the password, in answer to its question"},
		{name: "a second factor", password: "hush-hush", config: ask([]string{"Password: ", "Code: "}, []bool{false, true}, "hush-hush"), want: `asks "Code:", and only a password is given`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &hostile{config: test.config}
			h := s.start(t)
			h.Auth = Auth{Password: test.password}
			c, err := (&Pool{}).Conn(t.Context(), h, nil)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
				return
			}
			if e := wantFault(t, err, fault.Permission, test.want); strings.Contains(e.Msg+e.Hint, "hush-hush") || strings.Contains(e.Msg+e.Hint, "wrong-one") {
				t.Errorf("the password is in %q", e.Msg)
			}
		})
	}
}

// TestTooManyKeys has an agent with more keys than the server lets try.
func TestTooManyKeys(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Config: []string{"MaxAuthTries 1"}})
	dir := t.TempDir()
	h := hostOf(s)
	h.Auth = Auth{}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := sshtest.WriteKey(filepath.Join(dir, name), "ed25519", ""); err != nil {
			t.Fatal(err)
		}
		h.Auth.Keys = append(h.Auth.Keys, Key{File: filepath.Join(dir, name)})
	}
	_, err := (&Pool{}).Conn(t.Context(), h, nil)
	e := wantFault(t, err, fault.Permission, "the server gave up while "+s.User+" was let in: ")
	if !strings.Contains(e.Hint, "name the right one with key = …") {
		t.Errorf("hint %q", e.Hint)
	}
}
