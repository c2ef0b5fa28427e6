package scenes

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// image is a sort of machine.
type image struct {
	name string // short, for people
	ref  string
	apt  bool // packages can be installed
	spec func(*container.Spec)
	// up ends when the machine has started.
	up string
	// own says that it plays only the scenes that name it.
	own bool
}

var images = []image{
	{name: onSystemd, ref: "provisioning/debian:12", apt: true, spec: func(s *container.Spec) {
		s.CgroupNS, s.Tmpfs = "private", map[string]string{"/run": "", "/run/lock": ""}
	}, up: "until [ -S /run/systemd/private ]; do sleep 0.05; done; systemctl is-system-running --wait; systemctl is-active ssh"},
	{name: onNoInit, ref: "provisioning/debian-plain:12", apt: true, up: "until [ -s /run/sshd.pid ]; do sleep 0.05; done"},
	{name: onBusybox, ref: "provisioning/busybox:1", up: "until [ -s /run/sshd.pid ] || pidof sshd >/dev/null; do sleep 0.05; done"},
	{name: onDNF, ref: otherImage, up: "until [ -s /run/sshd.pid ]; do sleep 0.05; done", own: true},
	{name: onOpenRC, ref: otherImage, spec: func(s *container.Spec) {
		s.Command, s.Tmpfs = []string{"/sbin/openrc-init"}, map[string]string{"/run": ""}
	}, up: "until rc-status --runlevel 2>/dev/null | grep -qx default; do sleep 0.05; done", own: true},
	{name: onRunit, ref: otherImage, spec: func(s *container.Spec) {
		// As the stages of Debian's runit do.
		s.Command = []string{"sh", "-c", "mkdir -p /run/runit/supervise; exec runsvdir -P /etc/service"}
	}, up: "until pidof runsvdir >/dev/null; do sleep 0.05; done", own: true},
}

// otherImage has neither apt nor systemd.
const otherImage = "provisioning/debian-other:12"

func required(what string) bool {
	return slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), what)
}

// skip skips a test, unless what it needs is required.
func skip(t *testing.T, needs, why string) {
	t.Helper()
	if required(needs) {
		t.Fatalf("%s, and REQUIRE demands it", why)
	}
	t.Skip("skipped: " + why)
}

// box is a container that plays are performed on.
type box struct {
	t       *testing.T
	engine  *container.Engine
	image   image
	ref     string // of the image that it was made of
	name    string
	created time.Time
	cut     cutter
}

// newBox starts a container of an image.
func newBox(t *testing.T, i image, ref string, change func(*container.Spec)) *box {
	t.Helper()
	f := containertest.New(t)
	ctx := context.Background()
	if _, found, err := f.Engine.LookImage(ctx, ref); err != nil {
		t.Fatal(err)
	} else if !found {
		skip(t, "docker", "there is no image "+ref+" (make images)")
	}
	b := &box{t: t, engine: f.Engine, image: i, ref: ref, name: f.Name("scene"), created: time.Now().Add(-time.Second)}
	// To mount something, and for systemd.
	s := container.Spec{Name: b.name, Image: ref, Hostname: "machine", CapAdd: []string{"SYS_ADMIN"}}
	if i.spec != nil {
		i.spec(&s)
	}
	if change != nil {
		change(&s)
	}
	if _, _, err := f.Engine.Create(ctx, s, f.Owner); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Engine.Start(ctx, b.name); err != nil {
		t.Fatal(err)
	}
	b.sh(i.up)
	boxes.Store(b.name, b)
	t.Cleanup(func() { boxes.Delete(b.name) })
	return b
}

// serve serves contents over HTTP where the box can reach it, and returns the address.
func (b *box) serve(contents map[string]string) string {
	b.t.Helper()
	if len(contents) == 0 {
		return ""
	}
	c, err := b.engine.Inspect(b.t.Context(), b.name)
	if err != nil {
		b.t.Fatal(err)
	}
	gateway := ""
	for _, a := range c.Networks {
		gateway = a.Gateway
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		b.t.Skipf("skipped: the network of containers cannot be served from here: %v", err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, r.URL.Path, time.Unix(1e9, 0), strings.NewReader(contents[r.URL.Path]))
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	b.t.Cleanup(server.Close)
	return server.URL
}

// sh runs a script in the container as root, and returns what it prints.
func (b *box) sh(script string) string {
	b.t.Helper()
	out, code := b.try(script)
	if code != 0 {
		b.t.Fatalf("exit code %d of\n%s\n%s", code, script, out)
	}
	return out
}

func (b *box) try(script string) (output string, code int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	exit, err := b.engine.Conn(b.name, "").Exec(ctx, script, machine.Streams{Stdout: &out, Stderr: &errs})
	if err != nil {
		b.t.Fatalf("%v: %s", err, errs.String())
	}
	if exit.Code != 0 {
		return out.String() + errs.String(), exit.Code
	}
	return out.String(), 0
}

// boxes are those of all tests, by name: how a target leads to one.
var boxes sync.Map

// kind is the sort of machine of the targets in scenes: containers whose scripts
// the test can kill.
type kind struct{}

func init() { target.Register(kind{}) }

func (kind) Name() string { return "scene" }

func (kind) Identity(f target.Fields) (string, error) {
	return f.String("user") + "@" + f.String("container"), nil
}

func (kind) Dial(_ context.Context, _ *effect.Env, f target.Fields) (machine.Conn, error) {
	b, ok := boxes.Load(f.String("container"))
	if !ok {
		return nil, fmt.Errorf("there is no box %q", f.String("container"))
	}
	box := b.(*box)
	return &cutConn{box.engine.Conn(box.name, f.String("user")), &box.cut}, nil
}

// sceneModule makes targets of boxes.
var sceneModule = module.New("scene", "Machines of scenes.")

var _ = sceneModule.Pure(`
def machine(name, user = "", sudo_password = None):
    """Names a container.

    Args:
      name: of the container.
      user: whom lines are executed as.
      sudo_password: of that user.
    """`, &machineFunc{})

type machineFunc struct {
	Name         string         `star:"name"`
	User         string         `star:"user"`
	SudoPassword starlark.Value `star:"sudo_password"`
}

func (m *machineFunc) Compute(*effect.Env) (any, error) {
	return target.Make("scene", "machine", starlark.StringDict{
		"container": starlark.String(m.Name), "user": starlark.String(m.User), "sudo_password": m.SudoPassword,
	}), nil
}
