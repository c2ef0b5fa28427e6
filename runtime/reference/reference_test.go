package reference_test

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/reference"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type read struct {
	Path  string `star:"path"`
	Limit int    `star:"limit"`
	Sep   string `star:"sep"`
}

func (*read) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

type write struct {
	Path string `star:"path"`
}

func (*write) Perform(context.Context, *effect.Env) (any, error) { return nil, nil }

type join struct {
	Parts starlark.Tuple `star:"*parts"`
}

func (*join) Compute(*effect.Env) (any, error) { return nil, nil }

func modules() []*module.Module {
	fs := module.New("fs", `Files of the workspace.

    Paths are relative to it.`)
	fs.Write(`
def write(path):
    """Writes a file.

    Args:
      path: the file.
    """`, &write{}, effect.Exact)
	fs.Read(`
def read(path, limit = 0, *, sep = "é|x"):
    """Reads a file.

    The whole of it is kept in memory.

    Args:
      path: file, relative to the
        workspace.
      limit: how much | at most.
      sep: ends a line.
    Returns:
      the text.
    Errors:
      not_found: there is no such file.
    Note:
      Bytes that are no UTF-8 stay as they are.
    Example:
      text = fs.read("motd")
      print(text)
    """`, &read{})
	fs.Fact("root", "The workspace.", func(*effect.Run) any { return "" })
	bare := module.New("", "Functions for everything.")
	bare.Pure(`
def join(*parts):
    """Joins.

    Args:
      *parts: what to join.
    """`, &join{})
	return []*module.Module{fs, bare}
}

func TestMarkdown(t *testing.T) {
	for _, m := range modules() {
		golden(t, reference.File(m), reference.Markdown(m))
	}
	golden(t, "index.md", reference.Index(modules()))
	golden(t, "options.md", reference.Options())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test -update rewrites it. Got:\n%s", path, got)
	}
}

func TestIndexDoesNotDependOnTheOrder(t *testing.T) {
	ms := modules()
	if a, b := reference.Index(ms), reference.Index([]*module.Module{ms[1], ms[0]}); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name, want string
		ok         bool
	}{
		{"fs", "Files of the workspace.", true},
		{"fs", "fs.root: The workspace.", true},
		{"fs.read", "Reads a file.", true},
		{"fs.read()", "Reads a file.", true},
		{"read", "Reads a file.", true},
		{"join", "Joins.", true},
		{"fs.root", "(constant)", true},
		{"_sudo", "that runs commands", true},
		{"fs.reed", "did you mean fs.read?", false},
		{"wrte", "did you mean fs.write?", false},
		{"nothing like it", `no builtin called "nothing like it"` + "\n", false},
		{"", "no builtin", false},
	} {
		text, ok := reference.Find(modules(), c.name)
		if ok != c.ok || !strings.Contains(text, c.want) {
			t.Errorf("Find(%q) = %v, %s\nwant %q", c.name, ok, text, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	if f, ok := reference.Lookup(modules(), "fs.write"); !ok || f.Name() != "fs.write" {
		t.Error(f, ok)
	}
	if _, ok := reference.Lookup(modules(), "write"); ok {
		t.Error("a function of a module was found without it")
	}
}
