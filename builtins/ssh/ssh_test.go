package ssh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
	xssh "golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/builtins/ssh"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

func TestHost(t *testing.T) {
	f := builtintest.New(t, ssh.Module)
	secret, _ := f.Run.Secrets.Add("login", "hush-hush")
	for script, want := range map[string]string{
		`ssh.host("web-1")`:                                           `address = "web-1", kind = "ssh", name = "web-1"`,
		`ssh.host("::1", port = 22, name = "w")`:                      `address = "::1", kind = "ssh", name = "w", port = 22`,
		`ssh.host("w", agent = False, config = False)`:                `address = "w", agent = "none", config = "none", kind = "ssh", name = "w"`,
		`ssh.host("w", connect_timeout = "5s", keepalive = "0s")`:     `address = "w", connect_timeout = "5s", keepalive = "0s", kind = "ssh", name = "w"`,
		`ssh.host("w", jump = "a@b:1,c", sudo = True, become = "su")`: `address = "w", become = "su", jump = "a@b:1,c", kind = "ssh", name = "w", sudo = True`,
	} {
		if got := f.Eval("got = " + script); got != "target("+want+")" {
			t.Errorf("%s: %s", script, got)
		}
	}
	if got := f.Eval(fmt.Sprintf("got = ssh.host(\"w\", password = %q)", secret.String())); strings.Contains(got, "hush") {
		t.Errorf("the password is in %s", got)
	}
	for script, want := range map[string]string{
		`ssh.host("")`:                        `the address "" is none`,
		`ssh.host("root@web-1")`:              "give the user with user",
		`ssh.host("w", port = 65536)`:         "no TCP port",
		`ssh.host("w", host_keys = "off")`:    "checking cannot be switched off",
		`ssh.host("w", host_keys = "pinned")`: "none is given",
		`ssh.host("w", host_key = "AAAA")`:    "is no host key",
		`ssh.host("w", host_key = 7)`:         "a string or a list",
		`ssh.host("w", host_key = [7])`:       "a string is needed",
		`ssh.host("w", host_key = "SHA256:` + strings.Repeat("A", 43) + `", host_keys = "strict")`: "does not look at it",
		`ssh.host("w", certificate = "c")`:                    "needs its key",
		`ssh.host("w", agent = 7)`:                            "a file, or False for none",
		`ssh.host("w", jump = "a b")`:                         "is no jump host",
		`ssh.host("w", jump = 7)`:                             "a target of ssh.host or a string",
		`ssh.host("w", jump = struct(kind = "ssh"))`:          "a target is needed",
		`ssh.host("w", become = "please")`:                    "no way \"please\"",
		`ssh.host("w", become = "doas", sudo_password = "x")`: "reads a password from a terminal only",
		`ssh.host("w", connect_timeout = "0s")`:               "must be positive",
		`ssh.host("w", keepalive = "10ms")`:                   "must be 1s at least",
		`ssh.host("w", user = "")`:                            "the user is empty",
		`ssh.scan("w")`:                                       "a target is needed, not the string \"w\"",
		`ssh.forward(ssh.host("w"), "db")`:                    "which is no address",
		`ssh.forward(ssh.host("w"), "db:1", listen = "x")`:    "which is no address",
		`ssh.close("x")`:                                      "is not what ssh.forward returned",
		`ssh.close(7)`:                                        "is not what ssh.forward returned",
	} {
		_, err := f.Exec(script)
		if e := fault.As(err); e == nil || e.Kind != fault.Invalid || !strings.Contains(e.Msg+e.Hint, want) {
			t.Errorf("%s: got %v, want %s", script, err, want)
		}
	}
}

// TestIdentity tells targets apart that must not share a connection.
func TestIdentity(t *testing.T) {
	f := builtintest.New(t, ssh.Module)
	id := func(script string) string {
		globals, err := f.Exec("got = " + script)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := target.Parse(globals["got"])
		if err != nil {
			t.Fatal(err)
		}
		return parsed.ID
	}
	seen := map[string]string{}
	for _, script := range []string{
		`ssh.host("w")`, `ssh.host("w", user = "a")`, `ssh.host("w", user = "b")`, `ssh.host("w", port = 23)`, `ssh.host("w", jump = "x")`,
		`ssh.host("w", jump = ssh.host("x"))`, `ssh.host("w", jump = ssh.host("x", user = "a"))`, `ssh.host("w", key = "k")`,
		`ssh.host("w", host_keys = "first-use")`, `ssh.host("w", password = "hush-hush")`,
	} {
		got := id(script)
		if other := seen[got]; other != "" && !strings.Contains(script, "jump") {
			t.Errorf("%s and %s are both %s", script, other, got)
		}
		if strings.Contains(got, "hush") || !strings.HasPrefix(got, "ssh://") {
			t.Errorf("%s: %s", script, got)
		}
		seen[got] = script
	}
	if a, b := id(`ssh.host("w", name = "x", sudo = True)`), id(`ssh.host("w", port = 22)`); a != "ssh://w:22" || b != a {
		t.Errorf("%s and %s", a, b)
	}
}

// server is a test server, and the script that names it.
func server(t *testing.T, o sshtest.Options) (*sshtest.Server, string) {
	t.Helper()
	s := sshtest.Start(t, o)
	return s, fmt.Sprintf(`web = ssh.host("127.0.0.1", name = "web-1", port = %d, user = %q, key = %q, host_key = %q, config = False`,
		s.Port, s.User, s.Key, xssh.FingerprintSHA256(s.HostKeys[0]))
}

func TestFirstUseIsSaid(t *testing.T) {
	f := builtintest.New(t, ssh.Module)
	s := sshtest.Start(t, sshtest.Options{})
	web := fmt.Sprintf(`web = ssh.host("127.0.0.1", port = %d, key = %q, config = False, host_keys = "first-use")`, s.Port, s.Key)
	got := f.Eval(web + fmt.Sprintf(`
before = ssh.known_host(web)
f = ssh.forward(web, "127.0.0.1:1")
known = ssh.known_host(web)
scanned = ssh.scan(web)
got = [len(before), known[0].fingerprint == scanned[0].fingerprint, known[0].file, known[0].line, len(scanned), scanned[0].line == "[127.0.0.1]:%d " + known[0].key]
`, s.Port))
	if want := fmt.Sprintf(`[0, True, %q, 1, 1, True]`, f.Run.State+"/known_hosts"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := fmt.Sprintf("warn: 127.0.0.1:%d was not known: its host key ssh-ed25519 %s is recorded in %s/known_hosts", s.Port, xssh.FingerprintSHA256(s.HostKeys[0]), f.Run.State)
	if len(f.Output) != 1 || f.Output[0] != want {
		t.Errorf("output %q, want %q", f.Output, want)
	}
}

func TestForward(t *testing.T) {
	f := builtintest.New(t, ssh.Module)
	_, web := server(t, sshtest.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			c.Close()
		}
	}()
	read := func(addr string) string {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return "nobody listens"
		}
		defer c.Close()
		text, _ := io.ReadAll(c)
		return string(text)
	}
	globals, err := f.Exec(web + fmt.Sprintf(`)
f = ssh.forward(web, %q)
got = f.address
ok = f.address == "%%s:%%d" %% (f.host, f.port)
`, l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := starlark.AsString(globals["got"])
	if got := read(addr); got != "hello" || globals["ok"] != starlark.True {
		t.Errorf("%s: %q, %v", addr, got, globals["ok"])
	}
	// A run that resumes makes it again, where it was.
	call := f.Calls[0]
	env := f.EnvFor(call)
	reviver := call.Do.(effect.Reviver)
	for range 2 {
		f.Run.Live.CloseAll()
		if got := read(addr); got != "nobody listens" {
			t.Errorf("after its end: %q", got)
		}
		if a, err := call.Do.(effect.Asker).Happened(t.Context(), env, nil); err != nil || a.Happened != effect.No {
			t.Errorf("%v, %v", a, err)
		}
		if err := reviver.Revive(context.Background(), env, past{globals["f"]}); err != nil {
			t.Fatal(err)
		}
		if got := read(addr); got != "hello" {
			t.Errorf("revived: %q", got)
		}
	}
	if a, err := call.Do.(effect.Asker).Happened(t.Context(), env, nil); err != nil || a.Happened != effect.Yes {
		t.Errorf("%v, %v", a, err)
	}
	if err := call.Do.(effect.Undoer).Undo(t.Context(), env, past{globals["f"]}); err != nil {
		t.Error(err)
	}
	if _, err := f.Exec(fmt.Sprintf("ssh.close(%q)", reviver.Handle(env))); err != nil {
		t.Errorf("closing what has ended: %v", err)
	}
	if got := read(addr); got != "nobody listens" {
		t.Errorf("after undo: %q", got)
	}
}

func TestForwardIsPredicted(t *testing.T) {
	f := builtintest.New(t, ssh.Module)
	f.Run.Check = true
	got := f.Eval(`
f = ssh.forward(ssh.host("w"), "db:5432", listen = "127.0.0.1:5432")
ssh.close(f)
got = [f.port, f.address]
ssh.forward(ssh.host("w"), "db:5432")
`)
	if got != `[5432, "127.0.0.1:5432"]` || len(f.Predicts) != 3 || f.Predicts[2].Change != effect.Act {
		t.Errorf("got %s, %v", got, f.Predicts)
	}
}

// past is what the journal has of a forward.
type past struct{ result starlark.Value }

func (p past) Result() starlark.Value { return p.result }
func (p past) Begun() time.Time       { return time.Time{} }
func (p past) Remembered(into any) error {
	*into.(*string) = "ssh/forward/0#1"
	return nil
}
