// Package temporaltest starts Temporal servers for tests: the real program, with a
// database in a file.
package temporaltest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// Server is a Temporal server.
type Server struct {
	Address string // HOST:PORT

	program string
	dir     string
	port    int
	process *exec.Cmd
}

// Program returns the server's program: one on the PATH, or the one that `make tools`
// has made; "" where there is none.
func Program() string {
	if found, err := exec.LookPath("temporal"); err == nil {
		return found
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	if found, err := exec.LookPath(filepath.Join(cache, "provisioning", "tools", "temporal")); err == nil {
		return found
	}
	return ""
}

// Start starts a server that ends with the test. Where there is no program the test is
// skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	program := Program()
	if program == "" {
		t.Skip("there is no Temporal server: make tools")
	}
	s, err := Launch(program, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Launch starts a server that keeps its database in dir.
func Launch(program, dir string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir, port: port, Address: fmt.Sprintf("127.0.0.1:%d", port)}
	return s, s.Restart()
}

// startTime is how long a server may take to answer.
const startTime = 60 * time.Second

// Restart starts the server, after it was stopped, with all that it knew.
func (s *Server) Restart() error {
	log, err := os.Create(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.process = exec.Command(s.program, "server", "start-dev", "--headless", "--log-level", "error", "--ip", "127.0.0.1",
		"--port", strconv.Itoa(s.port), "--db-filename", filepath.Join(s.dir, "temporal.db"))
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		err := s.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			s.Stop()
			text, _ := os.ReadFile(log.Name()) // without: the error alone
			return fmt.Errorf("the Temporal server does not answer: %w\n%s", err, text)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers asks for the namespace that all servers have.
func (s *Server) answers(ctx context.Context) error {
	n, err := client.NewNamespaceClient(client.Options{HostPort: s.Address})
	if err != nil {
		return err
	}
	defer n.Close()
	_, err = n.Describe(ctx, client.DefaultNamespace)
	return err
}

// Stop kills the server.
func (s *Server) Stop() {
	if s.process != nil {
		_ = s.process.Process.Kill() // it may be gone
		_ = s.process.Wait()
		s.process = nil
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
