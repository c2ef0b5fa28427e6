package runtime

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// execution is one process executing a run, once.
type execution struct {
	rt     *Runtime
	in     Interrupt
	run    *journal.Run // nil until it is in the journal, and in check mode
	lease  *journal.Lease
	box    *seal.Box
	shared *effect.Run
	door   *door.Door
	tree   *branch.Tree
	loader *script.Loader
	budget *sandbox.Budget

	sources func() []journal.Source // modules that were read before there was a run
	printed []branch.Line           // what was printed then

	stop   context.Context
	halt   context.CancelCauseFunc // ends stop
	deafen func()                  // stops listening to interruptions
	settle func()                  // ends the contexts
	end    func()                  // releases everything
}

// request is what an execution has to know of a run before it begins.
type request struct {
	id         string
	infra      string
	allowPaths []string
	limits     map[string]string
	check      bool
	replay     bool
	box        *seal.Box
	sources    map[string][]byte // nil: from the disk
}

// prepare puts the parts of an execution together.
func (r *Runtime) prepare(in Interrupt, req request) (*execution, error) {
	l, err := limits(req.limits)
	if err != nil {
		return nil, err
	}
	files, err := sandbox.OpenFiles(r.cfg.Workspace.Root, r.cfg.Workspace.State, req.allowPaths...)
	if err != nil {
		return nil, err
	}
	x := &execution{rt: r, in: in, box: req.box}
	cut := x.listen(in, l)
	x.shared = &effect.Run{
		ID: req.id, Infra: req.infra, Check: req.check, Replay: req.replay, Files: files, State: r.cfg.Workspace.State,
		Secrets: value.NewSecrets(req.box.Key), Program: r.program,
	}
	if r.cfg.Key != nil {
		x.shared.Seal, x.shared.Unseal = r.cfg.Key.Seal, r.cfg.Key.Unseal
	}
	x.door = door.New(&door.Door{
		Run: x.shared, Box: req.box, Events: r.cfg.Events, Budget: x.budget,
		Codec:  &codec.Codec{Secrets: x.shared.Secrets},
		Replay: req.replay, Person: r.cfg.Person, Cut: cut,
	})
	if req.check {
		x.door.Plan = plan.New()
	}
	x.tree = &branch.Tree{
		Budget: x.budget, Host: x.door, Events: r.cfg.Events, RunID: req.id, Check: req.check, Replay: req.replay, NewThread: x.newThread,
	}
	x.loader = r.newLoader(x, req)
	x.tree.Explain = x.loader.Explain
	x.end = sync.OnceFunc(func() {
		x.deafen()
		x.shared.Live.CloseAll()
		x.settle()
		files.Close()
		if x.lease != nil {
			x.lease.Release()
		}
	})
	return x, nil
}

// listen makes the contexts and the budget that end what x executes from now on.
// It returns the context that ends when effects are to be cut off.
func (x *execution) listen(in Interrupt, l sandbox.Limits) context.Context {
	stop, halt := context.WithCancelCause(context.Background())
	cut, cutOff := context.WithCancelCause(context.Background())
	forward := []func() bool{
		context.AfterFunc(in.Stop, func() { halt(stopped) }),
		context.AfterFunc(in.Cut, func() { halt(stopped); cutOff(stopped) }),
	}
	late := context.AfterFunc(stop, func() { time.AfterFunc(grace, func() { cutOff(stopped) }) })
	x.in, x.stop, x.halt = in, stop, halt
	x.budget = sandbox.NewBudget(l, func(err error) { halt(err) })
	x.budget.Guard(cut)
	x.deafen = func() {
		for _, stopForwarding := range forward {
			stopForwarding()
		}
	}
	x.settle = func() {
		late()
		halt(nil)
		cutOff(nil)
	}
	return cut
}

func (r *Runtime) newLoader(x *execution, req request) *script.Loader {
	predeclared := starlark.StringDict{}
	if req.check {
		for name, v := range rewrite.Predeclared() {
			predeclared[name] = v
		}
	}
	for name, v := range r.cfg.Globals {
		predeclared[name] = v
	}
	for _, m := range r.cfg.Modules {
		m.Bind(x.shared, predeclared)
	}
	return &script.Loader{
		Workspace: r.cfg.Workspace.Root, Stdlib: r.cfg.Stdlib, Predeclared: predeclared,
		Check: req.check, Sources: req.sources, CacheDir: r.cfg.CacheDir,
		NewThread: func(name string) (*starlark.Thread, func()) {
			thread, b, done := x.pureThread(name)
			return thread, func() {
				done()
				x.flush(b.Pure.Lines())
			}
		},
	}
}

// newThread makes a thread for b.
func (x *execution) newThread(b *branch.Branch) *starlark.Thread {
	thread := &starlark.Thread{Name: b.Path, Load: x.loader.Load}
	thread.Print = func(thread *starlark.Thread, msg string) {
		if err := x.door.Log(branch.Of(thread), "print", msg); err != nil {
			thread.Cancel(err.Error()) // a limit: now, before the next line
		}
	}
	module.SetHost(thread, x.door)
	x.budget.Watch(thread)
	return thread
}

// pureThread makes a thread that refuses effects.
func (x *execution) pureThread(name string) (*starlark.Thread, *branch.Branch, func()) {
	b := branch.NewRoot(x.stop, "load "+name, x.tree)
	b.Pure = &branch.Pure{}
	thread := x.newThread(b)
	thread.Name = name
	detach := b.Attach(thread)
	return thread, b, func() { detach() }
}

// flush prints what the top level of a loaded module has printed: at once, or
// when there is a run. An execution that repeats another one does not print it
// again.
func (x *execution) flush(lines []branch.Line) {
	switch {
	case x.door.Past != nil:
	case x.door.Record == nil && x.door.Plan == nil:
		x.printed = append(x.printed, lines...)
	default:
		_ = x.door.Print("0", lines) // a limit stops the run
	}
}

// enter evaluates the top level of the main module and calls its entry function.
// globals are those of an evaluation that has been made already; nil for none.
func (x *execution) enter(name string, prog *starlark.Program, globals starlark.StringDict, in Inputs) (starlark.Value, error) {
	root := branch.NewRoot(x.stop, "0", x.tree)
	thread := x.newThread(root)
	detach := root.Attach(thread)
	defer detach()
	script.SetModule(thread, name)
	return root.InScope(thread, nil, func() (starlark.Value, error) {
		if globals == nil {
			var err error
			if globals, err = prog.Init(thread, x.loader.Predeclared); err != nil {
				return nil, err
			}
			globals.Freeze()
		}
		fn, kwargs, err := in.bind(globals)
		if err != nil || fn == nil {
			return starlark.None, err
		}
		v, err := starlark.Call(thread, fn, nil, kwargs)
		if serr := x.budget.Settle(thread); err == nil && serr != nil {
			return nil, serr
		}
		return v, err
	})
}

// Inputs are the arguments of a run as they were given.
type Inputs struct {
	Entry string
	File  map[string]starlark.Value // of the parameter file
	Flags map[string][]string
}

// bind finds the entry function and its arguments; fn is nil for a script that
// has none.
func (in Inputs) bind(globals starlark.StringDict) (fn *starlark.Function, kwargs []starlark.Tuple, err error) {
	name := in.Entry
	if name == "" {
		name = "main"
	}
	fn, _ = globals[name].(*starlark.Function)
	if fn == nil {
		if in.Entry != "" {
			return nil, nil, noEntry(in.Entry, globals)
		}
		if len(in.File)+len(in.Flags) > 0 {
			return nil, nil, fault.New(fault.Usage, "the script has no function main that could take parameters")
		}
		return nil, nil, nil
	}
	args, err := script.Arguments(fn, in.File, in.Flags)
	if err != nil {
		return nil, nil, err
	}
	return fn, args.Items(), nil
}

func noEntry(entry string, globals starlark.StringDict) error {
	var names []string
	for _, name := range globals.Keys() {
		if _, ok := globals[name].(*starlark.Function); ok && !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	e := fault.New(fault.Usage, "the script has no function %q", entry)
	if near := spell.Nearest(entry, names); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return e.WithHint("it has %s", strings.Join(names, ", "))
}

// encode and decode give the inputs their place in the journal.
func (in Inputs) encode() ([]byte, error) {
	file := starlark.NewDict(len(in.File))
	for k, v := range in.File {
		_ = file.SetKey(starlark.String(k), v) // a string key of a fresh dict
	}
	flags := value.Of(in.Flags)
	if in.Flags == nil {
		flags = starlark.NewDict(0)
	}
	return new(codec.Codec).Encode(starlark.Tuple{file, flags})
}

func decodeInputs(entry string, data []byte) (Inputs, error) {
	in := Inputs{Entry: entry, File: map[string]starlark.Value{}, Flags: map[string][]string{}}
	v, err := new(codec.Codec).Decode(data)
	if err != nil {
		return in, err
	}
	both, ok := v.(starlark.Tuple)
	if !ok || both.Len() != 2 {
		return in, codec.ErrCorrupt
	}
	for _, kv := range both[0].(*starlark.Dict).Items() {
		in.File[string(kv[0].(starlark.String))] = kv[1]
	}
	for _, kv := range both[1].(*starlark.Dict).Items() {
		name := string(kv[0].(starlark.String))
		list := kv[1].(*starlark.List)
		for i := range list.Len() {
			in.Flags[name] = append(in.Flags[name], string(list.Index(i).(starlark.String)))
		}
	}
	return in, nil
}

// record attaches the execution to its run in the journal, which it takes for
// this process.
func (x *execution) record(run *journal.Run) error {
	j, err := x.rt.Journal()
	if err != nil {
		return err
	}
	if x.lease, err = run.Acquire(); err != nil {
		return err
	}
	x.run = run
	x.door.Record = run
	x.door.Codec.Blobs, x.door.Codec.Limit = j.Blobs, maxInline
	keep := func(name, plain string) {
		_ = run.AddSecret(journal.Secret{Name: name, Sealed: x.box.Seal([]byte(plain))}) // a broken journal stops the next effect
	}
	if run.Executions == 1 {
		x.shared.Secrets.Each(keep) // those that a pure top level made
	}
	x.shared.Secrets.OnAdd = keep
	x.shared.Generation = run.Generation
	return nil
}

// maxInline is the size from which outputs are kept beside the database.
const maxInline = 64 << 10

// conclude records how the execution ended and says it.
func (x *execution) conclude(v starlark.Value, err error) (*Outcome, error) {
	out := &Outcome{Run: x.run, Value: v, State: journal.Completed}
	why := x.explain(err)
	switch {
	case why == nil:
	case errors.Is(why, branch.ErrSuspended) && fault.Is(why, fault.Waiting):
		out.State = journal.Waiting
	case fault.Is(why, fault.Cancelled):
		out.State = journal.Cancelled
	default:
		out.State = journal.Failed
	}
	if x.run == nil {
		return out, why
	}
	if why == nil {
		x.keepResult(v)
	}
	if serr := x.run.SetState(out.State, why); serr != nil && why == nil {
		why = serr
	}
	x.emitEnd(out.State, why)
	return out, why
}

func (x *execution) emitEnd(state journal.State, why error) {
	e := event.Event{Type: event.RunEnded, Time: time.Now(), Run: x.run.ID, Status: string(state), Duration: time.Since(x.run.Created)}
	if why != nil {
		e.Error = why.Error()
	}
	x.rt.cfg.Events.Emit(e)
}

// keepResult records what the entry function returned, where that can be kept.
func (x *execution) keepResult(v starlark.Value) {
	if data, err := x.door.Codec.Encode(v); err == nil && v != starlark.None {
		_ = x.run.SetResult(data) // the state that is recorded next says whether the journal works
	}
}

// explain gives an error its positions, and removes secrets from it.
func (x *execution) explain(err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(x.stop); cause != nil && !errors.Is(err, branch.ErrSuspended) {
		// Whatever the stop made of it: the limit, or the interruption, is why.
		if e := fault.As(x.loader.Explain(err)); e != nil && (e.Kind == fault.Script || e.Kind == fault.Cancelled) {
			copied := *fault.As(cause)
			copied.Stack = e.Stack
			return &copied
		}
	}
	e := fault.As(x.loader.Explain(err))
	if e == nil {
		return err
	}
	copied := *e
	copied.Msg, copied.Hint = x.shared.Secrets.Redact(e.Msg), x.shared.Secrets.Redact(e.Hint)
	copied.Stack = append([]fault.Frame(nil), e.Stack...)
	for i := range copied.Stack {
		copied.Stack[i].Text = x.shared.Secrets.Redact(copied.Stack[i].Text)
	}
	return &copied
}

// runKey is the stored form of the key of a run.
func (r *Runtime) sealKey(box *seal.Box) (string, error) {
	return r.cfg.Key.Seal(hex.EncodeToString(box.Key))
}

func (r *Runtime) openKey(run *journal.Run) (*seal.Box, error) {
	text, err := r.cfg.Key.Unseal(run.Key)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != 32 {
		return nil, fault.New(fault.Failed, "the key of the run %s is damaged", run.ID)
	}
	return seal.BoxOf(key), nil
}
