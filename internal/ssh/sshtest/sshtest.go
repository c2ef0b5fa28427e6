// Package sshtest starts real OpenSSH servers for tests and measurements.
//
// A server listens on a free port of 127.0.0.1, lets the current user in with a
// key of its own, and is gone with the test. Each connection is served by a
// process sshd -i, so that a server that nobody talks to costs nothing and hundreds
// can be had:
//
//	s := sshtest.Start(t, sshtest.Options{MaxSessions: 2})
//	ssh.host("127.0.0.1", port = s.Port, key = s.Key, known_hosts = s.KnownHosts)
//
// A test skips where there is no sshd, and fails if REQUIRE=sshd.
package sshtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Options of a server. The zero value is a server as OpenSSH has it by default.
type Options struct {
	MaxSessions int               // 0: OpenSSH's own, 10
	NoSFTP      bool              // there is no subsystem sftp
	HostKeys    []string          // types: "ed25519", "ecdsa", "rsa"; default: ed25519
	HostCert    *HostCert         // the first host key has this certificate
	UserCA      ssh.PublicKey     // lets in whoever has a certificate of it
	Commands    map[string]string // scripts that come first on the PATH of sessions, by name: see FakeSudo
	Env         map[string]string // of sessions
	Config      []string          // more lines for sshd_config; they go first
}

// HostCert is a certificate for a host key.
type HostCert struct {
	CA       ssh.Signer
	Template ssh.Certificate // what it shall be, but for key, type and signature
}

// Server is an OpenSSH server.
type Server struct {
	Dir        string // with everything that is of it
	Addr       string // 127.0.0.1:Port
	Port       int
	User       string          // who is let in: the current user
	Home       string          // $HOME of sessions; they begin in the user's own all the same
	Key        string          // file with the private key that is let in
	Signer     ssh.Signer      // that key
	HostKeys   []ssh.PublicKey // in the order of Options.HostKeys
	KnownHosts string          // a known_hosts file with the host keys

	listener net.Listener
	sshd     string

	mu     sync.Mutex
	total  int
	conns  map[*exec.Cmd]*net.TCPConn
	closed bool
	log    bytes.Buffer
	done   sync.WaitGroup
}

// Start starts a server that ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Run(dirFor(t), o)
	if errors.Is(err, ErrNoSSHD) {
		Missing(t, "sshd")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() && s.Log() != "" {
			t.Logf("sshd on %s said:\n%s", s.Addr, s.Log())
		}
	})
	return s
}

// Missing skips a test whose tool this machine lacks, unless REQUIRE names it.
func Missing(t testing.TB, tool string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), tool) {
		t.Fatalf("there is no %s, and REQUIRE demands it", tool)
	}
	t.Skipf("there is no %s; on Debian the packages openssh-server, sudo and busybox have what these tests use", tool)
}

// dirFor is not t.TempDir: sshd takes no path with spaces or % in it, and the
// names of tests have them.
func dirFor(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sshtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left is in the directory for such things
	return dir
}

// ErrNoSSHD says that this machine has no OpenSSH server.
var ErrNoSSHD = errors.New("there is no sshd on this machine")

// Run starts a server that keeps its files in dir, outside of tests. Close ends it.
func Run(dir string, o Options) (*Server, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, User: me.Username, conns: map[*exec.Cmd]*net.TCPConn{}}
	if s.sshd = findSSHD(); s.sshd == "" {
		return nil, ErrNoSSHD
	}
	if me.Uid == "0" { // where sshd locks itself in; packages make it when they start the server
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, err
		}
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	s.Addr = s.listener.Addr().String()
	s.Port = s.listener.Addr().(*net.TCPAddr).Port
	if err := s.configure(o); err != nil {
		s.listener.Close()
		return nil, err
	}
	s.done.Go(s.accept)
	return s, nil
}

func findSSHD() string {
	path := os.Getenv("PATH") + ":/usr/sbin:/usr/local/sbin:/sbin"
	for _, dir := range filepath.SplitList(path) {
		name := filepath.Join(dir, "sshd")
		if info, err := os.Stat(name); err == nil && info.Mode()&0o111 != 0 {
			return name
		}
	}
	return ""
}

// configure writes keys and configuration.
func (s *Server) configure(o Options) error {
	var err error
	s.Key = filepath.Join(s.Dir, "id")
	if s.Signer, err = WriteKey(s.Key, "ed25519", ""); err != nil {
		return err
	}
	authorized := ssh.MarshalAuthorizedKey(s.Signer.PublicKey())
	if err := os.WriteFile(filepath.Join(s.Dir, "authorized_keys"), authorized, 0o600); err != nil {
		return err
	}
	lines := append([]string{}, o.Config...)
	keys, err := s.hostKeys(o)
	if err != nil {
		return err
	}
	lines = append(lines, keys...)
	if o.UserCA != nil {
		ca := filepath.Join(s.Dir, "user_ca.pub")
		if err := os.WriteFile(ca, ssh.MarshalAuthorizedKey(o.UserCA), 0o600); err != nil {
			return err
		}
		lines = append(lines, "TrustedUserCAKeys "+ca)
	}
	if o.MaxSessions > 0 {
		lines = append(lines, "MaxSessions "+strconv.Itoa(o.MaxSessions))
	}
	if !o.NoSFTP {
		lines = append(lines, "Subsystem sftp internal-sftp")
	}
	env, err := s.environment(o)
	if err != nil {
		return err
	}
	lines = append(lines, env,
		"AuthorizedKeysFile "+filepath.Join(s.Dir, "authorized_keys"),
		"PermitRootLogin yes", "StrictModes no", "UsePAM no", "UseDNS no", "PidFile none", "LogLevel INFO",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PrintMotd no", "PrintLastLog no", "AllowTcpForwarding yes", "MaxAuthTries 20")
	return os.WriteFile(filepath.Join(s.Dir, "sshd_config"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (s *Server) hostKeys(o Options) (lines []string, err error) {
	types := o.HostKeys
	if len(types) == 0 {
		types = []string{"ed25519"}
	}
	var known bytes.Buffer
	for i, kind := range types {
		file := filepath.Join(s.Dir, "host_"+kind)
		signer, err := WriteKey(file, kind, "")
		if err != nil {
			return nil, err
		}
		lines = append(lines, "HostKey "+file)
		key := signer.PublicKey()
		s.HostKeys = append(s.HostKeys, key)
		if i == 0 && o.HostCert != nil {
			cert := o.HostCert.Template
			cert.Key, cert.CertType = key, ssh.HostCert
			if err := WriteCert(file+"-cert.pub", &cert, o.HostCert.CA); err != nil {
				return nil, err
			}
			lines = append(lines, "HostCertificate "+file+"-cert.pub")
		}
		fmt.Fprintf(&known, "[127.0.0.1]:%d %s", s.Port, ssh.MarshalAuthorizedKey(key))
	}
	s.KnownHosts = filepath.Join(s.Dir, "known_hosts")
	return lines, os.WriteFile(s.KnownHosts, known.Bytes(), 0o600)
}

// environment writes the commands, and returns what sets the environment.
func (s *Server) environment(o Options) (string, error) {
	env := []string{"SetEnv"}
	if len(o.Commands) > 0 {
		bin := filepath.Join(s.Dir, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return "", err
		}
		for name, script := range o.Commands {
			if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
				return "", err
			}
		}
		env = append(env, "PATH="+bin+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	// What the user has in ~/.bashrc is none of a test's business, and may take longer
	// than all of it.
	s.Home = filepath.Join(s.Dir, "home")
	if err := os.MkdirAll(s.Home, 0o755); err != nil {
		return "", err
	}
	env = append(env, "HOME="+s.Home, "SSHTEST="+s.Addr) // the latter tells servers apart
	for name, text := range o.Env {
		env = append(env, name+"="+strconv.Quote(text))
	}
	return strings.Join(env, " "), nil
}

// accept serves each connection with a process of its own.
func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		if err := s.serve(conn.(*net.TCPConn)); err != nil {
			s.mu.Lock()
			fmt.Fprintf(&s.log, "cannot serve a connection: %v\n", err)
			s.mu.Unlock()
		}
	}
}

func (s *Server) serve(conn *net.TCPConn) error {
	file, err := conn.File()
	if err != nil {
		conn.Close()
		return err
	}
	defer file.Close()
	cmd := exec.Command(s.sshd, "-i", "-e", "-f", filepath.Join(s.Dir, "sshd_config"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = file, file, lockedWriter{s}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 1 // what a session leaves behind may hold stderr open
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return nil
	}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return err
	}
	s.total++
	s.conns[cmd] = conn
	s.done.Go(func() {
		_ = cmd.Wait() // the client has left, or Cut
		s.mu.Lock()
		delete(s.conns, cmd)
		s.mu.Unlock()
		conn.Close()
	})
	return nil
}

type lockedWriter struct{ s *Server }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.log.Write(p)
}

// Log returns what the server has said.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// Connections returns how many connections there are, and how many there have been.
func (s *Server) Connections() (now, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.total
}

// Cut breaks all connections, as a network does: what runs in sessions goes on.
func (s *Server) Cut() {
	s.each(func(cmd *exec.Cmd, conn *net.TCPConn) { _ = conn.CloseRead(); _ = conn.CloseWrite() })
}

// Freeze stops the processes that serve connections, so that they neither answer
// nor break; Thaw lets them go on.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets go on what Freeze has stopped.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.each(func(cmd *exec.Cmd, _ *net.TCPConn) { _ = syscall.Kill(-cmd.Process.Pid, sig) })
}

func (s *Server) each(do func(*exec.Cmd, *net.TCPConn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cmd, conn := range s.conns {
		do(cmd, conn)
	}
}

// Close ends the server and its connections.
func (s *Server) Close() {
	s.listener.Close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Cut()
	s.signal(syscall.SIGKILL)
	s.done.Wait()
}
