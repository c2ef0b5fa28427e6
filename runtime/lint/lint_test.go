package lint_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

type read struct {
	Path  string `star:"path"`
	Limit int    `star:"limit"`
}

func (*read) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

type write struct {
	Path    string `star:"path"`
	Content string `star:"content"`
}

func (*write) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

type run struct {
	Target  string `star:"target"`
	Command string `star:"command"`
	Quiet   bool   `star:"quiet"`
}

func (*run) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }
func (*run) RunsCommand()                                      {}

type join struct {
	Parts starlark.Tuple `star:"*parts"`
	Sep   string         `star:"sep"`
}

func (*join) Compute(*effect.Env) (any, error) { return nil, nil }

type structure struct {
	Fields []starlark.Tuple `star:"**fields"`
}

func (*structure) Compute(*effect.Env) (any, error) { return nil, nil }

type parallel struct {
	Fn    starlark.Callable `star:"fn"`
	Items starlark.Iterable `star:"items"`
}

func (*parallel) Control(*starlark.Thread) (any, error) { return nil, nil }

func modules() []*module.Module {
	fs, ssh := module.New("fs", "Files."), module.New("ssh", "Machines.")
	text, bare := module.New("text", "Text."), module.New("", "Control.")
	fs.Read("def read(path, limit = 0):\n  pass", &read{})
	fs.Write("def write(path, content):\n  pass", &write{}, effect.Exact)
	fs.Fact("root", "The workspace.", func(*effect.Run) any { return "" })
	ssh.Write("def run(target, command, *, quiet = False):\n  pass", &run{}, effect.Blind)
	text.Pure("def join(*parts, sep = ''):\n  pass", &join{})
	text.Pure("def struct(**fields):\n  pass", &structure{})
	bare.Control("def parallel(fn, items):\n  pass", &parallel{})
	return []*module.Module{fs, ssh, text, bare}
}

// TestScripts runs the chunks of testdata, in which what is expected stands
// beside the line that causes it.
func TestScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.star")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts: ", err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line := 1
		for chunk := range strings.SplitSeq(string(src), "---\n") {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(name), line), func(t *testing.T) { checkChunk(t, chunk) })
			line += strings.Count(chunk, "\n") + 1
		}
	}
}

type expectation struct {
	code string
	text *regexp.Regexp
}

func checkChunk(t *testing.T, chunk string) {
	want := map[int][]expectation{}
	for i, line := range strings.Split(chunk, "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, part := range strings.Split(line, "### ")[1:] {
			code, text, _ := strings.Cut(strings.TrimSpace(part), ": ")
			want[i+1] = append(want[i+1], expectation{code, regexp.MustCompile(text)})
		}
	}
	opts := lint.Options{
		Main:    strings.HasPrefix(chunk, "# main\n"),
		Modules: modules(),
	}
	for _, got := range lint.Source("test.star", []byte(chunk), opts) {
		rest := want[got.Line]
		if len(rest) == 0 || rest[0].code != got.Code || !rest[0].text.MatchString(got.Message) {
			t.Errorf("unexpected: %s", got)
			continue
		}
		want[got.Line] = rest[1:]
	}
	for line, rest := range want {
		for _, x := range rest {
			t.Errorf("line %d: not found: %s: %s", line, x.code, x.text)
		}
	}
}

func TestFindingHasWhatAnEditorNeeds(t *testing.T) {
	got := lint.Source("a.star", []byte("x = 1\ny = fs.raed(x)\n"), lint.Options{Modules: modules()})
	want := lint.Finding{
		File: "a.star", Line: 2, Col: 8, Code: "unknown-member", Text: "y = fs.raed(x)",
		Message: `the module fs has no "raed" (did you mean fs.read?)`, Hint: "it has read, root, write",
	}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestPredeclared(t *testing.T) {
	src := []byte("x = json.encode(struct(a = 1))\n")
	if got := lint.Source("a.star", src, lint.Options{Predeclared: []string{"json", "struct"}}); len(got) != 0 {
		t.Error(got)
	}
	if got := lint.Source("a.star", src, lint.Options{}); len(got) != 2 {
		t.Error(got)
	}
}

func FuzzSource(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.star")
	for _, name := range names {
		src, _ := os.ReadFile(name)
		for chunk := range strings.SplitSeq(string(src), "---\n") {
			f.Add([]byte(chunk))
		}
	}
	ms := modules()
	f.Fuzz(func(_ *testing.T, src []byte) { lint.Source("f.star", src, lint.Options{Modules: ms}) })
}
