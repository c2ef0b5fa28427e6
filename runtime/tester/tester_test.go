package tester_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/tester"
)

// note is a module with an effect that leaves a file, and one that fails.
var (
	note = module.New("note", "")
	_    = note.Write("def write(name): pass", &write{}, effect.Exact)
	_    = note.Pure("def check(ok): pass", &check{})
)

type write struct {
	Name string `star:"name"`
}

func (w *write) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve(w.Name)
	if err != nil {
		return nil, err
	}
	return nil, os.WriteFile(p.Abs, []byte("x"), 0o600)
}

type check struct {
	OK bool `star:"ok"`
}

func (c *check) Compute(*effect.Env) (any, error) {
	if !c.OK {
		return nil, fault.New(fault.Assertion, "it is not")
	}
	return nil, nil
}

func files(t *testing.T, all map[string]string) workspace.Workspace {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dir := t.TempDir()
	for name, text := range all {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	ws, err := workspace.At(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func suiteFor(ws workspace.Workspace) *tester.Suite {
	return &tester.Suite{Workspace: ws, Runtime: runtime.Config{Modules: []*module.Module{note}}}
}

// leftovers are what is left of worlds.
func leftovers(t *testing.T) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

const sample = `
def test_a():
    note.write("same")

def test_b():
    note.write("same")
    note.check(False)

def test_c():
    print("<&>")
    note.write("../outside")

def other(): pass
`

func TestSuite(t *testing.T) {
	ws := files(t, map[string]string{"a_test.star": sample, "lib/b_test.star": "def test_d(): pass", ".hidden/c_test.star": "def test_e(): pass", "x.star": ""})
	tests, err := tester.Find(ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	begun, ended := 0, 0
	s := suiteFor(ws)
	s.Jobs = 4
	s.Begin = func(tester.Test) { mu.Lock(); begun++; mu.Unlock() }
	s.End = func(tester.Result) { mu.Lock(); ended++; mu.Unlock() }
	results := s.Run(context.Background(), tests)
	var got []string
	for _, r := range results {
		got = append(got, r.String()+" "+string(r.Status))
	}
	want := "a_test.star test_a passed, a_test.star test_b failed, a_test.star test_c failed, lib/b_test.star test_d passed"
	if strings.Join(got, ", ") != want || begun != 4 || ended != 4 {
		t.Errorf("%v, %d begun, %d ended", got, begun, ended)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := os.Stat(filepath.Join(ws.Root, "same")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a test acted in the workspace")
	}
	checkJUnit(t, results)
}

func checkJUnit(t *testing.T, results []tester.Result) {
	var out bytes.Buffer
	if err := tester.WriteJUnit(&out, results); err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
				Error *struct {
					Type string `xml:"type,attr"`
				} `xml:"error"`
				Output string `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(out.Bytes(), &parsed); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if parsed.Tests != 4 || parsed.Failures != 1 || parsed.Errors != 1 || len(parsed.Suites) != 2 {
		t.Fatalf("got %+v", parsed)
	}
	cases := parsed.Suites[0].Cases
	if cases[0].Failure != nil || cases[1].Failure == nil || cases[1].Failure.Message != "it is not" ||
		cases[2].Error == nil || cases[2].Error.Type != "permission" || cases[2].Output != "print: <&>\n" {
		t.Errorf("got %+v", cases)
	}
}

func TestStopped(t *testing.T) {
	ws := files(t, map[string]string{"a_test.star": sample})
	tests, err := tester.Find(ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := suiteFor(ws)
	s.Jobs, s.FailFast = 1, true
	results := s.Run(context.Background(), tests)
	if results[0].Status != tester.Passed || results[1].Status != tester.Failed || results[2].Status != tester.Skipped {
		t.Errorf("after a failure: %v", results)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range s.Run(ctx, tests) {
		if r.Status != tester.Skipped {
			t.Errorf("%s has %s", r, r.Status)
		}
	}
	ctx, cancel = context.WithCancel(context.Background())
	s.Begin = func(tester.Test) { cancel() } // while its world is made
	if r := s.Run(ctx, tests)[0]; r.Status != tester.Skipped {
		t.Errorf("%s has %s: %v", r, r.Status, r.Err)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestWorld: a copy that leads nowhere out, whatever is in the workspace.
func TestWorld(t *testing.T) {
	ws := files(t, map[string]string{
		"a/b.txt": "content", ".git/HEAD": "x", ".provisioning/journal.db": "x", ".env": "x", "run.sh": "#!/bin/sh\n",
	})
	temp := filepath.Join(ws.Root, "tmp") // within what is copied
	t.Setenv("TMPDIR", temp)
	in := func(name string) string { return filepath.Join(ws.Root, name) }
	if err := errors.Join(os.Mkdir(temp, 0o755), os.Mkdir(in("closed"), 0o555), os.Chmod(in("run.sh"), 0o755),
		os.Symlink("a/b.txt", in("relative")), os.Symlink(in("a/b.txt"), in("absolute")), os.Symlink("/nowhere", in("dangling"))); err != nil {
		t.Fatal(err)
	}
	w, err := tester.NewWorld(ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := tester.NewWorld(ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Remove()
	here := func(name string) string { return filepath.Join(w.Workspace.Root, name) }
	for name, want := range map[string]bool{"a/b.txt": true, ".env": true, ".git": false, ".provisioning": false, "closed": true, "tmp": true} {
		if _, err := os.Stat(here(name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if inside, _ := os.ReadDir(filepath.Join(second.Workspace.Root, "tmp")); len(inside) > 0 {
		t.Errorf("a world is in another one: %v", inside)
	}
	if info, err := os.Stat(here("run.sh")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	if err := errors.Join(os.WriteFile(here("relative"), []byte("1"), 0o600), os.WriteFile(here("absolute"), []byte("2"), 0o600)); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(in("a/b.txt")); string(text) != "content" {
		t.Errorf("a link leads back: %q", text)
	}
	if target, _ := os.Readlink(here("dangling")); target != "/nowhere" {
		t.Errorf("the link leads to %q", target)
	}
	if err := os.Chmod(here("a"), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(w.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestCoverChangesNothing: counting statements leaves results, errors and their
// positions as they are.
func TestCoverChangesNothing(t *testing.T) {
	ws := files(t, map[string]string{
		"lib.star": `"""Doc."""
LIST = [1, 2,
        3]
def f(x):
    "Doc."
    y = 0
    for i in LIST:
        if i == 2: continue
        y += i
    if y > x:
        return y
    elif x == 100:
        pass
    else:
        note.check(False)
`,
		"a_test.star": `load("//lib.star", "f")
def test_value():
    note.check(f(1) == 4)
def test_error():
    f(5)
`,
	})
	tests, err := tester.Find(ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := suiteFor(ws).Run(context.Background(), tests)
	counted := suiteFor(ws)
	counted.Cover = tester.NewCover()
	for i, r := range counted.Run(context.Background(), tests) {
		if r.Status != plain[i].Status || r.Err != nil && fault.Render(r.Err) != fault.Render(plain[i].Err) {
			t.Errorf("%s: %s %v, without counting %s %v", r, r.Status, r.Err, plain[i].Status, plain[i].Err)
		}
	}
	report, err := counted.Cover.Report(ws.Root, lint.Options{Main: true, Modules: []*module.Module{note}})
	if err != nil || len(report) != 1 {
		t.Fatalf("%v, %v", report, err)
	}
	var lines []int
	for _, l := range report[0].Lines {
		if l.Count > 0 {
			lines = append(lines, l.Line)
		}
	}
	want := []int{2, 6, 7, 8, 9, 10, 11, 12, 15}
	if len(lines) != len(want) || report[0].LinesCovered() != len(want) {
		t.Errorf("covered %v, want %v", lines, want)
	}
}
