package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// The commands of authors are fmt, lint, docs and lsp; each has a file author_….go.

// scriptFile is a script that a command works on.
type scriptFile struct {
	path  string // as the user would write it
	named bool   // on the command line, not found in a directory
}

// scriptFiles finds the scripts: the files among paths, and *.star below the
// directories, without hidden ones such as .git and .provisioning.
func scriptFiles(paths []string) ([]scriptFile, error) {
	var found []scriptFile
	seen := map[string]bool{}
	add := func(path string, named bool) {
		if path = filepath.Clean(path); !seen[path] {
			seen[path] = true
			found = append(found, scriptFile{path, named})
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fileFault(err, path)
		}
		if !info.IsDir() {
			add(path, true)
			continue
		}
		if err := walkScripts(path, func(path string) { add(path, false) }); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func walkScripts(dir string, found func(path string)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fileFault(err, path)
		case d.IsDir() && path != dir && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Type().IsRegular() && strings.HasSuffix(d.Name(), ".star"):
			found(path)
		}
		return nil
	})
}

func fileFault(err error, path string) error {
	kind := fault.Failed
	switch {
	case os.IsNotExist(err):
		kind = fault.NotFound
	case os.IsPermission(err):
		kind = fault.Permission
	}
	return &fault.Error{Kind: kind, Msg: "cannot read " + quoted(path) + ": " + cause(err).Error(), Cause: err}
}

func quoted(path string) string { return `"` + path + `"` }

// cause is the reason alone, because messages name the path themselves.
func cause(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}
