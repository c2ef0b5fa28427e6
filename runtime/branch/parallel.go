package branch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Outcome is what became of one branch.
type Outcome struct {
	Value   starlark.Value
	Err     error // a fault, with the positions in the script
	Planned int   // check mode: how many writes it has planned
	Skipped bool  // it was not begun, as enough others had failed
}

// ErrSibling is the cause for which branches stop when another one has failed.
var ErrSibling = fault.New(fault.Cancelled, "another branch failed")

// Parallel calls fn for every item in a branch of its own, at most limit at a
// time (0: all at once), and returns when all have ended. Unless keepGoing is
// set, the first failure cancels the others, and is the error.
//
// Starlark functions close over mutable values, and the globals of a module are
// not frozen while its top level is running; so everything that the branches
// can reach is frozen first.
func (b *Branch) Parallel(thread *starlark.Thread, fn starlark.Callable, items []starlark.Value, limit int, keepGoing bool) ([]Outcome, error) {
	b.freeze(thread, fn, items)
	return b.parallel(thread, fn, items, &group{limit: limit, keepGoing: keepGoing})
}

// Gathering says how branches are looked at when all of them have ended.
type Gathering struct {
	Limit int // how many run at a time; 0: all
	// MaxFail is how many may fail: when more have, no other branch is begun. A
	// negative number lets all of them begin.
	MaxFail int
	// Judge says whether the caller fails, and with what, for outcomes of which some
	// may be failures. A resumed run then tries again what failed. Where Judge takes
	// them, the script goes on after them.
	Judge func([]Outcome) error
	// Closed says that fn reaches nothing of the script but its items, so that
	// nothing else has to be frozen.
	Closed bool
}

// Gather calls fn for every item in a branch of its own. The failure of one does
// not stop the others.
func (b *Branch) Gather(thread *starlark.Thread, fn starlark.Callable, items []starlark.Value, how Gathering) ([]Outcome, error) {
	if how.Closed {
		fn.Freeze()
		for _, item := range items {
			item.Freeze()
		}
	} else {
		b.freeze(thread, fn, items)
	}
	return b.parallel(thread, fn, items, &group{limit: how.Limit, maxFail: how.MaxFail, judge: how.Judge})
}

func (b *Branch) freeze(thread *starlark.Thread, fn starlark.Callable, items []starlark.Value) {
	freezeReachable(thread, fn, items)
	if b.Tree.Freeze != nil {
		b.Tree.Freeze()
	}
}

// group is how the branches of a fork are run.
type group struct {
	limit     int
	keepGoing bool                  // the script goes on after failures, whatever they are
	maxFail   int                   // with a judge
	judge     func([]Outcome) error // nil: the first failure stops the others, unless keepGoing is set
	failed    atomic.Int32
}

// full reports whether so many branches have failed that no other one is begun.
func (g *group) full() bool {
	return g.judge != nil && g.maxFail >= 0 && int(g.failed.Load()) > g.maxFail
}

func (b *Branch) parallel(thread *starlark.Thread, fn starlark.Callable, items []starlark.Value, g *group) ([]Outcome, error) {
	if b.Waiting != nil { // what was asked for before comes before
		if err := b.Tree.Host.Settle(thread); err != nil {
			return nil, err
		}
	}
	if err := b.Tree.Budget.Branches(len(items), b.depth+1); err != nil {
		return nil, err
	}
	b.Width, b.Keeps = g.limit, g.keepGoing
	fork, err := b.Tree.Host.Fork(thread, fn.Name(), len(items))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(b.ctx)
	defer cancel(nil)
	children := b.made(ctx, thread, fork, len(items))
	if b.Tree.Compares || b.Tree.Ordered {
		g.limit = 1
	}
	acts := !b.Tree.Replay && !b.Tree.Compares && !b.Tree.Check
	outcomes := b.each(children, g.limit, func(i int) Outcome {
		if acts && g.full() && !children[i].Settled {
			return Outcome{Skipped: true}
		}
		out := children[i].run(fn, items[i], g.keepGoing)
		if out.Err != nil && !errors.Is(out.Err, ErrSuspended) {
			g.failed.Add(1)
			if acts && !g.keepGoing && g.judge == nil && !children[i].Settled {
				cancel(ErrSibling)
			}
		}
		return out
	})
	for i, c := range children {
		outcomes[i].Planned = c.Planned
		b.Planned += c.Planned
		b.inherit(c)
	}
	if b.Tree.Check {
		fork.Results = results(outcomes)
	}
	if err := b.Tree.Host.Join(fork, b.verdict(outcomes, g)); err != nil {
		return nil, err
	}
	return outcomes, nil
}

// verdict is the error of the caller of the branches.
func (b *Branch) verdict(outcomes []Outcome, g *group) error {
	first := b.firstError(outcomes, g.keepGoing)
	if g.judge == nil || first != nil && !b.catchable(first) {
		return first
	}
	if err := g.judge(outcomes); err != nil || first == nil {
		return err
	}
	for _, o := range outcomes {
		if o.Err != nil && b.catchable(o.Err) {
			b.Tree.Host.Handled(o.Err)
		}
	}
	return b.firstError(outcomes, true)
}

// made makes the branches of a fork: paths are given out before anything runs.
func (b *Branch) made(ctx context.Context, thread *starlark.Thread, fork Fork, n int) []*Branch {
	held, at := Modules(thread), Position(thread)
	children := make([]*Branch, n)
	for i := range children {
		c := b.child(ctx)
		c.stop, c.Held, c.calledAt = b.stop, held, at
		c.become(b, fork)
		children[i] = c
	}
	return children
}

// results tells what branches returned. Unknowns count by what they are.
func results(outcomes []Outcome) []string {
	texts := make([]string, len(outcomes))
	for i, o := range outcomes {
		switch {
		case o.Skipped:
			texts[i] = "skipped"
		case o.Err != nil:
			texts[i] = "failed: " + o.Err.Error()
		case o.Value != nil:
			texts[i] = value.UnknownOf(starlark.Tuple{o.Value}, nil, "").Key()
		}
	}
	return texts
}

// each runs the branches, at most limit at a time.
func (b *Branch) each(children []*Branch, limit int, run func(i int) Outcome) []Outcome {
	outcomes := make([]Outcome, len(children))
	if limit <= 0 || limit > len(children) {
		limit = len(children)
	}
	if limit == 0 {
		return outcomes
	}
	if b.Tree.Lines != nil {
		b.Tree.Lines.Each(LineOf(b.ctx), len(children), limit, func(i int, line any) {
			children[i].ctx = OnLine(children[i].ctx, line)
			outcomes[i] = run(i)
		})
		return outcomes
	}
	end := func() {}
	if b.Tree.Clock != nil {
		end = b.Tree.Clock.Split(limit)
	}
	next := make(chan int)
	var workers sync.WaitGroup
	for range limit {
		workers.Go(func() {
			defer end()
			for i := range next {
				outcomes[i] = run(i)
			}
		})
	}
	for i := range children {
		next <- i
	}
	close(next)
	workers.Wait()
	return outcomes
}

// inherit takes over what a branch has deferred and not come to: a scope of the
// caller that goes on after the failure calls it.
func (b *Branch) inherit(c *Branch) {
	if n := len(b.scopes); n > 0 && len(c.left) > 0 {
		s := b.scopes[n-1]
		s.deferred = append(s.deferred, c.left...)
	}
}

// firstError chooses the error that stops the caller: an effect in doubt, which
// must not be lost sight of, before a failure, that before a branch that waits
// for something else, and that before a branch that was only told to stop.
func (b *Branch) firstError(outcomes []Outcome, keepGoing bool) error {
	for _, o := range outcomes {
		if e := fault.As(o.Err); e != nil && e.InDoubt && errors.Is(o.Err, ErrSuspended) {
			return o.Err
		}
	}
	var suspended, cancelled error
	for _, o := range outcomes {
		switch {
		case o.Err == nil:
		case errors.Is(o.Err, ErrSuspended):
			if suspended == nil {
				suspended = o.Err
			}
		case fault.Is(o.Err, fault.Cancelled):
			if cancelled == nil {
				cancelled = o.Err
			}
		case !keepGoing || !b.catchable(o.Err):
			return o.Err
		}
	}
	if suspended != nil {
		return suspended
	}
	return cancelled
}

// run executes one branch from beginning to end.
func (b *Branch) run(fn starlark.Callable, item starlark.Value, keepGoing bool) Outcome {
	defer b.cancel(nil)
	began := time.Now()
	b.Tree.Events.Emit(event.Event{Type: event.BranchStarted, Time: began, Run: b.Tree.RunID, Place: b.Path, Text: Label(item)})
	thread := b.Tree.NewThread(b)
	detach := b.Attach(thread)
	defer detach()

	var catches Catcher
	if keepGoing {
		catches = Always
	}
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
		end.Status = "unknown"
		b.Tree.Events.Emit(end)
		return Outcome{Value: b.Unknown("the result of branch %s", b.Path)}
	}
	if err != nil {
		err = b.stopped(b.Tree.Explain(err))
		if b.Tree.Compares && !b.Settled && !errors.Is(err, ErrSuspended) {
			b.Tree.Host.Ended(b, err)
		}
		end.Status, end.Error = "failed", err.Error()
	}
	b.Tree.Events.Emit(end)
	return Outcome{Value: v, Err: err}
}

// stopped prefers the reason why the branch was told to stop to what the
// interpreter, which knows only that it was cancelled, makes of it.
func (b *Branch) stopped(err error) error {
	if b.ctx.Err() != nil && fault.Is(err, fault.Script) {
		return context.Cause(b.ctx)
	}
	return err
}

// Label is how a branch is called in what people see; "" for an item that has no
// name.
func Label(item starlark.Value) string {
	switch item := item.(type) {
	case starlark.String:
		return string(item)
	case *value.Unknown: // has every attribute
		return item.Text
	case starlark.Int, starlark.Bool, starlark.Float:
		return item.String()
	case starlark.Tuple:
		if item.Len() > 0 {
			return Label(item[0])
		}
	case *starlark.Dict:
		if name, ok, _ := item.Get(starlark.String("name")); ok {
			return Label(name)
		}
	case starlark.HasAttrs:
		if name, err := item.Attr("name"); err == nil && name != nil {
			return Label(name)
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
