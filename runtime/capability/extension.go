package capability

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// extensionsDir is the directory of a workspace, or of one of its
// infrastructures, whose code is not the user's own.
const extensionsDir = "extensions"

// depth is how far below it the directory of an extension may be:
// extensions/taskservs/databases/postgres.
const depth = 3

// belowExtensions returns how many components of a name, relative to the
// workspace, lead to the directory of extensions that it lies in; 0 for a name
// that does not. Case does not count: on some systems it makes no difference, and
// "Extensions/x.star" would be the same code under another name.
func belowExtensions(parts []string) int {
	switch {
	case len(parts) > 1 && strings.EqualFold(parts[0], extensionsDir):
		return 1
	case len(parts) > 3 && strings.EqualFold(parts[0], "infra") && strings.EqualFold(parts[2], extensionsDir):
		return 3
	}
	return 0
}

// directoryOf returns the directory of the extension that a file belongs to, as
// names relative to the workspace; "" for a file of the user's own. It is the
// outermost one with a manifest, so that no extension can give a part of itself
// the name of another one. A file below extensions without a manifest above it
// belongs to the directory that it is in.
func directoryOf(root, rel string) string {
	parts := strings.Split(rel, "/")
	n := belowExtensions(parts)
	if n == 0 {
		return ""
	}
	for i := n + 1; i < len(parts) && i <= n+depth; i++ {
		dir := path.Join(parts[:i]...)
		if _, err := os.Stat(filepath.Join(root, dir, ManifestFile)); err == nil {
			return dir
		}
	}
	return path.Join(parts[:min(n+1, len(parts)-1)]...)
}

// Extension is one that a workspace has.
type Extension struct {
	Name     string
	Dir      string // relative to the workspace, with slashes
	Manifest *Manifest
	Err      error // why there is no Manifest
	Grant    Grant
}

// Extensions finds the extensions of the workspace at root, sorted by name.
func Extensions(root string, cat Catalog) ([]Extension, error) {
	grants, err := ReadGrants(root, cat)
	if err != nil {
		return nil, err
	}
	dirs, err := extensionDirs(root)
	if err != nil {
		return nil, err
	}
	found := make([]Extension, 0, len(dirs))
	for _, dir := range dirs {
		e := Extension{Name: path.Base(dir), Dir: dir}
		e.Manifest, e.Err = ReadManifest(filepath.Join(root, dir), cat)
		e.Grant = grants[e.Name]
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b Extension) int {
		return strings.Compare(a.Name+"\x00"+a.Dir, b.Name+"\x00"+b.Dir)
	})
	return found, nil
}

func extensionDirs(root string) ([]string, error) {
	tops := []string{extensionsDir}
	infras, _ := filepath.Glob(filepath.Join(globEscape(root), "infra", "*", extensionsDir)) // the pattern is escaped
	for _, dir := range infras {
		rel, err := filepath.Rel(root, dir)
		if err == nil {
			tops = append(tops, filepath.ToSlash(rel))
		}
	}
	var dirs []string
	for _, top := range tops {
		err := fs.WalkDir(os.DirFS(root), top, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && name == top:
				return fs.SkipAll // there are none
			case err != nil:
				return fault.Wrap(fault.Config, err, "cannot look for extensions")
			case !d.IsDir() || name == top:
				return nil
			}
			if _, err := os.Stat(filepath.Join(root, name, ManifestFile)); err == nil {
				dirs = append(dirs, name)
				return fs.SkipDir
			}
			if strings.Count(strings.TrimPrefix(name, top), "/") >= depth {
				return fs.SkipDir
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// Find returns the extension called name.
func Find(all []Extension, name string) (Extension, error) {
	var found []Extension
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
		if e.Name == name {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		e := fault.New(fault.NotFound, "the workspace has no extension %q", name)
		if near := spell.Nearest(name, names); near != "" {
			e.Msg += " (did you mean " + near + "?)"
		}
		return Extension{}, e.WithHint("an extension is a directory below extensions with a file %s", ManifestFile)
	}
	return Extension{}, fault.New(fault.Config, "there are several extensions called %q: %s and %s", name, found[0].Dir, found[1].Dir).
		WithHint("grants go by the name: rename one of them")
}
