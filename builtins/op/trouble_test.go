package op

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// refused makes an operation that the machine refuses, which leaves everything as it
// was and says why.
func (s scene) refused(f *file, why string) {
	s.Helper()
	before := s.snapshot()
	exit, out := s.run(s.planned(f), 0)
	if exit.OK() || !strings.Contains(out, why) {
		s.Errorf("exit code %d, %s; want %s", exit.Code, out, why)
	}
	s.same("refused", before)
}

func present(path, content string) *file {
	data := []byte(content)
	return &file{Base: here(), Path: path, Content: &data, State: "present"}
}

func needRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
}

func mounted(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(target, syscall.MNT_DETACH) })
}

func TestRefusals(t *testing.T) {
	scenes(t, func(s scene, root string) {
		write(s.T, root+"/a", "old")
		f := present(root+"/a", "new")
		nobody := "no-such-user"
		f.Owner = &nobody
		s.refused(f, nobody)
		f = present(root+"/a", "new")
		f.Check = "grep -q good %s"
		s.refused(f, "was refused by: grep -q good %s")
		s.refused(present(root+"/none/a", "new"), "there is no directory "+root+"/none")
	})
}

// TestChangedMeanwhile: what came between the look and the change is not lost, nor
// what came between the change and its undo.
func TestChangedMeanwhile(t *testing.T) {
	scenes(t, func(s scene, root string) {
		write(s.T, root+"/a", "old")
		c, err := s.plan(present(root+"/a", "new"))
		if err != nil {
			s.Fatal(err)
		}
		write(s.T, root+"/a", "of somebody else")
		for what, step := range map[string]func() (int, string){
			"change": func() (int, string) { exit, out := s.run(c.Step, 0); return exit.Code, out },
			"undo":   func() (int, string) { exit, out := s.run(*c.Undo, 0); return exit.Code, out },
		} {
			if code, out := step(); code != 75 || !strings.Contains(out, "changed since") {
				s.Errorf("%s: exit code %d, %s", what, code, out)
			}
		}
		if data, _ := os.ReadFile(root + "/a"); string(data) != "of somebody else" {
			s.Errorf("%q", data)
		}
	})
}

// TestBackupIntoATrap: who can write to the directory cannot have the copy written
// elsewhere by a link with its name.
func TestBackupIntoATrap(t *testing.T) {
	scenes(t, func(s scene, root string) {
		write(s.T, root+"/a", "old")
		write(s.T, root+"/precious", "precious")
		f := present(root+"/a", "new")
		f.Backup = true
		backup := placement{path: root + "/a", now: fact.FileState{Sum: sum([]byte("old"))}}.backupName()
		if err := os.Symlink("precious", backup+".new"); err != nil {
			s.Fatal(err)
		}
		c, err := s.plan(f)
		if err != nil {
			s.Fatal(err)
		}
		if exit, out := s.run(c.Step, 0); exit.Code != 0 {
			s.Fatal(exit, out)
		}
		for name, want := range map[string]string{root + "/precious": "precious", backup: "old", root + "/a": "new"} {
			if data, _ := os.ReadFile(name); string(data) != want {
				s.Errorf("%s: %q, want %q", name, data, want)
			}
		}
	})
}

func TestFullDisk(t *testing.T) {
	needRoot(t)
	scenes(t, func(s scene, root string) {
		if err := os.Mkdir(root+"/small", 0o755); err != nil {
			s.Fatal(err)
		}
		mounted(s.T, "tmpfs", root+"/small", "tmpfs", 0, "size=64k")
		write(s.T, root+"/small/a", "old")
		s.refused(present(root+"/small/a", strings.Repeat("x", 200_000)), "")
	})
}

func TestReadOnly(t *testing.T) {
	needRoot(t)
	scenes(t, func(s scene, root string) {
		if err := os.Mkdir(root+"/ro", 0o755); err != nil {
			s.Fatal(err)
		}
		mounted(s.T, "tmpfs", root+"/ro", "tmpfs", 0, "size=64k")
		write(s.T, root+"/ro/a", "old")
		if err := syscall.Mount("", root+"/ro", "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			s.Skip(err)
		}
		s.refused(present(root+"/ro/a", "new"), "ead-only file system")
	})
}

func TestImmutable(t *testing.T) {
	needRoot(t)
	scenes(t, func(s scene, root string) {
		write(s.T, root+"/a", "old")
		if out, err := exec.Command("chattr", "+i", root+"/a").CombinedOutput(); err != nil {
			s.Skipf("cannot make a file immutable: %s", out)
		}
		defer func() { _ = exec.Command("chattr", "-i", root+"/a").Run() }()
		s.refused(present(root+"/a", "new"), "not permitted")
	})
}

// TestMountPoint: a file that is a mount point is written over, as /etc/hosts in a
// container, and a cut while that is under way is made good.
func TestMountPoint(t *testing.T) {
	needRoot(t)
	scenes(t, func(s scene, root string) {
		write(s.T, s.dir+"/behind", "old")
		write(s.T, root+"/a", "")
		mounted(s.T, s.dir+"/behind", root+"/a", "", syscall.MS_BIND, "")
		before := s.snapshot()
		f := present(root+"/a", "new content\n")
		c, err := s.plan(f)
		if err != nil {
			s.Fatal(err)
		}
		s.must("write", c.Step)
		s.settled(f, "written")
		s.must("undo", *c.Undo)
		s.same("undone", before)
		for cut := 1; ; cut++ {
			exit, _ := s.run(c.Step, cut)
			if !exit.OK() {
				s.must("undo after a cut", *c.Undo)
				s.same("undone after a cut", before)
				s.run(c.Step, cut)
			}
			if rest, err := s.plan(f); err != nil {
				s.Fatal(err)
			} else if rest != nil {
				s.must("write after a cut", rest.Step)
			}
			s.must("undo", *c.Undo)
			s.same("undone", before)
			if exit.OK() {
				return
			}
		}
	})
}

// TestNotRemovedWithAMount: what is mounted in a directory is not emptied.
func TestNotRemovedWithAMount(t *testing.T) {
	needRoot(t)
	scenes(t, func(s scene, root string) {
		_ = os.MkdirAll(root+"/d/m", 0o755)
		mounted(s.T, "tmpfs", root+"/d/m", "tmpfs", 0, "size=64k")
		write(s.T, root+"/d/m/a", "x")
		exit, out := s.run(s.planned(&directory{Base: here(), Path: root + "/d", State: "absent"}), 0)
		if exit.OK() || !strings.Contains(out, "is mounted") {
			s.Errorf("%+v %s", exit, out)
		}
		if _, err := os.Stat(root + "/d/m/a"); err != nil {
			s.Error(err)
		}
	})
}

// TestLargeSource sends a file of the workspace as a stream, and undoes what was large.
func TestLargeSource(t *testing.T) {
	scenes(t, func(s scene, root string) {
		large := strings.Repeat("0123456789abcdef", 1<<17)
		write(s.T, s.dir+"/large", large)
		sent := &source{size: int64(len(large)), sum: sum([]byte(large)), open: opener(s.dir + "/large")}
		write(s.T, root+"/a", strings.Repeat("old", 1<<19))
		before := s.snapshot()
		name := "large"
		f := &file{Base: here(), Path: root + "/a", Source: &name, sent: sent, State: "present"}
		c, err := s.plan(f)
		if err != nil {
			s.Fatal(err)
		}
		s.must("send", c.Step)
		s.settled(f, "sent")
		s.must("undo", *c.Undo)
		s.same("undone", before)
		write(s.T, s.dir+"/large", "another one")
		if exit, out := s.run(c.Step, 0); exit.Code != 75 || !strings.Contains(out, "changed meanwhile") {
			s.Errorf("%+v %s", exit, out)
		}
		s.same("changed meanwhile", before)
	})
}

// TestDenied: a directory that cannot be looked into is an error, and no missing file.
func TestDenied(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root can look everywhere; package machine tests the rest")
	}
	scenes(t, func(s scene, root string) {
		if err := os.Mkdir(root+"/closed", 0); err != nil {
			s.Fatal(err)
		}
		if _, err := s.plan(present(filepath.Join(root, "closed", "a"), "")); !fault.Is(err, fault.Permission) {
			s.Error(err)
		}
	})
}

func opener(file string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return os.Open(file) }
}
