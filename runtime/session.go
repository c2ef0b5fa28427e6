package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// sessionScript is the script of a session in the journal. Its inputs are the
// sources repl/1, repl/2, …
const sessionScript = "repl"

// fromFile begins the recorded input that stands for a script that was run.
const fromFile = ":run "

// Session executes statements one after the other: what one binds, the next one
// sees. All of them are one run of the journal, which begins with the first
// effect; a session without effects leaves no run.
//
// Its methods are not safe for concurrent use.
type Session struct {
	x      *execution
	opts   SessionOptions
	limits sandbox.Limits
	names  *script.Names
	base   starlark.StringDict // what the session began with
	branch *branch.Branch
	record *sessionRecord
	inputs []*Input
}

// SessionOptions say how a session works. The zero value is fine.
type SessionOptions struct {
	Infra      string
	AllowPaths []string
	Limits     map[string]string   // for each statement, by name
	Check      bool                // plan the statements and act on nothing
	Globals    starlark.StringDict // names beside those of scripts
}

// Input is a statement that was executed, or a script.
type Input struct {
	Source string   // as it was given; for a script, its module name after ":run "
	Bound  []string // names that it has bound, sorted
	Value  starlark.Value
	Plan   *plan.Plan // in check mode
	Err    error
	Undone bool

	places map[string]bool // of its writes
}

// Session begins a session.
func (r *Runtime) Session(opts SessionOptions) (*Session, error) {
	l, err := limits(opts.Limits, false)
	if err != nil {
		return nil, err
	}
	req := request{id: uuid.NewString(), infra: opts.Infra, allowPaths: opts.AllowPaths, limits: opts.Limits, box: seal.NewBox()}
	if opts.Check {
		req.trace = plan.NewTrace()
	}
	x, err := r.prepare(never, req)
	if err != nil {
		return nil, err
	}
	s := newSession(x, opts)
	s.limits = l
	if !opts.Check {
		s.record = newSessionRecord(x, opts)
	}
	x.deafen()
	x.settle() // each statement has contexts of its own
	return s, nil
}

// newSession makes the parts of a session that a replay has too.
func newSession(x *execution, opts SessionOptions) *Session {
	// A copy: modules see the names of scripts, not those of the session.
	s := &Session{x: x, opts: opts, names: &script.Names{Env: maps.Clone(x.star.Loader.Predeclared)}}
	maps.Copy(s.names.Env, opts.Globals)
	s.base = maps.Clone(s.names.Env)
	x.star.Tree.Freeze = s.names.Freeze
	s.branch = branch.NewRoot(x.stop, "0", x.star.Tree)
	s.branch.Open()
	return s
}

// Names are the names of the session with their values, also those of the
// builtins. The caller must not change them.
func (s *Session) Names() starlark.StringDict { return s.names.Env }

// Inputs are the statements that were executed so far, also those that failed.
func (s *Session) Inputs() []*Input { return s.inputs }

// Redact removes secrets from a text that people will see.
func (s *Session) Redact(text string) string { return s.x.shared.Secrets.Redact(text) }

// Run executes statements. Those that are no Starlark are not executed, and are
// no input; Run then returns nil.
func (s *Session) Run(in Interrupt, src string) (*Input, error) {
	s.begin(in)
	defer s.rest()
	chunk, err := s.x.star.Loader.Chunk(s.next(), []byte(src), s.names, false)
	if err != nil {
		return nil, err
	}
	return s.execute(chunk, src, "//"+sessionScript, false)
}

// RunFile executes a script in the session: its top level, and main if there is
// one.
func (s *Session) RunFile(in Interrupt, file string) (*Input, error) {
	s.begin(in)
	defer s.rest()
	name, err := s.x.star.Loader.Name(file)
	if err != nil {
		return nil, err
	}
	chunk, err := s.x.star.Loader.ReadChunk(name, s.names, false)
	if err != nil {
		return nil, s.x.explain(err)
	}
	return s.execute(chunk, fromFile+name, name, true)
}

// Load binds the public names of a module, which is named as in a load, or by
// its file.
func (s *Session) Load(in Interrupt, module string) (*Input, error) {
	if !strings.HasPrefix(module, "@std//") && !strings.HasPrefix(module, "//") {
		var err error
		if module, err = s.x.star.Loader.Name(module); err != nil {
			return nil, err
		}
	}
	names, err := s.public(in, module)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	src := fmt.Sprintf("load(%q", module)
	for _, name := range names {
		src += fmt.Sprintf(", %q", name)
	}
	return s.Run(in, src+")")
}

func (s *Session) public(in Interrupt, module string) ([]string, error) {
	s.begin(in)
	defer s.rest()
	thread := s.x.star.NewThread(s.branch)
	detach := s.branch.Attach(thread)
	defer detach()
	script.SetModule(thread, "//"+sessionScript)
	globals, err := s.x.star.Loader.Load(thread, module)
	if err != nil {
		return nil, s.explain(err)
	}
	return slices.DeleteFunc(globals.Keys(), func(name string) bool { return name[0] == '_' || script.Hidden(name) }), nil
}

func (s *Session) next() string { return inputName(len(s.inputs) + 1) }

func inputName(n int) string { return fmt.Sprintf("%s/%d", sessionScript, n) }

// never interrupts nothing.
var never = Interrupt{Stop: context.Background(), Cut: context.Background()}

// begin makes the contexts and the budget of a statement: those of the one
// before may have ended.
func (s *Session) begin(in Interrupt) {
	s.x.door.Cut = s.x.listen(in, s.limits)
	s.x.door.Budget, s.x.star.Tree.Budget = s.x.budget, s.x.budget
	s.x.star.Stop = s.x.stop
	s.branch = s.branch.Renew(s.x.stop)
	s.x.star.Loader.Forget()
	if s.opts.Check {
		s.x.door.Trace = plan.NewTrace()
	}
}

func (s *Session) rest() {
	s.x.deafen()
	s.x.settle()
}

// execute executes a compiled input and notes what came of it.
func (s *Session) execute(chunk *script.Chunk, src, module string, enter bool) (*Input, error) {
	i := &Input{Source: src}
	if s.record != nil {
		_ = s.record.source(s.next(), []byte(src)) // a broken journal stops the next effect
		i.places = s.record.collect()
	}
	s.inputs = append(s.inputs, i)
	i.Value, i.Bound, i.Err = s.evaluate(chunk, module, enter)
	if s.opts.Check {
		i.Plan = plan.Of(s.x.door.Trace)
	}
	if i.Err != nil {
		i.Err = s.explain(i.Err)
	}
	return i, i.Err
}

// evaluate evaluates a chunk in the main line of the session; enter says to call
// its main, too. It returns its value and what it has bound.
func (s *Session) evaluate(chunk *script.Chunk, module string, enter bool) (starlark.Value, []string, error) {
	thread := s.x.star.NewThread(s.branch)
	detach := s.branch.Attach(thread)
	defer detach()
	script.SetModule(thread, module)
	v, globals, err := s.names.Run(thread, chunk)
	if s.branch.Waiting != nil { // an error has left a function between its effects
		if serr := s.branch.Tree.Host.Settle(thread); serr != nil {
			v, err = nil, serr
		}
	}
	if err == nil && enter {
		v, err = s.main(thread, globals)
	}
	if undecided(err) && s.x.door.Trace != nil {
		s.x.door.Ended(s.branch, s.x.explain(err))
		return starlark.None, globals.Keys(), nil
	}
	if err != nil {
		if branch.Catchable(err) {
			s.x.door.Handled(err) // the session goes on after it
		}
		return nil, globals.Keys(), err
	}
	if v != starlark.None {
		s.names.Env["_"] = v
	}
	return v, globals.Keys(), nil
}

// main calls the main of a script, which finds its globals frozen as in a run.
func (s *Session) main(thread *starlark.Thread, globals starlark.StringDict) (starlark.Value, error) {
	globals.Freeze()
	fn, kwargs, err := interpreter.Inputs{}.Bind(globals)
	if err != nil || fn == nil {
		return starlark.None, err
	}
	return starlark.Call(thread, fn, nil, kwargs)
}

// explain says an error in the words of a session, which cannot be resumed.
func (s *Session) explain(err error) error {
	why := s.x.explain(err)
	e := fault.As(why)
	if e == nil {
		return why
	}
	copied := *e
	switch {
	case e.Kind == fault.Cancelled && s.x.stop.Err() != nil:
		copied.Msg = strings.Replace(e.Msg, Stopped.Msg, "the statement was interrupted", 1)
		copied.Hint = ""
		if cut := fault.As(err); cut != nil && cut.InDoubt { // nil: it was stopped between two effects
			copied.Hint = "what was cut off may or may not have happened; :undo takes back what there is of it"
		}
	case e.Kind == fault.Waiting && errors.Is(err, branch.ErrSuspended):
		copied.Hint = "a session does not wait for an answer; it goes on without the effect"
	}
	return &copied
}

// Close ends the session: it calls what statements have deferred, ends what runs
// in the background, and completes the run.
func (s *Session) Close(in Interrupt) error {
	s.begin(in)
	defer s.x.end()
	thread := s.x.star.NewThread(s.branch)
	detach := s.branch.Attach(thread)
	defer detach()
	script.SetModule(thread, "//"+sessionScript)
	err := s.branch.Close(thread)
	if err != nil {
		err = s.explain(err)
	}
	if s.x.run == nil {
		return err
	}
	serr := s.x.run.SetState(journal.Completed, nil)
	s.x.emitEnd(journal.Completed, err)
	return errors.Join(err, serr)
}

// RunID is the id of the session's run; "" while it has none.
func (s *Session) RunID() string {
	if s.x.run == nil {
		return ""
	}
	return s.x.run.ID
}
