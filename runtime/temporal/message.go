package temporal

import (
	"slices"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// The names that workflows, activities, signals and queries have on the server. They
// are a contract with runs that are under way: they are never changed.
const (
	workflowRun       = "provisioning.run"
	workflowScheduled = "provisioning.scheduled"

	activityAllowed  = "provisioning.allowed"
	activityPerform  = "provisioning.perform"
	activityHappened = "provisioning.happened"
	activityUndo     = "provisioning.undo"
	activityRevive   = "provisioning.revive"
	activityFinish   = "provisioning.finish"
	activityClose    = "provisioning.close"

	signalAnswer   = "answer"
	signalCut      = "cut"
	signalResume   = "resume"
	signalRollback = "rollback"

	queryNews = "news"
	queryRun  = "run"
)

// input is what a workflow begins with.
type input struct {
	Parcel   *runtime.Parcel
	Resume   runtime.Resume
	Rollback *takeBack // not nil: that is to be done
	Home     string    // see workers
	Routes   []route
	Quiet    bool          // the beginning was told of already
	Limit    int           // events of a history after which the next one is begun; 0: see longHistory
	Silence  time.Duration // after which a worker counts as lost; 0: see heartbeat
	Late     time.Time     `json:",omitzero"` // when the wall time of the execution is over, for the next history
	News     recent        // of the history before
}

// recent are the last events of an execution, for those who follow the run: they have
// heard of those before. Who asks a history that has ended for its news has a worker
// repeat all of it.
type recent struct {
	First  int // number of the first one, among all since the run was begun or resumed
	Events []event.Event
}

// enough is how large recent events are together: those of some ten seconds. They are
// mostly the same words, and are compressed to a tenth.
const enough = 1 << 20

// recentOf are the last of events, the first of which has the number first.
func recentOf(first int, events []event.Event) recent {
	i := len(events)
	for size := 0; i > 0 && size < enough; i-- {
		size += sizeOf(&events[i-1])
	}
	return recent{first + i, slices.Clone(events[i:])}
}

func sizeOf(e *event.Event) int { return 256 + len(e.Text) + len(e.Error) }

func (r *recent) size() (n int) {
	for i := range r.Events {
		n += sizeOf(&r.Events[i])
	}
	return n
}

// taskTime is how long a worker may take to go through a history, and to compute up to
// the next effect, before the server takes it for lost and gives the run to another one.
// The server allows two minutes.
func (in *input) taskTime() time.Duration {
	silence := in.Silence
	if silence == 0 {
		silence = heartbeat
	}
	return min(thinking, max(2*silence, shortest)+time.Duration(len(in.Parcel.Bundle.Effects))*perEffect)
}

const (
	shortest  = 10 * time.Second
	perEffect = time.Millisecond
)

// takeBack asks for a rollback.
type takeBack struct {
	To string // checkpoint; "" for all
}

// ending is how a workflow has ended.
type ending struct {
	State    journal.State
	Refused  bool // what was asked for was not begun
	Rollback *runtime.Report
	Fault    *journal.Fault
	Last     *last `json:",omitempty"` // nil: what else there is to know has to be asked for
}

// last is all that there is to know of a run whose workflow has ended: so nobody has to
// repeat it for that.
type last struct {
	Parcel *runtime.Parcel
	News   recent
	Chain  string // see news
}

// endingOf is the ending of an execution; out is nil where it was not begun.
func endingOf(out *runtime.Outcome, err error) ending {
	e := ending{State: journal.Failed, Refused: out == nil}
	if out != nil {
		e.State, e.Rollback = out.State, out.Rollback
	}
	if err != nil {
		e.Fault = journal.FaultOf(err)
	}
	return e
}

// answered is a person's answer to a question.
type answered struct {
	Place, Choice, Reason string
}

// job is what an activity gets.
type job struct {
	Run     string
	Paths   []string `json:",omitempty"` // outside of the workspace, that the script may use
	Key     []byte   // of the run
	Secrets []secret
	Orders  []*door.Order // one, but for those that the end of a run clears away
	Busy    int           `json:",omitempty"` // how many effects of the run are under way
}

// size is about how large a job is.
func (j *job) size() int {
	n := 512
	for _, s := range j.Secrets {
		n += len(s.Name) + len(s.Plain)
	}
	for _, o := range j.Orders {
		n += len(o.Args) + len(o.Undo) + len(o.Result) + len(o.Description)
		for _, file := range o.Modules {
			n += len(file)
		}
	}
	return n
}

type secret struct{ Name, Plain string }

// done is what an activity returns. A failure of the effect is no failure of the
// activity: only a worker that is lost is one.
type done struct {
	Deed    door.Deed
	Doubt   effect.Doubt
	Fault   *carried
	Output  []line
	Secrets []secret // that the effect has found
	Home    string   // queue of the worker alone
}

type line struct{ Stream, Text string }

// beat is what a worker says while it performs an effect.
type beat struct {
	Place    string
	Ready    bool   // what undo needs is remembered, and the effect is performed
	Undo     []byte // sealed: that
	Progress [2]int64
	Note     string
	Attempt  int32  // of the activity
	First    int    // number of the first of Lines, among all that this attempt has printed
	Lines    []line // the last ones that it has printed, fit to be seen
}

// news are the events of an execution since the one that was asked for.
type news struct {
	Execution string // of the workflow
	Chain     string // of executions, each of which goes on with what the one before did: numbers of events are its own
	First     int    // number of the first event that it knows; what was asked for may begin earlier
	Events    []event.Event
	State     journal.State
	Total     int            // number of the event that comes next
	Turn      int            // how often it went on
	Refused   *journal.Fault // why it did not, the last time
}

// portion is a part of a run that is on its way. The first one has all but effects.
type portion struct {
	Parcel *runtime.Parcel
	Next   int // effect that the next portion begins with
	All    int // effects that there are
}

// collect puts a run together.
func collect(ask func(from int) (portion, error)) (*runtime.Parcel, error) {
	whole, err := ask(0)
	for p := whole; err == nil && p.Next < p.All; {
		if p, err = ask(p.Next); err == nil {
			whole.Parcel.Bundle.Effects = append(whole.Parcel.Bundle.Effects, p.Parcel.Bundle.Effects...)
		}
	}
	return whole.Parcel, err
}

// carried is a failure on its way.
type carried struct {
	journal.Fault
	Details    []byte // codec: of the failure
	Unsent     bool
	RetryAfter float64
}

func carry(d *door.Door, err error) *carried {
	if err == nil {
		return nil
	}
	c := &carried{Fault: *journal.FaultOf(err)}
	c.Fault.Details = nil
	if e := fault.As(err); e != nil {
		c.Details, c.Unsent, c.RetryAfter = d.EncodeDetails(e.Details), e.Unsent, e.RetryAfter
	}
	return c
}

func (c *carried) err(d *door.Door) error {
	if c == nil {
		return nil
	}
	e := c.Fault.Err()
	e.Unsent, e.RetryAfter, e.Details = c.Unsent, c.RetryAfter, d.DecodeDetails(c.Details)
	return e
}
