package capability

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// Paths finds out which file a name means.
type Paths interface {
	// Forms returns the cleaned names of the file, all of which a pattern has to
	// match: as it is written, and with links followed. They are relative to the
	// workspace ("" is the workspace itself) or begin with "/".
	Forms(name string) ([]string, error)
	// WildForms is Forms for a name with wildcards.
	WildForms(name string) ([]string, error)
}

// newPath reads a pattern for files: relative to the workspace, with or without
// "//" before it, or absolute. One for files that are written has to name code.
func newPath(pattern string, formsOf func(Paths, string) ([]string, error), written bool) (func(string, Paths) bool, error) {
	rest, absolute := pattern, false
	if trimmed, ok := strings.CutPrefix(pattern, "//"); ok {
		rest = trimmed
	} else if trimmed, ok := strings.CutPrefix(pattern, "/"); ok {
		rest, absolute = trimmed, true
	}
	if pattern == "." {
		rest = ""
	}
	if pattern == "" || strings.ContainsRune(pattern, 0) {
		return nil, errors.New("it is empty, or has a zero byte in it")
	}
	c, err := newComponents(rest)
	if err != nil {
		return nil, err
	}
	return func(s string, paths Paths) bool {
		forms, err := formsOf(paths, s)
		if err != nil {
			return false
		}
		for _, form := range forms {
			name, isAbsolute := strings.CutPrefix(form, "/")
			if isAbsolute != absolute || !c.match(name) || written && isCode(name) && !c.namesCode(name) {
				return false
			}
		}
		return true
	}, nil
}

// InWorkspace finds files as the effects of a run do.
type InWorkspace struct{ Files *sandbox.Files }

var _ Paths = InWorkspace{}

func (w InWorkspace) Forms(name string) ([]string, error) { return w.forms(name, "") }

func (w InWorkspace) WildForms(name string) ([]string, error) { return w.forms(cutWildcards(name)) }

func (w InWorkspace) forms(base, rest string) ([]string, error) {
	p, err := w.Files.Resolve(base)
	if err != nil {
		return nil, err
	}
	forms := []string{relative(w.Files.Workspace(), filepath.Join(p.Abs, rest))}
	if real := relative(w.Files.Workspace(), filepath.Join(p.Real(), rest)); real != forms[0] {
		forms = append(forms, real)
	}
	return forms, nil
}

// cutWildcards takes the components from the first wildcard on apart: fs.glob
// enters no link in them, and there is no file of that name to look at.
func cutWildcards(name string) (base, rest string) {
	i := strings.IndexAny(name, `*?[\`)
	if i < 0 {
		return name, ""
	}
	slash := strings.LastIndexByte(name[:i], '/')
	if slash < 0 {
		return ".", name
	}
	return name[:slash+1], name[slash+1:]
}

// relative is a file as patterns name it.
func relative(workspace, abs string) string {
	rel, err := filepath.Rel(workspace, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return filepath.ToSlash(abs)
	}
	if rel == "." {
		return ""
	}
	return filepath.ToSlash(rel)
}

// ByName finds files by their names alone, for those who do not have the
// workspace of the run.
type ByName struct{ Workspace string }

var _ Paths = ByName{}

func (b ByName) WildForms(name string) ([]string, error) { return b.Forms(name) }

func (b ByName) Forms(name string) ([]string, error) {
	abs := name
	if rest, ok := strings.CutPrefix(name, "//"); ok {
		abs = filepath.Join(b.Workspace, rest)
	} else if !filepath.IsAbs(name) {
		abs = filepath.Join(b.Workspace, name)
	}
	if name == "" || strings.ContainsRune(name, 0) {
		return nil, fault.New(fault.Invalid, "%q is no path", name)
	}
	return []string{relative(b.Workspace, filepath.Clean(abs))}, nil
}

// fromDirectory finds the files that a command means: relative to the directory
// that it runs in, and as the system reads names.
type fromDirectory struct {
	paths Paths
	dir   string // as _cwd has it; "": the workspace
}

func (f fromDirectory) WildForms(name string) ([]string, error) { return f.paths.WildForms(name) }

func (f fromDirectory) Forms(name string) ([]string, error) {
	if strings.HasPrefix(name, "//") || slices.Contains(strings.Split(name, "/"), "..") {
		return nil, fault.New(fault.Invalid, "%q is read in another way by commands", name)
	}
	if f.dir != "" && !filepath.IsAbs(name) {
		name = strings.TrimSuffix(f.dir, "/") + "/" + name
	}
	return f.paths.Forms(name)
}
