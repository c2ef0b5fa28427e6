package sshtest_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

func TestServer(t *testing.T) {
	s := sshtest.Start(t, sshtest.Options{
		HostKeys: []string{"ecdsa", "ed25519"},
		Commands: map[string]string{"hello": "#!/bin/sh\necho \"hello, $NAME\"\n"}, Env: map[string]string{"NAME": "big world"},
	})
	client, err := ssh.Dial("tcp", s.Addr, &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(s.Signer)}, HostKeyCallback: ssh.FixedHostKey(s.HostKeys[1]),
		HostKeyAlgorithms: []string{s.HostKeys[1].Type()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.CombinedOutput("hello")
	if err != nil || strings.TrimSpace(string(out)) != "hello, big world" {
		t.Errorf("got %q, %v", out, err)
	}
	if now, total := s.Connections(); now != 1 || total != 1 {
		t.Errorf("%d of %d connections", now, total)
	}
	s.Cut()
	if err := client.Wait(); err == nil {
		t.Error("the connection was not cut")
	}
}
