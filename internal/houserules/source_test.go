package houserules_test

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageHasAComment(t *testing.T) {
	for dir, files := range theTree(t).packages() {
		documented := slices.ContainsFunc(files, func(f *goFile) bool {
			return f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != ""
		})
		if !documented {
			t.Errorf("%s has no package comment: whoever opens it first has to learn what it is for and what it promises", dir)
		}
	}
}

// vague are names that say nothing, so that anything ends up there.
var vague = []string{"util", "utils", "common", "helpers", "helper", "manager", "shared", "types", "misc"}

func TestNoVagueNames(t *testing.T) {
	for dir, files := range theTree(t).packages() {
		for _, name := range []string{path.Base(dir), files[0].ast.Name.Name} {
			if slices.Contains(vague, name) {
				t.Errorf("%s: a package called %q says nothing, so that anything ends up there; name it after what it does", dir, name)
				break
			}
		}
	}
}

const maxLines = 800

func TestNoHugeFiles(t *testing.T) {
	repo := theTree(t)
	generated := map[string]bool{}
	for _, f := range repo.gos {
		generated[f.path] = f.generated()
	}
	for _, name := range repo.files {
		if ext := path.Ext(name); ext != ".go" && ext != ".star" || generated[name] {
			continue
		}
		src, ok := repo.text(name)
		if n := bytes.Count(src, []byte("\n")); ok && n > maxLines {
			t.Errorf("%s has %d lines: split it by what a reader looks for; files of about 200 lines are found, those over %d are searched", name, n, maxLines)
		}
	}
}

// machinePath finds paths of the machine that a change was made on. It is put
// together so that this file does not contain one.
var machinePath = regexp.MustCompile(`(^|[\s"'` + "`" + `(=,])(/wo` + `rk/(main|shared|\.)?|/root/g` + `o/|/tmp/bash` + `_jobs)`)

func TestNoMachinePaths(t *testing.T) {
	repo := theTree(t)
	for _, name := range repo.files {
		src, ok := repo.text(name)
		if !ok {
			continue
		}
		for i, line := range bytes.Split(src, []byte("\n")) {
			if m := machinePath.FindSubmatch(line); m != nil {
				t.Errorf("%s:%d: %q is a path of one machine: nobody else has it", name, i+1, m[2])
			}
		}
	}
}

func TestMachinePathPattern(t *testing.T) {
	for text, want := range map[string]bool{
		"see /wo" + "rk/shared/design.md": true,
		`dir = "/wo` + `rk/x"`:            true,
		"/home/runner/wo" + "rk/x":        false,
		"frame" + "wo" + "rk/":            false,
	} {
		if got := machinePath.MatchString(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

var (
	todo     = regexp.MustCompile(`\bTO` + `DO\b`)
	reminder = regexp.MustCompile(`^\((#\d+|v\d+)\)`)
)

const whyTodo = "a reminder without an issue is read by nobody: write (#123) behind it, or (v2) for what breaks compatibility"

func TestRemindersNameAnIssue(t *testing.T) {
	repo := theTree(t)
	for _, f := range repo.gos {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if bare(c) {
					t.Errorf("%s: %s", repo.fset.Position(c.Pos()), whyTodo)
				}
			}
		}
	}
	for _, name := range repo.files {
		if ext := path.Ext(name); ext != ".star" && ext != ".sh" && path.Base(name) != "Makefile" {
			continue
		}
		src, _ := repo.text(name)
		for i, line := range strings.Split(string(src), "\n") {
			if _, comment, ok := strings.Cut(line, "#"); ok && bareText(comment) {
				t.Errorf("%s:%d: %s", name, i+1, whyTodo)
			}
		}
	}
}

func bare(c *ast.Comment) bool { return bareText(c.Text) }

func bareText(text string) bool {
	for _, at := range todo.FindAllStringIndex(text, -1) {
		if !reminder.MatchString(text[at[1]:]) {
			return true
		}
	}
	return false
}

func TestReminderPattern(t *testing.T) {
	const word = "TO" + "DO"
	for text, want := range map[string]bool{
		"// " + word + ": later": true, "// " + word + "(nick): later": true, "// " + word + "(#12): later": false,
		"// " + word + "(v2): later": false, "// " + word + "(#1) and " + word: true, "// MASTO" + "DON": false,
	} {
		if bareText(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}
