// Package effect says what an effect is: the one thing through which a script
// acts on the world or learns from it.
//
// An effect is declared by a struct whose fields are its arguments and whose
// methods say what can be done with it. [Performer] is the only one that every
// effect has; the others are optional and are found by type assertion:
//
//	Validator   refuse bad arguments before anything happens
//	Describer   one line for people
//	Predictor   what check mode says would happen
//	Knowing     a Predictor that compares secrets with the world
//	Toucher     which resources it reads or changes
//	Looker      which resources it only looks at
//	Undoer      how rollback takes it back
//	Asker       whether it happened, when a crash left that open
//	Repeatable  doing it twice is as good as once
//	Reviver     something that lives with the process and dies with it
//	Volatile    a read that gives something else each time
//	Measurer    a read with figures in what it gives that are others each time
//	Assumer     the result to go on with when a person says "it happened"
//	Leaver      it has left something that goes when the run is complete
//	Companion   effects that follow each other look at the world together
//	Notifier    under which names others want to know that it has changed something
//	Inner       it is about the run alone, and performed where that is
//	Spreader    one call acts on several things, each by an effect of its own
//
// A type lists what it implements beneath it:
//
//	var (
//		_ effect.Undoer = (*write)(nil)
//		_ effect.Asker  = (*write)(nil)
//	)
package effect

import (
	"context"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Mode says whether an effect changes the world.
type Mode uint8

const (
	Read  Mode = iota // only looks; performed in check mode too
	Write             // changes something; planned in check mode
)

func (m Mode) String() string {
	if m == Write {
		return "write"
	}
	return "read"
}

// Quality says how well an effect predicts what it will do.
type Quality uint8

const (
	Blind       Quality = iota // nothing is known before it is done
	Approximate                // the kind of change is known, not all of the result
	Exact                      // the result is what the run will give, if nothing else changes
)

func (q Quality) String() string { return [...]string{"blind", "approximate", "exact"}[q] }

// Decl is what is known of an effect without its arguments.
type Decl struct {
	Kind    string // "fs.write"
	Mode    Mode
	Quality Quality
	Params  []string // names of the arguments, in order
	Tuning  []bool   // which of them do not identify the effect (a timeout, say)
}

// Performer is an effect with its arguments. Perform does it; what it returns is
// converted by [value.Of]. An error that may leave the effect done all the same
// has InDoubt set, one known to lie before anything was sent has Unsent.
type Performer interface {
	Perform(ctx context.Context, env *Env) (any, error)
}

// Validator refuses arguments that can never work. It must not look at the world.
type Validator interface {
	Validate() error
}

// Describer gives the line that plans, progress and logs show. Without it they
// show the kind and the first argument.
type Describer interface {
	Describe() string
}

// Predictor says what Perform would do, looking at the world but changing
// nothing. A result field that cannot be known is a *value.Unknown.
type Predictor interface {
	Predict(ctx context.Context, env *Env) (Prediction, error)
}

// Knowing effects get the secrets in their arguments filled in when they predict,
// as they do when they are performed: what they compare with is out in the world.
// The door takes the secrets out of the diff, but not out of the result.
type Knowing interface {
	Predictor
	KnowsSecrets()
}

// Change is the kind of change that a write would make.
type Change string

const (
	Create Change = "create"
	Update Change = "update"
	Delete Change = "delete"
	None   Change = "unchanged"
	Act    Change = "run" // something is done; what it changes is not known
	Ask    Change = "ask" // a person is asked
)

// Prediction is the answer of a Predictor.
type Prediction struct {
	Result any
	Change Change
	Diff   string // unified, or a few words; may be empty
	// Depends names what would have to be known to say whether it changes anything; ""
	// where that is known.
	Depends string
}

// Toucher names the resources of an effect, as "scheme:name". In check mode a
// read of something that a planned write touches is not performed.
type Toucher interface {
	Touches(env *Env) []string
}

// Looker names the resources, as a Toucher does, that an effect looks at without
// changing them: it may have to be made again when one of them has changed.
type Looker interface {
	Looks(env *Env) []string
}

// Undoer takes an effect back. Remember is called before Perform; what it
// returns is made durable with the intent, as JSON, so that nothing that
// happened lacks its undo. Undo may be called more than once for the same
// effect and must then succeed. Remember returning nil says that there will be
// nothing to take back.
type Undoer interface {
	Remember(ctx context.Context, env *Env) (any, error)
	Undo(ctx context.Context, env *Env, past Past) error
}

// Sparing is an Undoer that may find out, when it remembers, that there is nothing
// to do. Idle is called between Remember and Perform. When it reports true, Perform
// must change nothing and touch nothing: such an effect is recorded with its result,
// as a read is, and does not wait for an intent to reach the disk.
type Sparing interface {
	Undoer
	Idle() bool
}

// Irreversible is an Undoer that cannot always take back what it did: what it has
// remembered tells. What it cannot is reported as left.
type Irreversible interface {
	Irreversible(past Past) bool
}

// Past is what is left of an effect that was performed, or begun.
type Past interface {
	Remembered(into any) error // decodes what Remember returned
	Result() starlark.Value    // nil when the result was never recorded
	Begun() time.Time          // when the intent was made
}

// Asker finds out whether an effect happened whose result was lost.
type Asker interface {
	Happened(ctx context.Context, env *Env, past Past) (Answer, error)
}

// Answer of an Asker.
type Answer struct {
	Happened Doubt
	Result   any    // when Happened is Yes
	Why      string // what the answer rests on, or why there is none
}

// Doubt is yes, no, or unsure, which is the zero value.
type Doubt uint8

const (
	Unsure Doubt = iota
	Yes
	No
)

// Repeatable effects may be done again without asking: doing them twice leaves
// the world as doing them once (an HTTP PUT, a request with an idempotency key).
type Repeatable interface {
	Repeatable() bool
}

// Reviver is an effect whose outcome lives in this process and dies with it,
// such as a background process. A resumed run calls Revive for those that it
// has not ended (see Ender) before it goes on. Handle is the name under which it is
// kept in Run.Live.
type Reviver interface {
	Handle(env *Env) string
	Revive(ctx context.Context, env *Env, past Past) error
}

// Ender is an effect that ends a revivable one; Ends returns its handle.
type Ender interface {
	Ends() (handle string)
}

// Assumer gives the result to go on with when a person has answered that an
// effect in doubt was done. Without it the result is None.
type Assumer interface {
	Assume() any
}

// Leaver effects leave something, such as a marker on a machine, that goes when the
// run is complete. Left is called where the journal answers the effect, so that the
// process that completes the run knows of what others have left; it only takes note
// (see [Finisher]).
type Leaver interface {
	Left(env *Env)
}

// Call is one effect as a script asks for it.
type Call struct {
	Decl    *Decl
	Do      Performer
	Args    []starlark.Value // by Decl.Params; nil where the default was taken
	Options Options
	Under   []starlark.Tuple // the underscore arguments as they were given
	Unknown *value.Unknown   // an argument that check mode does not know; then Do is incomplete
	Routed  bool             // the queue is that of the branch, and not named by the code
}

// Options are the arguments that begin with an underscore. They are orthogonal
// to the effect and mean the same everywhere.
type Options struct {
	Timeout     time.Duration     // of one attempt; 0: the effect's own
	Retries     int               // attempts after the first; -1: by the rule of the effect
	Sudo        bool              // commands: as root, by sudo
	User        string            // commands: as this user, by sudo
	Env         map[string]string // commands: added to the environment
	Cwd         string            // commands: working directory
	Once        bool              // commands: leave a marker, so that a resumed run can tell whether it ran
	Description string            // shown instead of the effect's own line
	Queue       string            // of the workers that perform it; "": any
	When        bool              // false: the effect is skipped and its value is None
	// More says that the script does not look at the value, and that its next statement
	// is an effect of the same module: see Companion. It is not an argument.
	More bool
}

// NoOptions are the options of a call that names none.
var NoOptions = Options{Retries: -1, When: true}

// Commander is implemented by effects that run commands: only those take _sudo,
// _user, _env, _cwd and _once.
type Commander interface {
	RunsCommand()
}

// Describe returns the line that people see for a call.
func (c *Call) Describe() string {
	if c.Options.Description != "" {
		return c.Options.Description
	}
	if d, ok := c.Do.(Describer); ok && c.Unknown == nil {
		return d.Describe()
	}
	for _, v := range c.Args {
		switch v := v.(type) {
		case nil:
			continue
		case starlark.String:
			return string(v)
		default:
			return value.Show(v)
		}
	}
	return ""
}

// Remote effects talk to another machine; Endpoint names it, for the circuit
// breaker ("" for none).
type Remote interface {
	Endpoint() string
}

// Traceless effects leave nothing in the world that rollback could take back: a
// pause, a question, a mark in the journal.
type Traceless interface {
	LeavesNoTrace()
}

// Volatile reads give something else each time: the time, a random number. A
// plan that is applied fixes what they gave, so that the run does what it shows.
type Volatile interface {
	Volatile()
}

// Measurer reads give, beside what they say of the world, figures that are others each
// time, such as the memory that is free. Steady returns what Perform gave without them: a
// plan that is applied compares only that, and what the script made of the figures.
type Measurer interface {
	Steady(result any) any
}

// Queued effects need something that there is a limited number of. Enter waits
// for it before the effect is begun, and gives it back with release; a run that
// stops while it waits has not begun the effect.
type Queued interface {
	Enter(ctx context.Context, env *Env) (release func(), err error)
}

// Patient writes only wait: they are cut short when their branch has to stop,
// and lose nothing by that.
type Patient interface {
	Waits()
}

// Inner effects look at nothing but the run itself, such as its clock, so they are
// performed where the run is, also when others are performed elsewhere.
type Inner interface {
	Inner()
}

// Companion effects that follow each other in a script, with nothing between them,
// are performed together: the door holds them back until the last one. They are
// performed in their order, each with its own intent and result; but before the
// first of them one Scout looks at what all of them need to know.
type Companion interface {
	// Party names those that the effect can be together with; "" for none.
	Party(options Options) string
	// Scout returns what each of them gets as Env.Party. When it fails, they do
	// without it.
	Scout(ctx context.Context, env *Env, all []Performer) (any, error)
}

// Embedded is implemented by a part of an effect that has to know the whole, which
// is given whenever one is made.
type Embedded interface {
	Embed(self Performer)
}

// Notifier is implemented by effects whose value has a field changed. Where that is
// true, the branch notes the names, for handlers that ask with [Env.Taken] at the
// end of a scope. It is asked in check mode too, when not all of the arguments may be
// known.
type Notifier interface {
	Notifies() []string
}

// Anything is the name under which each change of a Notifier is noted as well.
const Anything = ""
