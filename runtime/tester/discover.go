package tester

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Suffix is what the names of files with tests end in, and Prefix what those of
// tests begin with.
const (
	Suffix = "_test.star"
	Prefix = "test_"
)

// Test is one test.
type Test struct {
	File string // relative to the workspace, with slashes
	Name string // function; "" for a file that has none that could be run
	Line int
	Err  error // why it cannot be run
}

// String is how a test is called: "deploy_test.star test_rollback".
func (t Test) String() string { return strings.TrimSpace(t.File + " " + t.Name) }

// Find returns the tests in the files among paths and below the directories, in
// the order of the paths, the files, and the functions in them. Without paths it
// looks through the workspace. A file that is not Starlark is a test that fails.
func Find(ws workspace.Workspace, paths []string) ([]Test, error) {
	if len(paths) == 0 {
		paths = []string{ws.Root}
	}
	var tests []Test
	seen := map[string]bool{}
	for _, path := range paths {
		files, err := filesOf(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			rel, err := within(ws, file)
			if err != nil {
				return nil, err
			}
			if !seen[rel] {
				seen[rel] = true
				tests = append(tests, testsOf(file, rel)...)
			}
		}
	}
	return tests, nil
}

// filesOf returns the files with tests that path names.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		if !strings.HasSuffix(path, Suffix) {
			return nil, fault.New(fault.Usage, "%q is no file with tests: its name does not end in %s", path, Suffix)
		}
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return unreadable(name, err)
		case d.IsDir() && name != path && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, Suffix):
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

func unreadable(path string, err error) error {
	kind := fault.Failed
	if os.IsNotExist(err) {
		kind = fault.NotFound
	}
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err
	}
	return &fault.Error{Kind: kind, Msg: "cannot read \"" + path + "\": " + err.Error(), Cause: err}
}

// within returns the name of file in the workspace.
func within(ws workspace.Workspace, file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", unreadable(file, err)
	}
	rel, err := filepath.Rel(ws.Root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fault.New(fault.Usage, "%q is outside of the workspace %s", file, ws.Root).
			WithHint("tests run in a copy of their workspace; name it with -W DIR")
	}
	return filepath.ToSlash(rel), nil
}

func testsOf(path, rel string) []Test {
	src, err := os.ReadFile(path)
	if err != nil {
		return []Test{{File: rel, Err: unreadable(path, err)}}
	}
	tree, err := script.Parse(rel, src)
	if err != nil {
		return []Test{{File: rel, Err: err}}
	}
	return testsIn(rel, tree)
}
