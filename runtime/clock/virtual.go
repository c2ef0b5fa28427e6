package clock

import (
	"context"
	"sync"
	"time"
)

// Epoch is when virtual time begins: the same in every test, so that what a
// script makes of the time is.
var Epoch = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// patience is for how long in real time nothing has to move before a wait ends
// although not all others wait: the others are then busy with the world, and may
// wait there for what comes after this one.
const patience = time.Second

// Virtual is a clock that jumps. It begins with one line of execution.
//
// While the world goes on by itself, see Paced, waits take the time that they say:
// a clock that jumped would give up before the world had a chance. What is left of
// them when it has ended takes no time. And when those
// that do not wait are kept up by the world, waits take the time that they say,
// but a second at least.
type Virtual struct {
	// Paced reports whether something of the run goes on beside its lines of
	// execution, such as a server that it has started; then time does not jump.
	// nil: never.
	Paced func() bool

	mu    sync.Mutex
	now   time.Time
	busy  int       // lines of execution that do not wait
	away  int       // those of them that are busy with the world
	idle  int       // lines that wait for another one to do something, see Idle
	moved time.Time // real time of the last change
	waits map[*wait]struct{}
}

type wait struct {
	ctx   context.Context
	until time.Time
	woken chan struct{} // closed when it has to go on; it counts as busy then
}

// NewVirtual returns a clock that shows Epoch.
func NewVirtual() *Virtual { return NewVirtualAt(Epoch) }

// NewVirtualAt returns a clock that shows t.
func NewVirtualAt(t time.Time) *Virtual {
	return &Virtual{now: t, busy: 1, waits: map[*wait]struct{}{}}
}

// Now returns the virtual time.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Jitter returns d: a test comes out the same every time.
func (v *Virtual) Jitter(d time.Duration) time.Duration { return d }

// deadline is what Timeout puts into a context.
type deadline struct {
	at    time.Time
	cause error
}

type deadlineKey struct{}

// Timeout returns a context in which waits end after d of virtual time.
func (v *Virtual) Timeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return context.WithValue(ctx, deadlineKey{}, deadline{v.Now().Add(d), cause}), func() {}
}

// Wait returns when the virtual time has moved on by d.
func (v *Virtual) Wait(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v.mu.Lock()
	w := &wait{ctx: ctx, until: v.now.Add(max(d, 0)), woken: make(chan struct{})}
	limit, limited := ctx.Value(deadlineKey{}).(deadline)
	if limited = limited && limit.at.Before(w.until); limited {
		w.until = limit.at
	}
	rest := w.until.Sub(v.now)
	v.waits[w] = struct{}{}
	v.busy--
	v.moved = time.Now()
	v.advance()
	paced := v.paced()
	v.mu.Unlock()

	if !paced {
		rest = max(rest, patience)
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	for woken := false; !woken; {
		var look <-chan time.Time
		if paced {
			look = time.After(patience / 50)
		}
		select {
		case <-w.woken:
			woken = true
		case <-look:
			if paced = v.still(); !paced { // what went on beside the lines has ended
				timer.Reset(patience)
			}
		case <-ctx.Done():
			v.mu.Lock()
			v.wake(w)
			v.mu.Unlock()
			woken = true
		case <-timer.C:
			timer.Reset(v.overdue(w, paced))
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if limited {
		return limit.cause
	}
	return nil
}

// overdue ends a wait that has taken its time, unless the others may still come to
// theirs. It returns how long to wait before it is called again.
func (v *Virtual) overdue(w *wait, paced bool) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	still := patience - time.Since(v.moved)
	if !paced && (v.away < v.busy || still > 0) {
		return max(still, patience/10)
	}
	if _, waiting := v.waits[w]; waiting {
		v.moveTo(w.until)
	}
	return patience
}

// still reports whether time does not jump yet; else it does.
func (v *Virtual) still() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.paced() {
		return true
	}
	v.advance()
	return false
}

func (v *Virtual) paced() bool { return v.Paced != nil && v.Paced() }

// wake lets a wait go on, once.
func (v *Virtual) wake(w *wait) {
	if _, waiting := v.waits[w]; waiting {
		delete(v.waits, w)
		v.busy++
		close(w.woken)
	}
}

// advance moves the time on when all lines of execution wait. One that was told
// to stop goes on first: what it does then happens at the present time.
func (v *Virtual) advance() {
	if v.busy > 0 || len(v.waits) == 0 {
		return
	}
	if v.idle > 0 {
		// What the idle ones wait for may have been done already, so that they are
		// about to go on.
		if still := patience - time.Since(v.moved); still > 0 {
			time.AfterFunc(still, func() {
				v.mu.Lock()
				defer v.mu.Unlock()
				v.advance()
			})
			return
		}
	}
	var next time.Time
	for w := range v.waits {
		if w.ctx.Err() != nil {
			v.wake(w)
		} else if next.IsZero() || w.until.Before(next) {
			next = w.until
		}
	}
	if v.busy == 0 && !v.paced() {
		v.moveTo(next)
	}
}

// moveTo sets the time, unless it is later already, and lets the waits go on that
// end then.
func (v *Virtual) moveTo(t time.Time) {
	if t.After(v.now) {
		v.now = t
	}
	for w := range v.waits {
		if !w.until.After(v.now) {
			v.wake(w)
		}
	}
}

// Split makes n lines of execution out of one.
func (v *Virtual) Split(n int) (end func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy += n - 1
	left := n
	return func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if left--; left > 0 { // the last one goes on as the first line
			v.busy--
			v.advance()
		}
	}
}

// World runs f, which is busy with the world.
func (v *Virtual) World(f func()) {
	v.leave(1)
	defer v.leave(-1)
	f()
}

func (v *Virtual) leave(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.away += n
	v.moved = time.Now()
}

func (v *Virtual) turn(idle int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.idle += idle
	v.busy -= idle
	v.moved = time.Now()
	v.advance()
}

// Idle runs f, which waits for another line of execution. When nothing has moved
// for a while, the time does: what f waits for may come after another wait.
func (v *Virtual) Idle(f func()) {
	v.turn(1)
	defer v.turn(-1)
	f()
}
