// Package temporal executes runs on a Temporal cluster: it is the second engine beside
// the one within this process.
//
// A run is a workflow, and its effects are activities, which workers perform. The
// workflow is the ordinary runtime on a journal that goes away with it; three things of
// it are others: effects are sent to workers ([door.World]), branches are coroutines
// ([branch.Lines]), and waits are timers ([clock.Clock]). A client keeps a copy of the
// journal of each run, so whatever reads journals works as ever.
//
// What is durable is the history that the server keeps: from it a worker executes the
// workflow again, from the beginning, whenever another one was lost. Payloads are sealed
// with a key that workers and clients share; the server sees neither scripts nor values.
//
// A worker of a new release goes on with runs that one of an older release has begun, so
// what is in this package, and what it executes of the runtime, may change only where the
// histories in testdata/replay still replay. A history is added for each new way that a
// run can go (make histories), and never taken away or recorded anew, unless no release
// has written its like.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/runtime"
)

// Work says what a worker does.
type Work struct {
	Settings
	Queues   []string // that it takes effects from; none: the one of the settings
	Capacity int      // how many effects it performs at a time; 0: 100
	Runtime  runtime.Config
	Ready    func()       // called when it has begun
	Log      *slog.Logger // of what a person should know; nil: nobody is told
	Contact  *Contact     // told whether the server answers; nil: nobody asks
}

// String says what the worker serves.
func (w Work) String() string {
	w = w.complete()
	return fmt.Sprintf("%s, queues %s, %d effects at a time, workspace %s",
		w.Settings, strings.Join(w.Queues, " "), w.Capacity, w.Runtime.Workspace.Root)
}

// complete fills in the defaults.
func (w Work) complete() Work {
	w.Settings = w.Settings.complete()
	if w.Capacity == 0 {
		w.Capacity = standardCapacity
	}
	if len(w.Queues) == 0 {
		w.Queues = []string{w.Queue}
	}
	return w
}

const (
	standardCapacity = 100
	// heldRuns is how many runs a worker keeps as far as they have come, some with a process
	// for their interpreter. It goes through the history again of those that were let go.
	heldRuns = 500
	// Drain is how long effects under way may take when the worker is to end.
	Drain = 60 * time.Second
	// thinking is how long a script may compute between two effects, or on its way back
	// to where it was.
	thinking = 2 * time.Minute
	// taskTime is the same, as the server has it.
	taskTime = 2 * time.Minute
)

// Serve works until ctx ends. Effects that are under way then may end.
func Serve(ctx context.Context, w Work) error {
	w = w.complete()
	c, data, err := w.dial(ctx, w.Runtime.Key, w.Log, w.Contact)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := data.(sealing).try(); err != nil {
		return err
	}
	// What one worker has sealed another one opens.
	if w.Runtime.Key, err = w.shared(w.Runtime.Key); err != nil {
		return err
	}
	if err := agree(ctx, c, w.Queues, enumspb.TASK_QUEUE_TYPE_ACTIVITY, w.Runtime.Key); err != nil {
		return w.told(err)
	}
	worker.SetStickyWorkflowCacheSize(heldRuns)
	rt := runtime.New(w.Runtime)
	defer rt.Close()
	h := &host{w.Runtime, data}
	host, _ := os.Hostname() // for people; an empty name is no error
	hands := &hands{
		rt: rt, data: data, beat: c.RecordActivityHeartbeat, runs: map[string]*hand{},
		home: fmt.Sprintf("%s@%s/%d/%s", w.Queue, host, os.Getpid(), uuid.NewString()[:8]),
	}
	defer hands.closeAll()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var at []worker.Worker
	defer func() { stopAll(at) }()
	for _, queue := range append(slices.Clone(w.Queues), hands.home) {
		worker := worker.New(c, queue, worker.Options{
			MaxConcurrentActivityExecutionSize: w.Capacity, WorkerStopTimeout: Drain, DeadlockDetectionTimeout: thinking,
			MaxHeartbeatThrottleInterval: heartbeat / 5, // with it the server says what was cut off
			DisableWorkflowWorker:        queue != w.Queue, OnFatalError: fail,
		})
		if queue == w.Queue {
			worker.RegisterWorkflowWithOptions(h.Run, workflow.RegisterOptions{Name: workflowRun})
			worker.RegisterWorkflowWithOptions(scheduled, workflow.RegisterOptions{Name: workflowScheduled})
		}
		for name, do := range hands.activities() {
			worker.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
		}
		if err := worker.Start(); err != nil {
			return w.told(err)
		}
		at = append(at, worker)
	}
	if w.Contact != nil {
		go w.Contact.tend(ctx, func(ctx context.Context) error {
			_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
			return err
		})
	}
	if w.Ready != nil {
		w.Ready()
	}
	<-ctx.Done()
	if why := context.Cause(ctx); !errors.Is(why, context.Canceled) {
		return w.told(why)
	}
	return nil
}

// stopAll stops taking work from all queues at once, and waits for what is under way.
func stopAll(at []worker.Worker) {
	var all sync.WaitGroup
	for _, w := range at {
		all.Go(w.Stop)
	}
	all.Wait()
}
