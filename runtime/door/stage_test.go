package door_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// world is what the effects of the tests act on. do decides how an attempt ends;
// nil lets it succeed with the name as its result.
type world struct {
	mu       sync.Mutex
	log      []string // of the recorder and of the performers, in one order
	attempts map[string]int
	do       func(ctx context.Context, name string, attempt int) (any, error)
	happened func() (effect.Answer, error)
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

func (w *world) perform(ctx context.Context, name string) (any, error) {
	w.note("perform %s", name)
	w.mu.Lock()
	w.attempts[name]++
	n := w.attempts[name]
	w.mu.Unlock()
	if w.do == nil {
		return name, nil
	}
	return w.do(ctx, name, n)
}

func worldOf(env *effect.Env) *world { return env.Run.Live.Get("world").(*world) }

// The effects: one that only looks; one that acts and knows nothing more; one
// that may be repeated; one that can ask, assume and be undone.
var effects = module.New("w", "")

var (
	_ = effects.Read("def look(name): pass", &look{})
	_ = effects.Write("def act(name, text = \"\"): pass", &act{}, effect.Blind)
	_ = effects.Write("def put(name): pass", &put{}, effect.Blind)
	_ = effects.Write("def known(name): pass", &known{}, effect.Exact)
	_ = effects.Write("def ensure(name): pass", &ensure{}, effect.Exact)
)

// ensure finds out what is to be done: nothing, where the name is "as it is".
type ensure struct{ known }

func (e *ensure) Idle() bool { return e.Name == "as it is" }

type look struct {
	Name string `star:"name"`
}

func (l *look) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return worldOf(env).perform(ctx, l.Name)
}

type act struct {
	Name string `star:"name"`
	Text string `star:"text"`
}

func (a *act) Perform(ctx context.Context, env *effect.Env) (any, error) {
	env.Output("stdout", "doing "+a.Text)
	return worldOf(env).perform(ctx, a.Name+a.Text)
}

type put struct {
	Name string `star:"name"`
}

func (*put) Repeatable() bool { return true }
func (p *put) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return worldOf(env).perform(ctx, p.Name)
}

type known struct {
	Name string `star:"name"`
}

func (k *known) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return worldOf(env).perform(ctx, k.Name)
}
func (k *known) Assume() any { return "assumed" }
func (k *known) Remember(_ context.Context, env *effect.Env) (any, error) {
	worldOf(env).note("remember %s", k.Name)
	return "before " + k.Name, nil
}
func (k *known) Undo(context.Context, *effect.Env, effect.Past) error { return nil }
func (k *known) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: "predicted", Change: effect.Create, Diff: "+ " + k.Name}, nil
}
func (k *known) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var memory string
	if err := past.Remembered(&memory); err != nil || memory != "before "+k.Name {
		return effect.Answer{}, fmt.Errorf("the memory is %q, %v", memory, err)
	}
	w := worldOf(env)
	w.note("ask about %s", k.Name)
	return w.happened()
}

// recorder is a journal in memory.
type recorder struct {
	w         *world
	mu        sync.Mutex
	effects   []*journal.Effect
	questions []journal.Question
	lines     []journal.Line
}

func (r *recorder) insert(verb string, e *journal.Effect) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	row := *e
	if e.Seq == 0 {
		e.Seq = int64(len(r.effects) + 1)
		row.Seq = e.Seq
		r.effects = append(r.effects, &row)
	} else {
		r.effects[e.Seq-1] = &row
	}
	r.w.note("%s %s %s", verb, e.Place, e.Status)
	return nil
}

func (r *recorder) Intend(e *journal.Effect) error { return r.insert("intend", e) }
func (r *recorder) Record(e *journal.Effect) error { return r.insert("record", e) }
func (r *recorder) Finish(e *journal.Effect) error { return r.insert("finish", e) }
func (r *recorder) Details(e *journal.Effect) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Args = r.effects[e.Seq-1].Args
	return nil
}

func (r *recorder) SetStatus(e *journal.Effect, s journal.Status) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.effects[e.Seq-1].Status = s
	return nil
}

func (r *recorder) Log(l journal.Line) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	return nil
}

func (r *recorder) Ask(q journal.Question) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.questions = append(r.questions, q)
	return nil
}

func (r *recorder) Questions() ([]journal.Question, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]journal.Question(nil), r.questions...), nil
}

func (r *recorder) Forget(place string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kept []journal.Question
	for _, q := range r.questions {
		if q.Place != place {
			kept = append(kept, q)
		}
	}
	r.questions = kept
	return nil
}

// at returns the last effect that is recorded for place; nil for none.
func (r *recorder) at(place string) *journal.Effect {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.effects) - 1; i >= 0; i-- {
		if r.effects[i].Place == place {
			return r.effects[i]
		}
	}
	return nil
}

// past is what a resumed run reads from the journal.
func (r *recorder) past() *door.Past {
	r.mu.Lock()
	defer r.mu.Unlock()
	var effects []*journal.Effect
	for _, e := range r.effects {
		if e.Status != journal.Dropped {
			row := *e
			row.Args = nil
			effects = append(effects, &row)
		}
	}
	return door.NewPast(effects)
}

// stage is a run on a journal in memory.
type stage struct {
	*world
	rec    *recorder
	box    *seal.Box
	limits sandbox.Limits
	person door.Person
	cut    context.Context

	// of the last execution
	door   *door.Door
	trace  *plan.Trace
	events []event.Event
}

func newStage() *stage {
	w := &world{attempts: map[string]int{}}
	return &stage{world: w, rec: &recorder{w: w}, box: seal.NewBox(), cut: context.Background()}
}

func (s *stage) Emit(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// mode is how a script is executed.
type mode int

const (
	live mode = iota
	resume
	replay
	check
)

// run executes a script, which may call parallel and attempt.
func (s *stage) run(t *testing.T, m mode, src string) (starlark.StringDict, error) {
	t.Helper()
	return s.execute(t, m, s.rec, src)
}

// runOn executes a script on another journal.
func (s *stage) runOn(t *testing.T, rec door.Recorder, src string) (starlark.StringDict, error) {
	t.Helper()
	return s.execute(t, live, rec, src)
}

// brokenRecorder writes nothing.
type brokenRecorder struct {
	*recorder
	err error
}

func (b *brokenRecorder) Intend(*journal.Effect) error { return b.err }
func (b *brokenRecorder) Record(*journal.Effect) error { return b.err }
func (b *brokenRecorder) Finish(*journal.Effect) error { return b.err }

func (s *stage) execute(t *testing.T, m mode, rec door.Recorder, src string) (starlark.StringDict, error) {
	t.Helper()
	s.log, s.events, s.trace = nil, nil, nil
	run := &effect.Run{ID: "12345678-run", Check: m == check, Replay: m == replay, Secrets: value.NewSecrets(s.box.Key)}
	run.Live.Put("world", s.world)
	ctx, halt := context.WithCancelCause(context.Background())
	t.Cleanup(func() { halt(nil) })
	d := &door.Door{
		Run: run, Codec: &codec.Codec{Secrets: run.Secrets}, Box: s.box, Events: s, Replay: m == replay,
		Budget: sandbox.NewBudget(s.limits, func(err error) { halt(err) }), Person: s.person, Cut: s.cut,
	}
	if m == check {
		s.trace = plan.NewTrace()
		d.Trace = s.trace
	} else {
		d.Record = rec
	}
	s.door = door.New(d)
	if m == resume || m == replay {
		s.door.SetPast(s.rec.past())
	}
	context.AfterFunc(s.cut, func() { halt(context.Cause(s.cut)) })

	globals := starlark.StringDict{"parallel": starlark.NewBuiltin("parallel", parallel), "attempt": starlark.NewBuiltin("attempt", attempt)}
	effects.Bind(run, globals)
	secret, _ := run.Secrets.Add("pw", "hidden value")
	globals["secret"] = secret
	tree := &branch.Tree{Budget: s.door.Budget, Host: s.door, Events: s, RunID: run.ID, Check: m == check, Replay: m == replay, Explain: new(script.Loader).Explain}
	tree.NewThread = func(b *branch.Branch) *starlark.Thread {
		thread := &starlark.Thread{Name: b.Path}
		module.SetHost(thread, s.door)
		return thread
	}
	root := branch.NewRoot(ctx, "0", tree)
	thread := tree.NewThread(root)
	detach := root.Attach(thread)
	defer detach()
	var out starlark.StringDict
	_, err := root.InScope(thread, nil, func() (starlark.Value, error) {
		var err error
		out, err = starlark.ExecFileOptions(&syntax.FileOptions{TopLevelControl: true, GlobalReassign: true}, thread, "x.star", src, globals)
		return starlark.None, err
	})
	return out, err
}

func parallel(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	list := args[1].(*starlark.List)
	items := make([]starlark.Value, list.Len())
	for i := range items {
		items[i] = list.Index(i)
	}
	outcomes, err := branch.Of(thread).Parallel(thread, args[0].(starlark.Callable), items, 0, false)
	if err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		items[i] = o.Value
	}
	return starlark.NewList(items), nil
}

func attempt(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	v, err := branch.Of(thread).InScope(thread, branch.Always, func() (starlark.Value, error) { return starlark.Call(thread, args[0], args[1:], nil) })
	if err != nil && branch.Catchable(err) {
		return starlark.String("caught: " + err.Error()), nil
	}
	return v, err
}

// answers is a person who always gives the same answer.
type answers string

func (a answers) Ask(context.Context, journal.Question) (string, string, bool) {
	return string(a), "", a != ""
}

// soon is how long tests let a retry wait, in seconds.
const soon = float64(time.Nanosecond) / float64(time.Second)
