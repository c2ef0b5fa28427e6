package op

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// shell is a machine of the tests: a shell with its tools. Each can be told to die at
// the n-th tool that a line calls, with all that it has started.
type shell struct {
	name string
	argv []string
	path string // where the tools are
	cuts string // where the tools are that count, and die
	head string // makes a shell that has tools of its own use those
	dir  string // what the tests may change
}

var _ machine.Conn = (*shell)(nil)

func (s *shell) Name() string { return s.name }
func (s *shell) Close() error { return nil }

func (s *shell) Exec(ctx context.Context, line string, streams machine.Streams) (machine.Exit, error) {
	return s.exec(ctx, line, streams, 0)
}

// exec runs a line. cut 0: it is not cut off.
func (s *shell) exec(ctx context.Context, line string, streams machine.Streams, cut int) (machine.Exit, error) {
	// What is kept for undo stays within the directory of the test.
	line = strings.ReplaceAll(line, "/var/lib/provisioning", s.dir+"/kept")
	line = strings.ReplaceAll(line, "${HOME:?}/.local/state/provisioning", s.dir+"/kept")
	cmd := exec.CommandContext(ctx, s.argv[0], append(s.argv[1:], "-c", line)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = streams.Stdin, streams.Stdout, streams.Stderr
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + s.path, "HOME=" + s.dir}
	if cut > 0 {
		cmd.Args[len(cmd.Args)-1] = s.head + line
		counter := filepath.Join(s.dir, "counter")
		os.Remove(counter)
		cmd.Env = []string{"PATH=" + s.cuts, "HOME=" + s.dir, "CUT=" + fmt.Sprint(cut), "COUNTER=" + counter}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return machine.Exit{}, err
	}
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		return machine.Exit{Code: 128 + int(status.Signal()), Signal: "KILL"}, nil
	}
	return machine.Exit{Code: cmd.ProcessState.ExitCode()}, nil
}

// shells are those of this machine: dash and bash with the tools of GNU, and
// busybox with its own.
func shells(t testing.TB) []*shell {
	t.Helper()
	var all []*shell
	for _, name := range []string{"dash", "bash", "busybox"} {
		full, err := exec.LookPath(name)
		if err != nil {
			if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), name) {
				t.Fatalf("there is no %s, and REQUIRE demands it", name)
			}
			t.Logf("there is no %s: it is not tested", name)
			continue
		}
		s := &shell{name: name, argv: []string{full}, path: os.Getenv("PATH")}
		if name == "busybox" {
			s.argv = []string{full, "sh"}
			s.path = applets(t, full)
		}
		dir := counting(t, s.path)
		s.cuts = dir + ":" + s.path
		if name == "busybox" {
			for _, tool := range tools {
				if _, err := os.Stat(filepath.Join(dir, tool)); err != nil {
					continue
				}
				s.head += tool + "() { " + filepath.Join(dir, tool) + " \"$@\"; }\n"
			}
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		t.Skip("there is no shell")
	}
	return all
}

// applets is a directory with the tools of busybox.
func applets(t testing.TB, busybox string) string {
	dir := t.TempDir()
	out, err := exec.Command(busybox, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if err := os.Symlink(busybox, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"git", "zstd"} { // which it does not have
		if full, err := exec.LookPath(name); err == nil {
			_ = os.Symlink(full, filepath.Join(dir, name))
		}
	}
	return dir
}

// tools are those at which a script may be cut off.
var tools = []string{"rm", "mv", "cat", "cp", "ln", "chmod", "chown", "mkdir", "rmdir", "wc", "sha256sum", "tar", "gzip", "find", "git", "curl", "wget", "unzip", "touch"}

// counting is a directory with tools that count, and end the process group when
// it is their turn.
func counting(t testing.TB, path string) string {
	dir := t.TempDir()
	for _, name := range tools {
		real := ""
		for _, d := range filepath.SplitList(path) {
			if _, err := os.Stat(filepath.Join(d, name)); err == nil {
				real = filepath.Join(d, name)
				break
			}
		}
		if real == "" {
			continue
		}
		script := "#!/bin/sh\n{ read n <\"$COUNTER\"; } 2>/dev/null || n=0\nn=$((n+1))\necho $n >\"$COUNTER\"\n[ $n != \"$CUT\" ] || kill -9 0\nexec " + real + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// here is the target of the tests, which only the name is needed of.
func here() operation.Base {
	return operation.Base{Target: target.Make("local", "web", nil)}
}

// scene is a machine on which operations are made.
type scene struct {
	*testing.T
	*shell
}

func (s scene) plan(do operation.Operation) (*operation.Change, error) {
	s.Helper()
	w, err := fact.Gather(context.Background(), s.shell, machine.As{}, do.Facts())
	if err != nil {
		return nil, err
	}
	return do.Plan(w)
}

// run makes a step. cut 0: to its end.
func (s scene) run(step operation.Step, cut int) (machine.Exit, string) {
	s.Helper()
	var stdin bytes.Buffer
	stdin.Write(step.Stdin)
	if step.Input != nil {
		r, err := step.Input()
		if err != nil {
			s.Fatal(err)
		}
		defer r.Close()
		if _, err := stdin.ReadFrom(r); err != nil {
			s.Fatal(err)
		}
	}
	var out bytes.Buffer
	exit, err := s.exec(context.Background(), "set -e\n"+step.Script, machine.Streams{Stdin: &stdin, Stdout: &out, Stderr: &out}, cut)
	if err != nil {
		s.Fatal(err)
	}
	return exit, out.String()
}

func (s scene) must(what string, step operation.Step) {
	s.Helper()
	if exit, out := s.run(step, 0); !exit.OK() {
		s.Fatalf("%s: exit code %d\n%s\n%s", what, exit.Code, out, step.Script)
	}
}

// snapshot is all that is in the directory that the tests may change, as text.
func (s scene) snapshot() string {
	s.Helper()
	var b strings.Builder
	root := filepath.Join(s.dir, "root")
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&b, "%s %o %d:%d", strings.TrimPrefix(name, root), st.Mode, st.Uid, st.Gid)
		switch {
		case info.Mode()&os.ModeSymlink != 0:
			to, _ := os.Readlink(name)
			b.WriteString(" -> " + to)
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if len(data) > 1000 {
				data = []byte(sum(data))
			}
			fmt.Fprintf(&b, " %q", data)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	return b.String()
}

// kept is what the tests have before an operation, to begin again from it.
func (s scene) save() { s.copyRoot("root", "saved") }

func (s scene) again() {
	s.copyRoot("saved", "root")
	os.RemoveAll(filepath.Join(s.dir, "kept"))
}

func (s scene) copyRoot(from, to string) {
	s.Helper()
	os.RemoveAll(filepath.Join(s.dir, to))
	if out, err := exec.Command("cp", "-a", filepath.Join(s.dir, from), filepath.Join(s.dir, to)).CombinedOutput(); err != nil {
		s.Fatalf("%s: %s", err, out)
	}
}

// keepsItsPromises makes an operation in all the ways in which it can be made: to
// its end and again; undone, and undone again; and cut off at every tool that it
// calls, then made again and undone, or undone at once.
func (s scene) keepsItsPromises(do operation.Operation) {
	s.Helper()
	if v, ok := do.(effect.Validator); ok && v.Validate() != nil {
		return
	}
	before := s.snapshot()
	c, err := s.plan(do)
	if err != nil {
		if e := fault.As(err); e == nil || e.Kind == fault.Internal {
			s.Fatal(err)
		}
		return
	}
	if c == nil {
		return
	}
	s.save()
	s.must("run", c.Step)
	after := s.snapshot()
	s.settled(do, "run")
	s.foreseen(c)
	s.must("run again", c.Step)
	s.same("the same step again", after)
	if c.Undo == nil {
		return
	}
	for _, what := range []string{"undo", "undo again"} {
		s.must(what, *c.Undo)
		s.same(what, before)
	}
	sum := fnv.New64a()
	sum.Write([]byte(s.Name() + c.Script)) // never fails
	r := rand.New(rand.NewPCG(sum.Sum64(), 3))
	for cut := 1; ; cut += 1 + r.IntN(2*s.stride()-1) {
		s.again()
		exit, out := s.run(c.Step, cut)
		if exit.OK() {
			if cut == 1 && strings.Contains(c.Script, "\nmv ") {
				s.Fatal("it was never cut off")
			}
			return
		}
		if exit.Signal == "" {
			s.Fatalf("cut %d: exit code %d: %s", cut, exit.Code, out)
		}
		s.finish(do, c, fmt.Sprintf("cut off at tool %d", cut), before, after)
	}
}

// stride is how many tools lie between two cuts on average: other ones for each
// operation and shell. With TORTURE=full it is every tool in one of the shells.
func (s scene) stride() int {
	switch {
	case s.name != "dash":
		return 9
	case os.Getenv("TORTURE") == "full":
		return 1
	}
	return 4
}

// finish goes on after a cut in both ways.
func (s scene) finish(do operation.Operation, c *operation.Change, what, before, after string) {
	s.Helper()
	s.copyRoot("root", "cut")
	kept := filepath.Join(s.dir, "kept")
	_ = exec.Command("cp", "-a", kept, kept+".cut").Run() // there may be none
	rest, err := s.plan(do)
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	if rest != nil {
		s.must(what+", made again", rest.Step)
	}
	s.same(what+", made again", after)
	s.must(what+", made again, undone", *c.Undo)
	s.same(what+", made again, undone", before)

	s.copyRoot("cut", "root")
	os.RemoveAll(kept)
	_ = os.Rename(kept+".cut", kept)
	s.must(what+", undone", *c.Undo)
	s.same(what+", undone", before)
}

func (s scene) same(what, want string) {
	s.Helper()
	if got := s.snapshot(); got != want {
		s.Fatalf("%s: there is\n%s\nand should be\n%s", what, got, want)
	}
}

func (s scene) settled(do operation.Operation, what string) {
	s.Helper()
	c, err := s.plan(do)
	if err != nil {
		s.Fatalf("%s: the second time: %v", what, err)
	}
	if c != nil {
		s.Fatalf("%s: the second time it still has to change\n%s\n%s", what, c.Diff, c.Script)
	}
}

// foreseen compares the facts that a change has promised with those that came.
func (s scene) foreseen(c *operation.Change) {
	s.Helper()
	for f, v := range c.After {
		want, ok := v.(fact.FileState)
		if !ok || want.Planned && want.Type == "other" {
			continue
		}
		w, err := fact.Gather(context.Background(), s.shell, machine.As{}, []fact.Fact{f})
		if err != nil {
			s.Fatal(err)
		}
		got := fact.Get[fact.FileState](w, f)
		if want.Owner == "" { // who makes it is not known before
			got.Owner, got.Group = "", want.Group
		}
		if got.Type != want.Type || got.Mode != want.Mode || got.Owner != want.Owner && got.UID != want.Owner || want.Group != "" && got.Group != want.Group && got.GID != want.Group ||
			want.Sum != "" && got.Sum != want.Sum || got.Target != want.Target {
			s.Fatalf("%s: there is %+v, and it was foreseen that there is %+v", f, short(got), short(want))
		}
	}
}

func short(s fact.FileState) fact.FileState {
	s.Content = nil
	return s
}
