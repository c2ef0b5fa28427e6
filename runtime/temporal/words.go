package temporal

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/door"
)

// words are what a worker says while it performs an effect. As long as the server has
// heard them, nobody else performs it. So a worker that is not heard, because it is cut
// off or stood still, ends what it does before the server gives it to another one.
type words struct {
	ctx     context.Context
	beat    func(ctx context.Context, taskToken []byte, details ...any) error
	info    activity.Info
	redact  func(string) string
	silence time.Duration // after which the server counts it as lost
	busy    int           // effects of the run that are under way

	mu    sync.Mutex
	d     *done
	last  beat
	fresh bool      // last was not said yet
	heard time.Time // when that was said which the server has heard last
}

func newWords(ctx context.Context, beat func(context.Context, []byte, ...any) error, d *done, j *job) *words {
	w := &words{ctx: ctx, beat: beat, info: activity.GetInfo(ctx), busy: max(1, j.Busy), d: d, heard: time.Now()}
	w.last.Place, w.last.Attempt = j.Orders[0].Place, w.info.Attempt
	if w.silence = w.info.HeartbeatTimeout; w.silence == 0 {
		w.silence = heartbeat
	}
	return w
}

// How often a worker speaks: when it has something to say, and when it has not, as a
// part of the silence after which it counts as lost.
const (
	lively = time.Second
	often  = 5
)

// The server keeps the last words of all effects that are under way, and writes each down
// when it hears it. So the more there are of them, the less has each to say, and the less
// often.
const (
	crowd   = 50        // from so many on, only what keeps a worker from counting as lost
	share   = 512 << 10 // what they print, of all together
	atLeast = 512
	atMost  = 32 << 10
)

// speak says what there is to say until the returned function is called. The context is
// for what the worker performs meanwhile.
func (w *words) speak() (context.Context, func()) {
	ctx, cut := context.WithCancelCause(w.ctx)
	w.ctx = ctx
	period := min(lively, w.silence/often)
	timer := time.AfterFunc(period, func() { // most effects have ended by then, and cost no goroutine
		for ctx.Err() == nil {
			if w.due() {
				w.sayOr(cut)
			}
			select {
			case <-ctx.Done():
			case <-time.After(period):
			}
		}
	})
	return ctx, func() {
		timer.Stop()
		cut(nil)
	}
}

func (w *words) due() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fresh && w.busy < crowd || time.Since(w.heard) >= w.silence/often
}

// sayOr says how far the effect is. It is cut off where the server does not want it any
// more, or has not heard of it for so long that it may be given to somebody else.
func (w *words) sayOr(cut context.CancelCauseFunc) {
	w.mu.Lock()
	left := time.Until(w.heard.Add(w.silence * 4 / 5))
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.ctx, max(left, time.Millisecond))
	defer cancel()
	err := w.say(ctx)
	var gone *serviceerror.NotFound
	var unwanted *sdk.CanceledError
	switch {
	case err == nil:
	case errors.As(err, &unwanted):
		cut(fault.New(fault.Cancelled, "the run does not want it any more"))
	case errors.As(err, &gone), ctx.Err() != nil:
		cut(errCutOff)
	}
}

// errCutOff ends what a worker does that the server does not hear. It is no timeout of
// the effect: how far that came is not known.
var errCutOff = fault.New(fault.Cancelled, "the worker was cut off from the server")

// cutOff puts right why an effect failed that was ended because its worker was cut off:
// should the server hear of it after all, the run was not stopped.
func cutOff(ctx context.Context, o *door.Order, err error) error {
	e := fault.As(err)
	if e == nil || !errors.Is(context.Cause(ctx), errCutOff) || e.Kind != fault.Cancelled && !e.InDoubt {
		return err
	}
	return &fault.Error{Kind: fault.Unavailable, Msg: errCutOff.Msg, Cause: err, Unsent: e.Unsent, InDoubt: o.Write && !e.Unsent}
}

// say tells the server how far the effect is, and returns when it knows.
func (w *words) say(ctx context.Context) error {
	w.mu.Lock()
	last, now := w.last, time.Now()
	last.First, last.Lines = w.tail()
	w.fresh = false
	w.mu.Unlock()
	err := w.beat(ctx, w.info.TaskToken, last)
	if err == nil {
		w.mu.Lock()
		w.heard = now
		w.mu.Unlock()
	}
	return err
}

// current makes sure, before something is changed, that nobody else performs it by now:
// the worker may have stood still since it was given the effect.
func (w *words) current(o *door.Order) error {
	if !o.Write || time.Since(w.info.StartedTime).Abs() < w.silence/2 {
		return nil
	}
	if err := w.say(w.ctx); err != nil {
		return unsent(err, "this worker may not perform it any more")
	}
	return nil
}

func unsent(err error, what string) error {
	e := fault.Wrap(fault.Unavailable, err, "%s", what)
	e.Unsent = true
	return e
}

func (w *words) output(stream, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.d.Output = append(w.d.Output, line{stream, text})
	w.fresh = true
}

// tail is the last of what the effect has printed, as much as it may say, and the number
// of its first line.
func (w *words) tail() (first int, lines []line) {
	all, left := w.d.Output, min(atMost, max(atLeast, share/w.busy))
	first = len(all)
	for first > 0 && left >= len(all[first-1].Text) {
		first--
		left -= len(all[first].Text) + 1
	}
	for _, l := range all[first:] {
		lines = append(lines, line{l.Stream, w.redact(l.Text)})
	}
	return first, lines
}

func (w *words) progress(done, total int64, note string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last.Progress, w.last.Note, w.fresh = [2]int64{done, total}, w.redact(note), true
}

// remember has the server know how the effect is undone before it begins.
func (w *words) remember(sealed []byte) error {
	w.mu.Lock()
	w.last.Ready, w.last.Undo = true, sealed
	w.mu.Unlock()
	if err := w.say(w.ctx); err != nil {
		return unsent(err, "cannot tell the server how it is undone")
	}
	return nil
}
