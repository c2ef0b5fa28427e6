package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// open makes a workspace with a state directory in it, and a file outside.
func open(t testing.TB, grants ...string) (f *Files, workspace string) {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	workspace = filepath.Join(base, "ws")
	for _, dir := range []string{"ws/.state/runs", "ws/.state/tmp", "ws/sub", "outside"} {
		must(t, os.MkdirAll(filepath.Join(base, dir), 0o755))
	}
	for _, name := range []string{"outside/secret", "ws/.state/journal", "ws/.state/runs/1", "ws/sub/file"} {
		must(t, os.WriteFile(filepath.Join(base, name), []byte("precious"), 0o644))
	}
	f, err = OpenFiles(workspace, filepath.Join(workspace, ".state"), grants...)
	must(t, err)
	t.Cleanup(f.Close)
	return f, workspace
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	granted := t.TempDir()
	f, ws := open(t, granted)
	for _, c := range []struct {
		name, abs string
		kind      fault.Kind
	}{
		{"sub/file", ws + "/sub/file", ""},
		{"//sub/file", ws + "/sub/file", ""},
		{"sub/../sub/./file", ws + "/sub/file", ""},
		{ws + "/new", ws + "/new", ""},
		{".", ws, ""},
		{granted + "/x", granted + "/x", ""},
		{".state/tmp/x", ws + "/.state/tmp/x", ""},
		{"", "", fault.Invalid},
		{"a\x00b", "", fault.Invalid},
		{strings.Repeat("a/", 5000), "", fault.Invalid},
		{"..", "", fault.Permission},
		{"../outside/secret", "", fault.Permission},
		{"sub/../../outside/secret", "", fault.Permission},
		{"//../outside/secret", "", fault.Permission},
		{"/etc/passwd", "", fault.Permission},
		{ws + "x", "", fault.Permission}, // a prefix is not a parent
		{".state", "", fault.Permission},
		{".state/journal", "", fault.Permission},
		{"sub/../.state/journal", "", fault.Permission},
		{ws + "/.state/journal", "", fault.Permission},
		{".state/tmp/../journal", "", fault.Permission},
		{".state/tmpx", "", fault.Permission},
	} {
		p, err := f.Resolve(c.name)
		if c.kind != "" {
			if !fault.Is(err, c.kind) {
				t.Errorf("%q: %v, want %s", c.name, err, c.kind)
			}
		} else if err != nil || p.Abs != c.abs {
			t.Errorf("%q: %q, %v, want %q", c.name, p.Abs, err, c.abs)
		}
	}
}

// ways are all that can be done with a path; each fails where it may not go.
var ways = map[string]func(f *Files, p Path) error{
	"read":     func(_ *Files, p Path) error { _, err := p.ReadFile(0); return err },
	"create":   func(_ *Files, p Path) error { return close(p.OpenFile(os.O_WRONLY|os.O_CREATE, 0o644)) },
	"truncate": func(_ *Files, p Path) error { return close(p.OpenFile(os.O_WRONLY|os.O_TRUNC, 0)) },
	"stat":     func(_ *Files, p Path) error { _, err := p.Stat(); return err },
	"chmod":    func(_ *Files, p Path) error { return p.Chmod(0o600) },
	"list":     func(_ *Files, p Path) error { _, err := p.ReadDir(); return err },
}

func close(f *os.File, err error) error {
	if err == nil {
		f.Close()
	}
	return err
}

func TestLinksLeadNowhere(t *testing.T) {
	for _, target := range []string{
		"../outside/secret", "../outside", "../outside/new", "/etc/passwd", "sub/../../outside/secret",
		".state", ".state/journal", ".state/runs", ".state/new", "sub/../.state/journal", "chain",
		".state/tmp/up/journal",
	} {
		f, ws := open(t)
		must(t, os.Symlink(".state/journal", ws+"/chain"))
		must(t, os.Symlink("..", ws+"/.state/tmp/up"))
		must(t, os.Symlink(target, ws+"/link"))
		for way, do := range ways {
			p := Path{Name: "link", Abs: ws + "/link", rel: "link", root: f.roots[0]} // as if it was made after Resolve
			if err := do(f, p); !fault.Is(err, fault.Permission) {
				t.Errorf("%s by a link to %q: %v", way, target, err)
			}
		}
		for _, name := range []string{"../outside/new", ".state/new"} {
			if _, err := os.Lstat(filepath.Join(ws, name)); err == nil {
				t.Errorf("a link to %q made %q", target, name)
			}
		}
		untouched(t, ws)
	}
}

func TestDirectoryLinksLeadNowhere(t *testing.T) {
	changes := map[string]func(p, other Path) error{
		"write":     func(p, _ Path) error { return p.WriteFile([]byte("x"), 0o644) },
		"remove":    func(p, _ Path) error { return p.Remove() },
		"removeAll": func(p, _ Path) error { return p.RemoveAll() },
		"mkdir":     func(p, _ Path) error { return p.Child("d").MkdirAll(0o755) },
		"symlink":   func(p, _ Path) error { return p.Symlink("x") },
		"lstat":     func(p, _ Path) error { _, err := p.Lstat(); return err },
		"move from": func(p, other Path) error { return p.Rename(other) },
		"move to":   func(p, other Path) error { return other.Rename(p) },
	}
	for _, target := range []string{"../outside", ".state", ".state/runs", "sub/../.state"} {
		f, ws := open(t)
		must(t, os.Symlink(target, ws+"/link"))
		other, err := f.Resolve("sub/file")
		must(t, err)
		for _, name := range []string{"journal", "secret", "1"} {
			for change, do := range changes {
				p := Path{Name: "link/" + name, Abs: ws + "/link/" + name, rel: "link/" + name, root: f.roots[0]}
				if err := do(p, other); !fault.Is(err, fault.Permission) {
					t.Errorf("%s %s in a link to %q: %v", change, name, target, err)
				}
			}
		}
		untouched(t, ws)
	}
}

func TestStateCannotBeTakenAway(t *testing.T) {
	f, ws := open(t)
	must(t, os.Rename(ws+"/.state", ws+"/sub/.state"))
	f.Close()
	f, err := OpenFiles(ws, ws+"/sub/.state")
	must(t, err)
	t.Cleanup(f.Close)
	sub, err := f.Resolve("sub")
	must(t, err)
	to, err := f.Resolve("elsewhere")
	must(t, err)
	if err := sub.RemoveAll(); !fault.Is(err, fault.Permission) {
		t.Errorf("remove: %v", err)
	}
	if err := sub.Rename(to); !fault.Is(err, fault.Permission) {
		t.Errorf("move: %v", err)
	}
	entries, err := sub.ReadDir()
	if err != nil || len(entries) != 1 || entries[0].Name() != "file" {
		t.Errorf("list: %v, %v", entries, err)
	}
}

// untouched checks what a script must not change.
func untouched(t *testing.T, ws string) {
	t.Helper()
	for _, name := range []string{"../outside/secret", ".state/journal", ".state/runs/1"} {
		data, err := os.ReadFile(filepath.Join(ws, name))
		if err != nil || string(data) != "precious" {
			t.Errorf("%s holds %q, %v", name, data, err)
		}
		if info, err := os.Stat(filepath.Join(ws, name)); err == nil && info.Mode().Perm() != 0o644 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
	}
	for _, dir := range []string{"../outside", ".state/runs"} {
		if entries, _ := os.ReadDir(filepath.Join(ws, dir)); len(entries) != 1 {
			t.Errorf("%s has %d entries", dir, len(entries))
		}
	}
}

// TestLinkRaces swaps a directory and a link to the state directory while files
// in it are used.
func TestLinkRaces(t *testing.T) {
	f, ws := open(t)
	must(t, os.Mkdir(ws+"/real", 0o755))
	must(t, os.Symlink(".state", ws+"/fake"))
	must(t, os.WriteFile(ws+"/real/journal", []byte("mine"), 0o644))
	must(t, os.Symlink("real", ws+"/d"))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer func() { stopped <- struct{}{} }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			// d is the link to the state directory for a moment, then the real one.
			os.Rename(ws+"/d", ws+"/was")
			os.Rename(ws+"/fake", ws+"/d")
			os.Rename(ws+"/d", ws+"/fake")
			os.Rename(ws+"/was", ws+"/d")
		}
	}()
	p := Path{Name: "d/journal", Abs: ws + "/d/journal", rel: "d/journal", root: f.roots[0]}
	back := Path{Name: "sub/moved", Abs: ws + "/sub/moved", rel: "sub/moved", root: f.roots[0]}
	for range 3000 {
		if data, err := p.ReadFile(0); err == nil && string(data) == "precious" {
			t.Fatal("read the state directory")
		}
		_ = p.WriteFile([]byte("mine"), 0o644) // whether it works depends on the race
		if p.Rename(back) == nil {
			if data, _ := os.ReadFile(ws + "/sub/moved"); string(data) == "precious" {
				t.Fatal("moved a file out of the state directory")
			}
		}
	}
	stop <- struct{}{}
	<-stopped
	untouched(t, ws)
}

// TestBranchesCreateTheSameFile: whoever comes second opens what the first made.
func TestBranchesCreateTheSameFile(t *testing.T) {
	f, _ := open(t)
	for i := range 200 {
		p, err := f.Resolve(fmt.Sprint("new-", i))
		must(t, err)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				file, err := p.OpenFile(os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
				if err != nil {
					t.Error(err)
					return
				}
				file.Close()
			})
		}
		all.Wait()
	}
}

func TestReplacesInOneStep(t *testing.T) {
	f, ws := open(t)
	p, err := f.Resolve("sub/file")
	must(t, err)
	must(t, p.WriteFrom(strings.NewReader("new"), 0o600))
	data, err := os.ReadFile(ws + "/sub/file")
	info, _ := os.Stat(ws + "/sub/file")
	if string(data) != "new" || err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", data, err, info.Mode())
	}
	if entries, _ := os.ReadDir(ws + "/sub"); len(entries) != 1 {
		t.Errorf("%d entries: something was left", len(entries))
	}
	if p.Parent().Abs != ws+"/sub" || p.Sibling("x").Name != "sub/x" {
		t.Errorf("%+v, %+v", p.Parent(), p.Sibling("x"))
	}
	p, err = f.Resolve("//sub/file")
	must(t, err)
	if p.Parent().Name != "//sub" || p.Parent().Parent().Name != "//" || p.Sibling("x").Name != "//sub/x" {
		t.Errorf("%q, %q", p.Parent().Name, p.Sibling("x").Name)
	}
}

func FuzzResolve(f *testing.F) {
	files, ws := open(f)
	must(f, os.Symlink(".state", ws+"/tostate"))
	must(f, os.Symlink("../outside", ws+"/toout"))
	for _, seed := range []string{
		"sub/file", "//sub", "..", "../outside/secret", "/etc/passwd", ".state/journal", "tostate/journal",
		"toout/secret", "a\x00", strings.Repeat("a/", 2040), "sub/../../ws/.state", ".state/tmp/x", "sub//../.state/./journal", "//../x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p, err := files.Resolve(name)
		if err != nil {
			if fault.As(err) == nil {
				t.Fatalf("%q: %v is no fault", name, err)
			}
			return
		}
		if p.Abs != ws && !strings.HasPrefix(p.Abs, ws+"/") {
			t.Fatalf("%q is %q, out of the workspace", name, p.Abs)
		}
		if rest, ok := strings.CutPrefix(p.Abs, ws+"/.state"); ok && (rest == "" || rest[0] == '/') &&
			rest != "/tmp" && !strings.HasPrefix(rest, "/tmp/") {
			t.Fatalf("%q is %q, in the state directory", name, p.Abs)
		}
		if again, err := files.Resolve(p.Abs); err != nil || again.Abs != p.Abs {
			t.Fatalf("%q is %q, which is %q, %v", name, p.Abs, again.Abs, err)
		}
		if data, err := p.ReadFile(0); err == nil && string(data) == "precious" && p.rel != "sub/file" {
			t.Fatalf("%q reads what is out of reach", name)
		}
	})
}
