package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// atOnce is how many effects of a run are under way at a time, and bytesAtOnce how large
// their arguments are together: the server allows no more than 2,000, and takes no more
// than 4 MiB from a workflow at a time.
const (
	atOnce      = 1000
	bytesAtOnce = 2 << 20
)

// turns is how many attempts at an effect one execution tells apart.
const turns = 1000

// workers is the world of a run: its effects are activities.
type workers struct {
	root    workflow.Context
	outer   workflow.Context // ends when the run is to stop
	run     string
	paths   []string // outside of the workspace, that the script may use
	foreign []string // files whose code is not the user's own
	key     []byte
	cut     context.Context // ends when effects are to be cut off
	limit   int
	slots   workflow.Semaphore
	busy    int   // effects that are under way
	turn    int64 // of the execution
	bytes   workflow.Semaphore
	data    converter.DataConverter
	routes  []route
	silence time.Duration // after which a worker counts as lost
	secrets func() *value.Secrets
	door    func() *door.Door
	full    bool // the history is long enough: the next one goes on

	// Some outcomes, such as a process in the background, live with the worker that has
	// made them. As long as there are any, effects go to the queue of that worker alone.
	home     string
	living   []living
	reviving workflow.Mutex
}

// living is an effect whose outcome lives with a worker.
type living struct {
	handle string
	order  *door.Order
}

var _ door.World = (*workers)(nil)

// The server ends a workflow whose history has 51,200 events, or 50 MiB. It suggests to
// go on in another one at 4,096, but each one begins with all that the run has done: with
// short ones, what that costs would grow with the square of effects.
const (
	longHistory  = 20000
	largeHistory = 16 << 20
)

// errFull stops an execution whose history has become long.
var errFull = &fault.Error{Kind: fault.Waiting, Msg: "the run goes on in another history", Cause: branch.ErrSuspended}

// Enter stops the run where its history has become long.
func (w *workers) Enter() error {
	if w.outer.Err() != nil {
		return runtime.Stopped // also where the branch comes to it first
	}
	info := workflow.GetInfo(w.root)
	if w.full || info.GetCurrentHistoryLength() > w.limit || info.GetCurrentHistorySize() > largeHistory {
		w.full = true
		return errFull
	}
	return nil
}

// heartbeat is how long a worker may say nothing before it counts as lost, where no
// setting says so.
const heartbeat = 15 * time.Second

// longest is how long an effect may take on a worker that goes on saying that it is at
// it. Effects have limits of their own.
const longest = 7 * 24 * time.Hour

// options are how an activity is performed. Only what may be done twice is tried again
// by the server: of anything else the door has to find out first.
func (w *workers) options(o *door.Order) workflow.ActivityOptions {
	attempts := int32(1)
	if o.Repeatable {
		attempts = 5
	}
	return workflow.ActivityOptions{
		TaskQueue: o.Route, StartToCloseTimeout: longest, HeartbeatTimeout: w.silence, WaitForCancellation: o.Write,
		RetryPolicy: &sdk.RetryPolicy{MaximumAttempts: attempts, InitialInterval: time.Second, MaximumInterval: time.Minute},
		Summary:     o.Kind + " " + o.Place,
	}
}

// Lives notes what lives with the worker that has performed the order.
func (w *workers) Lives(handle string, o *door.Order) {
	w.Ended(handle)
	w.living = append(w.living, living{handle, o})
}

// Ended forgets what lives no more.
func (w *workers) Ended(handle string) {
	w.living = slices.DeleteFunc(w.living, func(l living) bool { return l.handle == handle })
}

// arrive returns the queue of the worker that what lives is with: where that worker is
// gone, another one brings it back first. "" says that nothing does.
func (w *workers) arrive(line workflow.Context) (string, error) {
	if len(w.living) == 0 {
		return "", nil
	}
	if err := w.reviving.Lock(line); err != nil { // one of the branches sees to it
		return "", err
	}
	defer w.reviving.Unlock()
	if w.home != "" {
		return w.home, nil
	}
	var orders []*door.Order
	for _, l := range w.living {
		orders = append(orders, l.order)
	}
	var d done
	ctx := workflow.WithActivityOptions(line, w.options(&door.Order{Kind: activityRevive, Repeatable: true}))
	err := workflow.ExecuteActivity(ctx, activityRevive, w.job(orders...)).Get(line, &d)
	if err == nil {
		err = d.Fault.err(w.door())
	}
	if err != nil {
		e := fault.Wrap(fault.KindOf(err), err, "what lives with a worker that is gone was not brought back")
		e.Cause = branch.ErrSuspended // no failure of the effect that comes next
		return "", e
	}
	w.home = d.Home
	return w.home, nil
}

// do performs an activity for the branch of ctx. A read ends with its branch.
func (w *workers) do(ctx context.Context, activity string, o *door.Order) (done, error) {
	line := coroutine(ctx)
	o.Turn = w.turn + min(o.Turn, turns-1)
	if o.Route == "" {
		o.Route = routed(w.routes, o.Args)
	}
	if err := w.slots.Acquire(line, 1); err != nil {
		return done{}, err
	}
	defer w.slots.Release(1)
	w.busy++
	defer func() { w.busy-- }()
	options := w.options(o)
	home, err := w.arrive(line)
	if err != nil {
		return done{}, err
	}
	j := w.job(o)
	size := j.size()
	if err := w.fits(size, j); err != nil {
		return done{}, err
	}
	share := min(int64(size), bytesAtOnce)
	if err := w.bytes.Acquire(line, share); err != nil {
		return done{}, err
	}
	defer w.bytes.Release(share)
	if home != "" && o.Route == "" {
		options.TaskQueue, options.ScheduleToStartTimeout = home, w.silence
	}
	within, cancel := workflow.WithCancel(workflow.WithActivityOptions(line, options))
	defer cancel()
	var d done
	future := workflow.ExecuteActivity(within, activity, j)
	till := w.cut // what has begun to change something ends, unless all is cut off
	if !o.Write {
		till = ctx
	}
	if err := await(line, func() bool { return future.IsReady() || till.Err() != nil }); err != nil {
		return d, err
	}
	if !future.IsReady() {
		if cancel(); !o.Write {
			return d, context.Cause(till)
		}
	}
	err = future.Get(line, &d)
	var late *sdk.TimeoutError
	if errors.As(err, &late) && w.home == options.TaskQueue {
		w.home = "" // whatever lived there is gone
	}
	if o.Lives && err == nil {
		w.home = d.Home
	}
	for _, s := range d.Secrets {
		w.secrets().Add(s.Name, s.Plain)
	}
	return d, err
}

// fits is [fits] within a workflow, whose repetition must come to the same answer: by
// then the settings may be others.
func (w *workers) fits(size int, v any) error {
	if size <= surely {
		return nil
	}
	var c *carried
	answer := workflow.SideEffect(w.root, func(workflow.Context) any { return carry(w.door(), fits(w.data, size, v)) })
	if err := answer.Get(&c); err != nil {
		return err
	}
	return c.err(w.door())
}

func (w *workers) job(orders ...*door.Order) job {
	j := job{Run: w.run, Paths: w.paths, Key: w.key, Orders: orders, Busy: w.busy}
	w.secrets().Each(func(name, plain string) { j.Secrets = append(j.Secrets, secret{name, plain}) })
	return j
}

// Foreign goes by the names, and by what was found out where the run was begun.
func (w *workers) Foreign(modules []string) []string {
	var foreign []string
	for _, file := range modules {
		if script.Foreign(file, w.foreign) {
			foreign = append(foreign, file)
		}
	}
	return foreign
}

// Allowed asks a worker, in whose workspace the grants are.
func (w *workers) Allowed(ctx context.Context, o *door.Order) error {
	if err := w.Enter(); err != nil {
		return err
	}
	for {
		asked := *o
		asked.Repeatable, asked.Write = true, false // to ask changes nothing
		d, err := w.do(ctx, activityAllowed, &asked)
		var late *sdk.TimeoutError
		switch {
		case err == nil:
			return d.Fault.err(w.door())
		case errors.As(err, &late): // the worker that it was asked of is gone
			continue
		case fault.As(err) == nil:
			e := fault.Wrap(fault.Unavailable, err, "no worker says whether an extension may do %s", o.Kind)
			e.Cause = branch.ErrSuspended // that is no outcome of the effect
			return e
		}
		return err
	}
}

// Perform has a worker carry out an order.
func (w *workers) Perform(ctx context.Context, o *door.Order, output func(stream, line string)) (door.Deed, error) {
	d, err := w.do(ctx, activityPerform, o)
	if err != nil {
		return w.lost(o, err)
	}
	for _, l := range d.Output {
		output(l.Stream, l.Text)
	}
	return d.Deed, d.Fault.err(w.door())
}

// lost makes sense of an activity that has no result: the worker has died, or is cut
// off. Its last words tell whether it had begun.
func (w *workers) lost(o *door.Order, err error) (door.Deed, error) {
	if fault.As(err) != nil {
		return door.Deed{}, err
	}
	if sdk.IsCanceledError(err) {
		return door.Deed{}, &fault.Error{Kind: fault.Cancelled, Msg: o.Kind + " was cut off", InDoubt: o.Write, Cause: branch.ErrSuspended}
	}
	var late *sdk.TimeoutError
	if !errors.As(err, &late) {
		e := fault.Wrap(fault.Failed, err, "the worker did not return a result")
		e.InDoubt = o.Write
		return door.Deed{}, e
	}
	var last beat
	if late.HasLastHeartbeatDetails() {
		_ = late.LastHeartbeatDetails(&last) // what cannot be read was not said
	}
	if late.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
		return door.Deed{}, &fault.Error{Kind: fault.Unavailable, Msg: "the worker that the run lives with is gone", Cause: err, Unsent: true}
	}
	e := &fault.Error{Kind: fault.Timeout, Msg: fmt.Sprintf("the worker that performed it was not heard of for %s", w.silence), Cause: err, InDoubt: o.Write}
	if o.Write && o.Remembers && !last.Ready {
		e.InDoubt, e.Unsent = false, true // it says so before it begins
	}
	return door.Deed{Undo: last.Undo}, e
}

// Happened has a worker look whether an order was carried out.
func (w *workers) Happened(ctx context.Context, o *door.Order) (effect.Doubt, door.Deed, error) {
	asked := *o
	asked.Repeatable = true
	d, err := w.do(ctx, activityHappened, &asked)
	if err == nil {
		err = d.Fault.err(w.door())
	}
	return d.Doubt, d.Deed, err
}

// Undo has a worker take back what an order did: it may be tried as often as it takes.
func (w *workers) Undo(ctx context.Context, o *door.Order, output func(stream, line string)) error {
	again := *o
	again.Repeatable = true
	d, err := w.do(ctx, activityUndo, &again)
	if err != nil {
		return err
	}
	for _, l := range d.Output {
		output(l.Stream, l.Text)
	}
	return d.Fault.err(w.door())
}

// Close ends what lives with a worker, unless the run goes on at once.
func (w *workers) Close() {
	if w.full || w.home == "" || len(w.living) == 0 {
		return
	}
	options := w.options(&door.Order{Kind: activityClose})
	options.TaskQueue, options.ScheduleToStartTimeout = w.home, w.silence
	ctx := workflow.WithActivityOptions(w.root, options)
	_ = workflow.ExecuteActivity(ctx, activityClose, w.job(&door.Order{})).Get(ctx, nil) // with a worker that is gone all has ended
	w.home, w.living = "", nil
}

// Finish has a worker clear away what orders have left. Nothing depends on it.
func (w *workers) Finish(orders []*door.Order) {
	ctx := workflow.WithActivityOptions(w.root, w.options(&door.Order{Repeatable: true}))
	_ = workflow.ExecuteActivity(ctx, activityFinish, w.job(orders...)).Get(ctx, nil) // what stays harms nobody
}
