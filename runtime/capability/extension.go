package capability

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// depth is how far below it the directory of an extension may be:
// extensions/taskservs/databases/postgres.
const depth = 3

// directoryOf returns the directory of the extension that a file belongs to, as
// names relative to the workspace; "" for a file of the user's own. It is the
// outermost one with a manifest, so that no extension can give a part of itself
// the name of another one. A file below extensions without a manifest above it
// belongs to the directory that it is in.
func directoryOf(root, rel string) string {
	parts := strings.Split(rel, "/")
	n := script.BelowExtensions(parts)
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
	Others   []string // directories of other extensions of this name
}

// State says what the extension may do.
func (e *Extension) State() State {
	switch {
	case e.Err != nil:
		return Broken
	case len(e.Others) > 0:
		return NotUnique
	}
	return e.Grant.StateOf(e.Manifest)
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
		e := Extension{Name: path.Base(dir), Dir: dir, Others: namesakes(dir, dirs)}
		e.Manifest, e.Err = ReadManifest(filepath.Join(root, dir), cat)
		e.Grant = grants[e.Name]
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b Extension) int {
		return strings.Compare(a.Name+"\x00"+a.Dir, b.Name+"\x00"+b.Dir)
	})
	return found, nil
}

// extensionDirs finds the directories with a manifest where [directoryOf] looks for
// them: whatever the case of "extensions" is, and through links.
func extensionDirs(root string) ([]string, error) {
	var dirs []string
	err := eachDir(root, ".", func(name string) error {
		switch {
		case strings.EqualFold(name, script.ExtensionsDir):
			return manifestDirs(root, name, depth, &dirs)
		case strings.EqualFold(name, "infra"):
			return eachDir(root, name, func(infra string) error {
				return eachDir(root, infra, func(name string) error {
					if !strings.EqualFold(path.Base(name), script.ExtensionsDir) {
						return nil
					}
					return manifestDirs(root, name, depth, &dirs)
				})
			})
		}
		return nil
	})
	slices.Sort(dirs)
	return dirs, err
}

// manifestDirs adds the outermost directories with a manifest, at most so many
// levels below top.
func manifestDirs(root, top string, levels int, dirs *[]string) error {
	return eachDir(root, top, func(name string) error {
		if _, err := os.Stat(filepath.Join(root, name, ManifestFile)); err == nil {
			*dirs = append(*dirs, name)
			return nil
		}
		if levels == 1 {
			return nil
		}
		return manifestDirs(root, name, levels-1, dirs)
	})
}

// eachDir calls f for the directories in one, also for links to some.
func eachDir(root, dir string, f func(name string) error) error {
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Config, err, "cannot look for extensions")
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		isDir := e.IsDir()
		if e.Type()&os.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(root, name))
			isDir = err == nil && info.IsDir()
		}
		if isDir {
			if err := f(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesakes returns the other directories whose extensions have the name of that
// in dir. Grants go by the name: what one of them was given would be everyone's.
func namesakes(dir string, dirs []string) []string {
	var others []string
	for _, d := range dirs {
		if d != dir && path.Base(d) == path.Base(dir) {
			others = append(others, d)
		}
	}
	return others
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
	return Extension{}, fault.New(fault.Config, "there are several extensions called %q: %s and %s", name, found[0].Dir, strings.Join(found[0].Others, " and ")).
		WithHint("grants go by the name: rename one of them")
}
