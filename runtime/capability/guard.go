package capability

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Guard decides at the door of a run. It reads manifests and grants when an
// extension has its first effect, and again when they have changed, so that a
// grant that is taken back counts at once. It is safe for concurrent use.
type Guard struct {
	cat   Catalog
	root  string
	files *sandbox.Files
	paths Paths

	dirs sync.Map // file → []string, the directories of the extensions that it belongs to
	mu   sync.Mutex
	read map[string]*rights // by directory
}

var _ door.Guard = (*Guard)(nil)

// NewGuard makes the guard of a run whose scripts reach files.
func NewGuard(cat Catalog, files *sandbox.Files) *Guard {
	return &Guard{cat: cat, root: files.Workspace(), files: files, paths: InWorkspace{files}, read: map[string]*rights{}}
}

// Restricted returns the directories of the extensions that the files belong to.
func (g *Guard) Restricted(modules []string) []string {
	var restricted []string
	for _, file := range modules {
		restricted = append(restricted, g.extensionsOf(file)...)
	}
	return restricted
}

func (g *Guard) extensionsOf(file string) []string {
	if dirs, ok := g.dirs.Load(file); ok {
		return dirs.([]string)
	}
	dirs := g.locate(file)
	g.dirs.Store(file, dirs)
	return dirs
}

// locate looks at the name of a file and at where links in it lead: code does not
// become the user's own by the way to it.
func (g *Guard) locate(file string) []string {
	if strings.HasPrefix(file, "@std/") {
		return nil
	}
	abs := file
	if !filepath.IsAbs(file) {
		abs = filepath.Join(g.root, file)
	}
	var dirs []string
	for _, name := range []string{abs, followed(abs)} {
		rel, err := filepath.Rel(g.root, name)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if dir := directoryOf(g.root, filepath.ToSlash(rel)); dir != "" && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func followed(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

// MayLoad keeps extensions to their own files, the standard library and other
// extensions. What an extension could load from elsewhere, it might have written
// there: it would pass for the user's own.
func (g *Guard) MayLoad(module, from string) error {
	loader := g.extensionsOf(strings.TrimPrefix(from, "//"))
	if len(loader) == 0 || strings.HasPrefix(module, "@std//") || len(g.extensionsOf(strings.TrimPrefix(module, "//"))) > 0 {
		return nil
	}
	return fault.New(fault.Permission, "the extension %q cannot load %q, which lies outside of %s", path.Base(loader[0]), module, loader[0]).
		WithHint("an extension loads its own files, other extensions, and @std//; what it needs from the script it takes as an argument")
}

// Allow refuses the call unless every one of the extensions has a grant for it.
func (g *Guard) Allow(restricted []string, call *effect.Call) error {
	if effect.Bookkeeping(call.Decl.Kind) {
		return nil
	}
	c := CallOf(call)
	also, err := alsoWritten(c, g.files)
	if err != nil {
		return fault.New(fault.Permission, "the directory has too many files to see whether there is code among them")
	}
	for _, dir := range restricted {
		for _, c := range append([]Call{c}, also...) {
			if err := g.allow(dir, c, call); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Guard) allow(dir string, c Call, call *effect.Call) error {
	r := g.rightsOf(dir)
	refusal := refusal{dir: dir, call: call, rights: r, code: codeIn(c, g.cat, g.paths)}
	switch {
	case r.err != nil:
		return refusal.broken()
	case len(r.others) > 0:
		return refusal.notUnique()
	case call.Decl.Mode == effect.Write && g.touchesGrants(c):
		return refusal.protected()
	case AllowedBy(r.manifest.Capabilities, c, g.cat, g.paths) == No:
		return refusal.notAsked()
	}
	switch state := r.grant.StateOf(r.manifest); state {
	case Granted:
		return nil
	case Partly:
		if AllowedBy(r.grant.Allow, c, g.cat, g.paths) != No {
			return nil
		}
		return refusal.notGranted("the workspace does not grant it", state)
	case Changed:
		return refusal.notGranted("what it asks for has changed since it was granted", state)
	}
	return refusal.notGranted("the workspace grants it nothing", NotGranted)
}

// rights are what an extension has.
type rights struct {
	manifest *Manifest
	grant    Grant
	others   []string // see namesakes
	err      error
	stamps   [2]stamp
}

// stamp tells one content of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(file string) stamp {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

func (g *Guard) rightsOf(dir string) *rights {
	g.mu.Lock()
	defer g.mu.Unlock()
	stamps := [2]stamp{
		stampOf(filepath.Join(g.root, dir, ManifestFile)), stampOf(filepath.Join(g.root, workspace.Marker)),
	}
	if r := g.read[dir]; r != nil && r.stamps == stamps {
		return r
	}
	r := &rights{stamps: stamps}
	g.read[dir] = r
	if r.manifest, r.err = ReadManifest(filepath.Join(g.root, dir), g.cat); r.err != nil {
		return r
	}
	dirs, err := extensionDirs(g.root)
	if err != nil {
		r.err = err
		return r
	}
	if r.others = namesakes(dir, dirs); len(r.others) > 0 {
		delete(g.read, dir) // no stamp tells when the other one is gone
		return r
	}
	grants, err := ReadGrants(g.root, g.cat)
	r.grant, r.err = grants[r.manifest.Extension.Name], err
	return r
}

// touchesGrants reports whether a write reaches what decides on the rights of
// extensions, or their code, or a directory that holds it.
func (g *Guard) touchesGrants(c Call) bool {
	for name, v := range effective(c, g.cat) {
		if class := classOf(c.Kind, name); class != file && class != wildcard {
			continue
		}
		s, ok := v.(starlark.String)
		if !ok || s == "" {
			continue
		}
		forms, err := g.paths.Forms(string(s))
		if err != nil {
			return true // the effect says what is wrong with it
		}
		for _, form := range forms {
			if protected(form) {
				return true
			}
		}
	}
	return false
}

// protected are the configuration of the workspace, the extensions, and what they
// lie in. Case does not count, see script.BelowExtensions.
func protected(form string) bool {
	if strings.HasPrefix(form, "/") {
		return false // outside of the workspace
	}
	form = strings.ToLower(form)
	parts := strings.Split(form, "/")
	if form == "" || workspace.Marker == form || strings.HasPrefix(workspace.Marker, form+"/") {
		return true
	}
	if script.BelowExtensions(append(parts, "")) > 0 {
		return true
	}
	return form == "infra" || len(parts) == 2 && parts[0] == "infra"
}

// refusal makes the errors of the guard.
type refusal struct {
	dir    string
	call   *effect.Call
	rights *rights
	code   string // a file of code that it would write
}

func (r refusal) fault(reason, format string, args ...any) *fault.Error {
	what := r.call.Describe() // the door says which effect it is
	if what != "" {
		what = " " + what
	}
	e := fault.New(fault.Permission, "the extension %q may not do this:%s (%s)", path.Base(r.dir), what, fmt.Sprintf(format, args...))
	e.Details = map[string]any{door.RefusedBy: path.Base(r.dir), "effect": r.call.Decl.Kind, "reason": reason}
	return e
}

func (r refusal) broken() error {
	name := path.Join(r.dir, ManifestFile)
	e := fault.As(r.rights.err)
	if e.Kind == fault.NotFound {
		return r.fault("no_manifest", "it has no %s", ManifestFile).
			WithHint("without one it can only compute; make %s, which asks for what it needs", name)
	}
	return r.fault("invalid", "%s", e.Msg).WithHint("%s", e.Hint)
}

func (r refusal) notUnique() error {
	return r.fault("not_unique", "%s is called so, too", strings.Join(r.rights.others, " and ")).
		WithHint("grants go by the name: rename one of %s, in its manifest and as a directory", strings.Join(append([]string{r.dir}, r.rights.others...), ", "))
}

func (r refusal) protected() error {
	return r.fault("protected", "no extension changes %s, or what is below %s", workspace.Marker, script.ExtensionsDir).
		WithHint("that decides what extensions may do, and is for people to change")
}

func (r refusal) notAsked() error {
	why, more := "its manifest does not ask for it", ""
	if r.code != "" {
		why = "its manifest does not name " + r.code + ", which is code"
		more = "\na wildcard alone does not reach *.star, .git/** and " + ManifestFile + ": name it, such as \"lib/*.star\""
	}
	return r.fault("not_asked", "%s", why).
		WithHint("%s"+more+"\nto let it, extend %s, and then: provisioning extension grant %s",
			r.has("it asks for", r.rights.manifest.Capabilities), path.Join(r.dir, ManifestFile), path.Base(r.dir))
}

func (r refusal) notGranted(why string, state State) error {
	e := r.fault(strings.ReplaceAll(string(state), " ", "_"), "%s", why)
	command := "provisioning extension grant " + path.Base(r.dir)
	if state == Partly {
		return e.WithHint("%s\nto let it, extend [extensions.%s] in %s, or grant all that it asks for: %s",
			r.has("it is granted", r.rights.grant.Allow), path.Base(r.dir), workspace.Marker, command)
	}
	return e.WithHint("%s\nto let it: %s", r.has("it asks for", r.rights.manifest.Capabilities), command)
}

// has lists the entries for the module of the effect.
func (r refusal) has(title string, entries []Capability) string {
	var lines []string
	for _, c := range entries {
		if c.Effect == r.call.Decl.Kind || moduleOf(c.Effect) == moduleOf(r.call.Decl.Kind) {
			lines = append(lines, "  "+c.String())
		}
	}
	if len(lines) == 0 {
		return title + " nothing of the kind"
	}
	return title + ":\n" + strings.Join(lines, "\n")
}
