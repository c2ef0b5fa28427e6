package branch

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Outcome is what became of one branch.
type Outcome struct {
	Value starlark.Value
	Err   error // a fault, with the positions in the script
}

// ErrSibling is the cause for which branches stop when another one has failed.
var ErrSibling = fault.New(fault.Cancelled, "another branch failed")

// Parallel calls fn for every item in a branch of its own, at most limit at a
// time (0: all at once), and returns when all have ended. Unless keepGoing is
// set, the first failure cancels the others.
//
// Starlark functions close over mutable values, and the globals of a module are
// not frozen while its top level is running; so everything that the branches
// can reach is frozen first.
func (b *Branch) Parallel(thread *starlark.Thread, fn starlark.Callable, items []starlark.Value, limit int, keepGoing bool) ([]Outcome, error) {
	if err := b.Tree.Budget.Branches(len(items), b.depth+1); err != nil {
		return nil, err
	}
	freezeReachable(thread, fn, items)
	if b.Tree.Freeze != nil {
		b.Tree.Freeze()
	}

	ctx, cancel := context.WithCancelCause(b.ctx)
	defer cancel(nil)
	outcomes := make([]Outcome, len(items))
	children := make([]*Branch, len(items))
	for i := range items {
		children[i] = b.child(ctx) // paths are given out before anything runs
	}
	if limit <= 0 || limit > len(items) {
		limit = len(items)
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range limit {
		workers.Go(func() {
			for i := range next {
				outcomes[i] = children[i].run(fn, items[i], keepGoing)
				if err := outcomes[i].Err; err != nil && !keepGoing && !errors.Is(err, ErrSuspended) && !b.Tree.Replay {
					cancel(ErrSibling)
				}
			}
		})
	}
	for i := range items {
		next <- i
	}
	close(next)
	workers.Wait()
	for _, c := range children {
		b.Planned += c.Planned
	}
	return outcomes, nil
}

// run executes one branch from beginning to end.
func (b *Branch) run(fn starlark.Callable, item starlark.Value, catches bool) Outcome {
	defer b.cancel(nil)
	if b.ctx.Err() != nil {
		return Outcome{Err: context.Cause(b.ctx)}
	}
	began := time.Now()
	b.Tree.Events.Emit(event.Event{Type: event.BranchStarted, Time: began, Run: b.Tree.RunID, Place: b.Path, Text: label(item)})
	thread := b.Tree.NewThread(b)
	detach := b.Attach(thread)
	defer detach()

	v, err := b.InScope(thread, catches, func() (starlark.Value, error) {
		return starlark.Call(thread, fn, starlark.Tuple{item}, nil)
	})
	if serr := b.Tree.Budget.Settle(thread); err == nil && serr != nil {
		v, err = nil, serr
	}
	end := event.Event{Type: event.BranchEnded, Time: time.Now(), Run: b.Tree.RunID, Place: b.Path, Status: "done", Duration: time.Since(began)}
	var undecided *value.Undecided
	if b.Tree.Check && errors.As(err, &undecided) {
		b.Tree.Host.Ended(b, b.Tree.Explain(err))
		return Outcome{Value: value.NewUnknown("the result of branch %s", b.Path)}
	}
	if err != nil {
		err = b.stopped(b.Tree.Explain(err))
		end.Status, end.Error = "failed", err.Error()
	}
	b.Tree.Events.Emit(end)
	return Outcome{v, err}
}

// stopped prefers the reason why the branch was told to stop to what the
// interpreter, which knows only that it was cancelled, makes of it.
func (b *Branch) stopped(err error) error {
	if b.ctx.Err() != nil && fault.Is(err, fault.Script) {
		return context.Cause(b.ctx)
	}
	return err
}

// label is how a branch is called in what people see.
func label(item starlark.Value) string {
	switch item := item.(type) {
	case starlark.String:
		return string(item)
	case starlark.Int, starlark.Bool, starlark.Float:
		return item.String()
	case starlark.Tuple:
		if item.Len() > 0 {
			return label(item[0])
		}
	case *starlark.Dict:
		if name, ok, _ := item.Get(starlark.String("name")); ok {
			return label(name)
		}
	case starlark.HasAttrs:
		if name, err := item.Attr("name"); err == nil && name != nil {
			return label(name)
		}
	}
	return ""
}

func freezeReachable(thread *starlark.Thread, fn starlark.Callable, items []starlark.Value) {
	fn.Freeze()
	for _, item := range items {
		item.Freeze()
	}
	freezeGlobals(fn)
	for depth := range thread.CallStackDepth() {
		freezeGlobals(thread.DebugFrame(depth).Callable())
	}
}

func freezeGlobals(fn starlark.Callable) {
	if f, ok := fn.(*starlark.Function); ok {
		f.Globals().Freeze()
	}
}
