package door

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

const (
	standardAttempts = 3
	firstPause       = time.Second
	longestPause     = time.Minute
)

// perform does the effect, and again where that cannot do it twice.
func (d *Door) perform(s *site, do effect.Performer, env *effect.Env, rec *journal.Effect) (any, journal.Status, error) {
	attempts := standardAttempts
	if s.call.Options.Retries >= 0 {
		attempts = s.call.Options.Retries + 1
	}
	if v, err := d.fixed(s, do); v != nil || err != nil {
		return v, journal.Done, err
	}
	for {
		rec.Attempts++
		result, err := d.attempt(s, do, env, rec)
		if err == nil {
			return result, journal.Done, nil
		}
		e := fault.As(err)
		if e == nil || d.Cut.Err() != nil {
			return nil, journal.Intended, err
		}
		again := e.Transient() && !errors.Is(err, errOpen)
		if e.InDoubt && !d.repeatable(s, do) {
			result, status, err := d.settle(s, do, env, rec, e)
			if err != nil || status != journal.Intended {
				return result, status, err
			}
			again = true // the world says that it did not happen
		} else if !e.Unsent && !d.repeatable(s, do) {
			again = false
		}
		if !again || rec.Attempts >= attempts || s.branch.Context().Err() != nil {
			return nil, journal.Intended, settled(e)
		}
		d.emit(event.Event{Type: event.EffectRetried, Place: s.place, Kind: rec.Kind, Write: rec.Write,
			Text: rec.Description, Error: d.Run.Secrets.Redact(e.Msg), Attempt: rec.Attempts})
		if err := d.pause(s.branch.Context(), rec.Attempts, e.RetryAfter); err != nil {
			return nil, journal.Intended, settled(e)
		}
	}
}

// attempt makes one attempt, here or where the effects of the run are performed.
func (d *Door) attempt(s *site, do effect.Performer, env *effect.Env, rec *journal.Effect) (any, error) {
	if d.abroad(do, rec.Kind) {
		return d.send(s, do, rec)
	}
	return d.once(s, do, env)
}

// settled is the final error of an effect about which there is no doubt any more.
func settled(e *fault.Error) error {
	if !e.InDoubt {
		return e
	}
	copied := *e
	copied.InDoubt = false
	return &copied
}

func (d *Door) repeatable(s *site, do effect.Performer) bool {
	if s.call.Decl.Mode == effect.Read {
		return true
	}
	r, ok := do.(effect.Repeatable)
	return ok && r.Repeatable()
}

// pause waits before the next attempt: exponentially longer, with full jitter,
// or as long as the other side asked.
func (d *Door) pause(ctx context.Context, attempt int, retryAfter float64) error {
	clock := d.Run.Time()
	p := min(firstPause<<min(attempt-1, 10), longestPause)
	p = clock.Jitter(p) + time.Millisecond
	if asked := time.Duration(retryAfter * float64(time.Second)); asked > 0 {
		p = min(asked, 10*longestPause)
	}
	return clock.Wait(ctx, p)
}

// once makes one attempt. A read stops with its branch; a write that has begun
// is cut off only when the whole run is.
func (d *Door) once(s *site, do effect.Performer, env *effect.Env) (result any, err error) {
	ctx := d.Cut
	if d.patient(s, do) {
		ctx = s.branch.Context()
	}
	if t := s.call.Options.Timeout; t > 0 {
		var cancel context.CancelFunc
		late := fault.New(fault.Timeout, "it took longer than _timeout = %s", t)
		if _, waits := do.(effect.Patient); waits { // in the time that it waits in
			ctx, cancel = d.Run.Time().Timeout(ctx, t, late)
		} else {
			ctx, cancel = context.WithTimeoutCause(ctx, t, late)
		}
		defer cancel()
	}
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, fault.New(fault.Internal, "a defect of this program: %v", r)
		}
	}()
	breaker := d.breakerOf(do)
	perform := func() (result any, err error) {
		if _, waits := do.(effect.Patient); waits {
			return do.Perform(ctx, env)
		}
		d.Run.Time().World(func() { result, err = do.Perform(ctx, env) })
		return result, err
	}
	if breaker == nil {
		result, err = perform()
	} else {
		result, err = breaker.execute(d, perform)
	}
	return result, d.cause(ctx, s, err)
}

// patient effects stop with their branch.
func (d *Door) patient(s *site, do effect.Performer) bool {
	_, waits := do.(effect.Patient)
	return waits || s.call.Decl.Mode == effect.Read
}

// cause prefers the reason why an attempt was stopped to what the attempt made
// of being stopped.
func (d *Door) cause(ctx context.Context, s *site, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	why := context.Cause(ctx)
	if d.patient(s, s.call.Do) {
		return why
	}
	if e := fault.As(err); e != nil && (e.InDoubt || e.Kind == fault.Timeout) {
		return err
	}
	if !fault.Is(why, fault.Timeout) {
		// Cut off while it was under way.
		return &fault.Error{Kind: fault.Cancelled, Msg: fmt.Sprintf("%s was cut off: %v", s.call.Decl.Kind, why), InDoubt: true, Cause: branch.ErrSuspended}
	}
	late := *fault.As(why)
	e := fault.As(err)
	late.Unsent = e != nil && e.Unsent
	late.InDoubt = !late.Unsent // the effect does not say how far it came
	return &late
}
