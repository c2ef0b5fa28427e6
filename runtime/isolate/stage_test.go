package isolate

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// The test binary is also the interpreter of the tests, and, called with "fake",
// what pretends to be one.
func TestMain(m *testing.M) {
	if IsChild(os.Args) {
		_ = Child([]*module.Module{effects}, nil)
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "fake" {
		f, ok := fakes[os.Args[2]]
		if !ok {
			f = fakesInTurns[os.Args[2]]
		}
		f.play()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// effects are what the scripts of the tests can do.
var effects = module.New("w", "")

var _ = effects.Write("def act(name, wait = False): pass", &act{}, effect.Blind)

var _ = effects.Control("def branches(fn, items, limit = 0, go_on = False): pass", &branches{})

type branches struct {
	Fn    starlark.Callable `star:"fn"`
	Items starlark.Iterable `star:"items"`
	Limit int               `star:"limit"`
	GoOn  bool              `star:"go_on"`
}

// Control returns which of the branches have not failed.
func (a *branches) Control(thread *starlark.Thread) (any, error) {
	outcomes, err := branch.Of(thread).Parallel(thread, a.Fn, slices.Collect(starlark.Elements(a.Items)), a.Limit, a.GoOn)
	var ok []starlark.Value
	for _, o := range outcomes {
		ok = append(ok, starlark.Bool(o.Err == nil))
	}
	return starlark.NewList(ok), err
}

type act struct {
	Name string `star:"name"`
	Wait bool   `star:"wait"`
}

// world is what the effects of a test act on.
type world struct {
	mu   sync.Mutex
	done []string
	hold chan struct{} // an effect that waits does so until this is closed
	held chan struct{} // it has begun
}

func (w *world) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.done...)
}

func (a *act) Perform(_ context.Context, env *effect.Env) (any, error) {
	w := env.Run.Live.Get("world").(*world)
	if a.Wait {
		close(w.held)
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, a.Name)
	return a.Name, nil
}

// stage is a run with an isolated interpreter.
type stage struct {
	*Engine
	world   *world
	journal *journal.Journal
	run     *journal.Run
	stopped error
	stop    context.CancelCauseFunc
}

var testLimits = sandbox.Limits{Memory: 256 << 20, CPU: 20 * time.Second, Branches: 100, Depth: 50, Output: 1 << 20, Effects: 100}

// newStage makes a run of a script. program is what is started in place of this
// one; "" is an honest interpreter.
func newStage(t *testing.T, program, source string) *stage {
	t.Helper()
	s := &stage{world: &world{hold: make(chan struct{}), held: make(chan struct{})}}
	dir, state := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.star"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.journal, err = journal.Open(state, journal.OpenOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.journal.Close() })
	box := seal.NewBox()
	if s.run, err = s.journal.Create(journal.Run{ID: "00000000-0000-4000-8000-000000000001", Script: "//x.star", Params: []byte{'n'}, Key: "k"}); err != nil {
		t.Fatal(err)
	}
	run := &effect.Run{ID: s.run.ID, Secrets: value.NewSecrets(box.Key)}
	run.Live.Put("world", s.world)
	ctx, cancel := context.WithCancelCause(context.Background())
	t.Cleanup(func() { cancel(nil) })
	s.stop = cancel
	budget := sandbox.NewBudget(testLimits, func(err error) { cancel(err) })
	d := door.New(&door.Door{
		Run: run, Box: box, Events: event.Discard, Budget: budget, Codec: &codec.Codec{Secrets: run.Secrets}, Record: s.run, Cut: context.Background(),
	})
	s.Engine = New(Config{
		Acting: Acting{Door: d, Budget: budget, Limits: testLimits, Stop: ctx, Tree: &branch.Tree{Budget: budget, Host: d, Events: event.Discard}},
		Loader: &script.Loader{Workspace: dir}, Modules: []*module.Module{effects}, Events: event.Discard,
		Key: box.Key, Root: dir, Halt: func(err error) { s.stopped = err; cancel(err) }, Held: func([]branch.Line) {}, Program: program,
	})
	t.Cleanup(s.Close)
	return s
}

func (s *stage) execute() (starlark.Value, error) {
	if _, err := s.Ready("//x.star", interpreter.Inputs{}); err != nil {
		return nil, err
	}
	return s.Run()
}

// places are the effects that the journal has, with how they stand.
func (s *stage) places(t *testing.T) string {
	t.Helper()
	if err := s.run.SetState(journal.Failed, nil); err != nil { // it is on disk, with all that came before
		t.Fatal(err)
	}
	effects, err := s.run.Effects()
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, e := range effects {
		text += fmt.Sprintf("%s %s %s\n", e.Place, e.Kind, e.Status)
	}
	return text
}
