// Package containertest gives tests a real container engine, an image that needs no
// registry, and names that no other test has; what a test makes goes with it.
package containertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/container"
)

// Image is what Busybox makes: a root file system with busybox and nothing else.
const Image = "provisioning-test/busybox:1"

// Fixture is an engine for one test.
type Fixture struct {
	T      testing.TB
	Engine *container.Engine
	Owner  container.Owner // of all that the test makes
}

// New connects to the engine of this machine. Without one the test is skipped, or
// fails where REQUIRE has docker in it. All that carries the labels of Owner is
// removed when the test is over.
func New(t testing.TB) *Fixture {
	t.Helper()
	e, err := Open(context.Background())
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "docker") {
			t.Fatalf("%v, and REQUIRE demands it", err)
		}
		t.Skipf("skipped: %v", err)
	}
	f := &Fixture{T: t, Engine: e, Owner: container.Owner{Run: "test-" + rand.Text(), Place: "0#1", Workspace: t.TempDir()}}
	t.Cleanup(func() {
		if _, err := e.Sweep(context.Background(), container.Filter{Owner: container.Owner{Run: f.Owner.Run}}, false); err != nil {
			t.Errorf("what the test has made could not be removed: %v", err)
		}
		_ = e.Close()
	})
	return f
}

// Open connects to the engine of this machine.
func Open(ctx context.Context) (*container.Engine, error) {
	at, err := container.Find("")
	if err != nil {
		return nil, err
	}
	return container.Open(ctx, at)
}

// Name is one that nothing else has.
func (f *Fixture) Name(what string) string {
	return "provisioning-test-" + what + "-" + strings.ToLower(rand.Text()[:8])
}

// Run makes a container of the busybox image that does nothing, starts it, and
// returns its name. change may be nil.
func (f *Fixture) Run(change func(*container.Spec)) string {
	f.T.Helper()
	s := container.Spec{Name: f.Name("box"), Image: f.Busybox(), Command: []string{"sleep", "1000000"}, Init: true}
	if change != nil {
		change(&s)
	}
	if _, _, err := f.Engine.Create(context.Background(), s, f.Owner); err != nil {
		f.T.Fatal(err)
	}
	if _, err := f.Engine.Start(context.Background(), s.Name); err != nil {
		f.T.Fatal(err)
	}
	return s.Name
}

var making sync.Mutex

// Busybox makes the image, unless it is there, and returns its name.
func (f *Fixture) Busybox() string {
	f.T.Helper()
	making.Lock()
	defer making.Unlock()
	ctx := context.Background()
	if _, found, err := f.Engine.LookImage(ctx, Image); err != nil || found {
		if err != nil {
			f.T.Fatal(err)
		}
		return Image
	}
	rootfs, err := RootFS()
	if err != nil {
		f.T.Skipf("skipped: there is no busybox to make an image of: %v", err)
	}
	if _, err := f.Engine.Import(ctx, bytes.NewReader(rootfs), Image, []string{`CMD ["/bin/sh"]`, "ENV PATH=/bin"}); err != nil {
		f.T.Fatal(err)
	}
	return Image
}

// RootFS is a root file system, as a tar: busybox, which has to be statically
// linked, and a link for each of its programs.
func RootFS() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, content []byte) {
		if h.Size = int64(len(content)); err == nil {
			err = w.WriteHeader(&h)
		}
		if err == nil {
			_, err = w.Write(content)
		}
	}
	for _, dir := range []string{"bin/", "etc/", "root/", "home/", "home/user/", "var/", "dev/", "proc/", "sys/"} {
		add(tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	add(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	add(tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, program)
	for _, name := range strings.Fields(string(list)) {
		if name != "busybox" {
			add(tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
		}
	}
	add(tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"))
	add(tar.Header{Name: "etc/group", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("root:x:0:\nuser:x:1000:\n"))
	if err == nil {
		err = w.Close()
	}
	return b.Bytes(), err
}
