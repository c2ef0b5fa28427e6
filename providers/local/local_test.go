package local

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/providers/providertest"
)

const testImage = "provisioning/busybox:1"

// need skips a test without an engine that has the image; REQUIRE=docker makes that a
// failure.
func need(t *testing.T, image string) *container.Engine {
	t.Helper()
	why := ""
	at, err := container.Find("")
	var e *container.Engine
	if err == nil {
		e, err = container.Open(t.Context(), at)
	}
	if err != nil {
		why = err.Error()
	} else {
		t.Cleanup(func() { _ = e.Close() })
		if _, err := e.InspectImage(t.Context(), image); err != nil {
			why = err.Error() + " (make images)"
		}
	}
	if why == "" {
		return e
	}
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
		t.Fatal(why + ", and REQUIRE demands it")
	}
	t.Skip(why)
	return nil
}

func TestContract(t *testing.T) {
	e := need(t, testImage)
	workspace := t.TempDir()
	t.Cleanup(func() { // runs after the clean-up of the suite
		left, err := e.Networks(context.Background(), container.Filter{Owner: container.Owner{Workspace: workspace}})
		if err != nil || len(left) > 0 {
			t.Errorf("networks outlive their servers: %v, %v", left, err)
		}
	})
	providertest.Run(t, providertest.Setup{
		Provider: func(*testing.T) providers.Provider { return New(nil) },
		Record:   providers.Record{Image: testImage, Plan: "1xCPU-128MB", Workspace: workspace, SSHKeys: []string{"ssh-ed25519 AAAA test"}},
		Plan:     "4xCPU-1GB",
		Broken:   func() providers.Provider { return New(providers.Config{"dokcer_socket": "/x"}) },
	})
}

// TestFinishes: what a killed program has left half made becomes a server, and the
// keys of its user are there and belong to it.
func TestFinishes(t *testing.T) {
	e := need(t, testImage)
	p := New(nil).(*Provider)
	r := providers.Record{Name: "half", Image: testImage, Plan: "1xCPU-128MB", User: "deploy", Workspace: t.TempDir(), SSHKeys: []string{"ssh-ed25519 AAAA test"}}
	t.Cleanup(func() {
		for _, name := range []string{prefix(r.Workspace) + r.Name} {
			_ = p.DeleteServer(context.Background(), name, false) // it may be gone
		}
		_ = p.Close()
	})
	s, err := p.complete(&r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := p.prepare(t.Context(), e, r, s, "key") // and then it was killed
	if err != nil || c.State != "created" {
		t.Fatalf("%v, %v", c, err)
	}
	listed, err := p.ListServers(t.Context(), providers.Filter{Workspace: r.Workspace, Key: "key"})
	if err != nil || len(listed) != 1 || listed[0].Status != providers.Creating {
		t.Fatalf("before: %v, %v", listed, err)
	}
	if err := p.StartServer(t.Context(), c.ID); err == nil {
		t.Error("half a server can be started")
	}
	made, err := p.CreateServer(t.Context(), r, "key")
	if err != nil || made.ID != c.ID || made.Status != providers.Running || made.Plan != "1xCPU-128MB" {
		t.Fatalf("after: %+v, %v", made, err)
	}
	var out bytes.Buffer
	exit, err := e.Exec(t.Context(), c.ID, container.Exec{Argv: []string{"stat", "-c", "%U %a %n", "/home/deploy/.ssh", "/home/deploy/.ssh/authorized_keys"}}, machine.Streams{Stdout: &out})
	if err != nil || !exit.OK() || out.String() != "deploy 700 /home/deploy/.ssh\ndeploy 600 /home/deploy/.ssh/authorized_keys\n" {
		t.Errorf("%s%v %v", out.String(), exit, err)
	}
}

// TestRefusedLeavesNothing: an image without the user is found out when the container
// is there already.
func TestRefusedLeavesNothing(t *testing.T) {
	e := need(t, testImage)
	p := New(nil)
	defer p.Close() //nolint:errcheck // nobody needs it any more
	r := providers.Record{Name: "refused", Image: testImage, User: "postgres", Workspace: t.TempDir(), SSHKeys: []string{"ssh-ed25519 AAAA test"}}
	_, err := p.CreateServer(t.Context(), r, "key")
	if f := fault.As(err); f == nil || f.Kind != fault.NotFound || f.Hint != "it has root, deploy" {
		t.Errorf("%v", err)
	}
	owner := container.Filter{Owner: container.Owner{Workspace: r.Workspace}}
	left, err := e.Sweep(t.Context(), owner, false)
	if err != nil || left.Total() > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}
