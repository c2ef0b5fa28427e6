package target

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/sending"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// strange is a machine that is this one, with something about it that is not as
// usual.
type strange struct {
	machine.Local
	before func(line string) (machine.Exit, error) // nil: the line is executed
	stdin  func(io.Reader) io.Reader
	path   string // of programs, before the usual ones
	lines  int
}

func (s *strange) Exec(ctx context.Context, line string, streams machine.Streams) (machine.Exit, error) {
	s.lines++
	if s.before != nil {
		if exit, err := s.before(line); err != nil {
			return exit, err
		}
	}
	if s.stdin != nil && streams.Stdin != nil {
		streams.Stdin = s.stdin(streams.Stdin)
	}
	if s.path != "" {
		line = "PATH=" + machine.Quote(s.path) + ":$PATH; export PATH; exec sh -c " + machine.Quote(line)
	}
	return s.Local.Exec(ctx, line, streams)
}

// serve makes the local machine of a fixture another one.
func (s *strange) serve(f *builtintest.Fixture) {
	f.Run.ID = rand.Text() // what undo needs is kept by it, from one test run to the next
	f.Run.Live.Put(strangeMachine, s)
}

// strangeMachine is the handle under which a run of a test has its local machine.
const strangeMachine = "test:strange"

// localOrStrange is the local machine, as it is in most tests, or a strange one.
type localOrStrange struct{}

func init() { target.Register(localOrStrange{}) }

func (localOrStrange) Name() string { return "local" }

func (localOrStrange) Identity(target.Fields) (string, error) { return "", nil }

func (localOrStrange) Dial(_ context.Context, env *effect.Env, _ target.Fields) (machine.Conn, error) {
	if s, ok := env.Run.Live.Get(strangeMachine).(*strange); ok {
		return s, nil
	}
	return machine.Local{}, nil
}

// tools returns the userlands that transfers are tested with: a directory with the
// programs of busybox under their names, and none for those of the machine.
func tools(t *testing.T) map[string]string {
	all := map[string]string{"gnu": ""}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "busybox") {
			t.Fatal("there is no busybox, and REQUIRE demands it")
		}
		t.Log("there is no busybox: tested without")
		return all
	}
	dir := t.TempDir()
	for _, name := range []string{"sh", "find", "stat", "tar", "cat", "mv", "rm", "rmdir", "mkdir", "chmod", "chown", "xargs", "sha256sum", "gzip", "head", "tail", "wc", "readlink", "dirname", "basename", "id", "date", "sync", "setsid", "sleep", "mktemp", "tr"} {
		if err := os.Symlink(busybox, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	all["busybox"] = dir
	return all
}

// build makes a tree of its description: "dir/", "file=content", "link->target",
// and a mode behind "!".
func build(t *testing.T, dir string, entries ...string) {
	t.Helper()
	for _, e := range entries {
		e, mode, _ := strings.Cut(e, "!")
		name, content, isFile := strings.Cut(e, "=")
		link, to, isLink := strings.Cut(e, "->")
		var err error
		switch {
		case isLink:
			err = os.Symlink(to, filepath.Join(dir, link))
		case isFile:
			err = errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
		default:
			err = os.MkdirAll(filepath.Join(dir, e), 0o755)
		}
		if err == nil && mode == "600" {
			err = os.Chmod(filepath.Join(dir, name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// describe is the opposite of build, sorted.
func describe(t *testing.T, root string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			all = append(all, rel+"/")
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(name)
			all = append(all, rel+"->"+to)
		default:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text := rel + "=" + string(data)
			if info.Mode().Perm() == 0o600 {
				text += "!600"
			}
			all = append(all, text)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, "|")
}

// kept is what an intent remembers, as a past effect has it.
type kept struct {
	effect.Past
	memory any
}

func (k kept) Remembered(into any) error {
	if m, ok := k.memory.(sending.Memory); ok {
		*into.(*sending.Memory) = m
	}
	return nil
}

func TestPutAndGet(t *testing.T) {
	odd := "a b\nc'd\"é\\ -x"
	long := strings.Repeat("long-name-", 20)
	big := strings.Repeat("0123456789abcdef", 400_000) // more than a small file
	tests := []struct {
		name       string
		source     []string
		there      []string // before
		delete     bool
		want       string // "" for the source as it is
		diff       string // a part of it
		unmodified bool
	}{
		{name: "new tree", source: []string{"a=1", "d/b=2!600", "d/e/", "l->d/b", "dangling->/no/where"}, diff: "+ DEST/d/b (1 bytes)"},
		{name: "empty tree", source: []string{}, there: []string{}, unmodified: true},
		{name: "equal", source: []string{"a=1", "l->a"}, there: []string{"a=1", "l->a"}, unmodified: true},
		{name: "one differs", source: []string{"a=1", "b=2"}, there: []string{"a=1", "b=3"}, diff: "~ DEST/b (1 -> 1 bytes)"},
		{name: "extras stay", source: []string{"a=1"}, there: []string{"b=2", "d/c=3"}, want: "a=1|b=2|d/|d/c=3"},
		{name: "extras go", source: []string{"a=1"}, there: []string{"b=2", "d/c=3"}, delete: true, diff: "- DEST/d/c"},
		{name: "mode", source: []string{"a=1!600"}, there: []string{"a=1"}, diff: "~ DEST/a (mode 0644 -> 0600)"},
		{name: "a directory becomes a file", source: []string{"a=1"}, there: []string{"a/b=2"}},
		{name: "a file becomes a directory", source: []string{"a/b=1"}, there: []string{"a=2"}},
		{name: "a link becomes a directory", source: []string{"a/b=1", "x/"}, there: []string{"x/", "a->x"}},
		{name: "a link to a directory becomes a file", source: []string{"a=1", "x/"}, there: []string{"x/", "a->x"}},
		{name: "a link gets another target", source: []string{"a->x"}, there: []string{"a->y"}, diff: "~ DEST/a -> x"},
		{name: "odd names", source: []string{odd + "=1", "-rf=2", odd + "d/" + odd + "=3", "ñ->" + odd, "tail\n=4"}, there: []string{odd + "=0", "tail\n=4"}},
		{name: "long names", source: []string{long + "/" + long + "=1"}},
		{name: "large files", source: []string{"big=" + big, "d/big=" + big + "!600", "small=1"}, there: []string{"big=old"}, diff: "~ DEST/big (3 -> 6400000 bytes)"},
		{name: "new in old directories", source: []string{"a/b/c=1", "a/x=2", "a/n/n=3"}, there: []string{"a/b/old=1", "a/x=1"}, want: "a/|a/b/|a/b/c=1|a/b/old=1|a/n/|a/n/n=3|a/x=2"},
	}
	for userland, programs := range tools(t) {
		for _, test := range tests {
			t.Run(userland+" put "+test.name, func(t *testing.T) {
				f := builtintest.New(t, Module)
				(&strange{path: programs}).serve(f)
				dest := filepath.Join(t.TempDir(), "dest")
				build(t, filepath.Join(f.Dir, "src"), append([]string{"."}, test.source...)...)
				if test.there != nil {
					build(t, dest, append([]string{"."}, test.there...)...)
				}
				before := describe(t, dest)
				want := test.want
				if want == "" {
					want = describe(t, filepath.Join(f.Dir, "src"))
				}
				newPut := func() *put {
					return &put{On: command.On{Target: here()}, Source: "src", Destination: dest, Delete: test.delete}
				}
				first, env := newPut(), f.Env()
				env.Place = "0#" + t.Name()
				prediction, err := first.Predict(t.Context(), env)
				if err != nil {
					t.Fatal(err)
				}
				memory, err := first.Remember(t.Context(), env)
				if err != nil {
					t.Fatal(err)
				}
				got, err := first.Perform(t.Context(), env)
				if err != nil {
					t.Fatal(err)
				}
				r := got.(operation.Result)
				if r.Changed == test.unmodified || r.Diff != prediction.Diff || !strings.Contains(strings.ReplaceAll(r.Diff, dest, "DEST"), test.diff) {
					t.Errorf("changed %t, diff\n%s\nplanned\n%s", r.Changed, r.Diff, prediction.Diff)
				}
				if now := describe(t, dest); test.there != nil && !test.delete && test.want == "" {
					for part := range strings.SplitSeq(want, "|") {
						if part != "" && !strings.Contains("|"+now+"|", "|"+part+"|") {
							t.Errorf("%.200q is missing in\n%.500q", part, now)
						}
					}
				} else if now != want {
					t.Errorf("there is\n%.500q\nwant\n%.500q", now, want)
				}
				if got, err = newPut().Perform(t.Context(), env); err != nil || got.(operation.Result).Changed {
					t.Errorf("a second time: %+v, %v", got, err)
				}
				for range 2 { // twice, as a rollback may be cut off
					if err := newPut().Undo(t.Context(), env, kept{memory: memory}); err != nil {
						t.Fatal(err)
					}
				}
				if now := describe(t, dest); now != before {
					t.Errorf("after undo there is\n%.500q\nwant\n%.500q", now, before)
				}
			})
			t.Run(userland+" get "+test.name, func(t *testing.T) {
				f := builtintest.New(t, Module)
				(&strange{path: programs}).serve(f)
				src, dest := t.TempDir(), filepath.Join(f.Dir, "dest")
				build(t, src, test.source...)
				if test.there != nil {
					build(t, dest, append([]string{"."}, test.there...)...)
				}
				newGet := func() *get {
					return &get{On: command.On{Target: here()}, Source: src, Destination: "dest", Delete: true}
				}
				got, err := newGet().Perform(t.Context(), f.Env())
				if err != nil {
					t.Fatal(err)
				}
				if want, now := describe(t, src), describe(t, dest); now != want {
					t.Errorf("there is\n%.500q\nwant\n%.500q", now, want)
				}
				if r := got.(operation.Result); r.Changed == test.unmodified {
					t.Errorf("changed %t, diff\n%s", r.Changed, r.Diff)
				}
				if got, err = newGet().Perform(t.Context(), f.Env()); err != nil || got.(operation.Result).Changed {
					t.Errorf("a second time: %+v, %v", got, err)
				}
			})
		}
	}
}

// TestGetHardLinks: tar has the content of a file with two names once.
func TestGetHardLinks(t *testing.T) {
	for userland, programs := range tools(t) {
		f := builtintest.New(t, Module)
		(&strange{path: programs}).serve(f)
		src, dest := t.TempDir(), filepath.Join(f.Dir, "dest")
		build(t, src, "d/a=one")
		if err := errors.Join(os.Link(src+"/d/a", src+"/b"), os.Link(src+"/d/a", src+"/d/c")); err != nil {
			t.Fatal(err)
		}
		g := &get{On: command.On{Target: here()}, Source: src, Destination: "dest"}
		if _, err := g.Perform(t.Context(), f.Env()); err != nil {
			t.Fatal(userland, err)
		}
		if want, now := describe(t, src), describe(t, dest); now != want {
			t.Errorf("%s: there is %q, want %q", userland, now, want)
		}
	}
}

func TestPutOneFile(t *testing.T) {
	tests := []struct{ name, there, destination, want, fault string }{
		{name: "new", destination: "x", want: "x=1"},
		{name: "into a directory", there: "d/", destination: "d/", want: "d/|d/a=1"},
		{name: "replaced", there: "x=2", destination: "x", want: "x=1"},
		{name: "a link is replaced", there: "x->y", destination: "x", want: "x=1"},
		{name: "a directory is in the way", there: "d/", destination: "d", fault: "is a directory"},
		{name: "no directory", destination: "no/x", fault: "No such file or directory"},
	}
	for userland, programs := range tools(t) {
		for _, test := range tests {
			t.Run(userland+" "+test.name, func(t *testing.T) {
				f := builtintest.New(t, Module)
				(&strange{path: programs}).serve(f)
				f.WriteFile("a", "1")
				dir := t.TempDir()
				if test.there != "" {
					build(t, dir, test.there)
				}
				before := describe(t, dir)
				p := &put{On: command.On{Target: here()}, Source: "a", Destination: dir + "/" + test.destination}
				env := f.Env()
				env.Place = "0#" + t.Name()
				memory, err := p.Remember(t.Context(), env)
				if err == nil {
					_, err = p.Perform(t.Context(), env)
				}
				if test.fault != "" {
					if err == nil || !strings.Contains(err.Error(), test.fault) || describe(t, dir) != before {
						t.Errorf("%v, there is %q", err, describe(t, dir))
					}
					return
				}
				if err != nil || describe(t, dir) != test.want {
					t.Fatalf("%v, there is %q", err, describe(t, dir))
				}
				if err := p.Undo(t.Context(), env, kept{memory: memory}); err != nil || describe(t, dir) != before {
					t.Errorf("after undo: %v, there is %q", err, describe(t, dir))
				}
			})
		}
	}
}

func TestModesAndOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	f := builtintest.New(t, Module)
	build(t, filepath.Join(f.Dir, "src"), "a=1", "d/b=2")
	dest := filepath.Join(t.TempDir(), "dest")
	mode, dirMode, owner := 0o4750, 0o711, "nobody"
	p := &put{On: command.On{Target: here()}, Source: "src", Destination: dest, Mode: &mode, DirMode: &dirMode, Owner: &owner}
	if _, err := p.Perform(t.Context(), f.Env()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"a": 0o750 | fs.ModeSetuid, "d": 0o711 | fs.ModeDir, "d/b": 0o750 | fs.ModeSetuid, ".": 0o711 | fs.ModeDir} {
		info, err := os.Stat(filepath.Join(dest, name))
		if err != nil || info.Mode() != want || info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s: %v %v, want %v and nobody", name, err, info.Mode(), want)
		}
	}
	if r, err := p.Perform(t.Context(), f.Env()); err != nil || r.(operation.Result).Changed {
		t.Errorf("a second time: %+v, %v", r, err)
	}
}

// cutter ends a stream after n bytes, as a lost connection does.
type cutter struct {
	io.Reader
	left int
}

func (c *cutter) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	n, err := c.Reader.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// A stream that breaks off anywhere leaves what there was, and the next attempt makes
// it whole.
func TestPutBreaksOff(t *testing.T) {
	for userland, programs := range tools(t) {
		for _, after := range []int{0, 100, 512, 1024, 1536, 2048, 5 << 20} {
			f := builtintest.New(t, Module)
			s := &strange{path: programs, stdin: func(r io.Reader) io.Reader { return &cutter{r, after} }}
			s.serve(f)
			build(t, filepath.Join(f.Dir, "src"), "a=new", "b=new", "big="+strings.Repeat("x", 6<<20))
			dest := t.TempDir()
			build(t, dest, "a=old", "b=old")
			before := describe(t, dest)
			p := &put{On: command.On{Target: here()}, Source: "src", Destination: dest}
			_, err := p.Perform(t.Context(), f.Env())
			if err == nil {
				t.Fatalf("%s: after %d bytes: no error", userland, after)
			}
			if now := describe(t, dest); !strings.HasSuffix(now, before) { // but for a part of the large file
				t.Errorf("%s: after %d bytes there is %.200q", userland, after, now)
			}
			s.stdin = nil
			if _, err := p.Perform(t.Context(), f.Env()); err != nil {
				t.Fatal(err)
			}
			if now, want := describe(t, dest), describe(t, filepath.Join(f.Dir, "src")); now != want {
				t.Errorf("%s: then there is %.200q", userland, now)
			}
		}
	}
}

// A large file goes on where it broke off, if that is how the file begins.
func TestPutResumes(t *testing.T) {
	f := builtintest.New(t, Module)
	sent := 0
	s := &strange{stdin: func(r io.Reader) io.Reader { return &cutter{r, 5 << 20} }}
	s.serve(f)
	content := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB
	f.WriteFile("big", content)
	dest := filepath.Join(t.TempDir(), "big")
	p := &put{On: command.On{Target: here()}, Source: "big", Destination: dest}
	if _, err := p.Perform(t.Context(), f.Env()); err == nil {
		t.Fatal("no error")
	}
	s.stdin = func(r io.Reader) io.Reader { return io.TeeReader(r, countWriter{&sent}) }
	env := f.Env()
	env.Place = "another one"
	if _, err := p.Perform(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(dest); err != nil || string(data) != content {
		t.Errorf("%v, %d bytes", err, len(data))
	}
	if sent > 4<<20 {
		t.Errorf("%d bytes were sent again", sent)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dest), ".*")); len(left) > 0 {
		t.Errorf("it has left %q", left)
	}
}

type countWriter struct{ n *int }

func (c countWriter) Write(p []byte) (int, error) {
	*c.n += len(p)
	return len(p), nil
}

func TestPutFailures(t *testing.T) {
	small := smallDisk(t)
	tests := []struct {
		name, source, destination string
		kind                      fault.Kind
		text                      string
		root                      bool
	}{
		{"no source", "none", "/tmp/x", fault.NotFound, `there is no "none"`, false},
		{"out of the workspace", "../x", "/tmp/x", fault.Permission, "", false},
		{"relative", "src", "x", fault.Invalid, "not absolute", false},
		{"the root", "src", "/", fault.Invalid, "cannot be", false},
		{"denied", "src", "/proc/x", "", "/proc", false},
		{"full disk", "huge", small + "/x", fault.Failed, "No space left on device", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.root && small == "" {
				t.Skip("a small disk cannot be mounted here")
			}
			f := builtintest.New(t, Module)
			build(t, f.Dir, "src/a=1", "huge/a="+strings.Repeat("x", 3<<20), "huge/b="+strings.Repeat("x", 6<<20))
			p := &put{On: command.On{Target: here()}, Source: test.source, Destination: test.destination}
			err := p.Validate()
			if err == nil {
				_, err = p.Perform(t.Context(), f.Env())
			}
			e := fault.As(err)
			if e == nil || test.kind != "" && e.Kind != test.kind || !strings.Contains(e.Error(), test.text) {
				t.Fatalf("%v", err)
			}
			if test.root {
				if now := describe(t, small); now != "" {
					t.Errorf("it has left %.100q", now)
				}
			}
		})
	}
}

// smallDisk is a file system with room for 4 MiB; "" where none can be had.
func smallDisk(t *testing.T) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		return ""
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	return dir
}

func TestAFileThatChanges(t *testing.T) {
	f := builtintest.New(t, Module)
	f.WriteFile("a", strings.Repeat("x", 1<<20))
	(&strange{stdin: func(r io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(r, 2048), &hook{r, func() {
			if err := os.WriteFile(f.Dir+"/a", []byte("short"), 0o600); err != nil {
				t.Error(err)
			}
		}})
	}}).serve(f)
	dir := t.TempDir()
	p := &put{On: command.On{Target: here()}, Source: "a", Destination: dir + "/a"}
	if _, err := p.Perform(t.Context(), f.Env()); err == nil || !strings.Contains(err.Error(), `changed while it was read`) {
		t.Errorf("%v", err)
	}
	if now := describe(t, dir); now != "" {
		t.Errorf("there is %.100q", now)
	}
}

// hook calls a function before the first byte of a reader.
type hook struct {
	io.Reader
	do func()
}

func (h *hook) Read(p []byte) (int, error) {
	if h.do != nil {
		h.do()
		h.do = nil
	}
	return h.Reader.Read(p)
}

func TestGetFullDisk(t *testing.T) {
	small := smallDisk(t)
	if small == "" {
		t.Skip("a small disk cannot be mounted here")
	}
	f := builtintest.New(t, Module)
	files, err := sandbox.OpenFiles(small, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f.Run.Files = files
	defer files.Close()
	src := t.TempDir()
	build(t, src, "a=1", "b="+strings.Repeat("x", 8<<20))
	g := &get{On: command.On{Target: here()}, Source: src, Destination: "dest"}
	if _, err := g.Perform(t.Context(), f.Env()); err == nil || !strings.Contains(err.Error(), "no space left") || fault.As(err).Hint == "" {
		t.Error(err)
	}
	if now := describe(t, filepath.Join(small, "dest")); now != "" {
		t.Errorf("it has left %.100q", now)
	}
}

// What a transfer needs of a machine: a round trip to see what is there, and one for
// the files; where nothing is to be sent, that is one for the checksums.
func TestRoundTrips(t *testing.T) {
	f := builtintest.New(t, Module)
	s := &strange{}
	s.serve(f)
	build(t, filepath.Join(f.Dir, "src"), "a=1", "d/b=2")
	dest := filepath.Join(t.TempDir(), "dest")
	p := &put{On: command.On{Target: here()}, Source: "src", Destination: dest}
	for _, want := range []int{2, 2} { // list, stream and place; list, sums
		s.lines = 0
		if _, err := p.Perform(t.Context(), f.Env()); err != nil {
			t.Fatal(err)
		}
		if s.lines != want {
			t.Errorf("%d round trips, want %d", s.lines, want)
		}
	}
}

// TestPutBesideAnAttacker sends into a directory of somebody who gives the name of what
// transfers keep there to something else, as soon as it is there.
func TestPutBesideAnAttacker(t *testing.T) {
	for userland, path := range tools(t) {
		for _, to := range []string{"file", "tree"} {
			t.Run(userland+" "+to, func(t *testing.T) {
				f := builtintest.New(t, Module)
				theirs, victim := t.TempDir(), t.TempDir()
				build(t, f.Dir, "src/sent=mine")
				source, got := "src/sent", filepath.Join(theirs, "x")
				if to == "tree" {
					source, got = "src", filepath.Join(theirs, "x/sent")
				}
				stage := filepath.Join(theirs, ".x.provisioning")
				swapped := false
				(&strange{path: path, stdin: func(r io.Reader) io.Reader {
					if swapped {
						return r
					}
					return &hook{Reader: r, do: func() {
						for began := time.Now(); !swapped && time.Since(began) < 10*time.Second; runtime.Gosched() {
							attempts, _ := os.ReadDir(stage)
							if len(attempts) == 0 {
								continue
							}
							build(t, victim, attempts[0].Name()+"/tree/file=evil", attempts[0].Name()+"/tree/sent=evil", "kept=kept")
							if os.Rename(stage, stage+".away") != nil || os.Symlink(victim, stage) != nil {
								t.Error("the attack does not work")
							}
							swapped = true
						}
					}}
				}}).serve(f)
				p := &put{On: command.On{Target: here()}, Source: source, Destination: filepath.Join(theirs, "x"), Mode: new(int)}
				*p.Mode = 0o4755
				_, err := p.Perform(t.Context(), f.Env())
				if err != nil || !swapped {
					t.Fatal(swapped, err)
				}
				_ = filepath.WalkDir(victim, func(name string, d os.DirEntry, err error) error {
					if info, _ := d.Info(); err != nil || info.Mode()&os.ModeSetuid != 0 {
						t.Errorf("%s was changed: %v", name, err)
					}
					return nil
				})
				if content, err := os.ReadFile(got); string(content) != "mine" {
					t.Errorf("%q arrived: %v", content, err)
				}
				for _, kept := range []string{"kept", "*/tree/file", "*/tree/sent"} {
					if found, _ := filepath.Glob(filepath.Join(victim, kept)); len(found) != 1 {
						t.Errorf("%s was taken", kept)
					}
				}
			})
		}
	}
}
