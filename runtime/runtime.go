// Package runtime executes scripts: it starts, resumes, replays, plans and rolls
// back runs on this machine.
//
//	rt := runtime.New(runtime.Config{Workspace: ws, Modules: builtins.All, Key: key})
//	defer rt.Close()
//	outcome, err := rt.Start(ctx, runtime.Start{Script: "deploy.star"})
//
// A run is a function of its source, its arguments and the results of its
// effects, which the journal keeps. So a run can be executed again from the
// beginning at any time, and comes to the same place without acting: that is
// what resume, replay and rollback are made of.
package runtime

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/travel"
)

// Config says what runs have to do with.
type Config struct {
	Workspace workspace.Workspace
	Modules   []*module.Module                 // the builtins
	Globals   starlark.StringDict              // further names that scripts see
	Stdlib    fs.FS                            // what load("@std//…") finds; may be nil
	Key       *seal.Key                        // seals secrets; used when there is one
	Events    event.Sink                       // nil: nobody listens
	Person    door.Person                      // answers questions; nil: runs wait
	Terminal  func(use func())                 // gives an effect the terminal, see effect.Run; nil: there is none
	CacheDir  string                           // of compiled scripts; "": none
	Isolate   bool                             // evaluate scripts in a process of their own, see package isolate
	Guard     func(files *sandbox.Files) Guard // restricts what is not the user's own; nil: nothing
	// Breakpoint lets a person look at a run that stands still; ErrAbort of package
	// travel stops the run. nil: it goes on.
	Breakpoint func(ctx context.Context, h *travel.Halt) error
	Test       *Test // nil: runs are in earnest
	// Elsewhere, when not nil, performs the effects of runs in other processes.
	Elsewhere *Elsewhere
}

// Elsewhere is an engine that runs are executed by. It repeats an execution from the
// beginning whenever it wants to, so nothing in it may depend on anything but the run.
type Elsewhere struct {
	World door.World
	Lines branch.Coroutines
	Clock clock.Clock
	// Spell is how long an isolated script may compute at a time; 0: for ever.
	Spell time.Duration
	// Fate is that of [isolate.Config].
	Fate func(why error) error
	// Prepared is told of the door of each execution.
	Prepared func(*door.Door)
}

// Guard says what code that is not the user's own may do, and may load.
type Guard interface {
	door.Guard
	MayLoad(module, from string) error // by their names in the loader
}

// Test is what is different about the run of a test. A runtime with one executes
// one run.
type Test struct {
	Stage   effect.Stage // what scripts can set up
	Clock   clock.Clock  // nil: that of the machine
	Answers door.Answers // answers effects in place of the world; nil: nothing does
	Journal journal.OpenOptions
	// Record stands between the effects of the run and its journal: it may watch
	// them, and let the run die; nil: nothing does.
	Record func(*journal.Run) door.Recorder
	// Instrument changes the parsed text of a module, so that what is executed can
	// be counted; nil: nothing is.
	Instrument func(name string, tree *syntax.File)
}

// Runtime executes runs of one workspace.
type Runtime struct {
	cfg     Config
	program string
	journal func() (*journal.Journal, error)
	mu      sync.Mutex
	open    *journal.Journal
	funcs   map[string]*module.Func // by name
}

// New returns a runtime. It opens nothing before it is needed.
func New(cfg Config) *Runtime {
	if cfg.Events == nil {
		cfg.Events = event.Discard
	}
	r := &Runtime{cfg: cfg}
	r.program, _ = os.Executable() // scripts that ask for it get ""
	r.journal = sync.OnceValues(func() (*journal.Journal, error) {
		var opts journal.OpenOptions
		if cfg.Test != nil {
			opts = cfg.Test.Journal
		}
		if cfg.Elsewhere != nil { // it is made again when it is lost
			opts = journal.OpenOptions{Unsynced: true, Lazy: true}
		}
		j, err := journal.Open(cfg.Workspace.State, opts)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open = j
		return j, err
	})
	return r
}

// Journal returns the journal of the workspace.
func (r *Runtime) Journal() (*journal.Journal, error) { return r.journal() }

// Close waits until the journal is on disk.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		return nil
	}
	return r.open.Close()
}

// function finds the builtin called name.
func (r *Runtime) function(name string) *module.Func {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.funcs == nil {
		r.funcs = map[string]*module.Func{}
		for _, m := range r.cfg.Modules {
			for _, f := range m.Funcs() {
				r.funcs[f.Name()] = f
			}
		}
	}
	return r.funcs[name]
}

// Start says which script to run, and how.
type Start struct {
	Script            string                    // file
	Entry             string                    // function to call; "": main, if there is one
	Params            map[string]starlark.Value // of the parameter file
	Flags             map[string][]string       // texts of the command line, by parameter
	Infra             string
	AllowPaths        []string          // directories outside of the workspace that the script may use
	Limits            map[string]string // by name, see sandbox.Limits.Set
	RollbackOnFailure bool
}

// Outcome is how an execution of a run ended. It is there also when there is an
// error, unless the run could not be begun.
type Outcome struct {
	Run      *journal.Run // nil in check mode
	State    journal.State
	Value    starlark.Value // what the entry function returned, as people may see it
	Plan     *plan.Plan     // in check mode
	Rollback *Report        // when there was one
	Replayed int            // effects that were answered by the journal
}

// grace is how long effects under way may go on after the run was told to stop.
const grace = 60 * time.Second

// Interrupt says when and how a run is to stop.
type Interrupt struct {
	Stop context.Context // start nothing new
	Cut  context.Context // cut off what is under way, too
}

// isolatedMemory is the limit of memory of an isolated run that names none.
const isolatedMemory = 1 << 30

// limits puts the limits of a run together.
func limits(texts map[string]string, isolated bool) (sandbox.Limits, error) {
	l := sandbox.DefaultLimits
	if isolated {
		l.Memory = isolatedMemory
	}
	for name, text := range texts {
		if err := l.Set(name, text); err != nil {
			return l, err
		}
	}
	if _, ok := texts["cpu"]; ok && !isolated {
		return l, fault.New(fault.Usage, "the limit cpu is for isolated runs").WithHint("add --isolate, or take --limit wall=…")
	}
	return l, nil
}

// Stopped is the cause of a run that a person has told to stop.
var Stopped = fault.New(fault.Cancelled, "the run was interrupted")
