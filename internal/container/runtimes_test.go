package container_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// machineWith is a machine with some commands: scripts that say what real ones say.
func machineWith(t *testing.T, commands map[string]string) container.Search {
	t.Helper()
	dir := t.TempDir()
	for name, script := range commands {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return container.Search{
		Places: container.Places{Env: func(string) string { return "" }, Home: dir, OS: "linux", Root: dir},
		LookPath: func(name string) (string, error) {
			path := filepath.Join(dir, name)
			_, err := os.Stat(path)
			return path, err
		},
	}
}

const (
	docker  = `case $1 in info) echo '{"ServerVersion":"27.1","Driver":"overlay2","SecurityOptions":["name=seccomp","name=rootless"]}';; compose) echo 2.29.1;; esac`
	podman  = `case $1 in info) echo '{"host":{"security":{"rootless":true}},"store":{"graphDriverName":"vfs"},"version":{"Version":"4.9.3"}}';; *) exit 125;; esac`
	refused = `echo "Cannot connect to the Docker daemon" >&2; echo "and more" >&2; exit 1`
	halfway = `echo '{"ServerErrors":["permission denied while trying to connect"]}'`
	hangs   = `exec sleep 100`
)

func TestRuntimes(t *testing.T) {
	for _, c := range []struct {
		about     string
		commands  map[string]string
		preferred string
		order     []string
		want, err string
		kind      fault.Kind
		all       string
	}{
		{about: "docker goes first", commands: map[string]string{"docker": docker, "podman": podman}, want: "docker 27.1 overlay2 true 2.29.1", all: "docker podman"},
		{about: "podman by preference", commands: map[string]string{"docker": docker, "podman": podman}, preferred: "podman", want: "podman 4.9.3 vfs true ", all: "podman docker"},
		{about: "an order", commands: map[string]string{"docker": docker, "podman": podman}, order: []string{"podman"}, want: "podman 4.9.3 vfs true ", all: "podman"},
		{about: "the one that answers", commands: map[string]string{"docker": refused, "podman": podman}, want: "podman 4.9.3 vfs true ", all: "docker podman"},
		{about: "none that answers", commands: map[string]string{"docker": refused, "podman": halfway}, kind: fault.Unavailable,
			err: "no container runtime answers: docker (Cannot connect to the Docker daemon); podman (permission denied while trying to connect)", all: "docker podman"},
		{about: "one that hangs", commands: map[string]string{"docker": hangs}, kind: fault.Unavailable, err: "no answer within 300ms", all: "docker"},
		{about: "nonsense", commands: map[string]string{"nerdctl": "echo hello"}, kind: fault.Unavailable, err: "nerdctl (it gives no JSON)", all: "nerdctl"},
		{about: "none at all", kind: fault.NotFound, err: "No container runtime detected"},
	} {
		t.Run(c.about, func(t *testing.T) {
			s := machineWith(t, c.commands)
			s.Preferred, s.Order, s.Patience = c.preferred, c.order, 5*time.Second
			if c.about == "one that hangs" {
				s.Patience = 300 * time.Millisecond
			}
			all, err := s.Runtimes(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range all {
				names = append(names, r.Name)
			}
			if got := strings.Join(names, " "); got != c.all {
				t.Errorf("found %s", got)
			}
			r, err := s.Detect(all)
			if c.err != "" {
				if e := fault.As(err); e == nil || e.Kind != c.kind || !strings.Contains(e.Msg, c.err) || e.Hint == "" {
					t.Errorf("%v", err)
				}
				return
			}
			got := r.Name + " " + r.Version + " " + r.Storage + " " + map[bool]string{true: "true", false: "false"}[r.Rootless] + " " + r.Compose
			if err != nil || got != c.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if _, err := (container.Search{Preferred: "rkt", Places: container.Here()}).Runtimes(ctx); !fault.Is(err, fault.Usage) {
		t.Errorf("a runtime that nobody knows: %v", err)
	}
}

// TestRecall: what was found is believed until a command changes.
func TestRecall(t *testing.T) {
	s := machineWith(t, map[string]string{"docker": `echo x >> "$0.asked"; ` + docker})
	path, err := s.LookPath("docker")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cache", "runtimes.json")
	asked := func() int {
		data, _ := os.ReadFile(path + ".asked")
		return strings.Count(string(data), "x")
	}
	recall := func(want int) {
		t.Helper()
		all, err := s.Recall(ctx, file)
		if err != nil || len(all) != 1 || all[0].Version != "27.1" || asked() != want {
			t.Errorf("%+v, %v, asked %d times, not %d", all, err, asked(), want)
		}
	}
	recall(2) // info and compose
	recall(2)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	recall(4)
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	recall(6)
}
