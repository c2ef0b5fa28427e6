package ssh

import (
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
)

// BenchmarkExec is one command after the other on a connection.
func BenchmarkExec(b *testing.B) {
	c, err := (&Pool{}).Conn(b.Context(), hostOf(sshtest.Start(b, sshtest.Options{})), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		if _, err := c.Exec(b.Context(), "true", machine.Streams{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRaw is what BenchmarkExec is compared with: golang.org/x/crypto/ssh.
func BenchmarkRaw(b *testing.B) {
	client := raw(b, sshtest.Start(b, sshtest.Options{}))
	defer client.Close()
	for b.Loop() {
		session, err := client.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		if err := session.Run("true"); err != nil {
			b.Fatal(err)
		}
		session.Close()
	}
}

func raw(b *testing.B, s *sshtest.Server) *ssh.Client {
	b.Helper()
	client, err := ssh.Dial("tcp", s.Addr, &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(s.Signer)}, HostKeyCallback: ssh.FixedHostKey(s.HostKeys[0]),
		HostKeyAlgorithms: []string{s.HostKeys[0].Type()},
	})
	if err != nil {
		b.Fatal(err)
	}
	return client
}

// BenchmarkDial is a connection and one command.
func BenchmarkDial(b *testing.B) {
	s := sshtest.Start(b, sshtest.Options{})
	for b.Loop() {
		c, err := (&Pool{}).Conn(b.Context(), hostOf(s), nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Exec(b.Context(), "true", machine.Streams{}); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// BenchmarkDialRaw is what BenchmarkDial is compared with.
func BenchmarkDialRaw(b *testing.B) {
	s := sshtest.Start(b, sshtest.Options{})
	for b.Loop() {
		client := raw(b, s)
		session, err := client.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		if err := session.Run("true"); err != nil {
			b.Fatal(err)
		}
		client.Close()
	}
}
