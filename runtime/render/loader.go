package render

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// loader gives pongo2 the templates that a template names. pongo2 knows them by
// their absolute paths.
type loader struct {
	r     *render
	files *sandbox.Files
	roots []string       // where templates may lie; the directory of the first one first
	depth map[string]int // how deep within others a template was named
	loads int
}

var errLoad = errors.New("see render.err") // pongo2 drops the errors of loaders

// Abs finds the template that base names. pongo2 asks a second time, without
// base, for what Abs has returned.
func (l *loader) Abs(base, name string) string {
	if base == "" {
		return name
	}
	p, err := l.find(base, name)
	if fault.Is(err, fault.NotFound) {
		l.r.missed = l.r.placed(err) // no failure yet: the tag may say if_exists
		return ""
	}
	if err != nil {
		_ = l.r.fail(l.r.placed(err))
		return ""
	}
	l.depth[p.Abs] = max(l.depth[p.Abs], l.depth[base]+1)
	return p.Abs
}

// Get returns the rewritten template.
func (l *loader) Get(path string) (io.Reader, error) {
	if path == "" {
		return nil, errLoad
	}
	text, err := l.load(path)
	if err != nil {
		_ = l.r.fail(l.r.placed(err))
		return nil, errLoad
	}
	return strings.NewReader(text), nil
}

func (l *loader) load(path string) (string, error) {
	if l.loads++; l.loads > maxLoads {
		return "", fault.New(fault.TooLarge, "the template includes more than %d files", maxLoads)
	}
	if l.depth[path] > maxCalls {
		return "", fault.New(fault.TooLarge, "templates include each other more than %d deep; does %q include itself?", maxCalls, l.shown(path))
	}
	p, err := l.files.Resolve(path)
	if err != nil {
		return "", err
	}
	p.Name = l.shown(path)
	data, err := p.ReadFile(maxSource)
	if err != nil {
		return "", err
	}
	return l.r.rewrite(path, p.Name, string(data))
}

// find looks for name beside base and in the roots.
func (l *loader) find(base, name string) (sandbox.Path, error) {
	var inside bool
	for _, dir := range append([]string{filepath.Dir(base)}, l.roots...) {
		full := filepath.Join(dir, name)
		if filepath.IsAbs(name) {
			full = name // also "//name", which Resolve knows
		}
		p, err := l.files.Resolve(full)
		if err != nil || !l.within(p.Abs) {
			continue
		}
		inside = true
		if info, err := p.Stat(); err != nil || info.IsDir() {
			inside = !fault.Is(err, fault.Permission) // a link out of the workspace
			continue
		}
		if real, err := filepath.EvalSymlinks(p.Abs); err != nil || !l.within(real) {
			inside = false // a link out of the roots
			continue
		}
		return p, nil
	}
	if !inside {
		return sandbox.Path{}, fault.New(fault.Permission, "the template %q is outside of %s", name, l.shownRoots()).
			WithHint("give its directory in roots = [\"…\"]")
	}
	return sandbox.Path{}, fault.New(fault.NotFound, "there is no template %q in %s", name, l.shownRoots())
}

func (l *loader) within(abs string) bool {
	for _, dir := range l.roots {
		if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
			return true
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			if rel, err := filepath.Rel(real, abs); err == nil && filepath.IsLocal(rel) {
				return true
			}
		}
	}
	return false
}

// shown is a path as people know it: relative to the workspace.
func (l *loader) shown(abs string) string {
	if rel, err := filepath.Rel(l.files.Workspace(), abs); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return abs
}

func (l *loader) shownRoots() string {
	names := make([]string, len(l.roots))
	for i, dir := range l.roots {
		names[i] = `"` + l.shown(dir) + `"`
	}
	return strings.Join(names, " and ")
}
