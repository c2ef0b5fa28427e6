// Package operation is what brings one thing on a machine into a state: a file, a
// package, a service.
//
// An [Operation] says which facts it needs and computes, from them alone, what has
// to be done. It touches no machine, so its tests are tables from facts to scripts.
// All that an operation promises comes from those two methods, by [Base]: a second
// run changes nothing, check mode says what would change, undo brings back what the
// facts have seen, an operation whose end was lost finds out whether it happened.
//
// An operation takes at most one round trip to the machine, after one for its facts.
// Operations that follow each other in a script travel together: one round trip
// gathers the facts of all, each change brings the facts of those after it along,
// and an operation that has nothing to do takes none (see [Party]).
package operation

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Operation brings one thing on a machine into a state. Its fields are its
// arguments; it embeds [Base].
type Operation interface {
	// Facts are what Plan has to know.
	Facts() []fact.Fact
	// Plan compares what there is with what there shall be. It returns nil when
	// nothing has to be done, and an error for what cannot be done. It only computes.
	Plan(w *fact.World) (*Change, error)
}

// Preparer is an operation that reads something of the workspace before it can
// plan: a template, a file that is sent. Prepare is called once, before Plan, and
// notes in the operation what it has read.
type Preparer interface {
	Prepare(ctx context.Context, env *effect.Env) error
}

// Marked is an operation whose step nothing on the machine may tell of. With _once it
// is given to the operation itself, which leaves a marker, and answers by it whether it
// happened. It travels with no others then: what watches the marker is no part of a party.
type Marked interface {
	PerformOnce(ctx context.Context, env *effect.Env, s Step) (Result, error)
}

// Change is what an operation has to do.
type Change struct {
	Kind   effect.Change // Create, Update, Delete or Act
	Step                 // what does it
	Diff   string        // for people: unified, or a line for each thing that changes
	Undo   *Step         // takes it back; nil when that cannot be done
	After  map[fact.Fact]any
	Expect func(code int, stdout, stderr string) error // what its end means; nil: 0 is well
	// Did tells from what the step has printed whether it has changed anything, and
	// what; nil: what Diff says.
	Did func(stdout string) (changed bool, diff string)
	// Unsure says, in check mode, on what it depends whether anything changes; "": it
	// does.
	Unsure string
}

// Moved is the exit code of a step that has changed nothing, because things are
// not as they were when it was planned. It is planned anew, and tried again.
const Moved = 75

// Step is a script for the machine. It may be made again after it was cut off
// anywhere, and then has to lead to the same end.
type Step struct {
	Script string `json:"script"`
	Stdin  []byte `json:"stdin,omitempty"`
	Hidden bool   `json:"hidden,omitempty"` // it has something in it that others on the machine must not see

	// Input is the standard input where it is too large for Stdin. An undo has none.
	Input func() (io.ReadCloser, error) `json:"-"`
}

// Result is what operations, and commands, return to scripts. It has the same
// fields for every operation, and always all of them.
type Result struct {
	Host     string        `star:"host"`
	OK       bool          `star:"ok"`
	Changed  bool          `star:"changed"`
	RC       int           `star:"rc"`
	Stdout   string        `star:"stdout"`
	Stderr   string        `star:"stderr"`
	Diff     string        `star:"diff"`
	Duration time.Duration `star:"duration"`
	Error    any           `star:"error"` // nil, or as attempt(…).error
}

// Base makes an effect of an operation that embeds it. Of its parameters, target
// comes first in the operation's stub; the others are added by [Base.Parameters].
type Base struct {
	Many
	Target starlark.Value `star:"target"`
	Notify starlark.Value `star:"notify,tuning"`

	self     Operation
	target   *target.Target
	change   *change
	prepared bool
	turned   bool           // its party has gone on to it
	secrets  *value.Secrets // nil: none are known
	key      string
}

var (
	_ effect.Validator = (*Base)(nil)
	_ effect.Knowing   = (*Base)(nil)
	_ effect.Sparing   = (*Base)(nil)
	_ effect.Asker     = (*Base)(nil)
	_ effect.Commander = (*Base)(nil)
	_ effect.Remote    = (*Base)(nil)
	_ effect.Companion = (*Base)(nil)
	_ effect.Embedded  = (*Base)(nil)
	_ effect.Notifier  = (*Base)(nil)
	_ effect.Assumer   = (*Base)(nil)
	_ module.Part      = (*Base)(nil)
)

// change is what the facts of a moment ask for.
type change struct{ *Change } // nil within: nothing

// Embed tells the base which effect it is a part of.
func (b *Base) Embed(self effect.Performer) { b.self = self.(Operation) }

func (b *Base) RunsCommand()  {}
func (b *Base) KnowsSecrets() {}

// Secret reports whether a text has a secret of the run in it. The lines that such
// a text replaces are not shown: they may have the secret of the time before.
func (b *Base) Secret(text []byte) bool {
	return b.secrets != nil && b.secrets.Redact(string(text)) != string(text)
}

// prepare has the operation read what it needs of the workspace.
func (b *Base) prepare(ctx context.Context, env *effect.Env) error {
	if b.prepared {
		return nil
	}
	b.secrets = env.Run.Secrets
	if p, ok := b.self.(Preparer); ok {
		if err := p.Prepare(ctx, env); err != nil {
			return err
		}
	}
	b.prepared = true
	return nil
}

// Validate refuses a target that is none. An operation that checks more calls it,
// too.
func (b *Base) Validate() (err error) {
	if b.target, err = target.Parse(b.Target); err == nil {
		_, err = b.notifies()
	}
	return err
}

// On returns the name of the machine.
func (b *Base) On() string {
	if t, err := b.machine(); err == nil {
		return t.Name
	}
	return "?"
}

// Key names the effect among those of all runs, in each of its attempts: for what
// Plan has to call by a name of its own on the machine.
func (b *Base) Key() string { return b.key }

func (b *Base) machine() (*target.Target, error) {
	if b.target == nil {
		if err := b.Validate(); err != nil {
			return nil, err
		}
	}
	return b.target, nil
}

// Endpoint is what the circuit breaker counts by.
func (b *Base) Endpoint() string {
	t, err := b.machine()
	if err != nil {
		return ""
	}
	return t.ID
}

// plan finds out what has to be done now.
func (b *Base) plan(ctx context.Context, env *effect.Env) (*change, error) {
	b.key = env.IdempotencyKey()
	w, err := b.world(ctx, env)
	if err != nil {
		return nil, err
	}
	c, err := b.self.Plan(w)
	return &change{c}, err
}

// world is what the operation has to know: from its party, or from the machine.
func (b *Base) world(ctx context.Context, env *effect.Env) (*fact.World, error) {
	if err := b.prepare(ctx, env); err != nil {
		return nil, err
	}
	facts := b.self.Facts()
	p, _ := env.Party.(*Party)
	if p != nil && !b.turned { // another attempt has no other turn
		p.turn()
		b.turned = true
	}
	if w := p.know(facts); w != nil {
		return w, nil
	}
	conn, err := b.connect(ctx, env)
	if err != nil {
		return nil, err
	}
	return p.ask(facts, func(facts []fact.Fact) (*fact.World, error) {
		return fact.Gather(ctx, conn, b.target.As(env), facts)
	})
}

func (b *Base) connect(ctx context.Context, env *effect.Env) (machine.Conn, error) {
	t, err := b.machine()
	if err != nil {
		return nil, err
	}
	return target.Open(ctx, env, t)
}

// memory is what the intent keeps.
type memory struct {
	Undo *Step  `json:"undo,omitempty"`
	Diff string `json:"diff,omitempty"`
}

// Remember finds out what has to be done, and keeps how it is taken back.
func (b *Base) Remember(ctx context.Context, env *effect.Env) (any, error) {
	c, err := b.plan(ctx, env)
	if err != nil {
		return nil, fault.Before(err)
	}
	b.change = c
	if c.Change == nil {
		return nil, nil
	}
	return memory{c.Change.Undo, c.Change.Diff}, nil
}

// Idle reports whether what was just found out asks for nothing.
func (b *Base) Idle() bool { return b.change != nil && b.change.Change == nil }

// Perform makes the change.
func (b *Base) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	c := b.change
	b.change = nil // another attempt looks anew
	if c == nil {
		var err error
		if c, err = b.plan(ctx, env); err != nil {
			return nil, fault.Before(err)
		}
	}
	r := Result{Host: b.On(), OK: true}
	if c.Change == nil {
		r.Duration = time.Since(began)
		return r, nil
	}
	out, err := b.do(ctx, env, c.Step)
	if err != nil {
		return nil, err
	}
	r.Changed, r.Diff = true, c.Diff
	r.RC, r.Stdout, r.Stderr, r.Duration = out.code, out.stdout, out.stderr, time.Since(began)
	if c.Did != nil {
		r.Changed, r.Diff = c.Did(out.stdout)
	}
	return r, b.ended(c.Change, r)
}

// do makes the step of a change.
func (b *Base) do(ctx context.Context, env *effect.Env, s Step) (output, error) {
	if m := b.marked(env.Options); m != nil {
		env.Run.Live.Drop(b.target.Facts()) // something about the machine may be different now
		r, err := m.PerformOnce(ctx, env, s)
		return output{r.RC, r.Stdout, r.Stderr}, err
	}
	conn, err := b.connect(ctx, env)
	if err != nil {
		return output{}, err
	}
	return step(ctx, env, conn, b.target, s, env.Output)
}

// marked is the operation where its step leaves a marker; nil where it does not.
func (b *Base) marked(options effect.Options) Marked {
	if m, ok := b.self.(Marked); ok && options.Once {
		return m
	}
	return nil
}

// ended judges the end of a change.
func (b *Base) ended(c *Change, r Result) error {
	if c.Expect != nil {
		return c.Expect(r.RC, r.Stdout, r.Stderr)
	}
	switch r.RC {
	case 0:
		return nil
	case Moved:
		e := fault.As(Failure(r))
		e.Kind, e.Unsent = fault.Unavailable, true
		return e
	}
	return Failure(r)
}

// Failure is the error of a command that ended with another code than it should.
func Failure(r Result) error {
	e := fault.New(fault.Failed, "on %s: exit code %d%s", r.Host, r.RC, lastLines(r.Stderr))
	e.Hint = Advice(r.Stderr)
	e.Details = map[string]any{"host": r.Host, "code": r.RC, "stdout": tail(r.Stdout), "stderr": tail(r.Stderr)}
	return e
}

// Predict says what the operation would do.
func (b *Base) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	began := time.Now()
	w, planned, err := b.plannedWorld(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	c, err := b.self.Plan(w)
	if err != nil {
		return effect.Prediction{}, err
	}
	r := Result{Host: b.On(), OK: true, Duration: time.Since(began).Round(time.Second)}
	if c == nil {
		return effect.Prediction{Result: r, Change: effect.None}, nil
	}
	planned.add(c.After)
	if c.Unsure != "" {
		return effect.Prediction{Result: value.NewUnknown("%s", c.Unsure), Change: c.Kind, Diff: c.Diff, Depends: c.Unsure}, nil
	}
	r.Changed, r.Diff = true, c.Diff
	return effect.Prediction{Result: r, Change: c.Kind, Diff: c.Diff}, nil
}

// plannedWorld is the world as the planned operations of the run leave it.
func (b *Base) plannedWorld(ctx context.Context, env *effect.Env) (*fact.World, *planned, error) {
	t, err := b.machine()
	if err != nil {
		return nil, nil, err
	}
	p := plannedOn(env.Run, t.ID)
	seen, err := b.world(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	w := &fact.World{}
	w.Add(seen)
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Add(&p.world)
	return w, p, nil
}

// planned is a world that planned operations have changed, as a value of the
// overlay.
type planned struct {
	starlark.NoneType
	mu    sync.Mutex
	world fact.World
}

var planning sync.Mutex

func plannedOn(run *effect.Run, id string) *planned {
	planning.Lock()
	defer planning.Unlock()
	if v, ok := run.Planned.Get("target:" + id); ok {
		if p, ok := v.(*planned); ok {
			return p
		}
	}
	p := &planned{}
	run.Planned.Set("target:"+id, p)
	return p
}

func (p *planned) add(after map[fact.Fact]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for f, v := range after {
		p.world.Set(f, v)
	}
}

// Undo brings back what there was.
func (b *Base) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var m memory
	if err := past.Remembered(&m); err != nil {
		return err
	}
	if m.Undo == nil {
		return nil
	}
	conn, err := b.connect(ctx, env)
	if err != nil {
		return err
	}
	out, err := step(ctx, env, conn, b.target, *m.Undo, nil)
	if err != nil {
		return err
	}
	if out.code != 0 { // Moved, too: what somebody else has changed since is not taken back
		return Failure(Result{Host: b.target.Name, RC: out.code, Stdout: out.stdout, Stderr: out.stderr})
	}
	return nil
}

// Irreversible reports whether the operation did something that it cannot take back.
func (b *Base) Irreversible(past effect.Past) bool {
	var m memory
	return past.Remembered(&m) == nil && m.Undo == nil
}

// Happened asks the machine: what has nothing left to do has happened.
func (b *Base) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	alone := *env // what the party knows was found before
	alone.Party = nil
	c, err := b.plan(ctx, &alone)
	if err != nil {
		return effect.Answer{}, err
	}
	switch {
	case c.Change == nil:
	case c.Kind == effect.Act:
		return effect.Answer{Why: "what it does leaves nothing that shows whether it was done"}, nil
	default:
		return effect.Answer{Happened: effect.No, Why: "the machine is not in that state yet"}, nil
	}
	var m memory
	changed := past.Remembered(&m) == nil && (m.Undo != nil || m.Diff != "")
	return effect.Answer{
		Happened: effect.Yes, Result: Result{Host: b.On(), OK: true, Changed: changed, Diff: m.Diff},
		Why: "the machine is in that state",
	}, nil
}

// output is the end of a step.
type output struct {
	code           int
	stdout, stderr string
}

// maxOutput is what an operation may print.
const maxOutput = 16 << 20

// step runs a script on the machine. With a party it brings the facts of the
// operations after this one back.
func step(ctx context.Context, env *effect.Env, conn machine.Conn, t *target.Target, s Step, print func(stream, line string)) (output, error) {
	env.Run.Live.Drop(t.Facts()) // something about the machine may be different now
	p, _ := env.Party.(*Party)
	script, read := p.follow("set -e\n" + s.Script)
	// The door has filled in secrets: wherever the run knows any, one may be in the step.
	hidden := s.Hidden || !env.Run.Secrets.Empty() || fact.Hidden(p.ahead())
	var out, errs machine.Buffer
	out.Max, errs.Max = maxOutput, maxOutput
	out.Strict, errs.Strict = true, true
	streams := machine.Streams{Stdout: &out, Stderr: &errs}
	switch {
	case s.Input != nil:
		in, err := s.Input()
		if err != nil {
			return output{}, fault.Before(err)
		}
		defer in.Close()
		streams.Stdin = in
	case len(s.Stdin) > 0:
		streams.Stdin = newReader(s.Stdin)
	}
	c := machine.Command{Script: script, Hidden: hidden, As: t.As(env)}
	if err := surround(&c, env); err != nil {
		return output{}, fault.Before(err)
	}
	exit, err := machine.Run(ctx, conn, c, streams)
	if err != nil {
		p.forget()
		return output{}, err
	}
	o := output{exit.Code, out.String(), errs.String()}
	if read != nil {
		o.code, o.stdout = read(o.code, out.Bytes())
	}
	show(print, t.Name, "stdout", o.stdout)
	show(print, t.Name, "stderr", o.stderr)
	return o, nil
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// surround gives a command the environment and the directory that the options name.
// Secrets are filled in, and then nobody on the machine must see it.
func surround(c *machine.Command, env *effect.Env) error {
	fill := func(text string) (string, error) {
		plain, err := env.Run.Secrets.Expand(text)
		c.Hidden = c.Hidden || plain != text
		return plain, err
	}
	var err error
	if c.Dir, err = fill(env.Options.Cwd); err != nil {
		return err
	}
	c.Env = make(map[string]string, len(env.Options.Env))
	for name, v := range env.Options.Env {
		if !variable.MatchString(name) {
			return fault.New(fault.Invalid, "_env cannot set the variable %q on a machine", name).
				WithHint("the name of a variable has letters, digits and _")
		}
		if c.Env[name], err = fill(v); err != nil {
			return err
		}
	}
	return nil
}

func (r Result) String() string { return fmt.Sprintf("%s: changed=%t rc=%d", r.Host, r.Changed, r.RC) }
