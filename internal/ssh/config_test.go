package ssh

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// TestResolve has a home directory with a configuration, and what becomes of hosts.
func TestResolve(t *testing.T) {
	home := t.TempDir()
	place := func(files map[string]string) *Place {
		for name, text := range files {
			file := filepath.Join(home, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return &Place{Home: home, User: "me", Dir: "/ws", Record: "/ws/.provisioning/known_hosts"}
	}
	p := place(map[string]string{
		"config": `
# first wins
Include conf.d/*.conf missing/*.conf
Host web-* !web-9
	HostName %h.example.org
	User=deploy
	Port "2222"
	IdentityFile ~/.ssh/%r@%n
	IdentityFile /keys/%p%%
	CertificateFile ~/cert
	IdentitiesOnly yes
	ServerAliveInterval 7
	ConnectTimeout 3
	StrictHostKeyChecking yes
	UserKnownHostsFile ~/kh "/with space/kh"
Host web-1
	Port 3333
Match host *.example.org user deploy
	ProxyJump jumper@bastion:2200,inner
	HostKeyAlias alias
Match host *.example.org !user deploy
	ProxyJump wrong
Match exec "rm -rf /" host *
	User evil
Host bastion inner
	ProxyJump none
Host command
	ProxyCommand nc %h %p
Host loop
	ProxyJump pool
Host pool
	ProxyJump loop
Match localuser me originalhost own
	User matched
Match all
	IdentityAgent none
Host *
	User fallback
`,
		"conf.d/a.conf": "Host included\n  User inc\n  Port 44 # a comment\n",
		"bad":           "Host x\n  User \"open\n",
		"self":          "Include self\n",
		"token":         "Host *\n HostName %z\n",
		"port":          "Host *\n Port x\n",
	})
	file := func(name string) string { return filepath.Join(home, name) }
	for _, test := range []struct {
		name   string
		wanted Wanted
		config string
		want   string
		bad    string
	}{
		{
			name: "all that is said", wanted: Wanted{Address: "web-1"},
			want: "web-1 deploy@web-1.example.org:2222 strict alias=alias alive=7s timeout=3s only=true " +
				"keys=[HOME/.ssh/deploy@web-1 /keys/2222%] certs=[HOME/cert] known=[/ws/.provisioning/known_hosts HOME/kh /with space/kh] " +
				"via inner fallback@inner:22 via bastion jumper@bastion:2200",
		},
		{
			name: "what is given goes first", wanted: Wanted{Address: "web-1", Name: "w", User: "root", Port: 22, JumpList: "none", Key: Key{File: "id"}, ConnectTimeout: time.Second, Policy: FirstUse},
			want: "w root@web-1.example.org:22 strict alive=7s timeout=1s only=true keys=[/ws/id] known=[/ws/.provisioning/known_hosts HOME/kh /with space/kh]",
		},
		{name: "negated", wanted: Wanted{Address: "web-9", HostKeys: []string{"SHA256:x"}, Password: "p"}, want: "web-9 fallback@web-9:22 pinned"},
		{name: "included", wanted: Wanted{Address: "included", HostKeys: []string{"SHA256:x"}, Password: "p"}, want: "included inc@included:44 pinned"},
		{name: "matched", wanted: Wanted{Address: "own", HostKeys: []string{"SHA256:x"}, Password: "p"}, want: "own matched@own:22 pinned"},
		{name: "no configuration", config: None, wanted: Wanted{Address: "web-1", HostKeys: []string{"SHA256:x"}, Password: "p"}, want: "web-1 me@web-1:22 pinned"},
		{name: "IPv6", config: None, wanted: Wanted{Address: "::1", HostKeys: []string{"SHA256:x"}, Password: "p"}, want: "::1 me@[::1]:22 pinned"},
		{name: "no address", wanted: Wanted{}, bad: "has no address"},
		{name: "a command", wanted: Wanted{Address: "command"}, bad: "CONFIG:28: command needs a ProxyCommand, and commands are only run for the configuration of the user"},
		{name: "a loop", wanted: Wanted{Address: "loop"}, bad: "has more than 16 jump hosts"},
		{name: "a bad hop", wanted: Wanted{Address: "x", JumpList: "a b"}, bad: `"a b" is no jump host`},
		{name: "a bad quote", config: "bad", wanted: Wanted{Address: "x"}, bad: "CONFIG:2: a quote is not closed"},
		{name: "itself", config: "self", wanted: Wanted{Address: "x"}, bad: "includes too many files, or itself"},
		{name: "missing", config: "nowhere", wanted: Wanted{Address: "x"}, bad: "no such file"},
		{name: "an unknown token", config: "token", wanted: Wanted{Address: "x"}, bad: "CONFIG:2: %z is not known here"},
		{name: "a bad port", config: "port", wanted: Wanted{Address: "x"}, bad: `CONFIG:2: "x" is no port`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.wanted.Config = test.config
			switch test.config {
			case "":
				test.wanted.Config = file("config")
			case None:
			default:
				test.wanted.Config = file(test.config)
			}
			h, err := p.Resolve(test.wanted)
			if test.bad != "" {
				e := fault.As(err)
				if want := strings.ReplaceAll(test.bad, "CONFIG", test.wanted.Config); e == nil || !strings.Contains(e.Msg, want) {
					t.Fatalf("got %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ReplaceAll(described(&h), home, "HOME"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func described(h *Host) string {
	text := fmt.Sprintf("%s %s@%s %s", h.Name, h.User, h.addr(), h.Trust.Policy)
	if h.Trust.Policy == Pinned {
		return text
	}
	if h.Trust.Alias != "" {
		text += " alias=" + h.Trust.Alias
	}
	var keys, certs []string
	for _, k := range h.Auth.Keys {
		keys = append(keys, k.File)
		certs = k.CertFiles
	}
	known := h.Trust.Files
	for i, file := range known {
		if strings.HasPrefix(file, "/etc/ssh") {
			known = known[:i]
			break
		}
	}
	text += fmt.Sprintf(" alive=%s timeout=%s only=%v keys=%v", h.KeepAlive, h.ConnectTimeout, h.Auth.Only, keys)
	if len(certs) > 0 {
		text += fmt.Sprintf(" certs=%v", certs)
	}
	text += fmt.Sprintf(" known=%v", known)
	for j := h.Jump; j != nil; j = j.Jump {
		text += fmt.Sprintf(" via %s %s@%s", j.Name, j.User, j.addr())
	}
	return text
}

func TestWildcard(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abb", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*.*.c", "a.b.c", true}, {"**", "x", true}, {"?*", "", false}, {strings.Repeat("*a", 50), strings.Repeat("a", 10_000) + "b", false},
	} {
		if got := wildcard(test.pattern, test.text); got != test.want {
			t.Errorf("%q, %q: %v", test.pattern, test.text, got)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("Host a !b*\n HostName=%h \"x y\"\nMatch host a,b !user c\n ProxyJump a@b:1,c\nPort 1\n", "a")
	f.Fuzz(func(t *testing.T, text, host string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &Place{Home: dir, User: "me", Dir: dir}
		h, err := p.Resolve(Wanted{Address: host, Config: file})
		if err != nil && fault.As(err) == nil {
			t.Fatalf("no error for people: %v", err)
		}
		if err == nil && (h.Port < 1 || h.Port > 65535 || h.Trust.Policy != Strict) {
			t.Fatalf("%+v", h)
		}
	})
}
