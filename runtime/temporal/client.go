package temporal

import (
	"context"
	"errors"
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	plans "github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// Name is what the engine is called in journals and on the command line.
const Name = "temporal"

// Client executes runs on the server, and keeps a copy of their journals.
type Client struct {
	settings Settings
	key      *seal.Key
	rt       *runtime.Runtime // of the copies
	events   event.Sink
	client   client.Client
	data     converter.DataConverter // that client has
}

// Dial connects to the server.
func Dial(ctx context.Context, s Settings, key *seal.Key, rt *runtime.Runtime, events event.Sink) (*Client, error) {
	s = s.complete()
	c, data, err := s.dial(ctx, key, nil, nil)
	if err != nil {
		return nil, err
	}
	if key, err = s.shared(key); err != nil {
		return nil, err
	}
	if events == nil {
		events = event.Discard
	}
	return &Client{s, key, rt, events, c, data}, nil
}

// Close ends the connection.
func (c *Client) Close() { c.client.Close() }

// Start is [runtime.Runtime.Start].
func (c *Client) Start(in runtime.Interrupt, s runtime.Start) (*runtime.Outcome, error) {
	run, err := c.Submit(in, s)
	if err != nil {
		return nil, err
	}
	return c.follow(in, c.from(run.ID))
}

// Submit begins a run, and leaves it to the cluster.
func (c *Client) Submit(in runtime.Interrupt, s runtime.Start) (*journal.Run, error) {
	return c.submitted(in, func() (*journal.Run, error) { return c.rt.Submit(in, s, Name) })
}

// Apply is [runtime.Runtime.Apply]. The plan is made again where the client is.
func (c *Client) Apply(in runtime.Interrupt, f *plans.File) (*runtime.Outcome, error) {
	run, err := c.submitted(in, func() (*journal.Run, error) { return c.rt.SubmitPlan(in, f, Name) })
	if err != nil {
		return nil, err
	}
	return c.follow(in, c.from(run.ID))
}

// submitted gives a new run to the server.
func (c *Client) submitted(in runtime.Interrupt, submit func() (*journal.Run, error)) (*journal.Run, error) {
	run, err := submit()
	if err != nil {
		return nil, err
	}
	if err := c.begin(in.Cut, run.ID, input{Quiet: true}); err != nil {
		return nil, errors.Join(err, run.SetState(journal.Failed, err))
	}
	return run, nil
}

// Follow passes on what a run does, from its beginning, until it has ended or waits.
// When in.Stop ends the run goes on.
func (c *Client) Follow(in runtime.Interrupt, id string) (*runtime.Outcome, error) {
	run, err := c.find(id)
	if err != nil {
		return nil, err
	}
	_, err = c.client.DescribeWorkflowExecution(in.Stop, run.ID, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) && run.State.Ended() { // the server has forgotten it: all that there is to know is here
		out := &runtime.Outcome{Run: run, State: run.State}
		if run.Error != nil {
			return out, run.Error.Err()
		}
		return out, nil
	}
	if err != nil {
		return nil, c.said(err, run.ID)
	}
	return c.watch(in.Stop, c.from(run.ID))
}

// find is the copy of a run.
func (c *Client) find(id string) (*journal.Run, error) {
	j, err := c.rt.Journal()
	if err != nil {
		return nil, err
	}
	return j.Find(id)
}

// Resume is [runtime.Runtime.Resume].
func (c *Client) Resume(in runtime.Interrupt, id string, with runtime.Resume) (*runtime.Outcome, error) {
	run, err := c.Sync(in.Cut, id)
	if err != nil {
		return nil, err
	}
	open, err := c.open(in.Cut, run.ID)
	if err != nil {
		return nil, err
	}
	f := c.from(run.ID)
	switch {
	case !open:
		if run.State == journal.Completed || run.State == journal.RolledBack || run.State == journal.RollingBack {
			return c.rt.Resume(in, run.ID, with) // says why not
		}
		err = c.begin(in.Cut, run.ID, input{Resume: with})
	case run.State == journal.Waiting:
		err = f.after(in.Cut, signalResume, with)
	}
	if err != nil {
		return nil, err
	}
	return c.follow(in, f)
}

// Rollback is [runtime.Runtime.Rollback].
func (c *Client) Rollback(in runtime.Interrupt, id, to string) (*runtime.Outcome, error) {
	run, err := c.Sync(in.Cut, id)
	if err != nil {
		return nil, err
	}
	if run.State == journal.RolledBack {
		return c.rt.Rollback(in, run.ID, to) // says why not
	}
	open, err := c.open(in.Cut, run.ID)
	f := c.from(run.ID)
	switch {
	case err != nil:
	case !open:
		err = c.begin(in.Cut, run.ID, input{Rollback: &takeBack{to}})
	case run.State == journal.Waiting:
		err = f.after(in.Cut, signalRollback, takeBack{to})
	default:
		err = fault.New(fault.Failed, "the run %s is being executed", run.ID[:8]).
			WithHint("wait for it, or stop it with: provisioning cancel %s", run.ID[:8])
	}
	if err != nil {
		return nil, err
	}
	return c.follow(in, f)
}

// Answer answers a question of a run that waits. Where no workflow waits, the answer in
// the copy of the run is what the next one begins with.
func (c *Client) Answer(ctx context.Context, id, place, choice, reason string) error {
	if open, err := c.open(ctx, id); err != nil || !open {
		return err
	}
	return c.signal(ctx, id, signalAnswer, answered{place, choice, reason})
}

// Cancel tells a run to stop. Effects that are under way may end.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.said(c.client.CancelWorkflow(ctx, id, ""), id)
}

// Cut tells a run to stop, and cuts off the effects that are under way.
func (c *Client) Cut(ctx context.Context, id string) error {
	if err := c.Cancel(ctx, id); err != nil {
		return err
	}
	return c.signal(ctx, id, signalCut, nil)
}

// begin begins the workflow of a run, with what is known of it here.
func (c *Client) begin(ctx context.Context, id string, in input) error {
	var err error
	if in.Parcel, err = c.rt.Pack(id); err != nil {
		return err
	}
	in.Limit, in.Silence = c.settings.History, time.Duration(c.settings.Heartbeat)
	if in.Routes, err = routesOf(c.settings.Routes); err != nil {
		return err
	}
	if err := agree(ctx, c.client, []string{c.settings.Queue}, enumspb.TASK_QUEUE_TYPE_WORKFLOW, c.key); err != nil {
		return c.said(err, id)
	}
	_, err = c.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: c.settings.Queue, WorkflowTaskTimeout: in.taskTime(),
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflowRun, in)
	return c.said(err, id)
}

func (c *Client) signal(ctx context.Context, id, name string, arg any) error {
	return c.said(c.client.SignalWorkflow(ctx, id, "", name, arg), id)
}

// said puts what the server says into words for people.
func (c *Client) said(err error, id string) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	if ctx := context.Canceled; errors.Is(err, ctx) {
		return runtime.Stopped
	}
	var missing *serviceerror.NotFound
	var there *serviceerror.WorkflowExecutionAlreadyStarted
	short := id[:min(8, len(id))]
	switch {
	case errors.As(err, &missing):
		return fault.Wrap(fault.NotFound, err, "the server at %s does not know the run %s", c.settings.Address, short)
	case errors.As(err, &there):
		return fault.New(fault.Failed, "the run %s is being executed", short).WithHint("follow it with: provisioning resume %s", short)
	}
	return c.settings.told(err)
}

// open reports whether the workflow of a run has not ended.
func (c *Client) open(ctx context.Context, id string) (bool, error) {
	d, err := c.client.DescribeWorkflowExecution(ctx, id, "")
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return false, nil
	}
	if err != nil {
		return false, c.said(err, id)
	}
	return d.WorkflowExecutionInfo.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// Sync brings the copy of a run up to date, and returns it. What has ended, here and
// there, stays as it is.
func (c *Client) Sync(ctx context.Context, id string) (*journal.Run, error) {
	run, err := c.find(id)
	if err != nil || run.State.Ended() {
		return run, err
	}
	parcel, err := c.parcel(ctx, run.ID)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return run, nil // it was never begun
	}
	if err != nil {
		return nil, c.said(err, run.ID)
	}
	if open, err := c.open(ctx, run.ID); err == nil && !open && parcel.Bundle.Run.Updated.Equal(run.Updated) {
		return run, nil // nothing new, and it has the answers that were given since
	}
	return c.rt.Unpack(parcel)
}

// askTime is how long a worker may take to tell all of a run: it may have to repeat the
// run first.
const askTime = time.Minute

// parcel asks for all of a run: the server, when it has ended, and else a worker.
func (c *Client) parcel(ctx context.Context, id string) (*runtime.Parcel, error) {
	if open, err := c.open(ctx, id); err == nil && !open {
		if end := c.ending(ctx, id); end != nil && end.Last != nil {
			return end.Last.Parcel, nil
		}
	}
	return collect(func(from int) (p portion, err error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		v, err := c.client.QueryWorkflow(ctx, id, "", queryRun, from)
		for late := new(serviceerror.DeadlineExceeded); errors.As(err, &late) && ctx.Err() == nil; {
			v, err = c.client.QueryWorkflow(ctx, id, "", queryRun, from) // the server waits for no more than seconds
		}
		if err == nil {
			err = v.Get(&p)
		}
		return p, err
	})
}

// answerTime is how long a worker may take to answer: it may have to go through all of a
// long history first.
const answerTime = 2 * time.Minute

// How often the news of a run are asked for.
const (
	eager   = 50 * time.Millisecond
	relaxed = time.Second
)

// follow passes on what a run does until it has ended or waits, and brings its copy up
// to date. Whoever stops following does not stop the run, but [runtime.Interrupt] does.
func (c *Client) follow(in runtime.Interrupt, f *following) (*runtime.Outcome, error) {
	id := f.id
	ctx, giveUp := context.WithCancel(context.WithoutCancel(in.Cut))
	defer giveUp()
	defer context.AfterFunc(in.Stop, func() { c.tellToStop(ctx, id) })()
	defer context.AfterFunc(in.Cut, func() {
		_ = c.Cut(ctx, id) // the same
		time.AfterFunc(2*heartbeat, giveUp)
	})()
	f.stop = in.Stop
	return c.watch(ctx, f)
}

// watch passes on what a run does, and stops with ctx, which does nothing to the run.
func (c *Client) watch(ctx context.Context, f *following) (*runtime.Outcome, error) {
	id, ended := f.id, c.ended(ctx, f.id)
	for {
		state, err := f.step(ctx)
		if err != nil {
			return nil, c.said(err, id)
		}
		if f.refused != nil {
			return nil, f.refused.Err()
		}
		if state == journal.Waiting || state.Ended() {
			return c.outcome(ctx, id)
		}
		select {
		case <-ctx.Done():
			return nil, runtime.Stopped
		case end := <-ended:
			ended = nil
			if end != nil && f.finish(end.Last) {
				return c.concluded(end, end.Last.Parcel)
			}
		case <-time.After(f.pause): // also for the rest of the news, when nobody has said how it has ended
		}
	}
}

// ended returns a channel that says how the workflow of the run has ended, or nil where
// that is not said.
func (c *Client) ended(ctx context.Context, id string) <-chan *ending {
	ended := make(chan *ending, 1)
	go func() { ended <- c.ending(ctx, id) }()
	return ended
}

// tellToStop tells a run to stop, and the one who follows it that it was told.
func (c *Client) tellToStop(ctx context.Context, id string) {
	text := stopping + " (once more: stop at once)"
	if err := c.Cancel(ctx, id); err != nil {
		text = "the run goes on, as it cannot be told to stop: " + err.Error()
	}
	c.events.Emit(event.Event{Type: event.Logged, Time: time.Now(), Run: id, Place: "0", Level: levelStopping, Text: text})
}

// from follows a run from its beginning.
func (c *Client) from(id string) *following {
	return &following{c: c, id: id, pause: eager, progress: map[string]*underway{}, stop: context.Background()}
}

// after has a run that waits go on, and follows it from there.
func (f *following) after(ctx context.Context, signal string, arg any) error {
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	v, err := f.c.client.QueryWorkflow(ask, f.id, "", queryNews, math.MaxInt)
	if err != nil {
		return f.c.said(err, f.id)
	}
	var n news
	if err := v.Get(&n); err != nil {
		return err
	}
	f.execution, f.chain, f.seen, f.turn = n.Execution, n.Chain, n.Total, n.Turn
	return f.c.signal(ctx, f.id, signal, arg)
}

// following is how far the news of a run were passed on.
type following struct {
	c         *Client
	id        string
	execution string         // "": it has said nothing so far
	chain     string         // that execution is of
	seen      int            // number of the event that comes next
	turn      int            // that is over
	refused   *journal.Fault // what it was told to do
	pause     time.Duration
	looked    time.Time            // when it last asked for effects under way
	progress  map[string]*underway // of effects that are under way, by place
	stop      context.Context      // ended: the one who follows has stopped the run
}

// step passes on what is new, and returns the state of the run.
func (f *following) step(ctx context.Context) (journal.State, error) {
	n, err := f.ask(ctx)
	if err != nil {
		return f.patience(ctx, err)
	}
	f.execution, f.chain = n.Execution, n.Chain
	f.seen = max(f.seen, n.First)
	f.pass(n.Events)
	if len(n.Events) > 0 {
		if f.pause = eager; time.Since(f.looked) >= relaxed {
			_, _ = f.look(ctx) // without, it is told later
		}
		return journal.Running, nil // there may be more
	}
	f.pause = min(2*f.pause, relaxed)
	if n.State == journal.Waiting && n.Turn == f.turn {
		return journal.Running, nil // it has not gone on so far
	}
	if n.State == journal.Waiting || n.State.Ended() {
		f.refused = n.Refused
		return n.State, nil
	}
	return f.next(ctx)
}

// ask asks for what is new. The latest history has the last news of the one before it, so
// mostly nobody has to repeat that one.
func (f *following) ask(ctx context.Context) (news, error) {
	n, err := f.news(ctx, "")
	if err == nil && f.execution != "" && (n.Chain != f.chain || n.First > f.seen) {
		return f.news(ctx, f.execution)
	}
	return n, err
}

func (f *following) news(ctx context.Context, execution string) (n news, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	v, err := f.c.client.QueryWorkflow(ctx, f.id, execution, queryNews, f.seen)
	if err == nil {
		err = v.Get(&n)
	}
	return n, err
}

// pass passes events on.
func (f *following) pass(events []event.Event) {
	for _, e := range events {
		if (f.stop.Err() == nil || e.Text != stopping) && !f.known(e) {
			f.c.events.Emit(e)
		}
	}
	f.seen += len(events)
}

// finish passes on the last news of a run that has ended. It reports false where there
// may have been others before them.
func (f *following) finish(l *last) bool {
	if l == nil || f.execution != "" && (l.Chain != f.chain || l.News.First > f.seen) {
		return false
	}
	f.pass(l.News.Events[min(max(0, f.seen-l.News.First), len(l.News.Events)):])
	return true
}

// next goes on with the history that follows one that has ended.
func (f *following) next(ctx context.Context) (journal.State, error) {
	status, err := f.look(ctx)
	if err != nil {
		return f.patience(ctx, err)
	}
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		f.execution = "" // what it did since the last news of this one that are known is left out
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return journal.Failed, fault.New(fault.Failed, "the workflow of run %s was ended on the server", f.id[:8]).
			WithHint("go on with: provisioning resume %s", f.id[:8])
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		return journal.Failed, nil
	}
	return journal.Running, nil
}

// look passes on what the server knows of effects that are under way, and returns how
// the execution of the workflow is.
func (f *following) look(ctx context.Context) (enumspb.WorkflowExecutionStatus, error) {
	d, err := f.c.client.DescribeWorkflowExecution(ctx, f.id, f.execution)
	if err != nil {
		return 0, err
	}
	f.looked = time.Now()
	f.tell(d.PendingActivities)
	return d.WorkflowExecutionInfo.Status, nil
}

// patience goes on where no worker is there to answer, or the server is away for a
// while: the run is safe with it.
func (f *following) patience(ctx context.Context, err error) (journal.State, error) {
	var missing *serviceerror.NotFound
	if ctx.Err() != nil || errors.As(err, &missing) {
		return "", err
	}
	if f.pause < relaxed {
		f.c.warn(f.id, "no news of the run: "+f.c.why(ctx))
	}
	f.pause = relaxed
	return journal.Running, nil
}

// warn tells those who follow a run what the run itself does not know.
func (c *Client) warn(id, text string) {
	c.events.Emit(event.Event{Type: event.Logged, Time: time.Now(), Run: id, Place: "0", Level: "warn", Text: text})
}

// why says why there are no news of a run.
func (c *Client) why(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	staff, err := staffOf(ctx, c.client, c.settings.Queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW, c.key)
	if err != nil {
		err = c.settings.told(err)
	} else if err = staff.Err(); err == nil {
		return "the workers of the queue " + c.settings.Queue + " do not answer"
	}
	if e := fault.As(err); e != nil && e.Hint != "" {
		return e.Error() + " (" + e.Hint + ")"
	}
	return err.Error()
}

// outcome is how a run stands.
func (c *Client) outcome(ctx context.Context, id string) (*runtime.Outcome, error) {
	parcel, err := c.parcel(ctx, id)
	if err != nil {
		return nil, c.said(err, id)
	}
	var end *ending
	if parcel.Bundle.Run.State != journal.Waiting {
		end = c.ending(ctx, id)
	}
	if end == nil {
		end = &ending{State: parcel.Bundle.Run.State, Fault: parcel.Bundle.Run.Error}
	}
	return c.concluded(end, parcel)
}

// concluded brings the copy of a run up to date, and says how it has ended.
func (c *Client) concluded(end *ending, parcel *runtime.Parcel) (*runtime.Outcome, error) {
	run, err := c.rt.Unpack(parcel)
	if err != nil {
		return nil, err
	}
	if end.Fault != nil {
		err = end.Fault.Err()
	}
	if end.Refused {
		return nil, err
	}
	out := &runtime.Outcome{Run: run, State: end.State, Rollback: end.Rollback}
	if secrets, serr := c.rt.Secrets(run); serr == nil && run.Result != nil {
		if v, derr := (&codec.Codec{Secrets: secrets}).Decode(run.Result); derr == nil { // else it is not shown
			out.Value = secrets.Shown(v)
		}
	}
	return out, err
}

// ending waits for the end of the workflow of a run, and returns how it has ended; nil
// where it does not say so.
func (c *Client) ending(ctx context.Context, id string) *ending {
	var end ending
	err := c.client.GetWorkflow(ctx, id, "").Get(ctx, &end)
	var failure *sdk.ApplicationError
	if errors.As(err, &failure) && failure.HasDetails() {
		err = failure.Details(&end)
	}
	if err != nil {
		return nil
	}
	return &end
}
