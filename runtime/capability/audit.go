package capability

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Report is what an audit finds out about an extension from its text alone.
type Report struct {
	Extension Identity `json:"extension"`
	Dir       string   `json:"dir"`
	Hash      string   `json:"hash"` // of what it asks for
	Asks      []Asked  `json:"asks"`
	Uses      []Use    `json:"uses"`
	Problems  []string `json:"problems"` // why nothing can be said of a file, and loads that are refused
}

// Asked is an entry of the manifest.
type Asked struct {
	Capability
	Used  bool     `json:"used"`  // some place in the code may need it
	Risks []string `json:"risks"` // what a person should look at before granting it
}

// Use is a place in the code where there is an effect.
type Use struct {
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Col    int      `json:"col"`
	Effect string   `json:"effect"`
	Args   string   `json:"args"` // as far as the text tells
	Asked  string   `json:"asked"`
	Risks  []string `json:"risks"`
	Via    string   `json:"via,omitempty"` // the file that loads this one of the standard library
}

// What Use.Asked may be.
const (
	AskedYes   = "yes"
	AskedMaybe = "depends on what is computed"
	AskedNo    = "no"
)

// Refused reports whether the code would be refused something for sure.
func (r *Report) Refused() bool {
	return len(r.Problems) > 0 || slices.ContainsFunc(r.Uses, func(u Use) bool { return u.Asked == AskedNo })
}

// Suspicious reports whether a person should look at it: it asks for what it does
// not use, or for something risky.
func (r *Report) Suspicious() bool {
	return slices.ContainsFunc(r.Asks, func(a Asked) bool { return !a.Used || len(a.Risks) > 0 })
}

// auditor looks through one extension.
type auditor struct {
	cat     Catalog
	opts    lint.Options
	dir     string
	stdlib  fs.FS
	paths   Paths
	entries []Capability
	report  *Report
	seen    map[string]bool // files of the standard library
}

// Audit looks at the extension in dir without evaluating it. opts says what
// scripts see, stdlib is the standard library.
func Audit(dir string, cat Catalog, opts lint.Options, stdlib fs.FS) (*Report, error) {
	m, err := ReadManifest(dir, cat)
	if fault.Is(err, fault.NotFound) {
		m, err = &Manifest{Extension: Identity{Name: filepath.Base(dir)}}, nil
	}
	if err != nil {
		return nil, err
	}
	opts.Main = true // the entry file may do more than those that it loads
	a := &auditor{
		cat: cat, opts: opts, dir: dir, stdlib: stdlib, entries: m.Capabilities, paths: ByName{workspaceOf(dir)}, seen: map[string]bool{},
		report: &Report{Extension: m.Extension, Dir: dir, Hash: Fingerprint(m.Capabilities), Asks: []Asked{}, Uses: []Use{}, Problems: []string{}},
	}
	for _, c := range m.Capabilities {
		a.report.Asks = append(a.report.Asks, Asked{Capability: c, Risks: risksOf(c, cat)})
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type()&fs.ModeSymlink != 0:
			a.problem("%s is a link: what it leads to is not looked at", name)
		case d.Type().IsRegular() && strings.EqualFold(filepath.Ext(name), ".star"):
			return a.file(name)
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot look through %q", dir)
	}
	return a.report, nil
}

// workspaceOf is the directory above "extensions", to which paths are relative.
func workspaceOf(dir string) string {
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if strings.EqualFold(filepath.Base(d), script.ExtensionsDir) {
			return filepath.Dir(d)
		}
	}
	return filepath.Dir(dir)
}

func (a *auditor) problem(format string, args ...any) {
	a.report.Problems = append(a.report.Problems, fmt.Sprintf(format, args...))
}

const maxScript = 1 << 20 // as the loader has it

func (a *auditor) file(name string) error {
	f, err := os.Open(filepath.Join(a.dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > maxScript {
		a.problem("%s is larger than %d bytes: it cannot be loaded", name, maxScript)
		return err
	}
	src, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	a.source(name, src, "")
	return nil
}

// source looks through a text. via is the file that loads it, of the standard
// library.
func (a *auditor) source(name string, src []byte, via string) {
	sites, loads, findings := lint.Sites(name, src, a.opts)
	for _, f := range findings {
		a.problem("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Message)
	}
	for _, s := range sites {
		a.site(name, s, via)
	}
	for _, l := range loads {
		a.load(name, l, via)
	}
}

func (a *auditor) load(name string, l lint.Loaded, via string) {
	from := "//" + name
	if strings.HasPrefix(name, "@std//") {
		from = name
	}
	to, err := script.ModuleName(l.Module, from)
	rest, std := strings.CutPrefix(to, "@std//")
	switch {
	case err != nil && !strings.HasPrefix(l.Module, "../"):
		a.problem("%s:%d: %v", name, l.Line, err)
	case std && !a.seen[to]:
		a.seen[to] = true
		src, err := fs.ReadFile(a.stdlib, rest)
		if err != nil {
			a.problem("%s:%d: there is no module %q", name, l.Line, to)
			return
		}
		if via == "" {
			via = name
		}
		a.source(to, src, via)
	case !std && strings.HasPrefix(l.Module, "//") || strings.HasPrefix(l.Module, "../") && (err != nil || strings.HasPrefix(pathOutside(name, l.Module), "..")):
		a.outside(name, l)
	}
}

// pathOutside is where a relative load leads, from the directory of the
// extension.
func pathOutside(name, spec string) string {
	return filepath.ToSlash(filepath.Join(filepath.Dir(filepath.FromSlash(name)), filepath.FromSlash(spec)))
}

// outside: an extension may load other extensions, and nothing of the user's.
func (a *auditor) outside(name string, l lint.Loaded) {
	target := filepath.Join(a.dir, filepath.FromSlash(pathOutside(name, l.Module)))
	if rest, ok := strings.CutPrefix(l.Module, "//"); ok {
		target = filepath.Join(a.paths.(ByName).Workspace, filepath.FromSlash(rest))
	}
	rel := relative(a.paths.(ByName).Workspace, target)
	if script.BelowExtensions(strings.Split(rel, "/")) == 0 {
		a.problem("%s:%d: it loads %q, which is not part of an extension: that is refused", name, l.Line, l.Module)
	}
}

func (a *auditor) site(name string, s lint.Site, via string) {
	u := Use{File: name, Line: s.Line, Col: s.Col, Effect: s.Name, Args: shownArgs(s), Risks: []string{}, Via: via}
	verdict := No
	for _, kind := range a.cat.matching(s.Name) {
		call := callOf(kind, s, a.cat)
		for i := range a.entries {
			if v := a.entries[i].allows(call, a.cat, a.paths); v != No {
				a.report.Asks[i].Used = true
				verdict = max(verdict, v)
			}
		}
	}
	u.Asked = [...]string{AskedNo, AskedMaybe, AskedYes}[verdict]
	if s.Open && verdict == Yes {
		u.Asked = AskedMaybe
	}
	u.Risks = append(u.Risks, risksAt(s, a.cat)...)
	a.report.Uses = append(a.report.Uses, u)
}

// callOf is the call at a site; what the text does not tell is unknown.
func callOf(kind string, s lint.Site, cat Catalog) Call {
	call := Call{Kind: kind, Args: map[string]starlark.Value{}}
	if s.Open {
		for _, name := range cat[kind].Params() {
			call.Args[name] = value.NewUnknown("computed")
		}
	}
	for name, v := range s.Args {
		call.Args[name] = v
	}
	return call
}

func shownArgs(s lint.Site) string {
	var parts []string
	for _, name := range sortedNames(s.Args) {
		parts = append(parts, name+" = "+shown(s.Args[name]))
	}
	if s.Open {
		parts = append(parts, "computed")
	}
	return strings.Join(parts, ", ")
}

func shown(v starlark.Value) string {
	switch v := v.(type) {
	case *value.Unknown:
		return "computed"
	case *starlark.List:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = shown(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *starlark.Dict:
		var parts []string
		for _, kv := range v.Items() {
			parts = append(parts, shown(kv[0])+": "+shown(kv[1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.String()
}

// risksAt are the reasons to look at a place in the code.
func risksAt(s lint.Site, cat Catalog) []string {
	if s.Func == nil {
		return []string{"the module is handed on as a whole: which of its functions are called is computed"}
	}
	var risks []string
	if s.Open {
		risks = append(risks, "its arguments are computed")
	}
	kind := s.Name
	for _, name := range sortedNames(s.Args) {
		v := s.Args[name]
		unknown := value.FindUnknown(v) != nil
		switch c := classOf(kind, name); {
		case name == "_sudo" && !empty(v):
			risks = append(risks, "as root")
		case name == "_user" || name == "_env" && unknown:
			risks = append(risks, name+" is set")
		case name == "shell" && !empty(v):
			risks = append(risks, "a shell reads it")
		case name == "insecure" && !empty(v):
			risks = append(risks, "certificates are not checked")
		case c == command && programKnown(v) && unknown:
			risks = append(risks, "words of the command are computed")
		case c == command && unknown:
			risks = append(risks, "the command is computed")
		case c == address && unknown:
			risks = append(risks, "the host is computed")
		case c == headers && !empty(v) && !onlyFreeHeaders(v):
			risks = append(risks, "headers may name another host")
		case (c == file || c == wildcard || c == secret) && unknown:
			risks = append(risks, name+" is computed")
		}
	}
	if moduleOf(kind) == "secret" {
		risks = append(risks, "it handles secrets")
	}
	return risks
}

func programKnown(v starlark.Value) bool {
	words, ok := wordsOf(v)
	return ok && len(words) > 0 && value.FindUnknown(words[0]) == nil
}

// risksOf are the reasons to look at an entry before granting it.
func risksOf(c Capability, cat Catalog) []string {
	risks := []string{}
	add := func(risk string) {
		if !slices.Contains(risks, risk) {
			risks = append(risks, risk)
		}
	}
	for kind := range c.rules {
		if moduleOf(kind) == "secret" {
			add("secrets")
		}
		for _, name := range sortedNames(c.Args) {
			if _, named := c.rules[kind][name]; named {
				argRisks(kind, name, c.Args[name], writes(kind, name, cat), add)
			}
		}
	}
	slices.Sort(risks)
	return risks
}

func argRisks(kind, name string, pattern any, writes bool, add func(string)) {
	each := eachPattern(pattern)
	switch name {
	case "_sudo":
		add("as root")
	case "_user", "_env":
		add(name)
	case "insecure":
		add("certificates are not checked")
	case "headers":
		add("headers may name another host")
	case "follow":
		if moduleOf(kind) == "http" {
			add("redirects may lead to other hosts")
		}
	}
	for _, p := range each {
		switch classOf(kind, name) {
		case command:
			if p == "*" && fmt.Sprint(pattern) == "*" {
				add("any text for the shell")
			} else if p == "-**" || strings.HasPrefix(p, "-*") {
				add("any options of the command")
			}
			if slices.Contains(shells, filepath.Base(p)) {
				add("a program that executes what it is given")
			}
		case machines:
			if p == "*" {
				add("any machine")
			}
		case address:
			if a, err := newAddress(p); err == nil && a.host == "*" {
				add("any host")
			} else if strings.HasPrefix(p, "http:") {
				add("without encryption")
			}
		case file, wildcard:
			if strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") {
				add("outside of the workspace")
			} else if strings.HasPrefix(strings.TrimPrefix(p, "//"), "**") {
				add("every file of the workspace")
			}
			if writes && mayWriteCode(p) {
				add("it writes code")
			}
		}
	}
}

// shells are programs that an argument makes do anything.
var shells = []string{
	"sh", "bash", "dash", "zsh", "fish", "env", "xargs", "sudo", "su", "ssh", "python", "python3", "perl", "ruby", "node", "awk", "find", "eval", "nohup", "timeout",
}

// eachPattern are the texts of a pattern.
func eachPattern(p any) []string {
	switch p := p.(type) {
	case string:
		return []string{p}
	case []any:
		var all []string
		for _, x := range p {
			all = append(all, eachPattern(x)...)
		}
		return all
	}
	return nil
}

// CheckDir reports whether dir can be looked at.
func CheckDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no directory %q", dir)
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot look at %q", dir)
	}
	if !info.IsDir() {
		return fault.New(fault.Usage, "%q is no directory", dir).WithHint("name the directory of the extension, the one with %s", ManifestFile)
	}
	return nil
}
