package temporal

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// hands perform the effects of runs, as activities.
type hands struct {
	rt   *runtime.Runtime
	data converter.DataConverter
	// beat tells the server something, and returns when it knows.
	beat func(ctx context.Context, taskToken []byte, details ...any) error

	home string // queue of this worker alone

	mu   sync.Mutex
	runs map[string]*hand
}

// hand performs the effects of one run.
type hand struct {
	*door.Hand
	busy int
	used time.Time
}

// idle is how long what belongs to a run is kept here when it does nothing.
const idle = 10 * time.Minute

// take returns the hand for the run of a job, until it is given back.
func (h *hands) take(j *job) (*hand, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for run, other := range h.runs {
		if other.busy == 0 && time.Since(other.used) > idle && !other.Door.Run.Live.Any() {
			h.drop(run)
		}
	}
	mine := h.runs[j.Run]
	if mine == nil {
		made, err := h.rt.Hand(j.Run, j.Orders[0].Infra, j.Orders[0].Generation, j.Key, j.Paths...)
		if err != nil {
			return nil, err
		}
		mine = &hand{Hand: made}
		h.runs[j.Run] = mine
	}
	mine.busy++
	for _, s := range j.Secrets {
		mine.Door.Run.Secrets.Add(s.Name, s.Plain)
	}
	return mine, nil
}

func (h *hands) giveBack(mine *hand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	mine.busy, mine.used = mine.busy-1, time.Now()
}

// drop forgets a run, and ends what lives of it.
func (h *hands) drop(run string) {
	if mine := h.runs[run]; mine != nil {
		mine.Close()
		delete(h.runs, run)
	}
}

// closeAll ends what lives of all runs.
func (h *hands) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for run := range h.runs {
		h.drop(run)
	}
}

// activities are what workers can do, by name.
func (h *hands) activities() map[string]any {
	return map[string]any{
		activityPerform: h.Perform, activityHappened: h.Happened, activityUndo: h.Undo,
		activityAllowed: h.Allowed, activityRevive: h.Revive, activityFinish: h.Finish, activityClose: h.Close,
	}
}

// carryOut does one thing with the hand of a job, and brings home what came of it.
func (h *hands) carryOut(ctx context.Context, j job, do func(context.Context, *door.Hand, door.Call, *done) error) (done, error) {
	hand, err := h.take(&j)
	if err != nil {
		return done{}, err
	}
	defer h.giveBack(hand)
	d := &done{Home: h.home}
	w := newWords(ctx, h.beat, d, &j)
	w.redact = hand.Door.Run.Secrets.Redact
	ctx, stop := w.speak()
	defer stop()
	if err = w.current(j.Orders[0]); err == nil {
		err = do(ctx, hand.Hand, door.Call{Output: w.output, Progress: w.progress, Remember: w.remember}, d)
		err = cutOff(ctx, j.Orders[0], err)
	}
	d.Fault = carry(hand.Door, err)
	known := map[secret]bool{}
	for _, s := range j.Secrets {
		known[s] = true
	}
	hand.Door.Run.Secrets.Each(func(name, plain string) {
		if s := (secret{name, plain}); !known[s] {
			d.Secrets = append(d.Secrets, s)
		}
	})
	h.fit(d, j.Orders[0])
	return *d, nil
}

// fit takes out of what is brought home what does not fit into a history: it would be
// the end of an activity that has done its work.
func (h *hands) fit(d *done, o *door.Order) {
	size := len(d.Deed.Result) + len(d.Deed.Undo)
	for _, l := range d.Output {
		size += len(l.Text)
	}
	err := fits(h.data, size, d)
	if err == nil {
		return
	}
	failure := *fault.As(err)
	failure.InDoubt = o.Write && d.Fault == nil // it happened, but what came of it is not known
	d.Deed, d.Output, d.Fault = door.Deed{}, nil, &carried{Fault: *journal.FaultOf(&failure)}
}

// Perform is the activity of an effect.
func (h *hands) Perform(ctx context.Context, j job) (done, error) {
	return h.carryOut(ctx, j, func(ctx context.Context, hand *door.Hand, call door.Call, d *done) (err error) {
		d.Deed, err = hand.Perform(ctx, j.Orders[0], call)
		return err
	})
}

// Allowed is the activity that asks whether code that is not the user's own may have an
// effect.
func (h *hands) Allowed(ctx context.Context, j job) (done, error) {
	return h.carryOut(ctx, j, func(_ context.Context, hand *door.Hand, _ door.Call, _ *done) error {
		return hand.Allowed(j.Orders[0])
	})
}

// Happened is the activity that asks whether an effect happened.
func (h *hands) Happened(ctx context.Context, j job) (done, error) {
	return h.carryOut(ctx, j, func(ctx context.Context, hand *door.Hand, call door.Call, d *done) (err error) {
		d.Doubt, d.Deed, err = hand.Happened(ctx, j.Orders[0], call)
		return err
	})
}

// Undo is the activity that takes an effect back.
func (h *hands) Undo(ctx context.Context, j job) (done, error) {
	return h.carryOut(ctx, j, func(ctx context.Context, hand *door.Hand, call door.Call, _ *done) error {
		return hand.Undo(ctx, j.Orders[0], call)
	})
}

// Revive is the activity that brings back what lived with a worker that is gone.
func (h *hands) Revive(ctx context.Context, j job) (done, error) {
	return h.carryOut(ctx, j, func(ctx context.Context, hand *door.Hand, call door.Call, _ *done) error {
		return hand.Revive(ctx, j.Orders, call)
	})
}

// Close is the activity that ends what lives of a run.
func (h *hands) Close(_ context.Context, j job) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(j.Run)
	return nil
}

// Finish is the activity at the end of a complete run.
func (h *hands) Finish(ctx context.Context, j job) (done, error) {
	return h.carryOut(ctx, j, func(_ context.Context, hand *door.Hand, call door.Call, _ *done) error {
		return hand.Finish(j.Orders, call)
	})
}
