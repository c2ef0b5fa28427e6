package isolate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sync"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// argument is the hidden argument that makes this program an interpreter.
const argument = "--isolated-interpreter"

// IsChild reports whether the program was started to be the interpreter of a run
// in another process.
func IsChild(args []string) bool { return len(args) == 2 && args[1] == argument }

// Child is the interpreter of a run in another process. It returns when there is
// nothing more to do for it.
func Child(modules []*module.Module, globals starlark.StringDict) error {
	in, out := os.NewFile(inFD, "requests"), os.NewFile(outFD, "answers")
	if info, err := in.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return fault.New(fault.Usage, "%s is for this program itself", argument)
	}
	c := &child{conn: newConn(in, out), modules: modules, globals: globals, pending: map[int64]chan *answer{}}
	first, err := c.conn.receive(fromParent)
	if err != nil {
		return err
	}
	config, ok := first.(*start)
	if !ok {
		return fmt.Errorf("%w: it comes before the start", errGarbage)
	}
	if err := confine(config.Limits); err != nil {
		return err
	}
	c.begin(config)
	return c.serve()
}

// child is the state of the process.
type child struct {
	conn    *conn
	modules []*module.Module
	globals starlark.StringDict

	config  *start
	run     *effect.Run
	env     *effect.Env
	codec   *codec.Codec
	stop    context.Context
	halt    context.CancelCauseFunc
	star    *interpreter.Interpreter
	again   *interpreter.Interpreter // calls what was registered for a rollback
	told    sync.Map                 // secrets that came from the parent
	undoing sync.Map                 // place → what on_rollback has registered

	turns *turns // nil: branches go on beside each other

	mu      sync.Mutex
	last    int64 // number of a request
	pending map[int64]chan *answer
	asking  []*asking // with turns: in the order in which they have asked
}

func (c *child) begin(config *start) {
	c.config = config
	c.run = &effect.Run{
		ID: config.RunID, Infra: config.Infra, Check: config.Check, Replay: config.Replay, Program: config.Program,
		Files: sandbox.Named(config.Workspace), Secrets: value.NewSecrets(config.Key),
	}
	c.run.Secrets.OnAdd = func(name, plain string) {
		if _, ok := c.told.Load(secret{name, plain}); !ok {
			_ = c.conn.send(&secret{name, plain}) // without the parent this process ends
		}
	}
	c.env = &effect.Env{Run: c.run, Options: effect.NoOptions}
	c.codec = &codec.Codec{Wire: true, Secrets: c.run.Secrets}
	c.stop, c.halt = context.WithCancelCause(context.Background())
	if config.Turns {
		c.turns = &turns{idle: c.rest}
	}
	c.star = c.interpreter(config.Limits)
}

func (c *child) interpreter(l sandbox.Limits) *interpreter.Interpreter {
	l.Wall, l.Output, l.Effects = 0, 0, 0 // the parent counts
	if c.turns != nil && l.Memory > 0 {   // the parent looks, and only while something is computed
		debug.SetMemoryLimit(l.Memory - l.Memory/8)
		l.Memory = 0
	}
	budget := sandbox.NewBudget(l, func(err error) {
		_ = c.conn.send(&tellHalt{carry(err)})
		c.halt(err)
	})
	budget.Guard(c.stop)
	i := interpreter.New(interpreter.Config{
		Run: c.run, Host: c, Modules: c.modules, Globals: c.globals, Events: c, Budget: budget, Stop: c.stop,
		Held: c.held, Workspace: c.config.Workspace,
	})
	i.Tree.Compares, i.Tree.Ordered = c.config.Compares, c.config.Ordered
	if c.turns != nil {
		i.Tree.Lines = c.turns
	}
	i.Loader.Fetch = c.source
	if c.config.Guarded {
		i.Loader.MayLoad = c.mayLoad
	}
	return i
}

// serve does what the parent says. It ends with the parent.
func (c *child) serve() error {
	for {
		m, err := c.conn.receive(fromParent)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *answer:
			c.mu.Lock()
			waiting := c.pending[m.ID]
			delete(c.pending, m.ID)
			c.mu.Unlock()
			if waiting != nil {
				waiting <- m
			}
		case *secret:
			c.told.Store(*m, true)
			c.run.Secrets.Add(m.Name, m.Plain)
		case *stop:
			c.halt(m.Why.err(c.run.Secrets))
		case *doReady:
			go c.finish(func() (v starlark.Value, lines []branch.Line, err error) {
				inputs, err := interpreter.DecodeInputs(m.Entry, m.Inputs)
				if err == nil {
					lines, err = c.star.Ready(m.Name, inputs)
				}
				return nil, lines, err
			})
		case *doRun:
			go c.finish(func() (starlark.Value, []branch.Line, error) {
				v, err := c.star.Run()
				return v, nil, err
			})
		case *doCall:
			go c.finish(func() (starlark.Value, []branch.Line, error) { return nil, nil, c.call(m) })
		default:
			return fmt.Errorf("%w: it is out of order", errGarbage)
		}
	}
}

// finish does something and sends what came of it.
func (c *child) finish(do func() (starlark.Value, []branch.Line, error)) {
	if c.turns != nil {
		c.turns.take()
	}
	v, lines, err := do()
	end := &done{Lines: lines, Fault: carry(c.explain(err))}
	if err == nil && v != nil {
		end.Value, err = c.codec.Encode(v)
		if err != nil {
			end.Fault = carry(fault.Wrap(fault.Limit, err, "the result cannot leave the interpreter"))
		}
	}
	if err := c.conn.send(end); errors.Is(err, errGarbage) {
		_ = c.conn.send(&done{Fault: carry(fault.Wrap(fault.Limit, err, "the result cannot leave the interpreter"))})
	}
	if c.turns != nil { // not by a defer: after a panic nothing goes on
		c.turns.give()
	}
}

// explain gives an error the positions in the script, which the parent does not
// know.
func (c *child) explain(err error) error {
	if err == nil {
		return nil
	}
	explained := c.star.Loader.Explain(err)
	if cause := context.Cause(c.stop); cause != nil && !errors.Is(err, branch.ErrSuspended) {
		if e := fault.As(explained); e != nil && (e.Kind == fault.Script || e.Kind == fault.Cancelled) {
			if why := fault.As(cause); why != nil {
				copied := *why
				copied.Stack = e.Stack
				return &copied
			}
		}
	}
	return explained
}

// call calls what on_rollback has registered, in an interpreter that acts: the
// one that has registered it replays.
func (c *child) call(m *doCall) error {
	fn, _ := c.undoing.Load(m.Place)
	registered, ok := fn.(func(*starlark.Thread) error)
	if !ok {
		return fault.New(fault.Mismatch, "the replay of the run did not register the function for %s", m.Place)
	}
	if c.again == nil {
		c.run.Replay = false
		c.again = c.interpreter(m.Limits)
	}
	return c.again.Call(m.Path, registered)
}

func (c *child) source(name string) ([]byte, error) {
	m := &askSource{Name: name}
	a, err := c.ask(nil, m, &m.ID)
	if err != nil {
		return nil, err
	}
	return a.Value, nil
}

func (c *child) held(lines []branch.Line) {
	if len(lines) == 0 {
		return
	}
	m := &askHeld{Lines: lines}
	_, _ = c.ask(nil, m, &m.ID) // a limit stops the run
}
