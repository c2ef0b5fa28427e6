package op

import (
	"bytes"
	"context"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// Images of machines that operations have to work on; make images makes them.
const (
	systemdImage = "provisioning/debian:12"
	plainImage   = "provisioning/debian-plain:12"
	busyboxImage = "provisioning/busybox:1"
)

// testMachine is a container for one test.
type testMachine struct {
	*testing.T
	conn machine.Conn
}

func startMachine(t *testing.T, image string) *testMachine {
	t.Helper()
	f := containertest.New(t)
	if _, found, err := f.Engine.LookImage(t.Context(), image); err != nil {
		t.Fatal(err)
	} else if !found {
		if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
			t.Fatalf("there is no image %s, and REQUIRE demands docker: make images", image)
		}
		t.Skipf("skipped: there is no image %s; make images makes it", image)
	}
	name := f.Run(func(s *container.Spec) {
		s.Image, s.Command, s.Init = image, nil, false
		if image == systemdImage {
			s.CgroupNS, s.CapAdd, s.Tmpfs = "private", []string{"SYS_ADMIN"}, map[string]string{"/run": "", "/run/lock": ""}
		}
	})
	m := &testMachine{t, f.Engine.Conn(name, "root")}
	if image == systemdImage {
		m.sh("for _ in $(seq 100); do [ -d /run/systemd/system ] && break; sleep 0.1; done; systemctl is-system-running --wait || :")
	}
	return m
}

// sh runs a script that has to succeed.
func (m *testMachine) sh(script string) string {
	m.Helper()
	return m.step(operation.Step{Script: script})
}

func (m *testMachine) step(s operation.Step) string {
	m.Helper()
	var out, errs bytes.Buffer
	exit, err := machine.Run(m.Context(), m.conn, machine.Command{Script: "set -e\n" + s.Script, Hidden: s.Hidden},
		machine.Streams{Stdin: bytes.NewReader(s.Stdin), Stdout: &out, Stderr: &errs})
	if err != nil || exit.Code != 0 {
		m.Fatalf("%v, code %d: %s%s\nof the script\n%s", err, exit.Code, out.String(), errs.String(), s.Script)
	}
	return out.String()
}

func (m *testMachine) world(facts []fact.Fact) *fact.World {
	m.Helper()
	w, err := fact.Gather(context.Background(), m.conn, machine.As{}, facts)
	if err != nil {
		m.Fatal(err)
	}
	return w
}

// play is an operation, and what it does to a machine.
type play struct {
	name   string
	images []string
	before string // script that prepares the machine
	do     operation.Operation
	kind   effect.Change
	diff   string // part of it
	after  string // script that succeeds when it was done
	undone string // script that succeeds when it was taken back
	keeps  bool   // undo does not bring back all that the facts have seen
}

// TestMachines does on machines what the tables of the other tests only compute: the
// operation changes what it says, once; what a plan takes for granted afterwards is so;
// and undo brings back what there was. Steps are made twice, as after a cut.
func TestMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("real machines take a while")
	}
	for _, image := range []string{systemdImage, plainImage, busyboxImage} {
		t.Run(strings.TrimPrefix(image, "provisioning/"), func(t *testing.T) {
			t.Parallel()
			m := startMachine(t, image)
			for _, p := range plays() {
				if !slices.Contains(p.images, image) {
					continue
				}
				t.Run(p.name, func(t *testing.T) { p.run(&testMachine{t, m.conn}) })
			}
		})
	}
}

func (p play) run(m *testMachine) {
	m.sh(p.before)
	if v, ok := p.do.(effect.Validator); ok {
		if err := v.Validate(); err != nil {
			m.Fatal(err)
		}
	}
	facts := p.do.Facts()
	before := m.world(facts)
	c, err := p.do.Plan(before)
	switch {
	case err != nil:
		m.Fatal(err)
	case c == nil:
		m.Fatal("there is nothing to do")
	case c.Kind != p.kind || !strings.Contains(c.Diff, p.diff):
		m.Fatalf("it is %q, and not %q, with the difference\n%s", c.Kind, p.kind, c.Diff)
	}
	m.step(c.Step)
	m.step(c.Step)
	m.sh(p.after)
	after := m.world(facts)
	if p.kind != effect.Act {
		if again, err := p.do.Plan(after); again != nil || err != nil {
			m.Fatalf("a second run changes %+v, %v", again, err)
		}
	}
	for _, f := range facts {
		if foreseen, ok := c.After[f]; ok && !foresees(foreseen, fact.Get[any](after, f)) {
			m.Errorf("%s was to be\n%+v, and is\n%+v", f, foreseen, fact.Get[any](after, f))
		}
	}
	if c.Undo == nil {
		return
	}
	m.step(*c.Undo)
	m.step(*c.Undo)
	m.sh(p.undone)
	back := m.world(facts)
	for _, f := range facts {
		if was, is := fact.Get[any](before, f), fact.Get[any](back, f); !p.keeps && !sameState(was, is) {
			m.Errorf("%s was\n%+v, and after undo is\n%+v", f, was, is)
		}
	}
}

// foresees compares what a plan says of a state with what it is. What is up to the
// machine, a plan does not know: numbers, owners, the shell of a new user.
func foresees(plan, is any) bool {
	switch p := plan.(type) {
	case fact.FileState:
		is := is.(fact.FileState)
		return p.Type == "other" && is.Exists() || p.Type == is.Type && p.Sum == is.Sum && p.Mode == is.Mode && p.Target == is.Target
	case fact.UserState:
		is := is.(fact.UserState)
		return p.Exists == is.Exists && (p.Shell == "" || p.Shell == is.Shell) && slices.Equal(p.Groups, is.Groups)
	case fact.GroupState:
		is := is.(fact.GroupState)
		return p.Exists == is.Exists && (p.GID == 0 || p.GID == is.GID)
	case fact.MountState:
		is := is.(fact.MountState)
		return p.Mounted == is.Mounted && p.Exists == is.Exists
	}
	return reflect.DeepEqual(plan, is)
}

// sameState compares states before and after.
func sameState(was, is any) bool {
	switch was := was.(type) {
	case fact.PackageState:
		return reflect.DeepEqual(was.Installed, is.(fact.PackageState).Installed)
	case fact.FileState:
		is := is.(fact.FileState)
		return was.Type == is.Type && was.Sum == is.Sum && was.Mode == is.Mode && was.Owner == is.Owner && was.Group == is.Group
	}
	return reflect.DeepEqual(was, is)
}
