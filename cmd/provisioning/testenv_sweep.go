package main

import (
	"context"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/console"
)

// sweepEvery is how often a process that stays looks for test environments that were left
// behind.
const sweepEvery = time.Hour

// sweepHourly removes test environments that were left behind, beside what else the process
// does: at once and every hour, until ctx ends or done is called, which waits for the end.
func (a *app) sweepHourly(ctx context.Context, c clock.Clock) (done func()) {
	ctx, stop := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { hourly(ctx, c, a.sweepOnce) })
	return func() {
		stop()
		ended.Wait()
	}
}

// hourly does something at once and every hour, until ctx ends.
func hourly(ctx context.Context, c clock.Clock, do func()) {
	for ctx.Err() == nil {
		do()
		if c.Wait(ctx, sweepEvery) != nil {
			return
		}
	}
}

// sweepOnce removes what was left behind in the workspace, and what other workspaces of the
// user have left behind on the engine. What cannot be removed is said, and tried again.
func (a *app) sweepOnce() {
	own := &app{console: &console.Console{Out: a.console.Out, Err: a.console.Err, In: a.console.In, Format: a.console.Format, Quiet: a.console.Quiet, Verbose: a.console.Verbose}}
	own.flags = a.flags // the rest belongs to what else the process does
	defer own.close()   //nolint:errcheck // the next one opens its own
	if err := own.sweep(); err != nil {
		a.console.Note("test environments that were left behind: %v", err)
	}
}

func (a *app) sweep() error {
	m, err := a.environments()
	if err != nil {
		return err
	}
	known, err := m.store.Everywhere()
	if err != nil || len(known) == 0 {
		return err // nobody has any: no engine is needed
	}
	ctx := context.Background()
	for _, named := range enginesOf(known) {
		engine, err := openEngineOf(ctx, named)
		if err != nil {
			continue // whoever makes environments there will say so
		}
		info, err := engine.Info(ctx)
		_ = engine.Close() // it was only asked
		if err != nil {
			return err
		}
		m.removeElsewhere(placeOf(info))
	}
	return nil
}
