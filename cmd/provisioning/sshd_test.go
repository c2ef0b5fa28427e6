package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// sshd NAME… starts an SSH server for each name, which the user's ~/.ssh/config
// leads to: its key and its host key are known. Everything on it is this machine.
//
// On those whose names begin with "sudo", sudo wants the password sesame. Names that
// begin with "down" lead to a port where nobody listens.
func startSSHD(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: sshd NAME…")
	}
	dir := filepath.Join(ts.Getenv("HOME"), ".ssh")
	ts.Check(os.MkdirAll(dir, 0o700))
	for _, name := range args {
		var text string
		if strings.HasPrefix(name, "down") {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			ts.Check(err)
			text = fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n", name, l.Addr().(*net.TCPAddr).Port)
			ts.Check(l.Close())
		} else {
			text = serveSSH(ts, name)
		}
		f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		ts.Check(err)
		_, err = f.WriteString(text)
		ts.Check(errors.Join(err, f.Close()))
	}
}

func serveSSH(ts *testscript.TestScript, name string) (config string) {
	dir, err := os.MkdirTemp("", "sshd") // sshd takes no path with a % in it
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) }) // in the directory for such things
	var o sshtest.Options
	if strings.HasPrefix(name, "sudo") {
		o.Commands = map[string]string{"sudo": sshtest.FakeSudo("sesame")}
	}
	s, err := sshtest.Run(dir, o)
	if errors.Is(err, sshtest.ErrNoSSHD) && !slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "sshd") {
		ts.Logf("skipped: %v", err)
		ts.Check(err)
	}
	ts.Check(err)
	ts.Defer(s.Close)
	upper := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	ts.Setenv(upper+"_PORT", fmt.Sprint(s.Port))
	ts.Setenv(upper+"_KEY", s.Key)
	ts.Setenv(upper+"_KNOWN_HOSTS", s.KnownHosts)
	ts.Setenv("SSH_USER", s.User)
	return fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n",
		name, s.Port, s.User, s.Key, s.KnownHosts)
}
