package sandbox_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

func TestSetLimit(t *testing.T) {
	tests := []struct {
		name, text string
		get        func(sandbox.Limits) int64
		want       int64
	}{
		{"steps", "100", func(l sandbox.Limits) int64 { return l.Steps }, 100},
		{"steps", "1.5k", func(l sandbox.Limits) int64 { return l.Steps }, 1500},
		{"memory", "500M", func(l sandbox.Limits) int64 { return l.Memory }, 500_000_000},
		{"memory", "2Gi", func(l sandbox.Limits) int64 { return l.Memory }, 2 << 30},
		{"output", "4Ki", func(l sandbox.Limits) int64 { return l.Output }, 4096},
		{"branches", "none", func(l sandbox.Limits) int64 { return l.Branches }, 0},
		{"effects", "0", func(l sandbox.Limits) int64 { return l.Effects }, 0},
		{"wall", "2d", func(l sandbox.Limits) int64 { return int64(l.Wall) }, int64(48 * time.Hour)},
		{"wall", "none", func(l sandbox.Limits) int64 { return int64(l.Wall) }, 0},
		{"depth", "1e2", func(l sandbox.Limits) int64 { return l.Depth }, 100},
	}
	for _, test := range tests {
		l := sandbox.DefaultLimits
		if err := l.Set(test.name, test.text); err != nil || test.get(l) != test.want {
			t.Errorf("%s=%s is %d, %v; want %d", test.name, test.text, test.get(l), err, test.want)
		}
	}
	for _, bad := range [][2]string{{"steps", ""}, {"steps", "-1"}, {"steps", "0.5"}, {"steps", "NaN"}, {"steps", "Inf"}, {"steps", "1e30"},
		{"steps", "many"}, {"memory", "5T"}, {"wall", "5"}, {"wall", "-5s"}, {"wall", "0s"}} {
		l := sandbox.DefaultLimits
		if err := l.Set(bad[0], bad[1]); !fault.Is(err, fault.Usage) || l != sandbox.DefaultLimits {
			t.Errorf("%s=%s gives %+v, %v", bad[0], bad[1], l, err)
		}
	}
	var l sandbox.Limits
	if err := l.Set("stesp", "1"); err == nil || !strings.Contains(err.Error(), `did you mean "steps"`) {
		t.Errorf("got %v", err)
	}
}

// reached is a budget with what it was stopped by.
type reached struct {
	*sandbox.Budget
	mu  sync.Mutex
	err error
}

func newBudget(l sandbox.Limits) *reached {
	r := &reached{}
	r.Budget = sandbox.NewBudget(l, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err = err
	})
	return r
}

func (r *reached) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// run executes a script on a thread that is watched.
func (r *reached) run(src string) error {
	thread := new(starlark.Thread)
	r.Watch(thread)
	_, err := starlark.ExecFileOptions(&syntax.FileOptions{TopLevelControl: true, GlobalReassign: true}, thread, "x.star", src, nil)
	if serr := r.Settle(thread); err == nil {
		err = serr
	}
	return err
}

func TestEveryLimitIsReached(t *testing.T) {
	tests := []struct {
		name, want string
		limits     sandbox.Limits
		use        func(*reached) error
	}{
		{"effects", "effects: 2", sandbox.Limits{Effects: 2}, func(r *reached) error { return again(3, r.Effect) }},
		{"branches", "branches: 10", sandbox.Limits{Branches: 10}, func(r *reached) error { return again(3, func() error { return r.Branches(4, 1) }) }},
		{"depth of branches", "depth: 3", sandbox.Limits{Depth: 3}, func(r *reached) error { return r.Branches(1, 4) }},
		{"output", "output: 100", sandbox.Limits{Output: 100}, func(r *reached) error { return again(3, func() error { return r.Output(40) }) }},
		{"steps", "steps: 50000", sandbox.Limits{Steps: 50_000}, func(r *reached) error { return r.run("for i in range(1000000): pass") }},
		{"few steps", "steps: 100", sandbox.Limits{Steps: 100}, func(r *reached) error { return r.run("for i in range(1000): pass") }},
		{"depth of calls", "depth: 20", sandbox.Limits{Depth: 20}, func(r *reached) error { return r.run(chain(30)) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newBudget(test.limits)
			err := test.use(r)
			if err == nil || !strings.Contains(err.Error(), "the run reached its limit of "+test.want) {
				t.Errorf("got %v, want the limit of %s", err, test.want)
			}
			if why := r.why(); !fault.Is(why, fault.Limit) || !strings.Contains(fault.As(why).Hint, "--limit") {
				t.Errorf("the run is stopped by %v", why)
			}
		})
	}
}

// again calls f until it fails, n times at most.
func again(n int, f func() error) error {
	for range n - 1 {
		if err := f(); err != nil {
			return fmt.Errorf("too early: %v", err)
		}
	}
	return f()
}

// chain is a script of n functions, each calling the next, and a loop in the last.
func chain(n int) string {
	src := "def f0():\n    for i in range(100000): pass\n"
	for i := 1; i < n; i++ {
		src += fmt.Sprintf("def f%d(): f%d()\n", i, i-1)
	}
	return src + fmt.Sprintf("f%d()\n", n-1)
}

func TestWithoutLimitsNothingIsReached(t *testing.T) {
	r := newBudget(sandbox.Limits{})
	err := again(100, func() error {
		for _, err := range []error{r.Effect(), r.Branches(1000, 1000), r.Output(1 << 30)} {
			if err != nil {
				return err
			}
		}
		return r.run("for i in range(1000): pass")
	})
	if err != nil || r.why() != nil {
		t.Errorf("got %v, %v", err, r.why())
	}
}

// Steps count over all branches, also where none makes many.
func TestStepsOverBranches(t *testing.T) {
	r := newBudget(sandbox.Limits{Steps: 200_000})
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() { _ = r.run("for i in range(1000): pass") }) // the budget says whether the limit was reached
	}
	wait.Wait()
	if !fault.Is(r.why(), fault.Limit) {
		t.Errorf("a hundred short branches were not stopped: %v", r.why())
	}
	within := newBudget(sandbox.Limits{Steps: 200_000})
	for range 10 {
		if err := within.run("for i in range(1000): pass"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWall(t *testing.T) {
	stopped := make(chan error, 1)
	b := sandbox.NewBudget(sandbox.Limits{Wall: time.Millisecond}, func(err error) { stopped <- err })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Guard(ctx)
	if err := <-stopped; !fault.Is(err, fault.Limit) || !strings.Contains(err.Error(), "limit of wall: 1ms") {
		t.Errorf("got %v", err)
	}
}

func TestMemoryWatchdogStopsAGrowingList(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	thread := new(starlark.Thread)
	stopped := make(chan error, 1)
	b := sandbox.NewBudget(sandbox.Limits{Memory: 64 << 20}, func(err error) {
		thread.Cancel(err.Error())
		stopped <- err
	})
	b.Watch(thread)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Guard(ctx)
	_, err := starlark.ExecFileOptions(&syntax.FileOptions{TopLevelControl: true}, thread, "x.star", `
def grow():
    x = []
    for i in range(1000000000):
        x.append("x" * 100000 + str(i))
grow()
`, nil)
	if err == nil || !strings.Contains(err.Error(), "limit of memory: 64 MiB") {
		t.Errorf("got %v", err)
	}
	if err := <-stopped; !fault.Is(err, fault.Limit) {
		t.Errorf("stopped by %v", err)
	}
}
