// Package clock is the time that a run lives in. All waiting of scripts goes
// through it — sleep, the pauses of retry and wait_until, those of the door
// between two attempts — and so does what they are told of the time.
//
// [Real] is the clock of the machine. A [Virtual] one is for tests: it moves on
// when every line of execution waits, straight to the next moment at which one
// of them has to go on.
package clock

import (
	"context"
	"math/rand/v2"
	"time"
)

// Clock tells the time and waits. It is safe for concurrent use.
type Clock interface {
	Now() time.Time
	// Wait returns after d, or when ctx ends, with its cause.
	Wait(ctx context.Context, d time.Duration) error
	// Timeout returns a context in which a Wait ends after d, with cause.
	Timeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc)
	// Jitter returns a random part of d.
	Jitter(d time.Duration) time.Duration
	// Split says that a line of execution goes on as n of them, n at least 1.
	// Each of the n calls the function that it returns when it ends; the first
	// line goes on after the last of them.
	Split(n int) (end func())
	// Idle runs f, which waits for another line of execution to do something.
	Idle(f func())
	// World runs f, which is busy with the world, for as long as that takes.
	World(f func())
}

// Real is the clock of the machine.
var Real Clock = machine{}

type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func (machine) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func (machine) Timeout(ctx context.Context, d time.Duration, cause error) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, cause)
}

func (machine) Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	return rand.N(d)
}

func (machine) Split(int) func() { return func() {} }
func (machine) Idle(f func())    { f() }
func (machine) World(f func())   { f() }
