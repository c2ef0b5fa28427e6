package op

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// scenes are the shells of this machine, each with an empty directory root.
func scenes(t *testing.T, try func(s scene, root string)) {
	for _, sh := range shells(t) {
		t.Run(sh.name, func(t *testing.T) {
			own := *sh
			own.dir = t.TempDir()
			root := filepath.Join(own.dir, "root")
			if err := os.Mkdir(root, 0o755); err != nil {
				t.Fatal(err)
			}
			try(scene{t, &own}, root)
		})
	}
}

// need skips a test where a tool is missing, unless REQUIRE demands it.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), tool) {
			t.Fatalf("there is no %s, and REQUIRE demands it", tool)
		}
		t.Skipf("there is no %s", tool)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sh(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// packedFiles is what the archives of the tests hold.
var packedFiles = map[string]string{"app-1/bin/run": "new", "app-1/etc/with space": "x", "app-1/README": "read me"}

func tarball(t *testing.T, file string) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, name := range []string{"app-1/README", "app-1/bin/run", "app-1/etc/with space"} {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(packedFiles[name])), Uid: 1234, ModTime: time.Unix(1e9, 0)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(packedFiles[name])) // into memory
	}
	_, _ = w.Close(), z.Close()
	write(t, file, buf.String())
}

func zipball(t *testing.T, file string) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, text := range packedFiles {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.Write([]byte(text)) // into memory
	}
	_ = w.Close()
	write(t, file, buf.String())
}

// TestArchiveKeepsItsPromises unpacks into a new directory, and over files that are
// there.
func TestArchiveKeepsItsPromises(t *testing.T) {
	need(t, "unzip")
	scenes(t, func(s scene, root string) {
		tarball(s.T, s.dir+"/app.tar.gz")
		zipball(s.T, s.dir+"/app.zip")
		for _, there := range []bool{false, true} {
			for _, a := range []*archive{
				{Path: s.dir + "/app.tar.gz", Strip: 1},
				{Path: s.dir + "/app.tar.gz", Creates: "app-1/README"},
				{Path: s.dir + "/app.zip"},
			} {
				os.RemoveAll(root)
				os.RemoveAll(s.dir + "/kept")
				if err := os.Mkdir(root, 0o755); err != nil {
					s.Fatal(err)
				}
				if there {
					write(s.T, root+"/app dir/README", "old")
					write(s.T, root+"/app dir/bin/run", "old")
					write(s.T, root+"/app dir/app-1/bin/other", "old")
				}
				a.Base, a.Directory, a.State = here(), root+"/app dir", "unpacked"
				s.keepsItsPromises(a)
			}
		}
		s.must("unpacking", s.planned(&archive{Base: here(), Path: s.dir + "/app.tar.gz", Strip: 1, Directory: root + "/last", State: "unpacked"}))
		if data, err := os.ReadFile(root + "/last/etc/with space"); err != nil || string(data) != "x" {
			s.Errorf("%q %v", data, err)
		}
	})
}

// planned is the step of an operation that has something to do.
func (s scene) planned(do operation.Operation) operation.Step {
	s.Helper()
	c, err := s.plan(do)
	if err != nil || c == nil {
		s.Fatalf("%+v: nothing to do, or %v", do, err)
	}
	return c.Step
}

// TestPack packs what has changed, and only then.
func TestPack(t *testing.T) {
	scenes(t, func(s scene, root string) {
		write(s.T, root+"/data/a", "1")
		do := &archive{Base: here(), Path: root + "/data.tar.gz", Directory: root + "/data", State: "packed"}
		before := s.snapshot()
		c, err := s.plan(do)
		if err != nil {
			s.Fatal(err)
		}
		s.must("pack", c.Step)
		s.settled(do, "packed")
		list := sh(s.T, root, "tar", "-tzf", "data.tar.gz")
		if list != "data/\ndata/a" {
			s.Error(list)
		}
		s.must("undo", *c.Undo)
		s.same("undone", before)
		s.must("pack", c.Step)
		write(s.T, root+"/data/b", "2")
		s.must("packed anew", s.planned(do))
		if list := sh(s.T, root, "tar", "-tzf", "data.tar.gz"); !strings.Contains(list, "data/b") {
			s.Error(list)
		}
	})
}

func TestArchiveErrors(t *testing.T) {
	scenes(t, func(s scene, root string) {
		for want, a := range map[string]*archive{
			"there is no archive":      {Path: root + "/none.tar", Directory: root + "/x"},
			"not an archive":           {Path: root, Directory: root + "/x", Format: "tar"},
			"there is no directory /n": {Path: root + "/p.tar", Directory: "/no/where", State: "packed"},
		} {
			if a.State == "" {
				a.State = "unpacked"
			}
			a.Base = here()
			if _, err := s.plan(a); err == nil || !strings.Contains(err.Error(), want) {
				s.Errorf("%v, want %s", err, want)
			}
		}
		write(s.T, root+"/broken.tar.gz", "no archive")
		exit, out := s.run(s.planned(&archive{Base: here(), Path: root + "/broken.tar.gz", Directory: root + "/x", State: "unpacked"}), 0)
		if exit.OK() || out == "" {
			s.Errorf("%+v %s", exit, out)
		}
	})
}

// TestDownloadKeepsItsPromises downloads with curl, and with the wget of GNU and of
// busybox.
func TestDownloadKeepsItsPromises(t *testing.T) {
	content := strings.Repeat("provisioning\n", 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/secret" && r.Header.Get("Authorization") != "Bearer x\"y" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.ServeContent(w, r, "x", time.Unix(1e9, 0), strings.NewReader(content))
	}))
	defer server.Close()
	scenes(t, func(s scene, root string) {
		if s.name == "bash" { // with wget alone
			s.path = without(s.T, s.path, "curl")
			s.cuts = counting(s.T, s.path) + ":" + s.path
		}
		for _, d := range []*download{
			{URL: server.URL + "/x", Path: root + "/new"},
			{URL: server.URL + "/x", Path: root + "/old", Checksum: "sha256:" + sum([]byte(content))},
			{URL: server.URL + "/x", Path: root + "/old", Checksum: "md5:" + "0" + strings.Repeat("1", 31)},
			{URL: server.URL + "/secret", Path: root + "/secret", Headers: map[string]string{"Authorization": "Bearer x\"y"}},
		} {
			write(s.T, root+"/old", "old")
			d.Base = here()
			if strings.HasPrefix(d.Checksum, "md5") {
				if exit, out := s.run(s.planned(d), 0); exit.OK() || !strings.Contains(out, "has the md5 checksum") {
					s.Errorf("%+v %s", exit, out)
				}
				continue
			}
			if d.Headers != nil && s.name != "dash" { // which has no curl here
				if exit, out := s.run(s.planned(d), 0); exit.OK() || !strings.Contains(out, "curl is needed") {
					s.Errorf("%+v %s", exit, out)
				}
				continue
			}
			s.keepsItsPromises(d)
			if c, err := s.plan(d); err != nil {
				s.Fatal(err)
			} else if c != nil {
				s.must("download", c.Step)
			}
			if data, err := os.ReadFile(d.Path); err != nil || string(data) != content {
				s.Errorf("%s: %d bytes, %v", d.Path, len(data), err)
			}
		}
	})
}

// without is a path with everything that path has, but for one program.
func without(t *testing.T, path, program string) string {
	dir := t.TempDir()
	for _, d := range filepath.SplitList(path) {
		entries, _ := os.ReadDir(d) // one that is not there has nothing
		for _, e := range entries {
			if e.Name() != program {
				_ = os.Symlink(filepath.Join(d, e.Name()), filepath.Join(dir, e.Name())) // the first one counts
			}
		}
	}
	return dir
}

// TestDownloadGoesOn continues where a download was cut off, and begins anew when
// the part is none of the file.
func TestDownloadGoesOn(t *testing.T) {
	content := strings.Repeat("x", 5000)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Range"))
		http.ServeContent(w, r, "x", time.Unix(1e9, 0), strings.NewReader(content))
	}))
	defer server.Close()
	scenes(t, func(s scene, root string) {
		d := &download{Base: here(), URL: server.URL, Path: root + "/x", Checksum: "sha256:" + sum([]byte(content))}
		for part, ranges := range map[string][]string{content[:2000]: {"bytes=2000-"}, "yyyy": {"bytes=4-", ""}, content: nil} {
			asked = nil
			write(s.T, d.part(), part)
			s.must("download", s.planned(d))
			if data, _ := os.ReadFile(d.Path); string(data) != content {
				s.Errorf("after a part of %d bytes there are %d", len(part), len(data))
			}
			if ranges != nil && !slices.Equal(asked, ranges) {
				s.Errorf("after a part of %s bytes it asks for %q", strconv.Itoa(len(part)), asked)
			}
			os.Remove(d.Path)
		}
	})
}

// TestGitKeepsItsPromises clones, goes on, goes back and is refused.
func TestGitKeepsItsPromises(t *testing.T) {
	need(t, "git")
	scenes(t, func(s scene, root string) {
		from := s.dir + "/from"
		write(s.T, from+"/a", "1")
		sh(s.T, from, "git", "-c", "init.defaultBranch=main", "init", "-q")
		sh(s.T, from, "git", "add", ".")
		sh(s.T, from, "git", "commit", "-q", "-m", "1")
		sh(s.T, from, "git", "tag", "-a", "-m", "one", "v1")
		first := sh(s.T, from, "git", "rev-parse", "HEAD")
		refs := []*git{{Ref: "HEAD"}, {Ref: "main", Depth: 1}, {Ref: "v1"}, {Ref: first}}
		if os.Getenv("TORTURE") != "full" && s.name != "dash" {
			refs = refs[1:2]
		}
		for _, g := range refs {
			g.Base, g.Repository, g.Path, g.Update = here(), "file://"+from, root+"/tree", true
			s.clones(g)
		}

		g := &git{Base: here(), Repository: "file://" + from, Path: root + "/tree", Ref: "main", Update: true}
		s.must("clone", s.planned(g))
		write(s.T, from+"/a", "2")
		sh(s.T, from, "git", "commit", "-q", "-a", "-m", "2")
		second := sh(s.T, from, "git", "rev-parse", "HEAD")
		c, err := s.plan(g)
		if err != nil || !strings.Contains(c.Diff, first+" -> "+second) {
			s.Fatalf("%+v %v", c, err)
		}
		s.must("update", c.Step)
		s.settled(g, "updated")
		s.tree(root, second, "main", "2")
		s.must("undo", *c.Undo)
		s.must("undo again", *c.Undo)
		s.tree(root, first, "main", "1")

		write(s.T, root+"/tree/a", "mine")
		if _, err := s.plan(g); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "files that were changed") {
			s.Error(err)
		}
		g.Force = true
		c, err = s.plan(g)
		if err != nil {
			s.Fatal(err)
		}
		s.must("force", c.Step)
		s.tree(root, second, "main", "2")
		s.must("undo", *c.Undo)
		s.tree(root, first, "main", "mine")

		sh(s.T, root+"/tree", "git", "commit", "-q", "-a", "-m", "mine")
		g.Force = false
		if exit, out := s.run(s.planned(g), 0); exit.OK() || !strings.Contains(out, "commits that the repository does not have") {
			s.Errorf("%+v %s", exit, out)
		}
		g.Ref = "nope"
		if _, err := s.plan(g); !fault.Is(err, fault.NotFound) {
			s.Error(err)
		}
		g.Repository = "file:///nowhere"
		if _, err := s.plan(g); !fault.Is(err, fault.Network) {
			s.Error(err)
		}
	})
}

// clones clones, again, and takes it back, and does that after every cut.
func (s scene) clones(g *git) {
	s.Helper()
	before := s.snapshot()
	c, err := s.plan(g)
	if err != nil {
		s.Fatal(err)
	}
	s.must("clone", c.Step)
	s.settled(g, "cloned")
	s.must("undo", *c.Undo)
	s.same("undone", before)
	for cut := 1; ; cut += s.stride() {
		exit, _ := s.run(c.Step, cut)
		done := exit.OK()
		if rest, err := s.plan(g); err != nil {
			s.Fatal(err)
		} else if rest != nil {
			s.must("clone after a cut", rest.Step)
		}
		s.settled(g, "cloned after a cut")
		s.must("undo", *c.Undo)
		s.same("undone after a cut", before)
		if done {
			return
		}
		s.run(c.Step, cut)
		s.must("undo of a part", *c.Undo)
		s.same("undone of a part", before)
	}
}

func (s scene) tree(root, commit, branch, content string) {
	s.Helper()
	dir := root + "/tree"
	if got := sh(s.T, dir, "git", "rev-parse", "HEAD"); got != commit {
		s.Errorf("the commit is %s, want %s", got, commit)
	}
	if got := sh(s.T, dir, "git", "symbolic-ref", "--short", "HEAD"); got != branch {
		s.Errorf("the branch is %s, want %s", got, branch)
	}
	if got, _ := os.ReadFile(dir + "/a"); string(got) != content {
		s.Errorf("the file has %q, want %q", got, content)
	}
}
