package branch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sort"
	"strings"
	"sync"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// stage is a run without a door: its effects only note their places.
type stage struct {
	tree   *branch.Tree
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	done    []string // "place name" of every effect
	handled []string
	running int
	most    int // branches at the same time
}

func newStage(t *testing.T, limits sandbox.Limits) *stage {
	s := &stage{}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	t.Cleanup(func() { s.cancel(nil) })
	s.tree = &branch.Tree{
		Budget: sandbox.NewBudget(limits, func(err error) { s.cancel(err) }), Host: s, Events: s, RunID: "r", Explain: new(script.Loader).Explain,
		NewThread: func(b *branch.Branch) *starlark.Thread { return &starlark.Thread{Name: b.Path} },
	}
	return s
}

func (s *stage) Effect(*starlark.Thread, *effect.Call) (starlark.Value, error) {
	return starlark.None, nil
}
func (s *stage) Fork(*starlark.Thread, string, int) (branch.Fork, error) { return branch.Fork{}, nil }
func (s *stage) Join(_ branch.Fork, err error) error                     { return err }
func (s *stage) OnRollback(string, func(*starlark.Thread) error)         {}
func (s *stage) Progress(*branch.Branch, int64, int64, string)           {}
func (s *stage) Ended(*branch.Branch, error)                             {}

func (s *stage) Settle(*starlark.Thread) error { return nil }

func (s *stage) Handled(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handled = append(s.handled, err.Error())
}

func (s *stage) Log(_ *branch.Branch, level, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, level+" "+text)
	return nil
}

func (s *stage) Emit(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Type {
	case event.BranchStarted:
		s.running++
		s.most = max(s.most, s.running)
	case event.BranchEnded:
		s.running--
	}
}

func builtin(name string, f func(thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error)) starlark.Value {
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return f(thread, args)
	})
}

// globals are the functions of the scripts below.
func (s *stage) globals() starlark.StringDict {
	return starlark.StringDict{
		"act": builtin("act", func(thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
			b := branch.Of(thread)
			if b.Context().Err() != nil {
				return nil, context.Cause(b.Context())
			}
			for range rand.IntN(3) {
				runtime.Gosched()
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.done = append(s.done, b.NextPlace()+" "+args[0].String())
			return args[0], nil
		}),
		"wait": builtin("wait", func(thread *starlark.Thread, _ starlark.Tuple) (starlark.Value, error) {
			ctx := branch.Of(thread).Context()
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}),
		"interrupt": builtin("interrupt", func(*starlark.Thread, starlark.Tuple) (starlark.Value, error) {
			s.cancel(fault.New(fault.Cancelled, "interrupted"))
			return starlark.None, nil
		}),
		"stop": builtin("stop", func(thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
			kind, _ := starlark.AsString(args[0])
			if kind == "suspend" {
				return nil, &fault.Error{Kind: fault.Waiting, Msg: "suspended", Cause: branch.ErrSuspended}
			}
			return nil, fault.New(fault.Kind(kind), "stopped by %s", kind)
		}),
		"defer": builtin("defer", func(thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
			branch.Of(thread).Defer(thread, func(thread *starlark.Thread) error {
				_, err := starlark.Call(thread, args[0], args[1:], nil)
				return err
			})
			return starlark.None, nil
		}),
		"attempt": builtin("attempt", func(thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
			v, err := branch.Of(thread).InScope(thread, branch.Always, func() (starlark.Value, error) { return starlark.Call(thread, args[0], args[1:], nil) })
			if err != nil && branch.Catchable(err) {
				return starlark.String("caught " + err.Error()), nil
			}
			return v, err
		}),
		"parallel": builtin("parallel", func(thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
			limit, _ := starlark.AsInt32(args[2])
			return parallel(thread, args[0].(starlark.Callable), args[1].(*starlark.List), limit, bool(args[3].Truth()))
		}),
	}
}

func parallel(thread *starlark.Thread, fn starlark.Callable, list *starlark.List, limit int, keepGoing bool) (starlark.Value, error) {
	items := make([]starlark.Value, list.Len())
	for i := range items {
		items[i] = list.Index(i)
	}
	outcomes, err := branch.Of(thread).Parallel(thread, fn, items, limit, keepGoing)
	if err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		if items[i] = o.Value; o.Err != nil {
			items[i] = starlark.String(o.Err.Error())
		}
	}
	return starlark.NewList(items), nil
}

func (s *stage) run(src string) (starlark.StringDict, error) {
	root := branch.NewRoot(s.ctx, "0", s.tree)
	thread := s.tree.NewThread(root)
	detach := root.Attach(thread)
	defer detach()
	var globals starlark.StringDict
	_, err := root.InScope(thread, nil, func() (starlark.Value, error) {
		var err error
		globals, err = starlark.ExecFileOptions(&syntax.FileOptions{TopLevelControl: true, GlobalReassign: true}, thread, "x.star", src, s.globals())
		return starlark.None, err
	})
	return globals, err
}

func TestResultsComeInOrder(t *testing.T) {
	for _, limit := range []int{0, 1, 3, 100} {
		s := newStage(t, sandbox.Limits{})
		globals, err := s.run(fmt.Sprintf("got = parallel(lambda i: act(i * i), [i for i in range(20)], %d, False)", limit))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := globals["got"].String(), "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225, 256, 289, 324, 361]"; got != want {
			t.Errorf("limit %d: got %s", limit, got)
		}
		if limit > 0 && s.most > limit {
			t.Errorf("limit %d: %d branches at the same time", limit, s.most)
		}
	}
	if globals, err := newStage(t, sandbox.Limits{}).run("got = parallel(act, [], 0, False)"); err != nil || globals["got"].String() != "[]" {
		t.Errorf("no branches: %v, %v", globals, err)
	}
}

const nested = `
def inner(x):
    act("inner %d" % x)
    return act("again")

def outer(x):
    act("outer")
    parallel(inner, [x, x + 1], 0, False)
    parallel(inner, [x], 0, False)
    return act("end")

act("first")
parallel(outer, [1, 2, 3], 2, False)
parallel(outer, [4], 0, False)
act("last")
`

func TestPlacesDoNotDependOnTiming(t *testing.T) {
	var want string
	for i := range 20 {
		s := newStage(t, sandbox.Limits{})
		if _, err := s.run(nested); err != nil {
			t.Fatal(err)
		}
		sort.Strings(s.done)
		got := strings.Join(s.done, "\n")
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("run %d: got\n%s\nwant\n%s", i, got, want)
		}
	}
	for _, place := range []string{`0#1 "first"`, `0.0#1 "outer"`, `0.2.1#1 "inner 4"`, `0.2.2#1 "inner 3"`, `0.3#2 "end"`, `0#2 "last"`} {
		if !strings.Contains(want, place) {
			t.Errorf("%s is missing in\n%s", place, want)
		}
	}
}

func TestManyBranches(t *testing.T) {
	s := newStage(t, sandbox.Limits{})
	globals, err := s.run(`
def main():
    return sum(parallel(lambda i: act(i), [i for i in range(10000)], 0, False))
def sum(xs):
    total = 0
    for x in xs:
        total += x
    return total
got = main()
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := globals["got"].String(); got != "49995000" || len(s.done) != 10000 {
		t.Errorf("got %s from %d effects", got, len(s.done))
	}
}

func TestFailureCancelsSiblings(t *testing.T) {
	const src = `
def branch(x):
    if x == 3:
        stop("not_found")
    wait()
got = parallel(branch, [1, 2, 3, 4, 5], 0, False)
`
	_, err := newStage(t, sandbox.Limits{}).run(src)
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "stopped by not_found") {
		t.Errorf("got %v", err)
	}
	s := newStage(t, sandbox.Limits{})
	globals, err := s.run(strings.NewReplacer("wait()", "act(x)", "False)", "True)").Replace(src))
	if err != nil || globals["got"].String() != `[None, None, "stopped by not_found", None, None]` || len(s.done) != 4 {
		t.Errorf("the others go on: %v, %v, %v", globals, s.done, err)
	}
}

func TestBranchesStopWithTheRun(t *testing.T) {
	s := newStage(t, sandbox.Limits{})
	s.cancel(fault.New(fault.Cancelled, "interrupted"))
	if _, err := s.run(`parallel(lambda i: act(i), [1, 2], 0, True)`); err == nil || len(s.done) != 0 {
		t.Errorf("got %v, %v", s.done, err)
	}
	s = newStage(t, sandbox.Limits{}) // also one that only computes
	if _, err := s.run(`
def branch(x):
    if x == 0:
        interrupt()
    for i in range(1000000000): pass
parallel(branch, [0, 1, 2], 0, True)
`); !fault.Is(err, fault.Cancelled) || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
}

func TestLimits(t *testing.T) {
	tests := []struct {
		name   string
		limits sandbox.Limits
		src    string
		want   string
	}{
		{"branches", sandbox.Limits{Branches: 9}, "parallel(act, [i for i in range(10)], 0, True)", "limit of branches: 9"},
		{"depth", sandbox.Limits{Depth: 1}, "parallel(lambda x: parallel(act, [1], 0, True), [1], 0, True)", "limit of depth: 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, test.limits)
			_, err := s.run(test.src)
			if cause := context.Cause(s.ctx); err == nil || !fault.Is(cause, fault.Limit) || !strings.Contains(cause.Error(), test.want) || len(s.done) > 0 {
				t.Errorf("got %v, the run is stopped by %v, done is %v", err, cause, s.done)
			}
		})
	}
}

func TestWhatBranchesReachIsFrozen(t *testing.T) {
	tests := []struct{ name, src string }{
		{"items", "x = [1]\nparallel(lambda i: i.append(2), [x], 0, False)"},
		{"globals", "x = [1]\ndef f(i):\n    x.append(i)\nparallel(f, [1], 0, False)"},
		{"closures", "def main():\n    x = [1]\n    parallel(lambda i: x.append(i), [1], 0, False)\nmain()"},
		{"globals afterwards", "x = [1]\nparallel(lambda i: i, [1], 0, False)\nx.append(1)"},
		{"defaults", "def f(i, x = []):\n    x.append(i)\nparallel(f, [1], 0, False)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := newStage(t, sandbox.Limits{}).run(test.src); err == nil || !strings.Contains(err.Error(), "frozen") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDefer(t *testing.T) {
	tests := []struct{ name, src, done, want string }{
		{"last one first", `defer(act, "a")
defer(act, "b")
act("c")`, `c b a`, ""},
		{"of an attempt, when it ends", `attempt(lambda: defer(act, "a"))
act("b")`, "a b", ""},
		{"of an attempt that fails", `def f():
    defer(act, "a")
    stop("failed")
attempt(f)
act("b")`, "a b", ""},
		{"of a branch", `def f(x):
    defer(act, "deferred")
    act("begun")
parallel(f, [1], 0, False)
act("after")`, "begun deferred after", ""},
		{"not when the run stops", `defer(act, "a")
stop("failed")`, "", "stopped by failed"},
		{"not when an attempt cannot catch", `def f():
    defer(act, "a")
    stop("limit")
attempt(f)`, "", "stopped by limit"},
		{"not when it is suspended", `def f():
    defer(act, "a")
    stop("suspend")
attempt(f)`, "", "suspended"},
		{"for the one that goes on around it", `def f(x):
    defer(act, "inner")
    stop("failed")
attempt(lambda: parallel(f, [1], 0, False))
act("b")`, "inner b", ""},
		{"a deferred call that fails", `def f():
    defer(act, "a")
    defer(stop, "not_found")
attempt(f)
act("b")`, "a b", ""},
		{"that fails for the run", `defer(act, "a")
defer(stop, "not_found")`, "", "stopped by not_found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStage(t, sandbox.Limits{})
			_, err := s.run(test.src)
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			var done []string
			for _, d := range s.done {
				done = append(done, strings.Trim(d[strings.Index(d, " ")+1:], `"`))
			}
			if got := strings.Join(done, " "); got != test.done {
				t.Errorf("done is %q, want %q", got, test.done)
			}
		})
	}
}

func TestHandledErrorsAreTold(t *testing.T) {
	s := newStage(t, sandbox.Limits{})
	globals, err := s.run(`
def f():
    defer(stop, "exists")
    stop("failed")
got = attempt(f)
`)
	if err != nil || globals["got"].String() != `"caught stopped by failed"` {
		t.Errorf("got %v, %v", globals, err)
	}
	if want := []string{"stopped by failed", "stopped by exists"}; fmt.Sprint(s.handled) != fmt.Sprint(want) {
		t.Errorf("handled are %q, want %q", s.handled, want)
	}
	if len(s.done) != 1 || !strings.HasPrefix(s.done[0], "error a deferred call failed as well: ") {
		t.Errorf("logged is %q", s.done)
	}
}

func TestCatchable(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Failed, fault.NotFound, fault.Script, fault.Timeout, fault.Network} {
		if !branch.Catchable(fault.New(kind, "x")) {
			t.Errorf("%s cannot be caught", kind)
		}
	}
	for _, kind := range []fault.Kind{fault.Cancelled, fault.Limit, fault.Waiting, fault.Mismatch, fault.Internal} {
		if branch.Catchable(fmt.Errorf("x: %w", fault.New(kind, "x"))) {
			t.Errorf("%s can be caught", kind)
		}
	}
	if branch.Catchable(fmt.Errorf("x: %w", branch.ErrSuspended)) || !branch.Catchable(errors.New("x")) {
		t.Error("a suspended run cannot be caught, an error of no kind can")
	}
}

func TestPathOf(t *testing.T) {
	for place, want := range map[string]string{"0#1": "0", "0.3.1#12": "0.3.1", "0": "0"} {
		if got := branch.PathOf(place); got != want {
			t.Errorf("PathOf(%q) = %q", place, got)
		}
	}
}
