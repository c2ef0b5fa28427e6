package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/ssh"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
	"github.com/provisioning-systems/provisioning/runtime/reference"
	"github.com/provisioning-systems/provisioning/stdlib"
)

// TestMachinesGuide runs every command of the guide to machines over SSH, against
// real servers.
func TestMachinesGuide(t *testing.T) {
	var config strings.Builder
	for _, name := range []string{"web-1", "web-2", "new-1"} {
		s := sshtest.Start(t, sshtest.Options{Commands: map[string]string{"sudo": sshtest.FakeSudo("sesame")}})
		known := s.KnownHosts
		if name == "new-1" { // which nobody has met
			known = filepath.Join(s.Dir, "none")
		}
		fmt.Fprintf(&config, "Host %s\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  UserKnownHostsFile %s\n",
			name, s.Port, s.User, s.Key, known)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&config, "Host down-1\n  HostName 127.0.0.1\n  Port %d\n", l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	runGuideIn(t, filepath.Join("..", "..", "docs", "machines.md"), func(g *guide) {
		dir := filepath.Join(g.home, ".ssh")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	})
}

// Scripts and the command line name the same strategies, and each has its function.
func TestStrategies(t *testing.T) {
	if got, want := strings.Join(strategyNames(), " "), strings.Join(ssh.Strategies, " "); got != want {
		t.Errorf("the command has %s, the module %s", got, want)
	}
	libs, err := reference.Libraries(stdlib.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range strategies {
		if libraryFunc(libs, "rollout", s.function).Doc.Summary == "" {
			t.Errorf("the library has no documented function %s", s.function)
		}
	}
}
