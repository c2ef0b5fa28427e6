package language

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// files finds scripts: those that are open in the editor, which may differ from
// the disk, and those that they load.
type files struct {
	s *server

	mu     sync.Mutex
	opened map[string]*document   // by URI
	loaded map[identity]*document // as they were when they were last read
}

// identity says which script one is.
type identity struct{ root, name string }

const stdPrefix = "@std//"

func newFiles(s *server) *files {
	return &files{s: s, opened: map[string]*document{}, loaded: map[identity]*document{}}
}

func (f *files) open(t textDocument) *document {
	d := f.locate(t.URI)
	d.version = t.Version
	doc := newDocument(d, newText(t.Text))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened[t.URI] = doc
	return doc
}

// change returns nil for a document that is not open.
func (f *files) change(t textDocument, changes []change) *document {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.opened[t.URI]
	if old == nil {
		return nil
	}
	content := old.text
	for _, c := range changes {
		content = content.apply(c)
	}
	d := *old
	d.version = t.Version
	doc := newDocument(d, content)
	f.opened[t.URI] = doc
	return doc
}

func (f *files) close(uri string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.opened, uri)
}

// get returns an open document; nil when it is not.
func (f *files) get(uri string) *document {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened[uri]
}

func (f *files) all() []*document {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*document
	for _, d := range f.opened {
		all = append(all, d)
	}
	return all
}

// locate says which script a URI is.
func (f *files) locate(uri string) document {
	d := document{uri: uri, name: uri}
	path, ok := pathOf(uri)
	if !ok {
		// A script that is in no file yet will be saved in the folder.
		d.root = f.fallback("")
		d.name = "//untitled"
		return d
	}
	d.path = path
	if rest, ok := f.stdName(path); ok {
		d.name = stdPrefix + rest
		return d
	}
	d.root = f.rootOf(path)
	loader := script.Loader{Workspace: d.root}
	if name, err := loader.Name(path); err == nil {
		d.name = name
	}
	return d
}

// rootOf is the workspace of a file: the one that it is in, else the folder of
// the editor.
func (f *files) rootOf(path string) string {
	root, ok := workspace.Enclosing(filepath.Dir(path))
	if !ok {
		root = f.fallback(path)
	}
	if root == "" {
		root = filepath.Dir(path)
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	return root
}

// fallback is the folder of the editor that holds a file; of none, any.
func (f *files) fallback(path string) string {
	if f.s.opts.Workspace != "" {
		return f.s.opts.Workspace
	}
	best := ""
	for _, dir := range f.s.openFolders() {
		rel, err := filepath.Rel(dir, path)
		if (path == "" && best == "" || err == nil && filepath.IsLocal(rel)) && len(dir) > len(best) {
			best = dir
		}
	}
	return best
}

// load returns the script that from loads as spec.
func (f *files) load(from *document, spec string) (*document, error) {
	name, err := script.ModuleName(spec, from.name)
	if err != nil {
		return nil, err
	}
	id := identity{from.root, name}
	if strings.HasPrefix(name, stdPrefix) {
		id.root = ""
	}
	if doc := f.openedAs(id); doc != nil {
		return doc, nil
	}
	loader := script.Loader{Workspace: id.root, Stdlib: f.s.opts.Stdlib}
	src, err := loader.OnDisk(name)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.loaded[id]; old != nil && old.content == string(src) {
		return old, nil
	}
	d := document{root: id.root, name: name, path: f.pathOf(id)}
	if d.path != "" {
		d.uri = uriOf(d.path)
	}
	doc := newDocument(d, newText(string(src)))
	f.loaded[id] = doc
	return doc, nil
}

func (f *files) openedAs(id identity) *document {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, doc := range f.opened {
		if doc.name == id.name && doc.root == id.root {
			return doc
		}
	}
	return nil
}

// pathOf is the file of a module; "" when an editor cannot open it.
func (f *files) pathOf(id identity) string {
	if rest, ok := strings.CutPrefix(id.name, stdPrefix); ok {
		if f.stdDir() == "" {
			return ""
		}
		return filepath.Join(f.stdDir(), filepath.FromSlash(rest))
	}
	if rest, ok := strings.CutPrefix(id.name, "//"); ok {
		return filepath.Join(id.root, filepath.FromSlash(rest))
	}
	return id.name
}

// stdDir is where the standard library of this program is for editors.
func (f *files) stdDir() string {
	if f.s.opts.CacheDir == "" || f.s.opts.Stdlib == nil {
		return ""
	}
	return filepath.Join(f.s.opts.CacheDir, "std-"+f.s.std())
}

// stdName is the name within the standard library of a file of [files.stdDir].
func (f *files) stdName(path string) (string, bool) {
	if f.stdDir() == "" {
		return "", false
	}
	rel, err := filepath.Rel(f.stdDir(), path)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// writeStd makes sure that an editor can open a module of the standard library.
// The file is for reading: runs take the library from the program.
func (f *files) writeStd(doc *document) error {
	if !strings.HasPrefix(doc.name, stdPrefix) || doc.path == "" {
		return nil
	}
	if data, err := os.ReadFile(doc.path); err == nil && string(data) == doc.content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(doc.path), 0o700); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d", doc.path, os.Getpid())
	if err := os.WriteFile(tmp, []byte(doc.content), 0o444); err != nil {
		return err
	}
	return os.Rename(tmp, doc.path)
}

// hashFS identifies what a file system holds.
func hashFS(fsys fs.FS) string {
	h := sha256.New()
	_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			data, _ := fs.ReadFile(fsys, name) // it is embedded
			fmt.Fprintf(h, "%q %q\n", name, data)
		}
		return nil
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// Scripts that are looked at to find out whether they load another one.
const maxScripts = 2000

// isLoaded reports whether another script of the workspace loads this one.
func (f *files) isLoaded(doc *document) bool {
	if doc.root == "" || doc.path == "" {
		return false
	}
	seen := 0
	found := errors.New("found")
	err := filepath.WalkDir(doc.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // what cannot be read loads nothing
		case d.IsDir() && path != doc.root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.Type().IsRegular() && strings.HasSuffix(path, ".star"):
			if seen++; seen > maxScripts {
				return filepath.SkipAll
			}
			rel, err := filepath.Rel(doc.root, path)
			if err != nil {
				return nil
			}
			other, err := f.load(doc, "//"+filepath.ToSlash(rel))
			if err == nil && other.name != doc.name && slices.Contains(other.loads(), doc.name) {
				return found
			}
		}
		return nil
	})
	return err == found
}
