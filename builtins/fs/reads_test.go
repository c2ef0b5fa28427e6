package fs

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Each script gives the same in a real run and in check mode.
var readCases = []struct{ script, want string }{
	{`got = fs.read("a.txt")`, `"one\ntwo\n"`},
	{`got = fs.read("//a.txt")`, `"one\ntwo\n"`},
	{`got = fs.read("full/sub/y", binary = True)`, `b"\xff\x00y"`},
	{`got = fs.hash("b.txt", algorithm = "md5")`, `"4e82da0cca1f18a97843ba4c897cdc72"`},
	{`fs.write("n", "abc"); got = [fs.read("n"), fs.hash("n")[:8], fs.exists("n"), fs.stat("n").size]`,
		`["abc", "ba7816bf", True, 3]`},
	{`fs.write("n", b"\xff"); got = fs.read("n", binary = True)`, `b"\xff"`},
	{`fs.write("n", "1", mode = 0o600); fs.append("n", "2"); s = fs.stat("n"); got = [fs.read("n"), s.mode, s.type]`,
		`["12", 384, "file"]`},
	{`fs.chmod("a.txt", 0o600); got = fs.stat("a.txt").mode`, `384`},
	{`fs.append("a.txt", "three\n"); got = fs.read("a.txt")`, `"one\ntwo\nthree\n"`},
	{`fs.remove("a.txt"); got = [fs.exists("a.txt"), fs.stat("a.txt").type]`, `[False, "absent"]`},
	{`fs.remove("full", recursive = True); got = fs.exists("full/x")`, `False`},
	{`fs.remove("full", recursive = True); fs.write("full/z", ""); got = [e.name for e in fs.list("full")]`, `["z"]`},
	{`fs.move("full", "d/full"); got = [fs.exists("full"), fs.read("d/full/x"), fs.stat("d/full/x").mode]`, `[False, "x", 384]`},
	{`fs.copy("a.txt", "p/c"); got = [fs.read("p/c"), fs.copy("a.txt", "p/c").changed]`, `["one\ntwo\n", False]`},
	{`fs.remove("full/link"); fs.copy("full", "g", recursive = True); got = fs.glob("g/**")`, `["g/sub", "g/sub/y", "g/x"]`},
	{`fs.copy("d", "g", recursive = True); got = fs.copy("d", "g", recursive = True).changed`, `False`},
	{`fs.mkdir("p/q"); got = [fs.list("p")[0].type, fs.list("p/q"), fs.stat("p").type, fs.mkdir("p").changed]`,
		`["directory", [], "directory", False]`},
	{`fs.write("d/n", "12"); got = [(e.name, e.path, e.type, e.size) for e in fs.list("d")]`,
		`[("e", "d/e", "directory", 0), ("n", "d/n", "file", 2)]`},
	{`fs.remove("b.txt"); fs.write("d/e/c.txt", ""); got = fs.glob("**/*.txt")`, `["a.txt", "d/e/c.txt"]`},
	{`got = fs.glob("//full/*")`, `["//full/link", "//full/sub", "//full/x"]`},
	{`got = fs.glob("f*/[x-z]")`, `["full/x"]`},
	{`got = fs.glob("none/*")`, `[]`},
	{`fs.write(".hidden/x", ""); got = [fs.glob("*/x"), fs.glob(".h*/x"), fs.glob(".hidden/x")]`,
		`[["full/x"], [".hidden/x"], [".hidden/x"]]`},
	{`s = fs.stat("link"); got = [s.type, s.target, fs.stat("link", follow = True).type]`, `["link", "a.txt", "file"]`},
	{`s = fs.stat("none"); got = [s.exists, s.type, s.mtime]`, `[False, "absent", None]`},
	{`got = fs.stat("a.txt/x").exists`, `False`},
	{`t = fs.temp(); fs.write(t, "x"); got = fs.read(t)`, `"x"`},
}

func TestReads(t *testing.T) {
	for _, c := range readCases {
		t.Run(c.script, func(t *testing.T) {
			bothStates(t, func(t *testing.T, f *builtintest.Fixture) {
				setUp(t, f)
				before := tree(t, f)
				f.Run.Check = true
				if got := f.Eval(c.script); got != c.want {
					t.Errorf("in check mode %s\nwant %s", got, c.want)
				}
				if tree(t, f) != before {
					t.Fatal("check mode changed something")
				}
				f.Run.Check = false
				if got := f.Eval(c.script); got != c.want {
					t.Errorf("got %s\nwant %s", got, c.want)
				}
			})
		})
	}
}

func TestUnknownInThePlan(t *testing.T) {
	f := builtintest.New(t, Module)
	setUp(t, f)
	f.Run.Check = true
	f.Run.Planned.Set("file:"+f.Dir+"/d/e", value.NewUnknown("archive.extract(…)"))
	for _, script := range []string{
		`got = fs.read("d/e/x")`, `got = fs.exists("d/e/x")`, `got = fs.stat("d/e")`, `got = fs.hash("d/e/x")`,
		`got = fs.list("d/e")`, `got = fs.list("d")`, `got = fs.glob("**/x")`, `got = fs.copy("d/e/x", "y")`,
		`fs.copy("d/e/x", "y"); got = fs.read("y")`, `got = fs.write("d/e/x", "1").changed`,
		`got = fs.remove("d/e/y")`, `got = fs.mkdir("d/e/v")`, `got = fs.chmod("d/e/u", 0o600)`,
	} {
		if got := f.Eval(script); !strings.Contains(got, "archive.extract") {
			t.Errorf("%s: %s, want an unknown", script, got)
		}
	}
	if got := f.Eval(`fs.write("d/e/z", "known"); got = fs.read("d/e/z")`); got != `"known"` {
		t.Errorf("a file written into the unknown: %s", got)
	}
}

var errorCases = []struct {
	script string
	kind   fault.Kind
	want   string
}{
	{`fs.read("none")`, fault.NotFound, `cannot read "none": no such file`},
	{`fs.read("d")`, fault.Invalid, `cannot read "d": it is a directory, not a file`},
	{`fs.read("full/sub/y")`, fault.Invalid, `not UTF-8`},
	{`fs.read("a.txt", limit = 3)`, fault.TooLarge, `larger than 3 bytes`},
	{`fs.read("a.txt", limit = -1)`, fault.Invalid, `negative`},
	{`fs.read("a.txt", limt = 1)`, fault.Invalid, `did you mean "limit"`},
	{`fs.read("../x")`, fault.Permission, `outside of the workspace`},
	{`fs.read("/etc/passwd")`, fault.Permission, `outside of the workspace`},
	{`fs.read("")`, fault.Invalid, `empty`},
	{`fs.write("a.txt", 1)`, fault.Invalid, `must be a string or bytes, not the int 1`},
	{`fs.write("a.txt", "", mode = 0o1000)`, fault.Invalid, `the mode 0o1000`},
	{`fs.write("d", "")`, fault.Invalid, `cannot write "d": it is a directory`},
	{`fs.write("p/q", "", parents = False)`, fault.NotFound, `there is no directory "p"`},
	{`fs.append("d", "")`, fault.Invalid, `it is a directory`},
	{`fs.append("p/q", "", parents = False)`, fault.NotFound, `there is no directory "p"`},
	{`fs.copy("none", "x")`, fault.NotFound, `cannot copy "none"`},
	{`fs.copy("d", "x")`, fault.Invalid, `it is a directory`},
	{`fs.copy("d", "d/e/f", recursive = True)`, fault.Invalid, `into itself`},
	{`fs.copy("d", "full", recursive = True)`, fault.Exists, `it exists and is different`},
	{`fs.copy("a.txt", "d")`, fault.Invalid, `cannot copy to "d"`},
	{`fs.move("none", "x")`, fault.NotFound, `cannot move "none"`},
	{`fs.move("a.txt", "b.txt")`, fault.Exists, `cannot move to "b.txt"`},
	{`fs.move("d", "d/e/f")`, fault.Invalid, `into itself`},
	{`fs.move("d", "full", overwrite = True)`, fault.Exists, `only a file replaces a file`},
	{`fs.remove("none")`, fault.NotFound, `cannot remove "none"`},
	{`fs.remove("full")`, fault.Invalid, `not empty`},
	{`fs.remove(".", recursive = True)`, fault.Invalid, `the root`},
	{`fs.mkdir("a.txt")`, fault.Exists, `a file of that name`},
	{`fs.mkdir("d", parents = False)`, fault.Exists, `it exists`},
	{`fs.mkdir("x", mode = -1)`, fault.Invalid, `the mode`},
	{`fs.chmod("none", 0o600)`, fault.NotFound, `does not exist`},
	{`fs.chmod("link", 0o600)`, fault.Invalid, `it is a link`},
	{`fs.chmod("a.txt", "600")`, fault.Invalid, `must be an int`},
	{`fs.list("none")`, fault.NotFound, `cannot list "none"`},
	{`fs.list("a.txt")`, fault.Invalid, `not a directory`},
	{`fs.glob("[")`, fault.Invalid, `malformed`},
	{`fs.glob("*/../x")`, fault.Invalid, `after a wildcard`},
	{`fs.glob("../*")`, fault.Permission, `outside of the workspace`},
	{`fs.hash("d")`, fault.Invalid, `it is a directory`},
	{`fs.hash("a.txt", algorithm = "sha265")`, fault.Invalid, `no algorithm`},
	{`fs.exists("../x")`, fault.Permission, `outside of the workspace`},
	{`fs.stat("../x")`, fault.Permission, `outside of the workspace`},
	{`fs.temp("a/b")`, fault.Invalid, `more than one component`},
}

func TestErrors(t *testing.T) {
	for _, c := range errorCases {
		t.Run(c.script, func(t *testing.T) {
			bothStates(t, func(t *testing.T, f *builtintest.Fixture) {
				setUp(t, f)
				before := tree(t, f)
				for _, check := range []bool{true, false} {
					f.Run.Check = check
					_, err := f.Exec(c.script)
					if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, c.kind) {
						t.Errorf("check %v: %v\nwant %s: %s", check, err, c.kind, c.want)
					}
				}
				if after := tree(t, f); after != before {
					t.Errorf("the failure left:\n%s", after)
				}
			})
		})
	}
}

func TestStateIsOutOfReach(t *testing.T) {
	f := stateInside(t)
	f.WriteFile("x", "x")
	for _, script := range []string{
		`fs.read(".provisioning/journal")`, `fs.write(".provisioning/journal", "")`, `fs.list(".provisioning")`,
		`fs.remove(".provisioning", recursive = True)`, `fs.move(".provisioning", "p")`, `fs.glob(".provisioning/*")`,
		`fs.copy(".provisioning", "p", recursive = True)`, `fs.move("x", ".provisioning/x")`, `fs.chmod(".provisioning", 0o777)`,
		`fs.copy("x", ".provisioning/undo/x")`, `fs.exists(".provisioning/journal")`,
	} {
		if _, err := f.Exec(script); !fault.Is(err, fault.Permission) {
			t.Errorf("%s: %v", script, err)
		}
	}
	if got := f.Eval(`got = [e.name for e in fs.list()] + fs.glob(".*") + fs.glob(".*/*")`); got != `["x"]` {
		t.Errorf("shown: %s", got)
	}
}

func TestExamples(t *testing.T) {
	for _, fn := range Module.Funcs() {
		f := builtintest.New(t, Module)
		doc := fn.Doc()
		if doc.Summary == "" || doc.Returns == "" || doc.Errors == "" || doc.Examples == "" {
			t.Errorf("%s lacks documentation", fn.Name())
		}
		for _, param := range fn.Params() {
			if doc.Arg(param) == "" {
				t.Errorf("%s does not document %s", fn.Name(), param)
			}
		}
		if _, err := f.Exec(doc.Examples); err != nil {
			t.Errorf("example of %s: %v\n%s", fn.Name(), err, doc.Examples)
		}
		if fn.Decl().Mode == effect.Write && fn.Decl().Quality != effect.Exact {
			t.Errorf("%s predicts %s", fn.Name(), fn.Decl().Quality)
		}
	}
}
