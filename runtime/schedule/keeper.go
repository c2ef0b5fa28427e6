package schedule

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Keeper begins the runs of the schedules in the journal, and executes them. What it has
// decided is in the journal together with the run, so each time counts once, whenever the
// process ends.
type Keeper struct {
	rt  *runtime.Runtime
	in  runtime.Interrupt
	say func(format string, args ...any)

	mu    sync.Mutex
	going map[string]context.CancelFunc // by run
	all   sync.WaitGroup
}

// NewKeeper returns a keeper. When in tells it to stop, its runs are told as well. say is
// told what happens, in lines for people.
func NewKeeper(rt *runtime.Runtime, in runtime.Interrupt, say func(format string, args ...any)) *Keeper {
	return &Keeper{rt: rt, in: in, say: say, going: map[string]context.CancelFunc{}}
}

// poll is how often it is looked for what other processes have changed.
const poll = time.Second

// Serve works until it is told to stop, and its runs have ended. One process at a time
// does so for a workspace; ready is called when this one does.
func (k *Keeper) Serve(c clock.Clock, ready func()) error {
	j, err := k.rt.Journal()
	if err != nil {
		return err
	}
	release, err := j.ServeSchedules()
	if err != nil {
		return err
	}
	defer release()
	defer k.all.Wait()
	if err := k.Recover(); err != nil {
		return err
	}
	ready()
	for {
		wake, err := k.Step(c.Now())
		if err != nil {
			return err
		}
		if c.Wait(k.in.Stop, min(poll, max(0, wake.Sub(c.Now())))) != nil {
			return nil
		}
	}
}

// Wait waits until no run goes on.
func (k *Keeper) Wait() { k.all.Wait() }

// Recover goes on with the runs of a process that has ended.
func (k *Keeper) Recover() error {
	j, err := k.rt.Journal()
	if err != nil {
		return err
	}
	firings, err := j.OpenFirings()
	if err != nil {
		return err
	}
	for _, f := range firings {
		if f.State == journal.FiringQueued {
			continue
		}
		run, err := j.Find(f.Run)
		if err != nil {
			continue // it was removed; settle sees to it
		}
		lost := !run.State.Ended() && run.State != journal.Waiting && run.OwnerProcess() == 0
		switch {
		case run.State == journal.RollingBack && lost:
			k.execute(j, f, "is taken back further", func(in runtime.Interrupt) (*runtime.Outcome, error) { return k.rt.Rollback(in, f.Run, "") })
		case lost, f.State == journal.FiringStopped && run.State == journal.Cancelled:
			if err := j.SetFiring(f, journal.FiringStarted, nil); err != nil {
				return err
			}
			k.execute(j, f, "goes on", func(in runtime.Interrupt) (*runtime.Outcome, error) { return k.rt.Resume(in, f.Run, runtime.Resume{}) })
		}
	}
	return nil
}

// Step does what is to be done at a time, and returns when there is more to do.
func (k *Keeper) Step(now time.Time) (wake time.Time, err error) {
	j, err := k.rt.Journal()
	if err != nil {
		return now, err
	}
	triggered, err := k.listen(j)
	if err != nil {
		return now, err
	}
	open, err := k.settle(j)
	if err != nil {
		return now, err
	}
	schedules, err := j.Schedules()
	if err != nil {
		return now, err
	}
	wake = now.Add(poll)
	for _, s := range schedules {
		spec, err := read(s)
		if err != nil {
			return now, err
		}
		d := &deciding{k: k, j: j, s: s, spec: spec, now: now, open: open[s.Name]}
		if err := d.decide(triggered[s.Name]); err != nil {
			if _, gone := j.Schedule(s.Name); fault.Is(gone, fault.NotFound) {
				continue // it was deleted meanwhile
			}
			return now, err
		}
		if next := spec.Wake(s.Name, s.Considered); !s.Paused && !next.IsZero() && next.Before(wake) {
			wake = next
		}
	}
	return wake, nil
}

// listen takes the requests of other processes. It returns the schedules that are to
// begin a run, with the times of asking.
func (k *Keeper) listen(j *journal.Journal) (map[string][]time.Time, error) {
	requests, err := j.Requests()
	if err != nil {
		return nil, err
	}
	triggered := map[string][]time.Time{}
	for _, r := range requests {
		if err := j.Answered(r); err != nil {
			return nil, err
		}
		switch r.Verb {
		case journal.TriggerSchedule:
			triggered[r.Name] = append(triggered[r.Name], r.At)
		case journal.CancelRun:
			k.cancel(j, r.Name)
		}
	}
	return triggered, nil
}

// cancel tells a run to stop, whoever executes it, or nobody.
func (k *Keeper) cancel(j *journal.Journal, id string) {
	k.mu.Lock()
	stop := k.going[id]
	k.mu.Unlock()
	if stop != nil {
		stop()
		return
	}
	run, err := j.Find(id)
	if err == nil && !run.State.Ended() {
		err = run.Cancel()
	}
	if err != nil {
		k.say("cannot cancel the run %s: %v", id[:8], err)
	}
}

// settle finds out which firings have ended elsewhere, and returns those that have not,
// by schedule.
func (k *Keeper) settle(j *journal.Journal) (map[string][]*journal.Firing, error) {
	firings, err := j.OpenFirings()
	if err != nil {
		return nil, err
	}
	open := map[string][]*journal.Firing{}
	for _, f := range firings {
		over, err := k.over(j, f)
		if err == nil && over {
			err = j.SetFiring(f, journal.FiringEnded, nil)
		}
		if err != nil {
			return nil, err
		}
		if !over {
			open[f.Schedule] = append(open[f.Schedule], f)
		}
	}
	return open, nil
}

// over reports whether the run of a firing has ended.
func (k *Keeper) over(j *journal.Journal, f *journal.Firing) (bool, error) {
	k.mu.Lock()
	mine := k.going[f.Run] != nil
	k.mu.Unlock()
	if mine || f.State == journal.FiringQueued {
		return false, nil
	}
	run, err := j.Find(f.Run)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	return err == nil && run.State.Ended(), err
}

// deciding is one look at a schedule.
type deciding struct {
	k    *Keeper
	j    *journal.Journal
	s    *journal.Schedule
	spec Spec
	now  time.Time
	open []*journal.Firing
}

// decide begins what is to begin.
func (d *deciding) decide(triggered []time.Time) error {
	if err := d.next(); err != nil {
		return err
	}
	for _, at := range triggered {
		if err := d.meet(at); err != nil {
			return err
		}
	}
	if d.s.Paused {
		return nil
	}
	due := d.spec.Due(d.s.Name, d.s.Considered, d.now)
	switch {
	case due.At.IsZero():
		return nil
	case due.Late:
		d.k.say("schedule %s: nothing was there at %s, and now it is too late", d.s.Name, due.At.Format(time.RFC3339))
		d.s.Considered = d.now.Add(-d.spec.CatchUp)
		return d.add(due.At, journal.FiringMissed, nil)
	}
	d.s.Considered = due.At
	return d.meet(due.At)
}

// next begins the run that waits for others, when these have ended.
func (d *deciding) next() error {
	going, queued := d.count()
	if going > 0 || queued == nil {
		return nil
	}
	b, err := d.run()
	if err != nil {
		return err
	}
	if err := d.j.SetFiring(queued, journal.FiringStarted, b); err != nil {
		return err
	}
	d.begin(queued)
	return nil
}

func (d *deciding) count() (going int, queued *journal.Firing) {
	for _, f := range d.open {
		if f.State == journal.FiringQueued {
			queued = f
		} else {
			going++
		}
	}
	return going, queued
}

// meet does what the schedule wants about a time that has come.
func (d *deciding) meet(due time.Time) error {
	going, queued := d.count()
	waiting := 0
	if queued != nil {
		waiting = 1
	}
	switch d.spec.Overlap.Meet(going, waiting) {
	case StepBegin:
		b, err := d.run()
		if err != nil {
			return err
		}
		return d.add(due, journal.FiringStarted, b)
	case StepQueue:
		return d.add(due, journal.FiringQueued, nil)
	case StepCancel:
		for _, f := range d.open {
			if f.State != journal.FiringQueued {
				d.k.cancel(d.j, f.Run)
			}
		}
		if queued != nil { // the newest takes its place
			if err := d.j.SetFiring(queued, journal.FiringSkipped, nil); err != nil {
				return err
			}
		}
		return d.add(due, journal.FiringQueued, nil)
	}
	d.k.say("schedule %s: the time %s is left out, for another run goes on", d.s.Name, due.Format(time.RFC3339))
	return d.add(due, journal.FiringSkipped, nil)
}

// run makes a run of the schedule.
func (d *deciding) run() (*journal.Bundle, error) {
	s, err := d.j.Schedule(d.s.Name) // with its sources
	if err != nil {
		return nil, err
	}
	return d.k.rt.Make(&s.Template, uuid.NewString())
}

// add records a firing, and begins its run.
func (d *deciding) add(due time.Time, state string, b *journal.Bundle) error {
	f := &journal.Firing{Schedule: d.s.Name, Due: due, At: d.now, State: state}
	if err := d.j.AddFiring(f, d.s.Considered, b); err != nil {
		return err
	}
	if f.Open() {
		d.open = append(d.open, f)
	}
	if b != nil {
		d.begin(f)
	}
	return nil
}

func (d *deciding) begin(f *journal.Firing) {
	d.k.execute(d.j, f, "begins", func(in runtime.Interrupt) (*runtime.Outcome, error) {
		return d.k.rt.Resume(in, f.Run, runtime.Resume{})
	})
}

// execute executes the run of a firing beside everything else.
func (k *Keeper) execute(j *journal.Journal, f *journal.Firing, what string, do func(runtime.Interrupt) (*runtime.Outcome, error)) {
	stop, cancel := context.WithCancel(k.in.Stop)
	k.mu.Lock()
	k.going[f.Run] = cancel
	k.mu.Unlock()
	k.say("schedule %s: run %s %s", f.Schedule, f.Run[:8], what)
	mine := *f // the one of the caller is looked at meanwhile
	k.all.Go(func() {
		defer cancel()
		out, err := do(runtime.Interrupt{Stop: stop, Cut: k.in.Cut})
		k.ended(j, &mine, out, err)
	})
}

// ended records how the execution of a run has ended.
func (k *Keeper) ended(j *journal.Journal, f *journal.Firing, out *runtime.Outcome, err error) {
	state := journal.FiringEnded
	switch {
	case out == nil:
		k.say("schedule %s: the run %s cannot be executed: %v", f.Schedule, f.Run[:8], err)
	case out.State == journal.Waiting:
		state = journal.FiringStarted
		k.say("schedule %s: run %s waits for an answer", f.Schedule, f.Run[:8])
	case out.State == journal.Cancelled && k.in.Stop.Err() != nil:
		state = journal.FiringStopped
	case err != nil:
		k.say("schedule %s: run %s is %s: %v", f.Schedule, f.Run[:8], out.State, err)
	default:
		k.say("schedule %s: run %s is %s", f.Schedule, f.Run[:8], out.State)
	}
	if serr := j.SetFiring(f, state, nil); serr != nil {
		k.say("schedule %s: %v", f.Schedule, serr)
	}
	k.mu.Lock()
	delete(k.going, f.Run)
	k.mu.Unlock()
}
