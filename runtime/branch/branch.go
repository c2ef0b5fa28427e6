// Package branch is the concurrent lines of execution of a run.
//
// A branch is a goroutine with a Starlark thread of its own. Its path — "0" for
// the main line, "0.3" for the fourth branch that it has made, "0.3.1" within
// that — depends on the script alone and never on timing. What crosses from one
// branch to another is frozen.
package branch

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Branch is one line of execution. Its goroutine alone uses it.
type Branch struct {
	Path    string
	Tree    *Tree
	Attempt int   // of the innermost retry; 1 where there is none
	Pure    *Pure // not nil: effects are refused
	Settled bool  // the journal knows all that the branch did before it was given up: it does nothing more
	Closed  bool  // the journal knows the branch to its end
	Width   int   // how many branches of its last fork run at a time; 0: all
	Keeps   bool  // the failure of one of them does not stop the others
	Planned int   // check mode: how many writes were planned so far, with those of branches

	// Queue is that of the workers which perform the effects of the branch, unless these
	// name another one; "" for any.
	Queue string

	// Held are the modules whose code has made the branch, or has deferred the
	// call that it runs: they are not on the stack, and led to what it does.
	Held []string

	// Expects says that an assertion is to fail: then it is an error like others.
	Expects bool

	// Waiting is what the host holds back of the effects of the branch; nil for
	// nothing. See Host.Settle.
	Waiting any

	ctx      context.Context
	stop     context.Context // that of the root: when the whole run has to stop
	cancel   context.CancelCauseFunc
	ordinal  int
	unknowns int // see Unknown
	children int
	depth    int
	scopes   []*scope
	left     []deferred // deferred calls of scopes that have not ended
	within   *Branch    // nil for a main line
	notes    *notes

	calledAt string // where the script calls a builtin that has no caller on the stack: one that was deferred, or given to parallel
}

// Pure is the evaluation of a top level that has no effects.
type Pure struct {
	Refused atomic.Bool // an effect was refused
	mu      sync.Mutex
	lines   []Line
}

// Line is what a pure evaluation has printed. It is held back, as the evaluation
// may turn out not to be the one that counts.
type Line struct{ Level, Text string }

// Hold keeps a line back.
func (p *Pure) Hold(level, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, Line{level, text})
}

// Lines returns what was held back.
func (p *Pure) Lines() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines
}

// Tree is what all branches of a run share.
type Tree struct {
	Budget *sandbox.Budget
	Host   Host
	Events event.Sink
	RunID  string
	Check  bool
	Replay bool // nothing is done, so a failure need not stop the other branches
	// Compares says that an edited script is followed along a journal: one branch
	// after the other, none stopping the others, with the answers of the journal.
	Compares bool
	// Ordered says that branches follow each other, in the order of their items: so
	// a plan is the same each time.
	Ordered bool
	Clock   clock.Clock // nil: that of the machine
	Lines   Lines       // nil: branches are goroutines
	// Asserts says that an assertion that fails ends the run, whatever the script
	// does about errors: that of a test is what it is for.
	Asserts bool
	// NewThread makes a thread for b whose builtins act for the run.
	NewThread func(b *Branch) *starlark.Thread
	// Explain turns the error of an interpreter thread into a fault with the
	// positions in the script.
	Explain func(error) error
	// Freeze freezes what functions can reach besides the globals of their own
	// modules; nil for nothing.
	Freeze func()
	// Break lets a person look at the script where it has called breakpoint; nil
	// where that goes on at once.
	Break func(thread *starlark.Thread) error
}

// Lines execute branches beside each other where they are not simply goroutines: an
// engine that repeats a run has to let them take turns in the same order each time. So
// with Lines a branch is never stopped in the middle of a computation, which would be a
// matter of timing, but at its next effect.
type Lines interface {
	// Each calls run for all i below n, at most limit at a time, and returns when all
	// have ended. from is the line of the caller; each call gets its own.
	Each(from any, n, limit int, run func(i int, line any))
}

// Coroutines are lines that an engine lets take turns: each goes on until it waits.
type Coroutines interface {
	Lines
	// Go calls do on a line of its own, and does not wait for it. from is any line.
	Go(from any, do func(line any))
	// Await blocks a line until a condition is met, which is asked about whenever
	// something has happened.
	Await(line any, met func() bool) error
}

// lineKey is what a line is found by in the contexts of a branch.
type lineKey struct{}

// OnLine returns a context whose branches are executed on a line of [Lines].
func OnLine(ctx context.Context, line any) context.Context {
	return context.WithValue(ctx, lineKey{}, line)
}

// LineOf returns the line that a context belongs to; nil where there are none.
func LineOf(ctx context.Context) any { return ctx.Value(lineKey{}) }

// Plans reports whether what effects give is made up: trying again, or waiting
// for something, then leads nowhere.
func (t *Tree) Plans() bool { return t.Check && !t.Compares }

// Host is what the builtins that call back into the script need of the run.
type Host interface {
	// Effect performs a call for thread.
	Effect(thread *starlark.Thread, call *effect.Call) (starlark.Value, error)
	// Settle performs the effects of the branch that were held back.
	Settle(thread *starlark.Thread) error
	// Fork notes that thread is about to make n branches, and tells what the
	// journal knows of them.
	Fork(thread *starlark.Thread, fn string, n int) (Fork, error)
	// Join notes how the branches of a fork have ended, and returns the error for
	// the caller.
	Join(f Fork, err error) error
	// Handled says that the script goes on after err, so that a resumed run does
	// not try again what failed.
	Handled(err error)
	// OnRollback registers what a rollback calls for the effect at place.
	OnRollback(place string, fn func(thread *starlark.Thread) error)
	// Log prints a line.
	Log(b *Branch, level, text string) error
	// Progress reports how far the branch is.
	Progress(b *Branch, done, total int64, note string)
	// Ended tells of a branch that check mode could not follow to its end.
	Ended(b *Branch, err error)
}

// Fork is the making of branches.
type Fork struct {
	Place  string
	Closed bool  // the journal knows how it ended
	Err    error // with that failure, after which the script went on
	Record any   // of the host
	// Results are what the branches returned, in check mode: texts that tell
	// different values apart.
	Results []string
}

// NewRoot makes the main line of a run.
func NewRoot(ctx context.Context, path string, tree *Tree) *Branch {
	ctx, cancel := context.WithCancelCause(ctx)
	return &Branch{Path: path, Tree: tree, Attempt: 1, ctx: ctx, cancel: cancel, notes: &notes{}}
}

// Renew returns a branch that goes on where b has stopped: it has the path and
// the scopes of b, and its places come after those of b. That is how the main
// line of a session survives a statement that was interrupted.
func (b *Branch) Renew(ctx context.Context) *Branch {
	next := NewRoot(ctx, b.Path, b.Tree)
	next.ordinal, next.children, next.scopes, next.notes = b.ordinal, b.children, b.scopes, b.notes
	b.cancel(nil)
	return next
}

// Ordinal is the number of the last effect of the branch.
func (b *Branch) Ordinal() int { return b.ordinal }

// Advance notes effects that were counted elsewhere: the branch of that path in
// another process has come to the ordinal.
func (b *Branch) Advance(ordinal int) { b.ordinal = ordinal }

// Reserve takes the numbers of the next n branches within b, and returns the
// first of them.
func (b *Branch) Reserve(n int) (first int) {
	first = b.children
	b.children += n
	return first
}

// Child makes the branch of a fork of b that has the given number among all
// branches within b, for those who follow from another process what b does.
func (b *Branch) Child(ctx context.Context, n int, f Fork) *Branch {
	c := NewRoot(ctx, b.Path+"."+strconv.Itoa(n), b.Tree)
	c.depth, c.stop, c.within, c.Queue = b.depth+1, b.stop, b, b.Queue
	c.become(b, f)
	return c
}

// become takes over what the journal knows of the fork that has made c.
func (c *Branch) become(b *Branch, f Fork) {
	c.Closed = b.Closed || f.Closed
	c.Settled = b.Settled || f.Err != nil
}

// Depth is how many branches b is within.
func (b *Branch) Depth() int { return b.depth }

// Move has the branch go on with another context that ends when its own does, for those
// who follow from another process what it does.
func (b *Branch) Move(ctx context.Context) { b.ctx = ctx }

// Cancel makes the branch stop, for the cause.
func (b *Branch) Cancel(cause error) { b.cancel(cause) }

// child makes the next branch within b.
func (b *Branch) child(ctx context.Context) *Branch {
	c := NewRoot(ctx, b.Path+"."+strconv.Itoa(b.children), b.Tree)
	c.depth, c.Pure, c.Expects, c.within, c.Queue = b.depth+1, b.Pure, b.Expects, b, b.Queue
	b.children++
	return c
}

// NextChildren returns the paths of the next n branches within b.
func (b *Branch) NextChildren(n int) []string {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = b.Path + "." + strconv.Itoa(b.children+i)
	}
	return paths
}

// Unknown makes an unknown of the branch, which is no other one whatever its text
// is.
func (b *Branch) Unknown(format string, args ...any) *value.Unknown {
	b.unknowns++
	u := value.NewUnknown(format, args...)
	value.Stamp(u, b.Path+"~"+strconv.Itoa(b.unknowns))
	return u
}

// Context ends when the branch has to stop; its cause says why. Effects that
// are under way may finish.
func (b *Branch) Context() context.Context { return b.ctx }

// Stopping reports whether the whole run has to stop. A branch that another one
// has failed beside goes on until its next effect: only there does the journal
// know where it stopped.
func (b *Branch) Stopping() bool { return b.stop != nil && b.stop.Err() != nil }

// NextPlace names the next effect of the branch: its path and its ordinal.
func (b *Branch) NextPlace() string {
	b.ordinal++
	return b.place(b.ordinal)
}

// PeekPlace is what NextPlace will return.
func (b *Branch) PeekPlace() string { return b.place(b.ordinal + 1) }

func (b *Branch) place(ordinal int) string { return b.Path + "#" + strconv.Itoa(ordinal) }

// Position is where in the script the builtin that runs on thread was called:
// "file:line:col". For a deferred call that is where it was deferred, and for a
// builtin that parallel calls where parallel was.
func Position(thread *starlark.Thread) string {
	for depth := 1; depth < thread.CallStackDepth(); depth++ {
		f := thread.CallFrame(depth)
		if f.Pos.Filename() == "<builtin>" || strings.HasPrefix(f.Name, "·") {
			continue
		}
		return f.Pos.Filename() + ":" + strconv.Itoa(int(f.Pos.Line)) + ":" + strconv.Itoa(int(f.Pos.Col))
	}
	return Of(thread).calledAt
}

// PathOf returns the path of the branch that place belongs to.
func PathOf(place string) string {
	path, _, _ := strings.Cut(place, "#")
	return path
}

const branchKey = "provisioning.branch"

// Attach makes thread the thread of b: builtins find b by it, and the thread
// stops when the run has to. A branch that stops because another one has failed
// does so at its next effect: so the journal knows where, and a replay stops at
// the same place.
func (b *Branch) Attach(thread *starlark.Thread) (detach func() bool) {
	thread.SetLocal(branchKey, b)
	if b.stop == nil {
		b.stop = b.ctx
	}
	if b.Tree.Lines != nil {
		return func() bool { return true }
	}
	return context.AfterFunc(b.stop, func() { thread.Cancel(context.Cause(b.stop).Error()) })
}

// Of returns the branch that thread executes.
func Of(thread *starlark.Thread) *Branch { return thread.Local(branchKey).(*Branch) }
