package container_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// hostile serves what an engine should not say, on a socket of its own.
func hostile(t *testing.T, handle http.HandlerFunc) container.Endpoint {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handle}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return container.Endpoint{Engine: "docker", Host: "unix://" + path, From: "DOCKER_HOST"}
}

// polite answers the greeting, and leaves the rest to another.
func polite(rest http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			w.Header().Set("Api-Version", "1.41")
			return
		}
		rest(w, r)
	}
}

func TestEnginesThatCannotBeUsed(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "none.sock")
	dead := filepath.Join(t.TempDir(), "dead.sock")
	if l, err := net.Listen("unix", dead); err != nil {
		t.Fatal(err)
	} else {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = l.Close()
	}
	for _, c := range []struct {
		about string
		at    container.Endpoint
		kind  fault.Kind
		want  string
		hint  string
	}{
		{"no socket", container.Endpoint{Host: "unix://" + nothing, From: "the usual place"}, fault.Network, "there is no such socket", "systemctl start docker"},
		{"no daemon", container.Endpoint{Host: "unix://" + dead, From: "DOCKER_HOST"}, fault.Network, "nobody listens there", "DOCKER_HOST"},
		{"too old", hostile(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.38") }), fault.Config, "too old: it speaks version 1.38 of the API, and 1.41 is needed", "20.10"},
		{"something else", hostile(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }), fault.Config, "is no container engine", "DOCKER_HOST"},
		{"nonsense for a version", hostile(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "../../x") }), fault.Config, "is no container engine", ""},
		{"an engine that fails", hostile(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"message":"no"}`, 500) }), fault.Config, "", ""},
		{"an address that is none", container.Endpoint{Host: "unix://%zz"}, fault.Config, "is no address", ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			_, err := container.Open(context.Background(), c.at)
			e := fault.As(err)
			if e == nil || !strings.Contains(e.Msg, c.want) || !strings.Contains(e.Hint, c.hint) || e.InDoubt {
				t.Fatalf("%+v", e)
			}
			if e.Kind != c.kind && c.want != "" {
				t.Errorf("the kind is %s", e.Kind)
			}
		})
	}
}

// TestEngineHangs: one that takes connections and says nothing.
func TestEngineHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for as long as the program does")
	}
	t.Parallel()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	at := hostile(t, func(http.ResponseWriter, *http.Request) { <-over })
	_, err := container.Open(context.Background(), at)
	if e := fault.As(err); e == nil || e.Kind != fault.Unavailable || !e.Unsent || !strings.Contains(e.Msg, "has not answered for 5s") {
		t.Errorf("%+v", e)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := container.Open(ctx, at); !fault.Is(err, fault.Timeout) {
		t.Errorf("with less patience: %v", err)
	}
}

// TestPermission: a socket that the user may not use.
func TestPermission(t *testing.T) {
	err := container.NotReached(container.Endpoint{Host: "unix:///var/run/docker.sock"}, os.ErrPermission)
	e := fault.As(err)
	if e.Kind != fault.Permission || !e.Unsent || !strings.Contains(e.Msg, "this user may not use the socket") || !strings.Contains(e.Hint, "usermod -aG docker") {
		t.Errorf("%+v", e)
	}
}

// TestLost: what becomes of a line whose engine goes away at any point of it.
func TestLost(t *testing.T) {
	upgrade := func(w http.ResponseWriter, output string) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = buf.WriteString("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + output)
		_ = buf.Flush()
		_ = conn.Close()
	}
	drop := func(w http.ResponseWriter) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}
	for _, c := range []struct {
		about   string
		create  func(http.ResponseWriter)
		start   func(http.ResponseWriter)
		inspect func(http.ResponseWriter)
		unsent  bool
		doubt   bool
	}{
		{"before it is created", drop, nil, nil, true, false},
		{"when it is to start", nil, drop, nil, false, true},
		{"while it prints", nil, func(w http.ResponseWriter) { upgrade(w, "\x01\x00\x00\x00\x00\x00\x00\x09half") }, nil, false, true},
		{"with an error among the output", nil, func(w http.ResponseWriter) { upgrade(w, "\x03\x00\x00\x00\x00\x00\x00\x04oops") }, nil, false, true},
		{"with nonsense", nil, func(w http.ResponseWriter) { upgrade(w, "\x09\x00\x00\x00\x00\x00\x00\x04oops") }, nil, false, true},
		{"when its end is asked for", nil, func(w http.ResponseWriter) { upgrade(w, "") }, drop, false, true},
		{"the engine has forgotten it", nil, func(w http.ResponseWriter) { upgrade(w, "") }, func(w http.ResponseWriter) { http.Error(w, `{"message":"no such exec"}`, 404) }, false, true},
		{"the engine refuses to start it", nil, func(w http.ResponseWriter) { http.Error(w, `{"message":"paused"}`, http.StatusConflict) }, nil, true, false},
	} {
		t.Run(c.about, func(t *testing.T) {
			e, err := container.Open(context.Background(), hostile(t, polite(func(w http.ResponseWriter, r *http.Request) {
				path := r.URL.Path
				do, answer := c.inspect, `{"ID":"x","Running":false,"ExitCode":0}`
				switch {
				case strings.HasSuffix(path, "/exec"):
					do, answer = c.create, `{"Id":"x"}`
				case strings.HasSuffix(path, "/start"):
					do, answer = c.start, ""
				}
				if do != nil {
					do(w)
					return
				}
				fmt.Fprint(w, answer)
			})))
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			_, err = e.Conn("box", "").Exec(context.Background(), "true", machine.Streams{Stdout: io.Discard})
			if f := fault.As(err); f == nil || f.Unsent != c.unsent || f.InDoubt != c.doubt {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestHangsWithin: an engine that stops answering in the middle does not hold a line
// longer than its context.
func TestHangsWithin(t *testing.T) {
	for _, at := range []string{"/exec", "/start", "/json"} {
		t.Run(at, func(t *testing.T) {
			over, reached := make(chan struct{}), make(chan struct{}, 8)
			defer close(over)
			e, err := container.Open(context.Background(), hostile(t, polite(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, at):
					reached <- struct{}{}
					<-over
				case strings.HasSuffix(r.URL.Path, "/exec"):
					fmt.Fprint(w, `{"Id":"x"}`)
				case strings.HasSuffix(r.URL.Path, "/start"):
					conn, buf, err := http.NewResponseController(w).Hijack()
					if err == nil {
						_, _ = buf.WriteString("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
						_ = buf.Flush()
						_ = conn.Close()
					}
				}
			})))
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ctx, cancel := context.WithCancelCause(context.Background())
			go func() {
				<-reached
				cancel(errors.New("enough"))
			}()
			if _, err := e.Conn("box", "").Exec(ctx, "true", machine.Streams{}); err == nil || !strings.Contains(err.Error(), "enough") {
				t.Errorf("%v", err)
			}
		})
	}
}
