package houserules_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const modulePath = "github.com/provisioning-systems/provisioning"

// goFile is one Go file of the repository.
type goFile struct {
	path string // relative to the root, with slashes
	dir  string // of its package; "." for the root
	test bool
	ast  *ast.File
	src  []byte
}

// tree is the repository, read once for all rules.
type tree struct {
	root  string
	files []string // all but what is built or fetched, relative to the root
	gos   []*goFile
	fset  *token.FileSet
}

var load = sync.OnceValues(func() (*tree, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, fset: token.NewFileSet()}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return t.add(filepath.ToSlash(rel), d)
	})
	return t, err
})

func theTree(t *testing.T) *tree {
	t.Helper()
	repo, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// findRoot goes up to the directory with go.mod: tests run in their package's.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", os.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
}

func (t *tree) add(rel string, d fs.DirEntry) error {
	if d.IsDir() {
		hidden := strings.HasPrefix(d.Name(), ".") && rel != "." && d.Name() != ".github"
		if hidden || rel == "bin" || rel == "dist" || d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		return nil
	}
	if !d.Type().IsRegular() || rel == ".git" { // a file, in a worktree
		return nil
	}
	t.files = append(t.files, rel)
	// Go files below testdata are material of tests, not packages.
	if !strings.HasSuffix(rel, ".go") || strings.Contains("/"+rel, "/testdata/") {
		return nil
	}
	src, err := os.ReadFile(filepath.Join(t.root, rel))
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(t.fset, rel, src, parser.ParseComments)
	if err != nil {
		return err
	}
	t.gos = append(t.gos, &goFile{
		path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), ast: file, src: src,
	})
	return nil
}

// text returns a file's content, or false when it is no text, or too large to
// be written by hand.
func (t *tree) text(rel string) ([]byte, bool) {
	src, err := os.ReadFile(filepath.Join(t.root, rel))
	if err != nil || len(src) > 1<<20 || bytes.IndexByte(src, 0) >= 0 {
		return nil, false
	}
	return src, true
}

// imports are our own packages that the file imports, relative to the root.
func (f *goFile) imports() []string {
	var ours []string
	for _, spec := range f.ast.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if name == modulePath {
			ours = append(ours, ".")
		} else if rest, ok := strings.CutPrefix(name, modulePath+"/"); ok {
			ours = append(ours, rest)
		}
	}
	return ours
}

func (f *goFile) generated() bool { return ast.IsGenerated(f.ast) }

// packages maps the directory of each package to its files that are no tests.
func (t *tree) packages() map[string][]*goFile {
	packages := map[string][]*goFile{}
	for _, f := range t.gos {
		if !f.test {
			packages[f.dir] = append(packages[f.dir], f)
		}
	}
	return packages
}

// within reports whether dir is root or lies below it.
func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }
