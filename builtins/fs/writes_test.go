package fs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// setUp is the workspace that every write of writeCases begins with.
func setUp(t *testing.T, f *builtintest.Fixture) {
	t.Helper()
	for _, dir := range []string{"d/e", "full/sub", "empty"} {
		must(t, os.MkdirAll(filepath.Join(f.Dir, dir), 0o755))
	}
	f.WriteFile("a.txt", "one\ntwo\n")
	f.WriteFile("b.txt", "bee\n")
	f.WriteFile("full/x", "x")
	f.WriteFile("full/sub/y", "\xff\x00y")
	must(t, os.Chmod(filepath.Join(f.Dir, "full/x"), 0o600))
	must(t, os.Chmod(filepath.Join(f.Dir, "full/sub"), 0o500))
	t.Cleanup(func() { // for the removal of the workspace, wherever full/sub is by now
		filepath.WalkDir(f.Dir, func(name string, d os.DirEntry, _ error) error {
			if d.Name() == "sub" {
				os.Chmod(name, 0o700)
			}
			return nil
		})
	})
	must(t, os.Symlink("x", filepath.Join(f.Dir, "full/link")))
	must(t, os.Symlink("a.txt", filepath.Join(f.Dir, "link")))
}

var writeCases = []struct {
	script string
	change effect.Change
	result string
	tamper string // a file that a person writes before the rollback
}{
	{`fs.write("new.txt", "n")`, effect.Create, `result(bytes = 1, changed = True, path = "new.txt")`, "new.txt"},
	{`fs.write("p/q/new.txt", b"\xff", mode = 0o600)`, effect.Create, `result(bytes = 1, changed = True, path = "p/q/new.txt")`, "p/q/new.txt"},
	{`fs.write("//p/q/new.txt", "")`, effect.Create, `result(bytes = 0, changed = True, path = "//p/q/new.txt")`, "p/q/new.txt"},
	{`fs.write("a.txt", "one\nthree\n")`, effect.Update, `result(bytes = 10, changed = True, path = "a.txt")`, "a.txt"},
	{`fs.write("a.txt", "one\ntwo\n", mode = 0o600)`, effect.Update, `result(bytes = 8, changed = True, path = "a.txt")`, "a.txt"},
	{`fs.write("a.txt", "one\ntwo\n")`, effect.None, `result(bytes = 8, changed = False, path = "a.txt")`, ""},
	{`fs.write("large", "small")`, effect.Update, `result(bytes = 5, changed = True, path = "large")`, "large"},
	{`fs.write("link", "no link")`, effect.Update, `result(bytes = 7, changed = True, path = "link")`, ""},
	{`fs.append("a.txt", "three\n")`, effect.Update, `result(bytes = 6, changed = True, path = "a.txt")`, "a.txt"},
	{`fs.append("p/log", "1", mode = 0o600)`, effect.Create, `result(bytes = 1, changed = True, path = "p/log")`, "p/log"},
	{`fs.append("link", "three\n")`, effect.Update, `result(bytes = 6, changed = True, path = "link")`, ""},
	{`fs.copy("a.txt", "p/copy")`, effect.Create, `change(changed = True, path = "p/copy")`, "p/copy"},
	{`fs.copy("a.txt", "b.txt")`, effect.Update, `change(changed = True, path = "b.txt")`, "b.txt"},
	{`fs.copy("full", "p/full", recursive = True)`, effect.Create, `change(changed = True, path = "p/full")`, "p/full/x"},
	{`fs.move("a.txt", "p/moved")`, effect.Update, `change(changed = True, path = "p/moved")`, "p/moved"},
	{`fs.move("a.txt", "b.txt", overwrite = True)`, effect.Update, `change(changed = True, path = "b.txt")`, "b.txt"},
	{`fs.move("full", "d/e/full")`, effect.Update, `change(changed = True, path = "d/e/full")`, "d/e/full/x"},
	{`fs.move("link", "d/link")`, effect.Update, `change(changed = True, path = "d/link")`, ""},
	{`fs.remove("a.txt")`, effect.Delete, `change(changed = True, path = "a.txt")`, "a.txt"},
	{`fs.remove("large")`, effect.Delete, `change(changed = True, path = "large")`, "large"},
	{`fs.remove("link")`, effect.Delete, `change(changed = True, path = "link")`, ""},
	{`fs.remove("empty")`, effect.Delete, `change(changed = True, path = "empty")`, ""},
	{`fs.remove("full", recursive = True)`, effect.Delete, `change(changed = True, path = "full")`, "full"},
	{`fs.remove("none/x", missing_ok = True)`, effect.None, `change(changed = False, path = "none/x")`, ""},
	{`fs.remove("a.txt/x", missing_ok = True)`, effect.None, `change(changed = False, path = "a.txt/x")`, ""},
	{`fs.mkdir("p/q", mode = 0o700)`, effect.Create, `change(changed = True, path = "p/q")`, "p/q/x"},
	{`fs.mkdir("d")`, effect.None, `change(changed = False, path = "d")`, ""},
	{`fs.chmod("a.txt", 0o600)`, effect.Update, `change(changed = True, path = "a.txt")`, ""},
	{`fs.chmod("d", 0o700)`, effect.Update, `change(changed = True, path = "d")`, ""},
	{`fs.chmod("a.txt", 0o644)`, effect.None, `change(changed = False, path = "a.txt")`, ""},
}

func TestWrites(t *testing.T) {
	for _, c := range writeCases {
		t.Run(c.script, func(t *testing.T) {
			bothStates(t, func(t *testing.T, f *builtintest.Fixture) {
				setUp(t, f)
				if strings.Contains(c.script, "large") {
					f.WriteFile("large", strings.Repeat("0123456789abcdef", inlineLimit/16+1))
				}
				before := tree(t, f)
				call, predicted := callOf(t, f, c.script)
				if tree(t, f) != before {
					t.Fatal("check mode changed something")
				}
				if predicted.Change != c.change {
					t.Errorf("predicted %s, want %s", predicted.Change, c.change)
				}
				if got := value.Of(predicted.Result).String(); got != c.result {
					t.Errorf("predicted %s\nwant %s", got, c.result)
				}

				p := remembered(t, f, call)
				if a := answer(t, f, call, p); c.change != effect.None && a.Happened != effect.No {
					t.Errorf("before: %+v, want no", a)
				}
				if got := perform(t, f, call); got != c.result {
					t.Errorf("got %s\nwant %s", got, c.result)
				}
				after := tree(t, f)
				if changed := after != before; changed != (c.change != effect.None) {
					t.Errorf("changed: %v, predicted %s", changed, c.change)
				}
				if a := answer(t, f, call, p); a.Happened != effect.Yes || value.Of(a.Result).String() != c.result {
					t.Errorf("after: %+v, want yes and %s", a, c.result)
				}
				for range 2 {
					must(t, undone(f, call, p))
					if got := tree(t, f); got != before {
						t.Fatalf("after the undo:\n%s\nwant:\n%s", got, before)
					}
				}
				if c.tamper != "" {
					perform(t, f, call)
					tamper(t, f, call, p, c.tamper)
				}
			})
		})
	}
}

// tamper checks that the undo does not destroy what a person has written.
func tamper(t *testing.T, f *builtintest.Fixture, call *effect.Call, p past, name string) {
	t.Helper()
	f.WriteFile(name, "by hand")
	err := undone(f, call, p)
	if !fault.Is(err, fault.Failed) || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("undo of a changed file: %v", err)
	}
	if a := answer(t, f, call, p); a.Happened == effect.No {
		t.Errorf("a changed file: %+v", a)
	}
	if got, _ := os.ReadFile(filepath.Join(f.Dir, name)); string(got) != "by hand" {
		t.Errorf("the undo wrote %q over what a person wrote", got)
	}
}

func TestUndoOfInterrupted(t *testing.T) {
	f := builtintest.New(t, Module)
	setUp(t, f)
	before := tree(t, f)

	call, _ := callOf(t, f, `fs.append("a.txt", "three\n")`)
	p := remembered(t, f, call)
	f.WriteFile("a.txt", "one\ntwo\nthr") // the crash came in the middle
	if a := answer(t, f, call, p); a.Happened != effect.Unsure {
		t.Errorf("half an addition: %+v", a)
	}
	must(t, undone(f, call, p))

	call, _ = callOf(t, f, `fs.remove("full", recursive = True)`)
	p = remembered(t, f, call)
	path, err := f.Run.Files.Resolve("full")
	must(t, err)
	must(t, path.Rename(scratch(f.EnvFor(call), path, "trash")))
	if a := answer(t, f, call, p); a.Happened != effect.Yes {
		t.Errorf("a removal that came to the renaming: %+v", a)
	}
	must(t, undone(f, call, p))
	if got := tree(t, f); got != before {
		t.Errorf("after the undo:\n%s\nwant:\n%s", got, before)
	}
}

func TestTemp(t *testing.T) {
	bothStates(t, func(t *testing.T, f *builtintest.Fixture) {
		for _, script := range []string{`fs.temp("x", suffix = ".json")`, `fs.temp(directory = True)`} {
			call, predicted := callOf(t, f, script)
			p := remembered(t, f, call)
			if a := answer(t, f, call, p); a.Happened != effect.No {
				t.Errorf("before: %+v", a)
			}
			name := perform(t, f, call)
			if again := perform(t, f, call); again != name || value.Of(predicted.Result).String() != name {
				t.Errorf("%s, then %s, predicted %v", name, again, predicted.Result)
			}
			if a := answer(t, f, call, p); a.Happened != effect.Yes || value.Of(a.Result).String() != name {
				t.Errorf("after: %+v", a)
			}
			full := filepath.Join(f.Dir, strings.Trim(name, `"`))
			if info, err := os.Stat(full); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%v, %v", info, err)
			}
			for range 2 {
				must(t, undone(f, call, p))
				if _, err := os.Lstat(full); err == nil {
					t.Error("it is still there")
				}
			}
		}
	})
}

func TestSecretsInDiffs(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db/password", "hunter22")
	f.WriteFile("app.conf", "user = a\npassword = oldpassword\n")
	_, predicted := callOf(t, f, `fs.write("app.conf", "user = a\npassword = `+secret.String()+`\n")`)
	for _, bad := range []string{"hunter22", "oldpassword", secret.String()} {
		if strings.Contains(predicted.Diff, bad) {
			t.Errorf("the diff shows %q:\n%s", bad, predicted.Diff)
		}
	}
	if !strings.Contains(predicted.Diff, "+password = «secret db/password»") {
		t.Errorf("the diff:\n%s", predicted.Diff)
	}
	f.WriteFile("app.conf", "user = a\npassword = hunter22\n")
	if _, predicted = callOf(t, f, `fs.write("app.conf", "user = a\npassword = `+secret.String()+`\n")`); predicted.Change != effect.None {
		t.Errorf("the same content is predicted as %s", predicted.Change)
	}
}

func TestDiff(t *testing.T) {
	f := builtintest.New(t, Module)
	before := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n"
	after := strings.Replace(strings.Replace(before, "2\n", "two\n", 1), "14\n", "14\n15\n", 1)
	want := `--- n
+++ n
@@ -1,5 +1,5 @@
 1
-2
+two
 3
 4
 5
@@ -12,3 +12,4 @@
 12
 13
 14
+15
`
	after = strings.Replace(after, "1two\n", "12\n", 1)
	if got := diff(f.Env(), "n", []byte(before), []byte(after)); got != want {
		t.Errorf("got:\n%s", got)
	}
	if got := diff(f.Env(), "n", []byte("a\x00"), nil); got != "binary, 2 -> 0 bytes\n" {
		t.Errorf("binary: %q", got)
	}
	if got := diff(f.Env(), "n", nil, []byte(strings.Repeat("x\n", 5000))); strings.Count(got, "\n") > diffLines+5 {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}
