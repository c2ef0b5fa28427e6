package ssh

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// userConfig is a place whose user has a configuration.
func userConfig(t *testing.T, text string) *Place {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".ssh", "config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &Place{Home: home, User: "me", Dir: home}
}

// knownAs is a known_hosts file that has the key of a server under a name.
func knownAs(t *testing.T, name string, s *sshtest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(name+" "+keyText(s.HostKeys[0])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestProxyCommand goes to a server that no address leads to, by the user's own ssh.
func TestProxyCommand(t *testing.T) {
	if _, err := exec.LookPath("ssh"); err != nil {
		sshtest.Missing(t, "ssh")
	}
	far, bastion := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	fifo := filepath.Join(t.TempDir(), "fifo") // that the command has open as long as it runs
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := userConfig(t, fmt.Sprintf(`Host far
  HostName localhost
  Port %d
  User %s
  IdentityFile %s
  UserKnownHostsFile %s
  HostKeyAlias %s
  ProxyCommand sh -c "exec 3>%s; ssh -F none -o UserKnownHostsFile=%s -i %s -p %d -W 127.0.0.1:\$1 %s@127.0.0.1" sh %%p
`, far.Port, far.User, far.Key, knownAs(t, "far", far), "far", fifo, bastion.KnownHosts, bastion.Key, bastion.Port, bastion.User))
	h, err := p.Resolve(Wanted{Address: "far"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() {
		f, err := os.Open(fifo)
		if err == nil {
			_, err = io.ReadAll(f)
			f.Close()
		}
		ended <- err
	}()
	c := dial(t, h)
	if _, out, _ := sh(t, c, "echo $SSHTEST", ""); out != far.Addr+"\n" {
		t.Errorf("got %q", out)
	}
	if _, total := bastion.Connections(); total != 1 {
		t.Errorf("%d connections through the other one", total)
	}
	// The command is ended with the connection.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	// Another host that answers at its end is noticed.
	h.Proxy = strings.Replace(h.Proxy, "exec 3>"+fifo, "true", 1)
	h.Trust.Files = []string{knownAs(t, "far", bastion)}
	_, err = (&Pool{}).Conn(t.Context(), h, nil)
	wantFault(t, err, fault.Permission, "host key of far")
}

func TestProxyCommandFails(t *testing.T) {
	for command, want := range map[string]string{
		`sh -c "echo it is not possible >&2; exit 1"`: "its ProxyCommand ended before the server said anything: it is not possible",
		"no-such-program %h":                          "not found",
		`sh -c "echo hello; cat >/dev/null"`:          "the server did not finish its greeting within",
		`sh -c "cat >&2"`:                             "does not answer as an SSH server does within",
	} {
		h, err := userConfig(t, "Host *\nProxyCommand "+command+"\n").Resolve(Wanted{Address: "web-1", Policy: Pinned, HostKeys: []string{"SHA256:" + strings.Repeat("x", 43)}, Password: "p", ConnectTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		_, err = (&Pool{}).Conn(t.Context(), h, nil)
		wantFault(t, err, fault.Network, want)
	}
}

// TestProxyCommandIsSafe: what others choose is read by no shell.
func TestProxyCommandIsSafe(t *testing.T) {
	p := userConfig(t, "Host *\n  ProxyCommand nc %h %p %r\n")
	for _, w := range []Wanted{{Address: "$(touch x)"}, {Address: "a;b"}, {Address: "-oX"}, {Address: "a b"}, {Address: "web", User: "`x`"}} {
		_, err := p.Resolve(w)
		wantFault(t, err, fault.Config, "is put into no command")
	}
	h, err := p.Resolve(Wanted{Address: "fe80::1%eth0", User: "deploy"})
	if err != nil || h.Proxy != "nc fe80::1%eth0 22 deploy" {
		t.Errorf("got %q, %v", h.Proxy, err)
	}
	h, err = p.Resolve(Wanted{Address: "web", JumpList: None})
	if err != nil || h.Proxy != "" {
		t.Errorf("straight: %q, %v", h.Proxy, err)
	}
}

// TestJumpInTheMiddle: somebody answers in place of a jump host.
func TestJumpInTheMiddle(t *testing.T) {
	far, real, other := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	bastion, h := hostOf(other), hostOf(far)
	bastion.Name, h.Jump = "bastion", &bastion
	bastion.Trust = Trust{Alias: "bastion", Files: []string{knownAs(t, "bastion", real)}}
	_, err := (&Pool{}).Conn(t.Context(), h, nil)
	e := wantFault(t, err, fault.Permission, "bastion")
	for _, s := range []*sshtest.Server{real, other} {
		if print := ssh.FingerprintSHA256(s.HostKeys[0]); !strings.Contains(e.Msg+e.Hint, print) {
			t.Errorf("%s is not in: %s\nhint: %s", print, e.Msg, e.Hint)
		}
	}
	if _, total := far.Connections(); total != 0 {
		t.Errorf("%d connections went on to the host behind it", total)
	}
	// The jump host is right, and what answers behind it is another one.
	good := hostOf(real)
	h.Jump, h.Trust = &good, Trust{Alias: "web-1", Files: []string{knownAs(t, "web-1", other)}}
	_, err = (&Pool{}).Conn(t.Context(), h, nil)
	e = wantFault(t, err, fault.Permission, "web-1")
	for _, s := range []*sshtest.Server{far, other} {
		if print := ssh.FingerprintSHA256(s.HostKeys[0]); !strings.Contains(e.Msg+e.Hint, print) {
			t.Errorf("%s is not in: %s\nhint: %s", print, e.Msg, e.Hint)
		}
	}
}

// TestTMOUT: a shell that ends itself when nothing is typed ends no connection that is
// held, and no line that takes longer.
func TestTMOUT(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{Env: map[string]string{"TMOUT": "1"}})
	c := dial(t, hostOf(s))
	if _, out, _ := sh(t, c, "echo $TMOUT", ""); out != "1\n" {
		t.Fatalf("TMOUT is %q", out)
	}
	for _, command := range []machine.Command{{Script: "sleep 2; echo here"}, {Script: "sleep 2; echo here", Hidden: true}} {
		var out machine.Buffer
		exit, stopped, err := machine.RunHeld(t.Context(), c, command, "", machine.Streams{Stdout: &out})
		if err != nil || stopped || !exit.OK() || out.String() != "here\n" {
			t.Errorf("%v, %v, %v, %q", exit, stopped, err, out.String())
		}
	}
	if _, out, _ := sh(t, c, "echo again", ""); out != "again\n" {
		t.Errorf("got %q", out)
	}
	if _, total := s.Connections(); total != 1 {
		t.Errorf("%d connections", total)
	}
}
