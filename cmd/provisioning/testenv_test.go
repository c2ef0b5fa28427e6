package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/clock"
)

// TestHourly: at once and every hour, by the clock of runs, until it is stopped.
func TestHourly(t *testing.T) {
	c := clock.NewVirtual()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var at []time.Duration
	hourly(ctx, c, func() {
		if at = append(at, c.Now().Sub(clock.Epoch)); len(at) == 3 {
			cancel()
		}
	})
	if fmt.Sprint(at) != "[0s 1h0m0s 2h0m0s]" {
		t.Errorf("it was done at %v", at)
	}
}

func TestTimeFlag(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"300": 5 * time.Minute, "1.5": 1500 * time.Millisecond, "5m": 5 * time.Minute, "90s": 90 * time.Second, "1hr": time.Hour, "2d": 48 * time.Hour,
		"": 0, "0": 0, "-3": 0, "five": 0, "5 parsecs": 0,
	} {
		var f timeFlag
		if err := f.Set(text); (err != nil) != (want == 0) || time.Duration(f) != want {
			t.Errorf("%q is %s, %v", text, f.String(), err)
		}
	}
}

// TestRefused: what an engine says of machines that it will not make privileged is told from
// other failures, and from those of other machines.
func TestRefused(t *testing.T) {
	e := &testenv.Environment{Nodes: []testenv.Node{{Name: "cp", Resources: testenv.Resources{Privileged: true}}, {Name: "plain"}}}
	for text, want := range map[string]bool{
		"make cp: cannot start the container: unable to apply caps: operation not permitted": true,
		"make cp: Privileged mode is incompatible with user namespaces":                      true,
		"make cp: authorization denied by plugin policy":                                     true,
		"make cp: no space left on device":                                                   false,
		"make plain: mount: operation not permitted":                                         false,
		"the network 10.0.0.0/24 is taken":                                                   false,
	} {
		var why *lacking
		if got := errors.As(refused(e, errors.New(text)), &why); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if refused(e, nil) != nil {
		t.Error("no error is one")
	}
}

// standIn answers as a container engine does that has no containers, and remembers what it
// was asked for.
type standIn struct {
	cgroup string // version of the control groups
	start  string // why no container can be started; "": it can
	images []string

	mu    sync.Mutex
	made  map[string]any // by path
	asked []string       // method and path, with what matters of the body
}

func (s *standIn) keep(path string, v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil {
		s.made = map[string]any{}
	}
	s.made[path] = v
}

func (s *standIn) kept(path string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made[path]
}

func (s *standIn) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
}

var apiVersion = regexp.MustCompile(`^/v1\.\d+`)

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := apiVersion.ReplaceAllString(r.URL.Path, "")
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	missing := func() { answer(http.StatusNotFound, map[string]string{"message": "No such thing: " + path}) }
	switch {
	case path == "/_ping":
		w.Header().Set("API-Version", "1.41")
	case path == "/info":
		answer(http.StatusOK, map[string]any{"Name": "stand-in", "NCPU": 4, "MemTotal": 64 << 30, "CgroupVersion": s.cgroup})
	case path == "/version":
		answer(http.StatusOK, map[string]any{"Version": "24.0.0", "ApiVersion": "1.41"})
	case path == "/images/create":
		image := r.URL.Query().Get("fromImage")
		s.note("pull %s", image)
		missing()
	case strings.HasPrefix(path, "/images/") && strings.HasSuffix(path, "/json") && path != "/images/json":
		name := strings.TrimSuffix(strings.TrimPrefix(path, "/images/"), "/json")
		for _, known := range s.images {
			if known == name {
				answer(http.StatusOK, map[string]any{"Id": "sha256:" + strings.Repeat("0", 64), "RepoTags": []string{name}, "Config": map[string]any{"Labels": map[string]string{testenv.LabelInit: "systemd"}}})
				return
			}
		}
		missing()
	case r.Method == http.MethodGet && (path == "/containers/json" || path == "/networks" || path == "/images/json"):
		answer(http.StatusOK, []any{})
	case path == "/volumes":
		answer(http.StatusOK, map[string]any{"Volumes": []any{}})
	case path == "/networks/create", path == "/containers/create":
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body) // it is the client of the engine that writes it
		name, _ := body["Name"].(string)
		host, _ := body["HostConfig"].(map[string]any)
		if name == "" {
			name = r.URL.Query().Get("name")
		}
		s.note("%s %s privileged=%v", r.Method, path, host["Privileged"])
		body["Id"], body["Name"] = strings.Repeat("a", 64), name
		s.keep(filepath.Join(filepath.Dir(path), name), map[string]any{
			"Id": body["Id"], "Name": "/" + name, "State": map[string]any{"Status": "created"}, "Config": body, "HostConfig": host,
			"IPAM": body["IPAM"], "Labels": body["Labels"], "Created": time.Unix(0, 0).UTC(), "NetworkSettings": map[string]any{},
		})
		answer(http.StatusCreated, map[string]any{"Id": body["Id"]})
	case r.Method == http.MethodGet && s.kept(strings.TrimSuffix(path, "/json")) != nil:
		answer(http.StatusOK, s.kept(strings.TrimSuffix(path, "/json")))
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(path, "/start"):
		answer(http.StatusInternalServerError, map[string]string{"message": s.start})
	default:
		missing()
	}
}

// listen has the stand-in answer at a socket.
func (s *standIn) listen(t testing.TB) (socket string) {
	dir, err := os.MkdirTemp("", "engine") // names of sockets have to be short
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: s}}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		_ = os.RemoveAll(dir) // nobody needs it any more
	})
	return socket
}

// TestStandIn runs scripts of testdata/engine, each with an engine that gives less than they
// need.
func TestStandIn(t *testing.T) {
	const refusal = "failed to create shim task: OCI runtime create failed: unable to apply caps: operation not permitted: unknown"
	for name, c := range map[string]struct {
		engine *standIn
		asked  string // of the engine, beside other things
	}{
		"refuses":  {&standIn{cgroup: "2", start: refusal, images: []string{testenv.BaseImage}}, "POST /containers/create privileged=true"},
		"cgroup1":  {&standIn{cgroup: "1", images: []string{testenv.BaseImage}}, ""},
		"no-image": {&standIn{cgroup: "2"}, "pull registry.invalid/base"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := c.engine.listen(t)
			testscript.Run(t, testscript.Params{
				Files: []string{filepath.Join("testdata", "engine", name+".txtar")},
				Setup: func(env *testscript.Env) error {
					env.Setenv("DOCKER_HOST", "unix://"+socket)
					return setUpScript(env)
				},
				Cmds: scriptCommands, Condition: condition, RequireExplicitExec: true,
			})
			t.Cleanup(func() { // the script goes on when Run has returned
				if all := strings.Join(c.engine.asked, "\n"); c.asked == "" && len(c.engine.asked) > 0 || !strings.Contains(all, c.asked) {
					t.Errorf("the engine was asked for\n%s", all)
				}
			})
		})
	}
}
