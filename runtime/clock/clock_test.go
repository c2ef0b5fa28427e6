package clock_test

import (
	"context"
	"errors"
	goruntime "runtime"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/clock"
)

// quick fails a test that takes real time.
func quick(t *testing.T) {
	t.Helper()
	began := time.Now()
	t.Cleanup(func() {
		if took := time.Since(began); took > 900*time.Millisecond {
			t.Errorf("it took %s of real time", took)
		}
	})
}

func passed(c clock.Clock) time.Duration { return c.Now().Sub(clock.Epoch) }

// fan runs the functions as lines of execution of their own.
func fan(c clock.Clock, fs ...func()) {
	var all sync.WaitGroup
	end := c.Split(len(fs))
	for _, f := range fs {
		all.Go(func() { defer end(); f() })
	}
	all.Wait()
}

func TestOneLineJumps(t *testing.T) {
	quick(t)
	c := clock.NewVirtual()
	for range 3 {
		if err := c.Wait(context.Background(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if passed(c) != 72*time.Hour {
		t.Errorf("%s have passed", passed(c))
	}
	if err := c.Wait(context.Background(), -time.Hour); err != nil || passed(c) != 72*time.Hour {
		t.Errorf("%v, and %s have passed", err, passed(c))
	}
}

func TestLinesWaitAtTheSameTime(t *testing.T) {
	quick(t)
	for range 50 {
		c := clock.NewVirtual()
		var at [3]time.Duration
		fan(c,
			func() { c.Wait(context.Background(), time.Second); at[0] = passed(c) },
			func() {
				c.Wait(context.Background(), time.Second)
				c.Wait(context.Background(), time.Second)
				at[1] = passed(c)
			},
			func() {
				fan(c, func() { c.Wait(context.Background(), 3*time.Second) }, func() {})
				at[2] = passed(c)
			})
		if at != [3]time.Duration{time.Second, 2 * time.Second, 3 * time.Second} || passed(c) != 3*time.Second {
			t.Fatalf("lines ended after %s, all after %s", at, passed(c))
		}
		c.Wait(context.Background(), time.Second)
		if passed(c) != 4*time.Second {
			t.Fatalf("the first line goes on at %s", passed(c))
		}
	}
}

// TestStoppedLineGoesOnFirst: what stops with its branch sees the time at which
// the branch was stopped.
func TestStoppedLineGoesOnFirst(t *testing.T) {
	quick(t)
	why := errors.New("stopped")
	for range 50 {
		c := clock.NewVirtual()
		ctx, cancel := context.WithCancelCause(context.Background())
		var at time.Duration
		fan(c,
			func() {
				if err := c.Wait(ctx, time.Hour); err != why {
					t.Errorf("got %v", err)
				}
				at = passed(c)
			},
			func() { c.Wait(context.Background(), time.Minute); cancel(why) },
			func() { c.Wait(context.Background(), 2*time.Hour) })
		if at != time.Minute {
			t.Fatalf("it went on after %s", at)
		}
	}
}

func TestTimeout(t *testing.T) {
	quick(t)
	c, late := clock.NewVirtual(), errors.New("late")
	ctx, cancel := c.Timeout(context.Background(), time.Minute, late)
	defer cancel()
	if err := c.Wait(ctx, time.Second); err != nil {
		t.Error(err)
	}
	if err := c.Wait(ctx, time.Hour); err != late || passed(c) != time.Minute {
		t.Errorf("%v after %s", err, passed(c))
	}
}

func TestIdleLineDoesNotHoldTheTime(t *testing.T) {
	c, slot := clock.NewVirtual(), make(chan struct{})
	fan(c,
		func() { c.Wait(context.Background(), time.Hour); close(slot) },
		func() { c.Idle(func() { <-slot }) })
	if passed(c) != time.Hour {
		t.Errorf("%s have passed", passed(c))
	}
}

// TestSlowLine: a line that computes for long holds the time, however long.
func TestSlowLine(t *testing.T) {
	c := clock.NewVirtual()
	var at time.Duration
	fan(c,
		func() { time.Sleep(1500 * time.Millisecond); at = passed(c) },
		func() { c.Wait(context.Background(), 10*time.Millisecond) })
	if at != 0 {
		t.Errorf("%s have passed meanwhile", at)
	}
}

// TestIdleLineGoesOnFirst: one that gets what it has waited for does what comes
// next at that time, however long the scheduler takes.
func TestIdleLineGoesOnFirst(t *testing.T) {
	quick(t)
	for range 200 {
		c, slot := clock.NewVirtual(), make(chan struct{})
		var at time.Duration
		fan(c,
			func() { close(slot); c.Wait(context.Background(), time.Hour) },
			func() { c.Idle(func() { <-slot; goruntime.Gosched() }); at = passed(c) })
		if at != 0 {
			t.Fatalf("it went on after %s", at)
		}
	}
}

// TestWorld: a line that is busy with the world, and what goes on beside the
// lines, make the waits real.
func TestWorld(t *testing.T) {
	c, done := clock.NewVirtual(), make(chan struct{})
	fan(c,
		func() { c.World(func() { <-done }) }, // a command that waits for what the other one does
		func() { c.Wait(context.Background(), 10*time.Millisecond); close(done) })
	if passed(c) != 10*time.Millisecond {
		t.Errorf("%s have passed", passed(c))
	}
	c = clock.NewVirtual()
	c.Paced = func() bool { return true }
	began := time.Now()
	c.Wait(context.Background(), 20*time.Millisecond)
	if took := time.Since(began); took < 20*time.Millisecond || passed(c) != 20*time.Millisecond {
		t.Errorf("%s in %s of real time", passed(c), took)
	}
}

// TestPacedEnds: what is left of the waits takes no time when nothing goes on
// beside the lines any more.
func TestPacedEnds(t *testing.T) {
	c := clock.NewVirtual()
	began := time.Now()
	c.Paced = func() bool { return time.Since(began) < 100*time.Millisecond }
	fan(c,
		func() { c.Wait(context.Background(), time.Hour) },
		func() { c.Wait(context.Background(), 2*time.Hour) })
	if took := time.Since(began); took < 100*time.Millisecond || took > 30*time.Second || passed(c) != 2*time.Hour {
		t.Errorf("%s in %s of real time", passed(c), took)
	}
}

func TestReal(t *testing.T) {
	why := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	if err := clock.Real.Wait(ctx, time.Hour); err != why {
		t.Errorf("got %v", err)
	}
	if err := clock.Real.Wait(context.Background(), time.Nanosecond); err != nil {
		t.Error(err)
	}
	ctx, cancelLimit := clock.Real.Timeout(context.Background(), time.Nanosecond, why)
	defer cancelLimit()
	if err := clock.Real.Wait(ctx, time.Hour); err != why {
		t.Errorf("got %v", err)
	}
	for range 100 {
		if d := clock.Real.Jitter(time.Second); d < 0 || d >= time.Second {
			t.Errorf("got %s", d)
		}
	}
	if clock.Real.Jitter(0) != 0 {
		t.Error("there is no part of nothing")
	}
}
