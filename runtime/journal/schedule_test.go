package journal_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

func nightly() *journal.Schedule {
	now := time.Unix(100, 0)
	return &journal.Schedule{
		Name: "nightly", Spec: []byte(`{"cron":"0 2 * * *"}`), Note: "why", Created: now, Updated: now, Considered: now,
		Template: journal.Template{
			Script: "//x.star", Entry: "main", Params: []byte("p"), Options: journal.Options{Infra: "prod", Schedule: "nightly"},
			Sources: []journal.Source{{Name: "//x.star", Content: []byte("a = 1")}, {Name: "//y.star", Content: []byte("b = 1")}},
			Lines:   []journal.Line{{Place: "0", Level: "print", Text: "hello"}},
		},
	}
}

func TestScheduleComesBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	want := nightly()
	check(t, j.PutSchedule(want, false))
	check(t, j.Close())
	j = open(t, dir)
	defer j.Close()
	got, err := j.Schedule("nightly")
	check(t, err)
	for i := range got.Template.Lines {
		got.Template.Lines[i].At = time.Time{} // it is that of the run
	}
	want.Hashes = want.Template.Hashes()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	all, err := j.Schedules()
	check(t, err)
	if len(all) != 1 || !reflect.DeepEqual(all[0].Hashes, want.Hashes) || all[0].Template.Sources != nil {
		t.Errorf("%+v", all)
	}
	if _, err := j.Schedule("nightli"); !fault.Is(err, fault.NotFound) || err.Error() != `there is no schedule "nightli" (did you mean nightly?)` {
		t.Error(err)
	}
}

// TestScheduleThere: a name is taken once, and the journal goes on after a refusal.
func TestScheduleThere(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	check(t, j.PutSchedule(nightly(), false))
	if err := j.PutSchedule(nightly(), false); !fault.Is(err, fault.Usage) {
		t.Errorf("a second one: %v", err)
	}
	other := nightly()
	other.Template.Sources = other.Template.Sources[:1]
	check(t, j.PutSchedule(other, true))
	got, err := j.Schedule("nightly")
	check(t, err)
	if len(got.Template.Sources) != 1 {
		t.Errorf("it has %d sources", len(got.Template.Sources))
	}
}

// TestScheduleKeepsItsSources: also when the runs that had them are removed.
func TestScheduleKeepsItsSources(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	s := nightly()
	check(t, j.PutSchedule(s, false))
	b := s.Template.Bundle("aaaa", time.Unix(200, 0))
	check(t, j.AddFiring(&journal.Firing{Schedule: "nightly", Due: time.Unix(200, 0), State: journal.FiringStarted}, time.Unix(200, 0), b))
	run, err := j.Find("aaaa")
	check(t, err)
	lines, _, err := run.Lines(0)
	check(t, err)
	if run.State != journal.Pending || run.Options.Schedule != "nightly" || len(lines) != 1 || !lines[0].At.Equal(time.Unix(200, 0)) {
		t.Errorf("%+v, %v", run, lines)
	}
	check(t, run.Delete())
	got, err := j.Schedule("nightly")
	check(t, err)
	if len(got.Template.Sources) != 2 || !got.Considered.Equal(time.Unix(200, 0)) {
		t.Errorf("%+v", got)
	}
}

// TestFiringOfNothing: a schedule that was deleted meanwhile begins no run, and harms
// nobody.
func TestFiringOfNothing(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	s := nightly()
	f := &journal.Firing{Schedule: "nightly", Due: time.Unix(200, 0), State: journal.FiringStarted}
	if err := j.AddFiring(f, f.Due, s.Template.Bundle("aaaa", f.Due)); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	check(t, j.PutSchedule(s, false))
	f.State = journal.FiringQueued
	check(t, j.AddFiring(f, f.Due, nil))
	check(t, j.DeleteSchedule("nightly"))
	if err := j.SetFiring(f, journal.FiringStarted, s.Template.Bundle("aaaa", f.Due)); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if runs, err := j.Runs(0); err != nil || len(runs) != 0 {
		t.Errorf("%v, %v", runs, err)
	}
}

// TestForgotten: a run of another engine that was removed is known to have been here.
func TestForgotten(t *testing.T) {
	j := open(t, t.TempDir())
	defer j.Close()
	for id, engine := range map[string]string{"aaaa": "temporal", "bbbb": ""} {
		r, err := j.Create(journal.Run{ID: id, Script: "//x.star", Params: []byte{'n'}, Key: "k", Options: journal.Options{Engine: engine}})
		check(t, err)
		check(t, r.SetState(journal.Completed, nil))
		check(t, r.Delete())
		if known, err := j.Knows(id); err != nil || known != (engine != "") {
			t.Errorf("%s: %t, %v", id, known, err)
		}
	}
}
