package container_test

import (
	"context"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

var ctx = context.Background()

// sh runs a line in a container and returns what it prints.
func sh(t *testing.T, e *container.Engine, name, line string) string {
	t.Helper()
	var out strings.Builder
	exit, err := e.Conn(name, "").Exec(ctx, line, machine.Streams{Stdout: &out, Stderr: &out})
	if err != nil || !exit.OK() {
		t.Fatalf("%s: %d, %v, %s", line, exit.Code, err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// TestLife is the story of a container: made once, however often it is asked for,
// started, stopped, removed.
func TestLife(t *testing.T) {
	f := containertest.New(t)
	e := f.Engine
	s := container.Spec{Name: f.Name("life"), Image: f.Busybox(), Command: []string{"sleep", "1000000"}, Init: true, Env: map[string]string{"KEY": "topsecret"}}
	c, made, err := e.Create(ctx, s, f.Owner)
	if err != nil || !made || c.State != "created" || c.Name != s.Name {
		t.Fatalf("created: %+v, %v, %v", c, made, err)
	}
	if strings.Contains(c.Labels[container.LabelSpec], "topsecret") {
		t.Error("a value of the environment is in a label")
	}
	if again, made, err := e.Create(ctx, s, f.Owner); err != nil || !made || again.ID != c.ID {
		t.Errorf("another attempt of the same effect: %v, %v", made, err)
	}
	other := f.Owner
	other.Place = "0#2"
	if again, made, err := e.Create(ctx, s, other); err != nil || made || again.ID != c.ID {
		t.Errorf("another effect: %v, %v", made, err)
	}
	s.Env = map[string]string{"KEY": "another"}
	s.Limits.Pids = 100
	_, _, err = e.Create(ctx, s, f.Owner)
	if x := fault.As(err); !fault.Is(err, fault.Exists) || !strings.Contains(x.Msg, `+    "pids": 100`) || strings.Contains(x.Msg, "another") {
		t.Errorf("made of something else: %v", err)
	}
	for i, want := range []bool{true, false} {
		if started, err := e.Start(ctx, s.Name); err != nil || started != want {
			t.Errorf("start %d: %v, %v", i, started, err)
		}
	}
	if _, err := e.Remove(ctx, s.Name, false, false); err == nil || fault.As(err).Hint == "" {
		t.Errorf("a running one was removed without force: %v", err)
	}
	for i, want := range []bool{true, false} {
		if stopped, err := e.Stop(ctx, s.Name, 1); err != nil || stopped != want {
			t.Errorf("stop %d: %v, %v", i, stopped, err)
		}
	}
	for i, want := range []bool{true, false} {
		if removed, err := e.Remove(ctx, s.Name, false, false); err != nil || removed != want {
			t.Errorf("remove %d: %v, %v", i, removed, err)
		}
	}
	if _, err := e.Inspect(ctx, s.Name); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestNetwork: two containers on a network know each other by name and alias, have
// the addresses that were asked for, and one that is taken off is out of reach.
func TestNetwork(t *testing.T) {
	f := containertest.New(t)
	e := f.Engine
	n := container.NetworkSpec{Name: f.Name("net"), Subnet: "10.213.7.0/24", Gateway: "10.213.7.1", Internal: true}
	got, made, err := e.CreateNetwork(ctx, n, f.Owner)
	if err != nil || !made || got.Subnets[0] != n.Subnet || got.Gateways[0] != n.Gateway || !got.Internal {
		t.Fatalf("%+v, %v, %v", got, made, err)
	}
	if again, made, err := e.CreateNetwork(ctx, n, container.Owner{Run: f.Owner.Run, Place: "other"}); err != nil || made || again.ID != got.ID {
		t.Errorf("another effect: %v, %v", made, err)
	}
	second := n
	second.Name, second.Subnet, second.Gateway = f.Name("net"), "10.213.8.0/24", ""
	if _, _, err := e.CreateNetwork(ctx, second, f.Owner); err != nil {
		t.Fatal(err)
	}
	web := f.Run(func(s *container.Spec) {
		s.Networks = []container.Attachment{{Network: n.Name, IPv4: "10.213.7.20", Aliases: []string{"www"}}, {Network: second.Name, IPv4: "10.213.8.20"}}
	})
	db := f.Run(func(s *container.Spec) { s.Networks = []container.Attachment{{Network: n.Name}} })
	c, err := e.Inspect(ctx, web)
	if err != nil || c.Networks[n.Name].IPv4 != "10.213.7.20" || c.Networks[second.Name].IPv4 != "10.213.8.20" {
		t.Errorf("addresses: %+v, %v", c.Networks, err)
	}
	for _, name := range []string{web, "www", "10.213.7.20"} {
		sh(t, e, db, "ping -c 1 -W 5 "+name)
	}
	if on, err := e.Disconnect(ctx, web, n.Name); err != nil || !on {
		t.Errorf("disconnect: %v, %v", on, err)
	}
	if on, err := e.Disconnect(ctx, web, n.Name); err != nil || on {
		t.Errorf("disconnect again: %v, %v", on, err)
	}
	sh(t, e, db, "! ping -c 1 -W 1 10.213.7.20")
	if on, err := e.Connect(ctx, web, container.Attachment{Network: n.Name, IPv4: "10.213.7.21", Aliases: []string{"back"}}); err != nil || !on {
		t.Errorf("connect: %v, %v", on, err)
	}
	sh(t, e, db, "ping -c 1 -W 5 back")
	if _, err := e.RemoveNetwork(ctx, n.Name); err == nil || !strings.Contains(fault.As(err).Hint, "containers are on it") {
		t.Errorf("a network in use was removed: %v", err)
	}
	clash := container.NetworkSpec{Name: f.Name("net"), Subnet: n.Subnet}
	if _, _, err := e.CreateNetwork(ctx, clash, f.Owner); err == nil || !strings.Contains(fault.As(err).Hint, "choose others") {
		t.Errorf("the same addresses twice: %v", err)
	}
}
