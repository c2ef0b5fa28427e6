// Package script finds, reads, compiles and evaluates the modules of a run, and
// says where in them something went wrong.
//
// A module is named by the way it is loaded:
//
//	load("./x.star", …)      beside the module that loads it
//	load("//dir/x.star", …)  below the root of the workspace
//	load("@std//x.star", …)  of the standard library
//
// Each is evaluated once in a run, and its top level is pure. A resumed run
// takes the sources from its journal, not from the disk.
//
// A file with another extension than .star is a module, too: one that has nothing but
// text, the content of the file. So a template that a script loads is kept with the
// run as the script is.
//
//	load("./templates/nginx.conf", nginx_conf = "text")
package script

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

// Loader loads the modules of one run. Its fields are set before the first use;
// then it is safe for concurrent use.
type Loader struct {
	Workspace   string // root directory
	Stdlib      fs.FS  // what @std// names
	Predeclared starlark.StringDict
	Check       bool                                         // rewrite the modules, so that unknown values are honest
	Sources     map[string][]byte                            // not nil: the only sources there are, by name
	OnSource    func(name string, content []byte) error      // called for every module that is read
	Fetch       func(name string) ([]byte, error)            // not nil: where all sources come from
	NewThread   func(name string) (*starlark.Thread, func()) // for the top level of a loaded module
	CacheDir    string                                       // of compiled programs; "": none
	MayLoad     func(name, from string) error                // whether the module called from may load; nil: all may
	Edit        func(*syntax.File)                           // changes a module before it is compiled; may be nil
	Instrument  func(name string, f *syntax.File)            // changes what is compiled, last; then nothing is cached
	Companion   func(name string) bool                       // whether a function is an effect.Companion; may be nil

	mu      sync.Mutex
	modules map[string]*loaded
	texts   map[string][]byte // by file name, for the lines in errors
}

type loaded struct {
	done    chan struct{}
	globals starlark.StringDict
	err     error
}

// maxSource bounds the text of a module: the compiler recurses with its nesting.
const maxSource = 1 << 20

// Name returns the name of the module in the file at path: "//dir/x.star" below
// the workspace, else its absolute path. A module of the standard library, which
// commands run, is not a file, and keeps its name.
func (l *Loader) Name(file string) (string, error) {
	if strings.HasPrefix(file, "@std//") { // a script of the program itself
		return ModuleName(file, "")
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	if rel, err := filepath.Rel(l.Workspace, abs); err == nil && filepath.IsLocal(rel) {
		return "//" + filepath.ToSlash(rel), nil
	}
	return abs, nil
}

// ModuleName returns the name of what a module called from loads as spec.
func ModuleName(spec, from string) (string, error) {
	switch {
	case strings.HasPrefix(spec, "@std//"):
		return clean("@std//", strings.TrimPrefix(spec, "@std//"), spec)
	case strings.HasPrefix(spec, "//"):
		return clean("//", strings.TrimPrefix(spec, "//"), spec)
	case strings.HasPrefix(spec, "./"), strings.HasPrefix(spec, "../"):
		for _, root := range []string{"@std//", "//"} {
			if rest, ok := strings.CutPrefix(from, root); ok {
				return clean(root, path.Join(path.Dir(rest), spec), spec)
			}
		}
		return path.Join(path.Dir(from), spec), nil // a main script outside of the workspace
	}
	return "", fault.New(fault.Script, "cannot load %q: a module is named \"./x.star\", \"//dir/x.star\" or \"@std//x.star\"", spec)
}

func clean(root, rest, spec string) (string, error) {
	rest = path.Clean(rest)
	if !filepath.IsLocal(rest) || strings.ContainsAny(rest, "\x00\\") {
		return "", fault.New(fault.Permission, "cannot load %q: it is outside of the workspace", spec)
	}
	return root + rest, nil
}

// FileName is how a module is called in positions.
func FileName(name string) string { return strings.TrimPrefix(name, "//") }

// read returns the text of the module called name.
func (l *Loader) read(name string) ([]byte, error) {
	if l.Fetch != nil {
		return l.Fetch(name)
	}
	if l.Sources != nil {
		if src, ok := l.Sources[name]; ok {
			return src, nil
		}
		if !strings.HasPrefix(name, "@std//") {
			return nil, fault.New(fault.Mismatch, "the run never loaded the module %q", name)
		}
	}
	src, err := l.open(name)
	if err != nil {
		return nil, err
	}
	if len(src) > maxSource {
		return nil, fault.New(fault.Limit, "the module %q is larger than %d bytes", name, maxSource)
	}
	if l.OnSource != nil {
		err = l.OnSource(name, src)
	}
	return src, err
}

// Source returns the text of a module as a load would find it, for those who
// evaluate it elsewhere.
func (l *Loader) Source(name string) ([]byte, error) { return l.read(name) }

// OnDisk returns the text that a module has now, whatever it had when the run
// began.
func (l *Loader) OnDisk(name string) ([]byte, error) { return l.open(name) }

func (l *Loader) open(name string) ([]byte, error) {
	var src []byte
	var err error
	if rest, ok := strings.CutPrefix(name, "@std//"); ok {
		if l.Stdlib == nil {
			return nil, fault.New(fault.NotFound, "there is no module %q", name)
		}
		src, err = fs.ReadFile(l.Stdlib, rest)
	} else if rest, ok := strings.CutPrefix(name, "//"); ok {
		src, err = l.readInWorkspace(rest)
	} else {
		var f *os.File
		if f, err = os.Open(name); err == nil {
			src, err = readSome(f)
		}
	}
	if err != nil {
		kind := fault.Failed
		if os.IsNotExist(err) {
			kind = fault.NotFound
		}
		e := &fault.Error{Kind: kind, Msg: fmt.Sprintf("cannot read the module %q: %v", name, reason(err)), Cause: err}
		if near := l.nearest(name); kind == fault.NotFound && near != "" {
			e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
		}
		return nil, e
	}
	return src, nil
}

// nearest is the module beside one that is not there that was probably meant.
func (l *Loader) nearest(name string) string {
	var entries []fs.DirEntry
	if rest, ok := strings.CutPrefix(name, "@std//"); ok && l.Stdlib != nil {
		entries, _ = fs.ReadDir(l.Stdlib, path.Dir(rest)) // without it there is no suggestion
	} else if rest, ok := strings.CutPrefix(name, "//"); ok {
		if root, err := os.OpenRoot(l.Workspace); err == nil {
			defer root.Close()
			entries, _ = fs.ReadDir(root.FS(), path.Dir(rest))
		}
	}
	var names []string
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".star"); ok {
			names = append(names, base)
		}
	}
	dir, base := path.Split(name)
	near := spell.Nearest(strings.TrimSuffix(base, ".star"), names)
	if near == "" {
		return ""
	}
	return dir + near + ".star"
}

// readInWorkspace follows no link that leads out of the workspace.
func (l *Loader) readInWorkspace(rel string) ([]byte, error) {
	root, err := os.OpenRoot(l.Workspace)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(rel))
	if err != nil {
		return nil, err
	}
	return readSome(f)
}

// readSome reads no more of a file than is needed to see that it is too large.
func readSome(f *os.File) ([]byte, error) {
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSource+1))
}

func reason(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// Load is the load function of threads: it evaluates the module that thread's
// module, called from, names spec, unless that has been done.
func (l *Loader) Load(thread *starlark.Thread, spec string) (starlark.StringDict, error) {
	chain, _ := thread.Local(chainKey).([]string)
	from := ""
	if len(chain) > 0 {
		from = chain[len(chain)-1]
	}
	name, err := ModuleName(spec, from)
	if err != nil {
		return nil, err
	}
	if l.MayLoad != nil {
		if err := l.MayLoad(name, from); err != nil {
			return nil, err
		}
	}
	for i, c := range chain {
		if c == name {
			return nil, fault.New(fault.Script, "modules load each other in a circle: %s", strings.Join(append(chain[i:], name), " -> "))
		}
	}
	l.mu.Lock()
	m := l.modules[name]
	if m == nil {
		m = &loaded{done: make(chan struct{})}
		if l.modules == nil {
			l.modules = map[string]*loaded{}
		}
		l.modules[name] = m
		l.mu.Unlock()
		m.globals, m.err = l.evaluate(name, chain)
		close(m.done)
	} else {
		l.mu.Unlock()
		<-m.done
	}
	return m.globals, m.err
}

const chainKey = "provisioning.load"

// SetModule notes that thread evaluates the module called name.
func SetModule(thread *starlark.Thread, name string, chain ...string) {
	thread.SetLocal(chainKey, append(chain[:len(chain):len(chain)], name))
}

func (l *Loader) evaluate(name string, chain []string) (starlark.StringDict, error) {
	src, err := l.read(name)
	if err != nil {
		return nil, err
	}
	if !IsScript(name) {
		return textModule(name, src)
	}
	prog, err := l.Compile(name, src, false)
	if err != nil {
		return nil, err
	}
	thread, done := l.NewThread(FileName(name))
	defer done()
	thread.Load = l.Load
	SetModule(thread, name, chain...)
	globals, err := prog.Init(thread, l.Predeclared)
	if err != nil {
		return nil, l.Explain(err) // with the positions in this module
	}
	globals.Freeze()
	return globals, nil
}

// IsScript reports whether a module is a script, and not a text.
func IsScript(name string) bool { return path.Ext(filepath.ToSlash(name)) == ".star" }

// TextName is what a module that is no script exports.
const TextName = "text"

// textModule is the module of a file that is no script.
func textModule(name string, src []byte) (starlark.StringDict, error) {
	if !utf8.Valid(src) {
		return nil, fault.New(fault.Invalid, "cannot load %q: the file is not UTF-8 text", name).
			WithHint("what is loaded is a script (.star) or a text; send other files with target.put")
	}
	return starlark.StringDict{TextName: starlark.String(src)}, nil
}

// Main reads and compiles the main module of a run.
func (l *Loader) Main(name string) (*starlark.Program, error) {
	src, err := l.read(name)
	if err != nil {
		return nil, err
	}
	return l.Compile(name, src, true)
}

// Options is the dialect: strict Starlark and set. The main module may also have
// if and for at its top level.
func Options(main bool) *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, TopLevelControl: main, GlobalReassign: main}
}

// Compile compiles the text of a module, or takes the program from the cache.
func (l *Loader) Compile(name string, src []byte, main bool) (*starlark.Program, error) {
	file := FileName(name)
	l.remember(file, src)
	cached := l.cacheFile(file, src, main)
	if prog := readProgram(cached); prog != nil {
		return prog, nil
	}
	opts := Options(main)
	f, err := opts.Parse(file, src, 0)
	if err != nil {
		return nil, l.Explain(err)
	}
	if l.Edit != nil {
		l.Edit(f)
	}
	l.straight(f)
	if l.Check {
		rewrite.File(f)
	}
	if l.Instrument != nil {
		l.Instrument(name, f)
	}
	prog, err := starlark.FileProgram(f, l.Predeclared.Has)
	if err != nil {
		return nil, l.Explain(err)
	}
	writeProgram(cached, prog)
	return prog, nil
}

// remember keeps the text of a file for the lines in errors.
func (l *Loader) remember(file string, src []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.texts == nil {
		l.texts = map[string][]byte{}
	}
	l.texts[file] = src
}

// Text returns the text of a file that was compiled, as positions name it; nil
// when there is none.
func (l *Loader) Text(file string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.texts[file]
}

// minCached is the size from which reading a compiled program is faster than
// compiling the text.
const minCached = 4 << 10

// cacheFile is where the compiled form of a text is kept; "" for nowhere.
func (l *Loader) cacheFile(file string, src []byte, main bool) string {
	if l.CacheDir == "" || len(src) < minCached || l.Edit != nil || l.Instrument != nil {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "straight %d %t %t %q %q\n", starlark.CompilerVersion, main, l.Check, file, l.Predeclared.Keys())
	h.Write(src)
	return filepath.Join(l.CacheDir, fmt.Sprintf("%x.starc", h.Sum(nil)[:20]))
}

// readProgram returns nil for a file that is not there, or damaged: the program
// is then compiled and written anew.
func readProgram(file string) *starlark.Program {
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) < sha256.Size {
		return nil
	}
	if sum := sha256.Sum256(data[sha256.Size:]); !bytes.Equal(sum[:], data[:sha256.Size]) {
		return nil
	}
	prog, err := starlark.CompiledProgram(bytes.NewReader(data[sha256.Size:]))
	if err != nil {
		return nil
	}
	return prog
}

// writeProgram fails in silence: the cache only saves time. The interpreter
// trusts what it executes, so a checksum goes before it.
func writeProgram(file string, prog *starlark.Program) {
	var code bytes.Buffer
	if file == "" || prog.Write(&code) != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return
	}
	sum := sha256.Sum256(code.Bytes())
	_, err = f.Write(append(sum[:], code.Bytes()...))
	if cerr := f.Close(); err != nil || cerr != nil || os.Rename(f.Name(), file) != nil {
		os.Remove(f.Name()) //nolint:errcheck // see above
	}
}
