package script_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// newLoader makes a workspace of files, by name, and a loader for it.
func newLoader(t *testing.T, files map[string]string) *script.Loader {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	check(t, err)
	for name, text := range files {
		file := filepath.Join(root, name)
		check(t, os.MkdirAll(filepath.Dir(file), 0o755))
		check(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return &script.Loader{
		Workspace: root,
		Stdlib: fstest.MapFS{
			"lists.star":    {Data: []byte("load('./deep/in.star', 'x')\nfirst = x\n")},
			"deep/in.star":  {Data: []byte("x = 'std'\n")},
			"deep/up.star":  {Data: []byte("load('../lists.star', 'first')\ny = first\n")},
			"deep/out.star": {Data: []byte("load('../../lib/a.star', 'a')\n")},
		},
		NewThread: func(name string) (*starlark.Thread, func()) { return &starlark.Thread{Name: name}, func() {} },
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eval evaluates a main module, which need not be in the workspace.
func eval(l *script.Loader, name string) (starlark.StringDict, error) {
	prog, err := l.Main(name)
	if err != nil {
		return nil, err
	}
	thread := &starlark.Thread{Load: l.Load}
	script.SetModule(thread, name)
	globals, err := prog.Init(thread, l.Predeclared)
	if err != nil {
		return nil, l.Explain(err)
	}
	return globals, nil
}

func TestLoad(t *testing.T) {
	tests := []struct{ name, main, want string }{
		{"beside", "load('./lib/a.star', 'a')\ngot = a", `"a"`},
		{"from the root", "load('//lib/a.star', 'a')\ngot = a", `"a"`},
		{"not in a normal form", "load('//lib/../lib/./a.star', 'a')\ngot = a", `"a"`},
		{"relative to what loads it", "load('//lib/deep/b.star', 'b')\ngot = b", `"ab"`},
		{"standard library", "load('@std//lists.star', 'first')\ngot = first", `"std"`},
		{"up within the standard library", "load('@std//deep/up.star', 'y')\ngot = y", `"std"`},
		{"another name", "load('//lib/a.star', z = 'a')\ngot = z", `"a"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLoader(t, map[string]string{
				"main.star": test.main, "lib/a.star": "a = 'a'\n", "lib/deep/b.star": "load('../a.star', 'a')\nb = a + 'b'\n",
			})
			globals, err := eval(l, "//main.star")
			check(t, err)
			if got := globals["got"].String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		spec string
		kind fault.Kind
		want string
	}{
		{"a.star", fault.Script, `a module is named "./x.star"`},
		{"/etc/passwd", fault.Script, "a module is named"},
		{"", fault.Script, "a module is named"},
		{"http://x/y.star", fault.Script, "a module is named"},
		{"../a.star", fault.Permission, "outside of the workspace"},
		{"./../../a.star", fault.Permission, "outside of the workspace"},
		{"//../a.star", fault.Permission, "outside of the workspace"},
		{"///etc/passwd", fault.Permission, "outside of the workspace"},
		{"//lib/../../a.star", fault.Permission, "outside of the workspace"},
		{`//lib\..\a.star`, fault.Permission, "outside of the workspace"},
		{"//a\x00.star", fault.Permission, "outside of the workspace"},
		{"@std//../main.star", fault.Permission, "outside of the workspace"},
		{"@std//deep/out.star", fault.Permission, "outside of the workspace"},
		{"@other//x.star", fault.Script, "a module is named"},
		{"@std//none.star", fault.NotFound, "cannot read the module"},
		{"//none.star", fault.NotFound, "cannot read the module"},
		{"//", fault.Failed, "cannot read the module"},
		{"//link/secret.star", fault.Failed, "cannot read the module"},
		{"//file.star", fault.Failed, "cannot read the module"},
		{"./large.star", fault.Limit, "is larger than"},
	}
	outside := t.TempDir()
	check(t, os.WriteFile(filepath.Join(outside, "secret.star"), []byte("a = 1"), 0o644))
	for _, test := range tests {
		t.Run(test.spec, func(t *testing.T) {
			l := newLoader(t, map[string]string{
				"main.star":  "load(" + starlark.String(test.spec).String() + ", 'a')",
				"large.star": strings.Repeat("#\n", 1<<20),
			})
			check(t, os.Symlink(outside, filepath.Join(l.Workspace, "link")))
			check(t, os.Symlink(filepath.Join(outside, "secret.star"), filepath.Join(l.Workspace, "file.star")))
			_, err := eval(l, "//main.star")
			if !fault.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v (%s), want %q (%s)", err, fault.KindOf(err), test.want, test.kind)
			}
			if stack := fault.As(err).Stack; len(stack) == 0 || !strings.HasSuffix(stack[len(stack)-1].File, ".star") {
				t.Errorf("the error has no position: %+v", stack)
			}
		})
	}
}

func TestCircle(t *testing.T) {
	l := newLoader(t, map[string]string{
		"main.star": "load('//a.star', 'a')", "a.star": "load('//b.star', 'b')\na = 1", "b.star": "load('./a.star', 'a')\nb = 1",
		"self.star": "load('//self.star', 'x')\nx = 1",
	})
	for main, want := range map[string]string{"//main.star": "//a.star -> //b.star -> //a.star", "//self.star": "//self.star -> //self.star"} {
		if _, err := eval(l, main); err == nil || !strings.Contains(err.Error(), "in a circle: "+want) {
			t.Errorf("%s: %v", main, err)
		}
	}
}

func TestModulesAreEvaluatedOnce(t *testing.T) {
	l := newLoader(t, map[string]string{
		"main.star": "load('//a.star', 'a')\nload('//b.star', 'b')\ngot = a == b",
		"a.star":    "load('//c.star', 'c')\na = c", "b.star": "load('./c.star', 'c')\nb = c", "c.star": "count()\nc = [1]",
	})
	times := 0
	var read []string
	l.Predeclared = starlark.StringDict{"count": starlark.NewBuiltin("count", func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
		times++
		return starlark.None, nil
	})}
	l.OnSource = func(name string, _ []byte) error { read = append(read, name); return nil }
	_, err := eval(l, "//main.star")
	check(t, err)
	if times != 1 || strings.Join(read, " ") != "//main.star //a.star //c.star //b.star" {
		t.Errorf("c.star was evaluated %d times; read were %q", times, read)
	}
}

func TestModulesAreClosed(t *testing.T) {
	tests := []struct{ name, main, want string }{
		{"private names", "load('//a.star', '_hidden')", "names with leading underscores are not exported"},
		{"missing names", "load('//a.star', 'lst')", "did you mean list"},
		{"frozen values", "load('//a.star', 'list')\nlist.append(1)", "frozen"},
		{"control flow at the top of a module", "load('//loop.star', 'x')", "not within a function"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLoader(t, map[string]string{"main.star": test.main, "a.star": "_hidden = 1\nlist = []\n", "loop.star": "for i in [1]:\n    pass\nx = 1\n"})
			if _, err := eval(l, "//main.star"); !fault.Is(err, fault.Script) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestErrorsHaveAPlace(t *testing.T) {
	files := map[string]string{
		"syntax.star":    "a = 1\nb = (\n",
		"undefined.star": "x = 1\nprint(y)\nz = q + r\n",
		"runtime.star":   "load('//lib.star', 'div')\ndef main():\n    return div(1)\nmain()\n",
		"lib.star":       "def div(x):\n    return x // 0\n",
		"loads.star":     "load('//syntax.star', 'a')\n",
		"frozen.star":    "load('//list.star', 'l')\nl.append(1)\n",
		"list.star":      "l = []\n",
		"recursive.star": "def f():\n    f()\nf()\n",
	}
	tests := []struct{ main, want string }{
		{"syntax", "syntax.star:3:1: got end of file, want primary expression\n"},
		{"undefined", "undefined.star:2:7: undefined: y\n    2 | print(y)\nhint: also:\n      undefined.star:3:5: undefined: q\n      undefined.star:3:9: undefined: r\n"},
		{"runtime", `lib.star:2:14: floored division by zero
    2 | return x // 0
    lib.star:2:14  div
    runtime.star:3:15  main
    runtime.star:4:5  <toplevel>
`},
		{"loads", "syntax.star:3:1: got end of file, want primary expression\n    loads.star:1:1  <toplevel>\n"},
		{"frozen", `frozen.star:2:9: append: cannot append to frozen list
    2 | l.append(1)
hint: values that cross to other branches or modules are frozen; build a new one, or return it as a result
`},
		{"recursive", `recursive.star:2:5: function f called recursively
    2 | f()
    recursive.star:2:5  f
    recursive.star:2:6  f
    recursive.star:3:2  <toplevel>
hint: the language has no recursion; use a loop over a list of things to do
`},
	}
	for _, test := range tests {
		t.Run(test.main, func(t *testing.T) {
			_, err := eval(newLoader(t, files), "//"+test.main+".star")
			if err == nil {
				t.Fatal("no error")
			}
			if got := fault.Render(err); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestName(t *testing.T) {
	l := newLoader(t, map[string]string{"dir/x.star": ""})
	outside := filepath.Join(t.TempDir(), "y.star")
	check(t, os.WriteFile(outside, nil, 0o644))
	outside, err := filepath.EvalSymlinks(outside)
	check(t, err)
	check(t, os.Symlink(outside, filepath.Join(l.Workspace, "link.star")))
	for file, want := range map[string]string{
		filepath.Join(l.Workspace, "dir/x.star"):        "//dir/x.star",
		filepath.Join(l.Workspace, "dir/../dir/x.star"): "//dir/x.star",
		filepath.Join(l.Workspace, "missing.star"):      "//missing.star",
		filepath.Join(l.Workspace, "link.star"):         outside,
		outside:                                         outside,
	} {
		if got, err := l.Name(file); err != nil || got != want {
			t.Errorf("%s is called %q, %v; want %q", file, got, err, want)
		}
	}
	if got := script.FileName("//dir/x.star"); got != "dir/x.star" {
		t.Errorf("in positions it is called %q", got)
	}
}

// A resumed run takes the sources from its journal.
func TestSources(t *testing.T) {
	l := newLoader(t, map[string]string{"main.star": "load('//lib.star', 'x')\ngot = x", "lib.star": "x = 'disk'", "new.star": "x = 1"})
	l.Sources = map[string][]byte{"//main.star": []byte("load('//lib.star', 'x')\ngot = x"), "//lib.star": []byte("x = 'journal'")}
	globals, err := eval(l, "//main.star")
	check(t, err)
	if got := globals["got"]; got != starlark.String("journal") {
		t.Errorf("got %v", got)
	}
	if _, err := l.Main("//new.star"); !fault.Is(err, fault.Mismatch) {
		t.Errorf("a module that the run never loaded: %v", err)
	}
}

func TestProgramCache(t *testing.T) {
	big := "x = 'big'\n" + strings.Repeat("# filler\n", 1000)
	dir := t.TempDir()
	load := func() string {
		t.Helper()
		l := newLoader(t, map[string]string{"main.star": "load('//big.star', 'x')\ngot = x", "big.star": big})
		l.CacheDir = dir
		globals, err := eval(l, "//main.star")
		check(t, err)
		return globals["got"].String()
	}
	cached := func() []string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		check(t, err)
		return files
	}
	want := load()
	files := cached()
	if len(files) != 1 {
		t.Fatalf("cached are %q, want the one large module", files)
	}
	good, err := os.ReadFile(files[0])
	check(t, err)
	if got := load(); got != want {
		t.Errorf("from the cache comes %s, want %s", got, want)
	}
	changed := strings.Replace(string(good), "big", "bad", 1)
	for name, damaged := range map[string]string{"empty": "", "cut": string(good[:len(good)/2]), "changed": changed, "noise": strings.Repeat("\xa5", 5000)} {
		check(t, os.WriteFile(files[0], []byte(damaged), 0o600))
		if got := load(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if after, err := os.ReadFile(files[0]); err != nil || string(after) != string(good) {
			t.Errorf("%s: the file was not written anew (%v)", name, err)
		}
	}
	big = strings.Replace(big, "big", "new", 1)
	if got := load(); got != `"new"` {
		t.Errorf("after an edit comes %s", got)
	}
	check(t, os.RemoveAll(dir))
	check(t, os.WriteFile(dir, nil, 0o600)) // a cache that cannot be written
	if got := load(); got != `"new"` {
		t.Errorf("without a cache comes %s", got)
	}
}

func TestMainMayBeOutsideOfTheWorkspace(t *testing.T) {
	l := newLoader(t, map[string]string{"lib.star": "x = 1"})
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "main.star"), []byte("load('./beside.star', 'y')\nload('//lib.star', 'x')\ngot = x + y"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "beside.star"), []byte("y = 2"), 0o644))
	name, err := l.Name(filepath.Join(dir, "main.star"))
	check(t, err)
	globals, err := eval(l, name)
	check(t, err)
	if got := globals["got"].String(); got != "3" {
		t.Errorf("got %s", got)
	}
}
