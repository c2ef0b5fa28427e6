// Package interpreter evaluates the Starlark of a run: it loads modules, makes
// the threads of branches, evaluates the top level and calls the entry function.
//
// It knows nothing of journals and of the world. What a script asks for goes to
// a [Host], which may be the door of the run in this process, or the way to it
// from a process that holds nothing but the interpreter.
package interpreter

import (
	"context"
	"io/fs"
	"reflect"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Host is what the Starlark of a run needs of the rest.
type Host interface {
	branch.Host
	module.Host
	// Decide takes the place of an unknown in a condition or a loop, in check
	// mode; see [rewrite.Decider].
	Decide(thread *starlark.Thread, u *value.Undecided) (int, error)
	// Pass notes how a loop over an unknown goes on.
	Pass(thread *starlark.Thread, u *value.Undecided, n, was int)
}

// Config says what an interpreter has to do with.
type Config struct {
	Run       *effect.Run // for functions without effect; its Check and Replay hold for the interpreter
	Host      Host
	Modules   []*module.Module    // the builtins
	Globals   starlark.StringDict // further names that scripts see
	Events    event.Sink
	Budget    *sandbox.Budget
	Stop      context.Context           // ends when the run has to stop
	Held      func(lines []branch.Line) // takes what the top level of a loaded module has printed
	Workspace string                    // root directory
	Stdlib    fs.FS                     // what load("@std//…") finds; may be nil
	Sources   map[string][]byte         // not nil: the only sources there are, by name
	CacheDir  string                    // of compiled scripts; "": none
	// Instrument changes the parsed text of a module, see script.Loader; may be nil.
	Instrument func(name string, f *syntax.File)
}

// Interpreter evaluates the scripts of one execution of a run.
type Interpreter struct {
	Loader *script.Loader
	Tree   *branch.Tree
	Stop   context.Context // ends when the run has to stop

	host    Host
	held    func([]branch.Line)
	main    program
	printed []branch.Line // by the pure top level of the main module
}

// program is the main module.
type program struct {
	name    string
	code    *starlark.Program
	globals starlark.StringDict // of a top level that is pure; nil for one that has effects
	inputs  Inputs
}

// New makes an interpreter.
func New(c Config) *Interpreter {
	i := &Interpreter{Stop: c.Stop, host: c.Host, held: c.Held}
	i.Tree = &branch.Tree{
		Budget: c.Budget, Host: c.Host, Events: c.Events, RunID: c.Run.ID, Check: c.Run.Check, Replay: c.Run.Replay,
		NewThread: i.NewThread, Clock: c.Run.Clock,
	}
	i.Loader = &script.Loader{
		Workspace: c.Workspace, Stdlib: c.Stdlib, Predeclared: predeclared(c), Check: c.Run.Check,
		Sources: c.Sources, CacheDir: c.CacheDir, NewThread: i.loadThread, Instrument: c.Instrument,
		Companion: companions(c.Modules),
	}
	i.Tree.Explain = i.Loader.Explain
	return i
}

// companions tells which functions are effects that can be performed together.
func companions(modules []*module.Module) func(name string) bool {
	return func(name string) bool {
		of, _, _ := strings.Cut(name, ".")
		for _, m := range modules {
			if m.Name == of && m.Name != "" {
				f := m.Func(name)
				return f != nil && f.Prototype().Implements(companion)
			}
		}
		return false
	}
}

var companion = reflect.TypeFor[effect.Companion]()

func predeclared(c Config) starlark.StringDict {
	names := starlark.StringDict{}
	if c.Run.Check {
		for name, v := range rewrite.Predeclared() {
			names[name] = v
		}
	}
	for name, v := range c.Globals {
		names[name] = v
	}
	for _, m := range c.Modules {
		m.Bind(c.Run, names)
	}
	return names
}

// AllowUnknown makes modules honest about unknown values, as in check mode, for an
// execution that knows only a part of what its effects give. It is called before
// anything is evaluated.
func (i *Interpreter) AllowUnknown() {
	i.Tree.Check, i.Loader.Check = true, true
	for name, v := range rewrite.Predeclared() {
		if !i.Loader.Predeclared.Has(name) {
			i.Loader.Predeclared[name] = v
		}
	}
}

// NewThread makes a thread for b, whose builtins act for the run.
func (i *Interpreter) NewThread(b *branch.Branch) *starlark.Thread {
	thread := &starlark.Thread{Name: b.Path, Load: i.Loader.Load}
	thread.Print = func(thread *starlark.Thread, msg string) {
		if err := i.host.Log(branch.Of(thread), "print", msg); err != nil {
			thread.Cancel(err.Error()) // a limit: now, before the next line
		}
	}
	module.SetHost(thread, i.host)
	if i.Tree.Check {
		rewrite.SetDecider(thread, decider{i.host, thread})
	}
	i.Tree.Budget.Watch(thread)
	return thread
}

// decider asks the host for a thread.
type decider struct {
	host   Host
	thread *starlark.Thread
}

func (d decider) Decide(u *value.Undecided) (int, error) { return d.host.Decide(d.thread, u) }
func (d decider) Pass(u *value.Undecided, n, was int)    { d.host.Pass(d.thread, u, n, was) }

// PureThread makes a thread that refuses effects. done ends it.
func (i *Interpreter) PureThread(name string) (thread *starlark.Thread, b *branch.Branch, done func()) {
	b = branch.NewRoot(i.Stop, "load "+name, i.Tree)
	b.Pure = &branch.Pure{}
	thread = i.NewThread(b)
	thread.Name = name
	detach := b.Attach(thread)
	return thread, b, func() { detach() }
}

// loadThread makes the thread for the top level of a loaded module.
func (i *Interpreter) loadThread(name string) (*starlark.Thread, func()) {
	thread, b, done := i.PureThread(name)
	return thread, func() {
		done()
		i.held(b.Pure.Lines())
	}
}

// Ready compiles the main module, evaluates its top level as far as that is
// pure, and checks the arguments, so that mistakes are found before there is a
// run. It returns what that printed.
func (i *Interpreter) Ready(name string, in Inputs) ([]branch.Line, error) {
	code, err := i.Loader.Main(name)
	if err != nil {
		return nil, i.Loader.Explain(err)
	}
	i.main = program{name: name, code: code, inputs: in}
	if err := i.evaluatePure(); err != nil {
		return nil, i.Loader.Explain(err)
	}
	if i.main.globals == nil { // the top level acts: find mistakes in the arguments before it does
		sig, err := i.Loader.Signature(name, in.Entry)
		if err == nil {
			err = sig.Check(in.File, in.Flags)
		}
		return nil, err
	}
	_, _, err = in.Bind(i.main.globals)
	return i.printed, err
}

// evaluatePure evaluates the top level of the main module while effects are
// refused. What it prints is held back until it is known to be the evaluation
// that counts.
func (i *Interpreter) evaluatePure() error {
	thread, b, done := i.PureThread(script.FileName(i.main.name))
	defer done()
	script.SetModule(thread, i.main.name)
	globals, err := i.main.code.Init(thread, i.Loader.Predeclared)
	if b.Pure.Refused.Load() {
		return nil
	}
	if err != nil {
		return err
	}
	globals.Freeze()
	i.main.globals, i.printed = globals, b.Pure.Lines()
	return nil
}

// Run evaluates the top level of the main module, unless that has been done, and
// calls its entry function. It returns what that returned.
func (i *Interpreter) Run() (starlark.Value, error) {
	root := branch.NewRoot(i.Stop, "0", i.Tree)
	thread := i.NewThread(root)
	detach := root.Attach(thread)
	defer detach()
	script.SetModule(thread, i.main.name)
	return root.InScope(thread, nil, func() (starlark.Value, error) {
		globals := i.main.globals
		if globals == nil {
			var err error
			if globals, err = i.main.code.Init(thread, i.Loader.Predeclared); err != nil {
				return nil, err
			}
			globals.Freeze()
		}
		fn, kwargs, err := i.main.inputs.Bind(globals)
		if err != nil || fn == nil {
			return starlark.None, err
		}
		v, err := starlark.Call(thread, fn, nil, kwargs)
		if serr := i.Tree.Budget.Settle(thread); err == nil && serr != nil {
			return nil, serr
		}
		return v, err
	})
}

// Call calls a function of the script in a branch of its own, whose path is
// given: that is how rollback calls what was registered.
func (i *Interpreter) Call(path string, fn func(*starlark.Thread) error) error {
	b := branch.NewRoot(i.Stop, path, i.Tree)
	thread := i.NewThread(b)
	detach := b.Attach(thread)
	defer detach()
	_, err := b.InScope(thread, nil, func() (starlark.Value, error) { return starlark.None, fn(thread) })
	return err
}
