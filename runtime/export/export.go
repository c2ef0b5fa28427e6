// Package export writes what a run did as a script: its effects, in the order in
// which they were begun, as calls in a function main with parameters.
//
//	run → steps (what each effect becomes) → arguments (where their values come
//	from) → parameters → parallel → text
//
// A value is taken for the result of an earlier effect only where it cannot well
// be a coincidence; see [distinctive] and [index.learn]. What is left are literals;
// those that look like what changes from run to run become parameters. Secrets are
// never written: they come from the effect that gave them, or from a place that a
// parameter names.
//
// The text passes the formatter and the linter.
package export

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Run is what is known of the run.
type Run struct {
	ID      string
	Script  string // as people write it
	Session bool   // of the interactive shell
	State   journal.State
	Params  []Param           // of the entry function, with what they were
	Effects []*Effect         // in the order in which they were begun
	Sources map[string][]byte // of the script and the statements, by name
	Secrets *value.Secrets
}

// Param is a parameter of the run's entry function.
type Param struct {
	Name  string
	Value starlark.Value
	Help  string
}

// Effect is an effect with what it was given, and what it gave.
type Effect struct {
	*journal.Effect
	Given  *starlark.Dict // the arguments that were given, by name
	Gave   starlark.Value // nil when there is no result
	Failed *journal.Fault // nil when it did not fail
}

// Options say what scripts can use. The zero value knows no builtins.
type Options struct {
	Modules     []*module.Module
	Predeclared []string // names that scripts see, besides the modules
	UsedReads   bool     // leave out reads whose result no other effect uses
}

const maxEffects = 5000 // nobody reads a script with more calls

type exporter struct {
	run     *Run
	opts    Options
	funcs   map[string]*module.Func
	steps   []*step
	forks   []*fork
	forkOf  map[string]*fork // by the path of a branch
	params  []*param
	secrets []*secretSource
	index   *index
}

// Script writes the run as a script.
func Script(run *Run, opts Options) ([]byte, error) {
	if len(run.Effects) > maxEffects {
		return nil, fault.New(fault.TooLarge, "cannot export the run: it has %d effects, and a script may have %d", len(run.Effects), maxEffects).
			WithHint("its script is with the journal: provisioning runs export %s", short(run.ID))
	}
	e := &exporter{run: run, opts: opts, funcs: map[string]*module.Func{}, forkOf: map[string]*fork{}}
	for _, m := range opts.Modules {
		for _, f := range m.Funcs() {
			e.funcs[f.Name()] = f
		}
	}
	if run.Secrets == nil {
		run.Secrets = value.NewSecrets(nil)
	}
	e.makeSteps()
	e.declareParams()
	// Once to find what is left as literals, and again with those that have become
	// parameters.
	if err := e.trace(); err != nil {
		return nil, err
	}
	if e.parametrize() {
		if err := e.trace(); err != nil {
			return nil, err
		}
	}
	e.joinForks()
	e.dropUnused()
	if !e.acts() {
		return nil, e.nothing()
	}
	text, err := e.print()
	if err != nil {
		return nil, err
	}
	return lint.Format("exported", []byte(text))
}

// trace finds out where the arguments of all steps come from.
func (e *exporter) trace() error {
	e.index, e.secrets = newIndex(e), nil
	for _, p := range e.params {
		e.index.param(p)
	}
	for _, s := range e.steps {
		for i := range s.args {
			a := &s.args[i]
			var err error
			if a.from, err = e.index.argument(s, a); err != nil {
				return fault.Wrap(fault.KindOf(err), err, "cannot export the argument %q of %s at %s", a.name, s.effect.Kind, s.effect.Place).
					WithHint("%s", fault.As(err).Hint)
			}
		}
		e.index.learn(s)
	}
	return nil
}

// dropUnused takes out the reads that nothing needs, where that is wished.
func (e *exporter) dropUnused() {
	if !e.opts.UsedReads {
		return
	}
	for changed := true; changed; {
		changed = false
		used := e.used()
		kept := e.steps[:0:0]
		for _, s := range e.steps {
			if s.fork == nil && s.does() && !s.effect.Write && s.form != pausing && !used[s] {
				changed = true
				continue
			}
			kept = append(kept, s)
		}
		e.steps = kept
	}
}

// used are the steps whose results others refer to.
func (e *exporter) used() map[*step]bool {
	used := map[*step]bool{}
	for _, s := range e.steps {
		s.references(func(o *origin) {
			if o.step != nil {
				used[o.step] = true
			}
		})
	}
	return used
}

func (e *exporter) acts() bool {
	for _, s := range e.steps {
		if s.does() {
			return true
		}
	}
	return false
}

func (e *exporter) nothing() error {
	err := fault.New(fault.NotFound, "there is nothing to export: nothing is left of what the run %s did", short(e.run.ID))
	if len(e.run.Effects) == 0 {
		err.Msg = "there is nothing to export: the run " + short(e.run.ID) + " had no effect"
	}
	return err.WithHint("look at it with: provisioning runs show %s", short(e.run.ID))
}

func short(id string) string { return id[:min(8, len(id))] }
