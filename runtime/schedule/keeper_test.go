package schedule_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// gate is a module whose effects last until the test lets them go on. A run that is told
// to stop waits for the one that changes something.
var (
	gate = module.New("gate", "")
	_    = gate.Read("def pass_through(name): pass", &passThrough{})
	_    = gate.Write("def hold(name): pass", &hold{}, effect.Blind)

	gates sync.Map // of *doorway, by name
)

type doorway struct {
	open    chan struct{} // closed: whoever waits goes on
	arrived chan struct{} // gets one for each that waits
}

type passThrough struct {
	Name string `star:"name"`
}

func (p *passThrough) Perform(ctx context.Context, _ *effect.Env) (any, error) {
	if found, ok := gates.Load(p.Name); ok {
		gate := found.(*doorway)
		gate.arrived <- struct{}{}
		select {
		case <-gate.open:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return p.Name, nil
}

type hold struct {
	Name string `star:"name"`
}

func (h *hold) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return (&passThrough{h.Name}).Perform(ctx, env)
}

// stage is a workspace with schedules.
type stage struct {
	t    *testing.T
	dir  string
	rt   *runtime.Runtime
	book *schedule.Book
	keep *schedule.Keeper
	stop context.CancelFunc
	said []string
	mu   sync.Mutex
	name string // of the gate
	*doorway
}

const script = `
def main(gate_name = "none", held = False):
    if held:
        gate.hold(gate_name)
    gate.pass_through(gate_name)
    print("went through")
`

func newStage(t *testing.T) *stage {
	s := &stage{t: t, dir: t.TempDir(), name: t.Name(), doorway: &doorway{make(chan struct{}), make(chan struct{}, 10)}}
	gates.Store(s.name, s.doorway)
	t.Cleanup(func() { gates.Delete(s.name) })
	if err := os.WriteFile(filepath.Join(s.dir, "a.star"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	s.begin()
	t.Cleanup(s.end)
	return s
}

// begin is a process of its own, as far as that goes.
func (s *stage) begin() {
	ws, err := workspace.At(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.rt = runtime.New(runtime.Config{Workspace: ws, Modules: []*module.Module{gate}, Key: seal.KeyAt(filepath.Join(s.dir, "age.key"))})
	s.book = schedule.NewBook(s.rt)
	stop, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.keep = schedule.NewKeeper(s.rt, runtime.Interrupt{Stop: stop, Cut: stop}, func(format string, args ...any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.said = append(s.said, fmt.Sprintf(format, args...))
	})
}

// end ends the process as a signal does.
func (s *stage) end() {
	s.stop()
	s.keep.Wait()
	if err := s.rt.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *stage) journal() *journal.Journal {
	j, err := s.rt.Journal()
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// create makes a schedule whose times begin to count at midnight.
func (s *stage) create(spec schedule.Spec, waits bool) {
	s.t.Helper()
	flags := map[string][]string{}
	if waits {
		flags["gate_name"] = []string{s.name}
	}
	s.createWith(spec, flags)
}

func (s *stage) createWith(spec schedule.Spec, flags map[string][]string) {
	s.t.Helper()
	spec, err := spec.Complete(midnight)
	if err != nil {
		s.t.Fatal(err)
	}
	start := runtime.Start{Script: filepath.Join(s.dir, "a.star"), Flags: flags}
	in := runtime.Interrupt{Stop: s.t.Context(), Cut: s.t.Context()}
	tmpl, err := s.rt.Template(in, start, "", "x")
	if err != nil {
		s.t.Fatal(err)
	}
	s.book.Now(func() time.Time { return midnight })
	if err := s.book.Create(s.t.Context(), schedule.Schedule{Name: "x", Spec: spec, Template: tmpl}, false); err != nil {
		s.t.Fatal(err)
	}
}

var midnight = time.Date(2026, time.November, 21, 0, 0, 0, 0, time.UTC)

// step has the keeper look at a time after midnight.
func (s *stage) step(after time.Duration) time.Duration {
	s.t.Helper()
	wake, err := s.keep.Step(midnight.Add(after))
	if err != nil {
		s.t.Fatal(err)
	}
	return wake.Sub(midnight)
}

// became says what became of the times, oldest first: "1h0m0s ended, …".
func (s *stage) became() string {
	s.t.Helper()
	status, err := s.book.Show(s.t.Context(), "x")
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, f := range status.Firings {
		all = append([]string{f.Due.Sub(midnight).String() + " " + f.State}, all...)
	}
	return strings.Join(all, ", ")
}

func (s *stage) want(text string) {
	s.t.Helper()
	if got := s.became(); got != text {
		s.t.Errorf("it became %q, not %q\n%s", got, text, strings.Join(s.said, "\n"))
	}
}

// runs are the states of the runs, newest first.
func (s *stage) runs() []*journal.Run {
	s.t.Helper()
	runs, err := s.journal().Runs(0)
	if err != nil {
		s.t.Fatal(err)
	}
	return runs
}

var hourly = schedule.Spec{Cron: "0 * * * *"}

func TestKeeperBeginsRuns(t *testing.T) {
	s := newStage(t)
	s.create(hourly, false)
	s.step(59 * time.Minute)
	s.want("")
	s.step(time.Hour)
	s.keep.Wait()
	s.step(time.Hour + time.Second)
	s.want("1h0m0s ended")
	if wake := s.step(2*time.Hour - time.Millisecond); wake != 2*time.Hour {
		t.Errorf("it looks again after %s", wake)
	}
	s.step(2 * time.Hour)
	s.keep.Wait()
	s.want("1h0m0s ended, 2h0m0s ended")
	runs := s.runs()
	if len(runs) != 2 || runs[0].State != journal.Completed || runs[0].Options.Schedule != "x" || runs[0].Executions != 1 || runs[0].Key == runs[1].Key {
		t.Errorf("%+v", runs)
	}
	lines, _, err := runs[0].Lines(0)
	if err != nil || len(lines) != 1 || lines[0].Text != "went through" {
		t.Errorf("%+v, %v", lines, err)
	}
}

// TestKeeperHasItsText: what becomes of the file later is nothing to a schedule.
func TestKeeperHasItsText(t *testing.T) {
	s := newStage(t)
	s.create(hourly, false)
	if err := os.Remove(filepath.Join(s.dir, "a.star")); err != nil {
		t.Fatal(err)
	}
	s.step(time.Hour)
	s.keep.Wait()
	if runs := s.runs(); len(runs) != 1 || runs[0].State != journal.Completed {
		t.Errorf("%+v\n%s", runs, s.said)
	}
	status, err := s.book.Show(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if changed := s.rt.Changed(status.Hashes); len(changed) != 1 || changed[0] != "a.star" {
		t.Errorf("changed are %v", changed)
	}
}

func TestKeeperMissed(t *testing.T) {
	s := newStage(t)
	s.create(schedule.Spec{Cron: "0 * * * *", CatchUp: 10 * time.Minute}, false)
	s.step(5*time.Hour + 30*time.Minute)
	s.want("1h0m0s missed")
	s.step(7*time.Hour + 5*time.Minute)
	s.keep.Wait()
	s.want("1h0m0s missed, 7h0m0s ended")
	if status, err := s.book.Show(t.Context(), "x"); err != nil || status.Missed != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestKeeperOverlap(t *testing.T) {
	for _, c := range []struct {
		overlap     schedule.Overlap
		while, then string // what became of three times, while the first run goes on, and after that
		states      string // of the runs, oldest first
	}{
		{schedule.Skip, "1h0m0s started, 2h0m0s skipped, 3h0m0s skipped", "1h0m0s ended, 2h0m0s skipped, 3h0m0s skipped", "completed"},
		{schedule.Queue, "1h0m0s started, 2h0m0s queued, 3h0m0s skipped", "1h0m0s ended, 2h0m0s ended, 3h0m0s skipped", "completed completed"},
		{schedule.Allow, "1h0m0s started, 2h0m0s started, 3h0m0s started", "1h0m0s ended, 2h0m0s ended, 3h0m0s ended", "completed completed completed"},
	} {
		t.Run(string(c.overlap), func(t *testing.T) {
			s := newStage(t)
			s.create(schedule.Spec{Cron: "0 * * * *", Overlap: c.overlap}, true)
			for h := range 3 {
				s.step(time.Duration(h+1) * time.Hour)
			}
			s.want(c.while)
			close(s.open)
			s.keep.Wait()
			s.step(3*time.Hour + time.Minute)
			s.keep.Wait()
			s.want(c.then)
			s.states(c.states)
		})
	}
}

// states compares the states of the runs, oldest first.
func (s *stage) states(want string) {
	s.t.Helper()
	var got []string
	for _, r := range s.runs() {
		got = append([]string{string(r.State)}, got...)
	}
	if strings.Join(got, " ") != want {
		s.t.Errorf("the runs are %v, not %q\n%s", got, want, strings.Join(s.said, "\n"))
	}
}

// TestKeeperCancels: the run that goes on ends, and the newest begins.
func TestKeeperCancels(t *testing.T) {
	s := newStage(t)
	s.createWith(schedule.Spec{Cron: "0 * * * *", Overlap: schedule.Cancel}, map[string][]string{"gate_name": {s.name}, "held": {"true"}})
	s.step(time.Hour)
	<-s.arrived
	s.step(2 * time.Hour) // tells the first one to stop: what is under way may end
	s.step(3 * time.Hour)
	s.want("1h0m0s started, 2h0m0s skipped, 3h0m0s queued")
	close(s.open)
	s.keep.Wait()
	s.step(3*time.Hour + time.Minute)
	s.keep.Wait()
	s.want("1h0m0s ended, 2h0m0s skipped, 3h0m0s ended")
	s.states("cancelled completed")
}

// TestKeeperPaused: nothing begins, but what is asked for.
func TestKeeperPaused(t *testing.T) {
	s := newStage(t)
	s.create(hourly, false)
	if err := s.book.Pause(t.Context(), "x", true, "because"); err != nil {
		t.Fatal(err)
	}
	s.step(time.Hour)
	s.want("")
	if err := s.journal().Ask(journal.Request{At: midnight.Add(time.Minute), Verb: journal.TriggerSchedule, Name: "x"}); err != nil {
		t.Fatal(err)
	}
	s.step(90 * time.Minute)
	s.keep.Wait()
	s.want("1m0s ended")
	s.book.Now(func() time.Time { return midnight.Add(2*time.Hour + time.Minute) })
	if err := s.book.Pause(t.Context(), "x", false, ""); err != nil {
		t.Fatal(err)
	}
	s.step(2*time.Hour + 2*time.Minute) // what passed while it was paused is left out
	s.want("1m0s ended")
	s.step(3 * time.Hour)
	s.keep.Wait()
	s.want("1m0s ended, 3h0m0s ended")
}

// TestKeeperEnds: a run that was under way when the process was told to end goes on with
// the next one, and what was cancelled does not.
func TestKeeperEnds(t *testing.T) {
	s := newStage(t)
	s.create(hourly, true)
	s.step(time.Hour)
	<-s.arrived
	s.end()
	s.begin()
	s.want("1h0m0s stopped")
	s.states("cancelled")
	close(s.open)
	if err := s.keep.Recover(); err != nil {
		t.Fatal(err)
	}
	s.keep.Wait()
	s.step(time.Hour + time.Minute)
	s.want("1h0m0s ended")
	s.states("completed")
	if err := s.keep.Recover(); err != nil || s.runs()[0].Executions != 2 {
		t.Errorf("%v, %+v", err, s.runs()[0])
	}
}

// TestKeeperDied: what the process had decided is in the journal together with the run,
// so the next one executes that, and not another.
func TestKeeperDied(t *testing.T) {
	s := newStage(t)
	s.create(hourly, false)
	j := s.journal()
	sch, err := j.Schedule("x")
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.rt.Make(&sch.Template, "11111111-0000-0000-0000-000000000000")
	if err != nil {
		t.Fatal(err)
	}
	f := &journal.Firing{Schedule: "x", Due: midnight.Add(time.Hour), At: midnight.Add(time.Hour), State: journal.FiringStarted}
	if err := j.AddFiring(f, f.Due, b); err != nil { // and then nothing more
		t.Fatal(err)
	}
	s.end()
	s.begin()
	if err := s.keep.Recover(); err != nil {
		t.Fatal(err)
	}
	s.step(time.Hour + time.Minute)
	s.keep.Wait()
	s.step(time.Hour + 2*time.Minute)
	s.want("1h0m0s ended")
	s.states("completed")
}

// TestKeeperForgets: a schedule that is removed leaves its runs alone.
func TestKeeperForgets(t *testing.T) {
	s := newStage(t)
	s.create(hourly, true)
	s.step(time.Hour)
	if err := s.book.Delete(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	close(s.open)
	s.keep.Wait()
	s.step(2 * time.Hour)
	s.states("completed")
	for _, err := range []error{
		s.book.Delete(t.Context(), "x"), s.book.Trigger(t.Context(), "x"), s.book.Pause(t.Context(), "x", true, ""),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%v", err)
		}
	}
}

// TestTriggerWantsSomebody: nobody expects a run the day after.
func TestTriggerWantsSomebody(t *testing.T) {
	s := newStage(t)
	s.create(hourly, false)
	if err := s.book.Trigger(t.Context(), "x"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
	release, err := s.journal().ServeSchedules()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.book.Trigger(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if _, err := s.journal().ServeSchedules(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	release()
	if pid := s.journal().SchedulesProcess(); pid != 0 {
		t.Errorf("%d still serves them", pid)
	}
}
