package temporal

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	goruntime "runtime"
	"runtime/debug"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/clock"
)

// lines lets branches take turns as coroutines of a workflow.
type lines struct{}

var _ branch.Coroutines = lines{}

// Each runs one coroutine for each line that is allowed at a time.
func (lines) Each(from any, n, limit int, run func(i int, line any)) {
	ctx := from.(workflow.Context)
	group := workflow.NewWaitGroup(ctx)
	next := 0
	for range limit {
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			for next < n { // coroutines take turns: nobody is between the test and the step
				i := next
				next++
				run(i, ctx)
			}
		})
	}
	group.Wait(ctx)
}

// Go runs a coroutine.
func (lines) Go(from any, do func(line any)) {
	workflow.Go(from.(workflow.Context), func(ctx workflow.Context) { do(ctx) })
}

// Await blocks the coroutine of line.
func (lines) Await(line any, met func() bool) error { return await(line.(workflow.Context), met) }

// await blocks a coroutine until a condition is met, as [workflow.Await] does. That looks
// through its stack for a panic whenever anything happens to the workflow: so it waits
// where there is not the stack of a script, which would take it several times as long. So
// it does not see a panic of the script either: what is deferred must not wait.
func await(ctx workflow.Context, met func() bool) (err error) {
	var panicked any
	returned, ended := false, make(chan struct{})
	go func() { // in place of the coroutine, which waits for it: nothing runs side by side
		defer close(ended)
		defer func() {
			if panicked = recover(); panicked != nil {
				panicked = fmt.Errorf("%v\n%s", panicked, debug.Stack())
			}
		}()
		err = workflow.Await(ctx, met)
		returned = true
	}()
	<-ended
	switch {
	case panicked != nil:
		panic(panicked)
	case !returned: // the worker has no room for the workflow any more, and ends its coroutines
		goruntime.Goexit()
	}
	return err
}

// coroutine is that of the branch that ctx belongs to.
func coroutine(ctx context.Context) workflow.Context { return branch.LineOf(ctx).(workflow.Context) }

// timers is the clock of a workflow: it waits by timers of the server.
type timers struct {
	root   workflow.Context
	random *rand.Rand
}

var _ clock.Clock = (*timers)(nil)

// newTimers makes the clock of a run. What it draws by chance is the same whenever the
// workflow is repeated.
func newTimers(ctx workflow.Context, run string) *timers {
	seed := fnv.New64a()
	_, _ = seed.Write([]byte(run)) // never fails
	return &timers{ctx, rand.New(rand.NewPCG(seed.Sum64(), 0))}
}

func (t *timers) Now() time.Time { return workflow.Now(t.root) }

// deadline ends waits within a context.
type deadline struct {
	at    time.Time
	cause error
}

type deadlineKey struct{}

func (t *timers) Timeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return context.WithValue(ctx, deadlineKey{}, deadline{t.Now().Add(d), cause}), func() {}
}

func (t *timers) Wait(ctx context.Context, d time.Duration) error {
	var late error
	if end, ok := ctx.Value(deadlineKey{}).(deadline); ok {
		if left := end.at.Sub(t.Now()); left < d {
			d, late = left, end.cause
		}
	}
	if d <= 0 {
		return late
	}
	line := coroutine(ctx)
	timed, cancel := workflow.WithCancel(line)
	defer cancel()
	timer := workflow.NewTimer(timed, d)
	if err := await(line, func() bool { return timer.IsReady() || ctx.Err() != nil }); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return late
}

func (t *timers) Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	return time.Duration(t.random.Int64N(int64(d)))
}

func (t *timers) Split(int) func() { return func() {} }
func (t *timers) Idle(f func())    { f() }
func (t *timers) World(f func())   { f() }
