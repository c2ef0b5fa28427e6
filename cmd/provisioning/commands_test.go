package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/reference"
	"github.com/provisioning-systems/provisioning/stdlib"
)

// execute runs the program with args, and returns what it printed.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	a := &app{console: &console.Console{Out: &out, Err: &out, In: strings.NewReader("")}}
	root := a.command()
	root.SetArgs(args)
	err := root.Execute()
	if cerr := a.close(); cerr != nil {
		t.Error(cerr)
	}
	return out.String(), err
}

// allCommands are the commands that people see, the program itself included.
func allCommands() []*cobra.Command {
	root := (&app{console: console.New()}).command()
	all := []*cobra.Command{root}
	eachCommand(root, func(cmd *cobra.Command) { all = append(all, cmd) })
	return all
}

func TestCommandsAreDocumented(t *testing.T) {
	for _, cmd := range allCommands() {
		path := cmd.CommandPath()
		if cmd.Short == "" {
			t.Errorf("%s has no Short: the lists of commands would have a blank", path)
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is a title, it ends without a full stop", path)
		}
		if cmd.Example == "" {
			t.Errorf("%s has no Example: an example is what most readers look for", path)
		}
		if cmd.Example != "" && !strings.Contains(cmd.Example, path) {
			t.Errorf("no line of the Example of %s calls it", path)
		}
		if cmd.RunE == nil {
			t.Errorf("%s does nothing", path)
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if len(line) > 100 {
				t.Errorf("%s: a line of Long is wider than terminals: %s", path, line)
			}
		}
	}
}

// TestNamesAreUnique: of two commands with one name, the second is never found.
func TestNamesAreUnique(t *testing.T) {
	claimed := map[string]string{}
	for _, cmd := range allCommands() {
		if !cmd.HasParent() {
			continue
		}
		for _, name := range append([]string{cmd.Name()}, cmd.Aliases...) {
			key := cmd.Parent().CommandPath() + " " + name
			if claimed[key] != "" {
				t.Errorf("%s is claimed by %s and %s", key, claimed[key], cmd.CommandPath())
			}
			claimed[key] = cmd.CommandPath()
		}
	}
}

// TestFlagsAreUnique: a flag of a command would hide the global one.
func TestFlagsAreUnique(t *testing.T) {
	for _, cmd := range allCommands() {
		if cmd.HasParent() && cmd.LocalNonPersistentFlags().HasFlags() {
			for _, global := range []string{"workspace", "infra", "out", "quiet", "verbose", "no-color"} {
				if cmd.LocalNonPersistentFlags().Lookup(global) != nil {
					t.Errorf("%s hides the global flag --%s", cmd.CommandPath(), global)
				}
			}
		}
	}
}

// TestHelpIsTheSameEveryWay: help X, X --help, X -h and X help.
func TestHelpIsTheSameEveryWay(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, cmd := range allCommands() {
		path := strings.Fields(cmd.CommandPath())[1:]
		want, err := execute(t, append([]string{"help"}, path...)...)
		if err != nil || !strings.Contains(want, "Usage:") {
			t.Errorf("help %v: %v\n%s", path, err, want)
		}
		if cmd.Name() == "help" {
			continue // "help help" is what this was
		}
		for _, word := range []string{"--help", "-h", "help"} {
			if got, err := execute(t, append(path[:len(path):len(path)], word)...); err != nil || got != want {
				t.Errorf("%v %s: %v\n%s\nwant\n%s", path, word, err, got, want)
			}
		}
	}
}

// TestMistakesAreUsageFaults: exit code 2, with what to type instead.
func TestMistakesAreUsageFaults(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct{ args, want string }{
		{"rnu", "did you mean run?"},
		{"help rnu", "did you mean run?"},
		{"runs lits", "did you mean list?"},
		{"runs help lits", "did you mean list?"},
		{"fmt --chekc", "did you mean --check?"},
		{"version shwo", "did you mean show?"},
		{"doctor x", "no arguments"},
		{"completion", "a shell"},
		{"completion bahs", "did you mean bash?"},
		{"docs a b", "one of NAME"},
		{"docs a --search b", "one of NAME"},
		{"lint --out xml", "--out must be"},
	} {
		_, err := execute(t, strings.Fields(c.args)...)
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}

// TestReferenceIsStable: the same declarations make the same pages.
func TestReferenceIsStable(t *testing.T) {
	libs, err := reference.Libraries(stdlib.FS)
	if err != nil {
		t.Fatal(err)
	}
	first := referencePages((&app{console: console.New()}).command(), libs)
	second := referencePages((&app{console: console.New()}).command(), libs)
	for name, page := range first {
		if page != second[name] {
			t.Errorf("%s differs from itself", name)
		}
	}
	for _, link := range []string{"(commands.md)", "(std-lists.md)", "(fs.md)", "(options.md)"} {
		if !strings.Contains(first["index.md"], link) {
			t.Errorf("index.md has no link %s", link)
		}
	}
}

func TestScriptFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.star", "a/x.star", ".git/x.star", "a/.provisioning/x.star", "note.txt"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := scriptFiles([]string{filepath.Join(dir, "note.txt"), dir, filepath.Join(dir, "b.star")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		rel, _ := filepath.Rel(dir, f.path)
		got = append(got, rel)
	}
	if want := "note.txt a/x.star b.star"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if _, err := scriptFiles([]string{filepath.Join(dir, "gone")}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// TestStandardLibraryIsDocumented: what a docstring does not say is said nowhere.
func TestStandardLibraryIsDocumented(t *testing.T) {
	libs, err := reference.Libraries(stdlib.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range libs {
		for _, f := range l.Funcs {
			if f.Doc.Summary == "" || f.Doc.Examples == "" || f.Doc.Returns == "" {
				t.Errorf("%s of %s needs a summary, Returns: and Example:", f.Name, l.Path)
			}
		}
	}
}
