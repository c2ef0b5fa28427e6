package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// hosts are addresses of this machine at which an OpenSSH server answers.
type hosts struct {
	addresses []string
	port      int
	user      string
	dir       string
	key       string // file of the private key that is let in
	signer    ssh.Signer
	hostKey   ssh.PublicKey
	servers   []*exec.Cmd
}

// freePort is one that nobody uses now: a server that an earlier measurement has left
// would answer with a key of its own.
func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startHosts starts a server at n addresses; nil and why where there is none.
func startHosts(dir string, n int) (*hosts, string) {
	if !slices.ContainsFunc(builtins.All, func(m *module.Module) bool { return m.Name == "ssh" }) {
		return nil, "there is no module ssh"
	}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; !exists(sshd) {
			return nil, "there is no sshd"
		}
	}
	me, err := user.Current()
	check(err)
	h := &hosts{port: freePort(), user: me.Username, dir: filepath.Join(dir, "sshd")}
	check(os.MkdirAll(h.dir, 0o700))
	if me.Uid == "0" {
		check(os.MkdirAll("/run/sshd", 0o755))
	}
	h.key = filepath.Join(h.dir, "id")
	h.signer = newKey(h.key)
	h.hostKey = newKey(filepath.Join(h.dir, "host")).PublicKey()
	check(os.WriteFile(filepath.Join(h.dir, "authorized"), ssh.MarshalAuthorizedKey(h.signer.PublicKey()), 0o600))
	var known strings.Builder
	for i := range n {
		address := fmt.Sprintf("127.0.1.%d", i+1)
		h.addresses = append(h.addresses, address)
		fmt.Fprintf(&known, "[%s]:%d %s", address, h.port, ssh.MarshalAuthorizedKey(h.hostKey))
	}
	check(os.WriteFile(filepath.Join(h.dir, "known_hosts"), []byte(known.String()), 0o600))
	leftovers = append(leftovers, h.stop)
	for at := range slices.Chunk(h.addresses, maxListen) {
		h.listen(sshd, at)
	}
	for began := time.Now(); ; {
		conn, err := net.Dial("tcp", h.at(h.addresses[n-1]))
		if err == nil {
			conn.Close()
			return h, ""
		}
		if time.Since(began) > 10*time.Second {
			h.stop()
			said, _ := os.ReadFile(filepath.Join(h.dir, "log"))
			return nil, "sshd does not start: " + strings.TrimSpace(string(said))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// maxListen is how many addresses sshd can listen at.
const maxListen = 16

// listen starts a server at some of the addresses. Its users have an empty home: what
// a ~/.bashrc does at each command is not what is measured.
func (h *hosts) listen(sshd string, addresses []string) {
	var config strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&config, "ListenAddress %s\n", h.at(a))
	}
	fmt.Fprintf(&config, "HostKey %s/host\nAuthorizedKeysFile %[1]s/authorized\nPidFile none\nStrictModes no\nUsePAM no\nMaxStartups 1000\nPermitRootLogin yes\nMaxSessions 30\nSubsystem sftp internal-sftp\nSetEnv HOME=%[1]s\n", h.dir)
	file := filepath.Join(h.dir, "config-"+addresses[0])
	check(os.WriteFile(file, []byte(config.String()), 0o600))
	server := exec.Command(sshd, "-D", "-f", file, "-E", filepath.Join(h.dir, "log"))
	check(server.Start())
	h.servers = append(h.servers, server)
}

func (h *hosts) stop() {
	for _, s := range h.servers { // children of ours
		_ = s.Process.Kill()
		_ = s.Wait()
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func newKey(file string) ssh.Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	block, err := ssh.MarshalPrivateKey(key, "")
	check(err)
	check(os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(key)
	check(err)
	return signer
}

// dial connects as a program does that uses x/crypto/ssh alone.
func (h *hosts) dial(address string) *ssh.Client {
	c, err := ssh.Dial("tcp", h.at(address), &ssh.ClientConfig{
		User: h.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(h.signer)},
		HostKeyCallback: ssh.FixedHostKey(h.hostKey), HostKeyAlgorithms: []string{h.hostKey.Type()},
	})
	check(err)
	return c
}

// options are those of the ssh command.
func (h *hosts) options() []string {
	return []string{"-F", "none", "-i", h.key, "-p", fmt.Sprint(h.port), "-o", "UserKnownHostsFile=" + filepath.Join(h.dir, "known_hosts")}
}

// targets is an expression of a script: the hosts as targets, n of them.
func (h *hosts) targets(n int) string {
	return fmt.Sprintf("[ssh.host(a, port = %d, user = %q, key = %q, agent = False, config = False, host_key = %q) for a in %s]",
		h.port, h.user, h.key, ssh.FingerprintSHA256(h.hostKey), list(h.addresses[:n]))
}

func list(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// at is an address with the port.
func (h *hosts) at(address string) string { return net.JoinHostPort(address, strconv.Itoa(h.port)) }
