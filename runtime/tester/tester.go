// Package tester runs the tests of scripts.
//
// A test is a function test_… of a file …_test.star. Each is a run of its own, in
// a copy of the workspace, with a journal and a key of its own: it acts for
// real, on nothing of the user's. Waits take no time, see runtime/clock.
//
//	tests, err := tester.Find(ws, paths)
//	suite := &tester.Suite{Workspace: ws, Runtime: runtime.Config{Modules: builtins.All, …}}
//	results := suite.Run(ctx, tests)
package tester

import (
	"context"
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// StandardTimeout is how long a test may take.
const StandardTimeout = 5 * time.Minute

// Suite runs tests. The zero values of its options are fine.
type Suite struct {
	Workspace workspace.Workspace
	Runtime   runtime.Config // modules and the like; the suite sets what belongs to one test
	// Jobs are tests, or points of a test, at a time; 0: as many as there are processors,
	// but points of a test that changes what they share one after the other.
	Jobs     int
	Timeout  time.Duration // of a test; 0: StandardTimeout
	FailFast bool          // after a failure, begin no more tests
	Keep     bool          // the worlds of the tests
	RealTime bool          // waits take the time that they say
	Cover    *Cover        // nil: nothing is counted
	Limits   map[string]string

	Crash       *Crash           // kill the tests; nil: they are left alone
	Undo        *Undo            // roll the tests back; nil: they are not
	Own         []*module.Module // whose writes stay in the world of a test
	Clocks      []*module.Module // whose reads ask nothing but the time
	Dice        []*module.Module // whose reads ask nothing but chance
	Simulations []Simulation     // what there is of the world beside the files

	Begin func(Test)              // called before a test; may be nil
	End   func(Result)            // called after it; may be nil
	Watch func(Test, event.Event) // called for what happens in it; may be nil
	// Progress is called when a test was killed at a point, or rolled back from one,
	// with how far that is; may be nil.
	Progress func(t Test, doing string)
}

// Run runs tests in parallel and returns their results in the order of the tests.
// When ctx ends, tests under way are cut off, and no others begun.
func (s *Suite) Run(ctx context.Context, tests []Test) []Result {
	jobs := s.jobs()
	if s.Crash != nil || s.Undo != nil {
		jobs = 1 // their points are what goes on at a time
	}
	if s.Timeout <= 0 {
		s.Timeout = StandardTimeout
	}
	sweep()
	begin, stop := context.WithCancel(ctx)
	defer stop()
	results := make([]Result, len(tests))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(jobs, len(tests)) {
		workers.Go(func() {
			for i := range next {
				results[i] = s.one(ctx, begin, tests[i])
				if s.FailFast && results[i].Status == Failed {
					stop()
				}
			}
		})
	}
	for i := range tests {
		next <- i
	}
	close(next)
	workers.Wait()
	return results
}

func (s *Suite) one(ctx, begin context.Context, t Test) Result {
	if begin.Err() != nil {
		return Result{Test: t, Status: Skipped}
	}
	if s.Begin != nil {
		s.Begin(t)
	}
	run := s.run
	if s.Crash != nil || s.Undo != nil {
		run = s.torment
	}
	r := run(ctx, t)
	if s.End != nil {
		s.End(r)
	}
	return r
}
