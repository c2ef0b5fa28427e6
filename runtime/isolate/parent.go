package isolate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Acting is what requests act on: the run, or, for what was registered for a
// rollback, the rollback.
type Acting struct {
	Door   *door.Door
	Budget *sandbox.Budget
	Limits sandbox.Limits  // of the interpreter
	Stop   context.Context // ends when the run has to stop
	Tree   *branch.Tree    // of the branches that stand for those of the interpreter
}

// Config says what an isolated interpreter has to do with. All of it is that of
// one execution of a run.
type Config struct {
	Acting
	Loader  *script.Loader // gives the sources
	Modules []*module.Module
	Events  event.Sink
	Key     []byte                    // of the markers of secrets
	Root    string                    // of the workspace
	Halt    func(error)               // ends the run
	Held    func(lines []branch.Line) // takes what the top level of a loaded module has printed
	Program string                    // for the process; "": the one that is running
	// Lines, unless nil, answer requests in place of goroutines, for an engine that
	// repeats runs: then branches take turns, see turns.go.
	Lines branch.Coroutines
	// Spell is how long the script may compute at a time with lines, for nothing else can
	// happen meanwhile; 0: for ever.
	Spell time.Duration
	// Fate makes the death of the process, which is a matter of this machine, a part of
	// what the engine repeats. It is told, with lines, whenever all branches wait, of what
	// the process has died, if it has; and returns what it is to have died of, which in a
	// repetition is what it was then. nil: it goes on.
	Fate func(why error) error
}

// Engine evaluates the script of a run in another process, which it starts when
// there is something to evaluate. Its methods are called one after the other.
type Engine struct {
	cfg   Config
	codec *codec.Codec
	main  string // name of the main module

	mu      sync.Mutex
	acting  Acting // for whom requests are performed
	shadows map[string]*shadow
	forks   map[int]*fork
	forked  int
	known   map[string]*module.Func
	hidden  map[string]*module.Hidden
	secrets int
	sources int
	cause   error // why the process was killed

	process *process
	in      *conn
	out     *outbox
	ends    chan *done
	gone    chan struct{} // closed when nothing more comes from the process
	stopped bool          // with lines: the process was told to stop
	fate    error         // the same: what the process has died of
	active  atomic.Int64  // requests that are being performed
	working sync.WaitGroup

	decisions atomic.Int64
	told      sync.Map // secrets that came from the process
	last      atomic.Pointer[place]
	lost      func() // closes gone
	close     func()
}

// place is where the script was when it was heard of last.
type place struct{ pos, kind string }

// shadow stands for a branch of the interpreter.
type shadow struct {
	*branch.Branch
	ctx   context.Context // of the branch, on no line yet
	forks []int           // that have not been joined
	busy  bool            // it has a request
	seen  bool            // it has begun, as was told
	ended bool
}

func newShadow(b *branch.Branch) *shadow { return &shadow{Branch: b, ctx: b.Context()} }

// fork is a range of branches that were made together.
type fork struct {
	branch.Fork
	parent *shadow
	first  int
	n      int
	ctx    context.Context
	cancel context.CancelCauseFunc
	made   []string // paths of the shadows
}

// New prepares an engine.
func New(cfg Config) *Engine {
	e := &Engine{
		cfg: cfg, shadows: map[string]*shadow{}, forks: map[int]*fork{}, ends: make(chan *done, 1), gone: make(chan struct{}),
		codec:  &codec.Codec{Wire: true, Secrets: cfg.Door.Run.Secrets},
		acting: cfg.Acting,
	}
	e.lost = sync.OnceFunc(func() { close(e.gone) })
	return e
}

// Ready is [interpreter.Interpreter.Ready].
func (e *Engine) Ready(name string, in interpreter.Inputs) ([]branch.Line, error) {
	inputs, err := in.Encode()
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "cannot pass on the parameters")
	}
	e.main = name
	end, err := e.do(&doReady{Name: name, Entry: in.Entry, Inputs: inputs})
	if end == nil {
		return nil, err
	}
	return end.Lines, err
}

// Run is [interpreter.Interpreter.Run].
func (e *Engine) Run() (starlark.Value, error) {
	e.root("0")
	end, err := e.do(&doRun{})
	if err != nil {
		return nil, err
	}
	if len(end.Value) == 0 {
		return starlark.None, nil
	}
	v, err := e.codec.Decode(end.Value)
	if err != nil {
		return nil, e.garbage(err)
	}
	return v, nil
}

// Undo calls what on_rollback has registered for a place, in a branch with the
// given path. What it asks for is done by on.
func (e *Engine) Undo(place, path string, on Acting) error {
	e.mu.Lock()
	e.acting = on
	e.mu.Unlock()
	if e.process == nil {
		return fault.New(fault.Internal, "the script was not replayed")
	}
	defer e.follow(on.Stop)()
	e.root(path)
	_, err := e.do(&doCall{Place: place, Path: path, Limits: on.Limits})
	return err
}

func (e *Engine) root(path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shadows[path] = newShadow(branch.NewRoot(e.acting.Stop, path, e.acting.Tree))
	e.shadows[path].seen = true
}

// do tells the process to do something and waits until it has.
func (e *Engine) do(m message) (*done, error) {
	if e.process == nil {
		if err := e.start(); err != nil {
			if e.cfg.Lines != nil {
				panic(err) // of this machine: another one may do better
			}
			return nil, err
		}
	}
	e.tellStop()
	e.out.send(m)
	if err := e.awaitEnd(); err != nil {
		return nil, err
	}
	select {
	case end := <-e.ends:
		if e.active.Load() > 0 {
			return nil, e.garbage(fmt.Errorf("%w: it has ended within effects", errGarbage))
		}
		return end, end.Fault.err(e.cfg.Door.Run.Secrets)
	case <-e.gone:
	}
	why := e.death()
	e.cfg.Halt(why) // effects that are under way may end
	e.awaitEffects()
	return nil, why
}

func (e *Engine) start() error {
	p, err := startProcess(e.cfg)
	if err != nil {
		return err
	}
	e.effects()
	e.process, e.in, e.out = p, newConn(p.answers, nil), newOutbox(p.requests, e.kill)
	e.out.start(e.gone)
	run := e.cfg.Door.Run
	e.out.send(&start{
		RunID: run.ID, Infra: run.Infra, Workspace: e.cfg.Root, Program: run.Program, Check: run.Check, Replay: run.Replay,
		Key: e.cfg.Key, Limits: e.cfg.Limits, Guarded: e.cfg.Loader.MayLoad != nil, Compares: e.cfg.Tree.Compares, Ordered: e.cfg.Tree.Ordered,
		Turns: e.cfg.Lines != nil,
	})
	run.Secrets.Each(e.Secret)
	unfollow := e.follow(e.cfg.Stop)
	e.close = sync.OnceFunc(func() {
		unfollow()
		e.kill(nil)
		e.awaitGone()
		e.working.Wait()
		p.close()
	})
	if e.cfg.Limits.Memory > 0 && e.cfg.Lines == nil {
		go p.watch(e.cfg.Limits.Memory, e.kill)
	}
	if e.cfg.Lines == nil {
		go e.read()
	}
	return nil
}

// Secret tells the process of a secret of the run.
func (e *Engine) Secret(name, plain string) {
	if _, ok := e.told.Load(secret{name, plain}); !ok && e.out != nil {
		e.out.send(&secret{name, plain})
	}
}

// Close ends the process.
func (e *Engine) Close() {
	if e.close != nil {
		e.close()
	}
}

// patience is how long a script may go on computing after the run was told to
// stop.
const patience = 3 * time.Second

// follow passes on that the run has to stop, and kills an interpreter that does
// not: within one operation it does not notice.
func (e *Engine) follow(ctx context.Context) (unfollow func()) {
	if e.cfg.Lines != nil {
		return func() {} // it is told with the next answer
	}
	quit := make(chan struct{})
	go func() {
		select {
		case <-quit:
			return
		case <-e.gone:
			return
		case <-ctx.Done():
		}
		e.out.send(&stop{carry(context.Cause(ctx))})
		const step = patience / 30
		tick := time.NewTicker(step)
		defer tick.Stop()
		for idle := time.Duration(0); idle < patience; {
			select {
			case <-quit:
				return
			case <-e.gone:
				return
			case <-tick.C:
			}
			if e.active.Load() == 0 {
				idle += step
			}
		}
		e.kill(context.Cause(ctx))
	}()
	return sync.OnceFunc(func() { close(quit) })
}

// read takes what the process sends, until there is nothing more.
func (e *Engine) read() {
	defer e.lost()
	for {
		m, err := e.in.receive(fromChild)
		if err == nil {
			err = e.take(m)
		}
		if err != nil {
			e.broken(err)
			return
		}
	}
}

// broken ends a process that nothing more can be read from.
func (e *Engine) broken(err error) {
	if errors.Is(err, errGarbage) || fault.As(err) != nil {
		e.kill(err)
	}
}

// kill ends the process; cause is why, unless it was killed before.
func (e *Engine) kill(cause error) {
	e.mu.Lock()
	if e.cause == nil {
		e.cause = cause
	}
	e.mu.Unlock()
	e.process.kill()
}

// death says why the process is gone.
func (e *Engine) death() error {
	if e.fate != nil {
		return e.fate
	}
	status := e.process.wait()
	e.mu.Lock()
	cause := e.cause
	e.mu.Unlock()
	var why *fault.Error
	switch {
	case errors.Is(cause, errGarbage):
		why = fault.New(fault.Internal, "the interpreter of the run was ended: %v", cause).
			WithHint("this is a defect of this program, or a script has taken over the interpreter; nothing that it asked for since was done")
	case fault.As(cause) != nil:
		copied := *fault.As(cause)
		why = &copied
	default:
		why = status.fault(e.cfg.Limits)
	}
	if at := e.last.Load(); at != nil && at.pos != "" && why.Kind != fault.Cancelled {
		if why.Hint != "" {
			why.Hint += "\n"
		}
		why.Hint += fmt.Sprintf("the script was last heard of at %s", at.pos)
		if at.kind != "" {
			why.Hint += ", where it asked for " + at.kind
		}
	}
	return why
}

// garbage ends the process for something that it has sent.
func (e *Engine) garbage(err error) error {
	if !errors.Is(err, errGarbage) {
		err = fmt.Errorf("%w: %w", errGarbage, err)
	}
	e.kill(err)
	e.awaitGone()
	why := e.death()
	e.cfg.Halt(why)
	e.awaitEffects()
	return why
}

// effects finds out which effects there are.
func (e *Engine) effects() {
	e.known, e.hidden = map[string]*module.Func{}, map[string]*module.Hidden{}
	for _, m := range e.cfg.Modules {
		for _, f := range m.Funcs() {
			e.known[f.Name()] = f
		}
		for _, h := range m.Hidden() {
			e.hidden[h.Decl.Kind] = h
		}
	}
}

// call makes the call that a request asks for. An error that is no garbage is
// the script's.
func (e *Engine) call(m *askEffect) (*effect.Call, error) {
	args, err := e.tuple(m.Args)
	if err != nil {
		return nil, err
	}
	given := make([]starlark.Value, len(m.Given))
	for i := range given {
		if m.Given[i] == '1' && len(args) > 0 {
			given[i], args = args[0], args[1:]
		}
	}
	if h := e.hidden[m.Kind]; h != nil {
		state, err := e.tuple(m.State)
		if err != nil || len(given) != len(h.Decl.Params) {
			return nil, fmt.Errorf("%w: %s is not asked for like that", errGarbage, m.Kind)
		}
		do, err := h.Restore(state)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errGarbage, err)
		}
		return &effect.Call{Decl: h.Decl, Do: do, Args: given, Options: h.Options}, nil
	}
	f := e.known[m.Kind]
	if f == nil || f.Decl() == nil {
		return nil, fmt.Errorf("%w: there is no effect %.100q", errGarbage, m.Kind)
	}
	under, err := e.pairs(m.Under)
	if err != nil {
		return nil, err
	}
	call, err := f.Call(given, under, e.cfg.Door.Check(), e.cfg.Door.Run.Secrets)
	if err == nil {
		call.Options.More, call.Routed = m.More, m.Routed
	}
	return call, err
}

func (e *Engine) tuple(data []byte) (starlark.Tuple, error) {
	if len(data) == 0 {
		return nil, nil
	}
	v, err := e.codec.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGarbage, err)
	}
	t, ok := v.(starlark.Tuple)
	if !ok {
		return nil, fmt.Errorf("%w: arguments are a %s", errGarbage, v.Type())
	}
	return t, nil
}

func (e *Engine) pairs(data []byte) ([]starlark.Tuple, error) {
	all, err := e.tuple(data)
	if err != nil {
		return nil, err
	}
	var pairs []starlark.Tuple
	for _, v := range all {
		pair, ok := v.(starlark.Tuple)
		if !ok || len(pair) != 2 || pair[0].Type() != "string" {
			return nil, fmt.Errorf("%w: options have no names", errGarbage)
		}
		pairs = append(pairs, pair)
	}
	return pairs, nil
}
