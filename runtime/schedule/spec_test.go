package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
)

// at reads a time in UTC.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMistakes(t *testing.T) {
	now := at(t, "2026-11-21 12:00:00")
	for _, c := range []struct {
		spec schedule.Spec
		want string
	}{
		{schedule.Spec{}, "needs either --cron or --every"},
		{schedule.Spec{Cron: "@daily", Every: time.Hour}, "needs either"},
		{schedule.Spec{Every: 1500 * time.Millisecond}, "whole seconds"},
		{schedule.Spec{Every: -time.Hour}, "whole seconds"},
		{schedule.Spec{Every: time.Hour, Zone: "UTC"}, "--timezone belongs to --cron"},
		{schedule.Spec{Every: time.Hour, Overlap: "skp"}, "did you mean skip?"},
		{schedule.Spec{Every: time.Hour, CatchUp: time.Second}, "--catch-up must be 10s or more"},
		{schedule.Spec{Every: time.Hour, Jitter: -time.Second}, "must not be negative"},
		{schedule.Spec{Cron: "@daly"}, "no such name"},
		{schedule.Spec{Cron: "0 2 * *"}, "it has 4 fields, not 5"},
		{schedule.Spec{Cron: "0 0 2 * * *"}, "it has 6 fields, not 5"},
		{schedule.Spec{Cron: "60 2 * * *"}, `the minute "60" is not from 0 to 59`},
		{schedule.Spec{Cron: "0 24 * * *"}, `the hour "24"`},
		{schedule.Spec{Cron: "0 2 0 * *"}, `the day of the month "0"`},
		{schedule.Spec{Cron: "0 2 L * *"}, `the day of the month "L"`},
		{schedule.Spec{Cron: "0 2 * 13 *"}, `the month "13"`},
		{schedule.Spec{Cron: "0 2 * * 8"}, `the day of the week "8"`},
		{schedule.Spec{Cron: "0 2 * * MON#1"}, `the day of the week "MON#1"`},
		{schedule.Spec{Cron: "0 8-5 * * *"}, "ends before it begins"},
		{schedule.Spec{Cron: "*/0 * * * *"}, "a step that is not"},
		{schedule.Spec{Cron: "5/10 * * * *"}, "neither * nor a range"},
		{schedule.Spec{Cron: "1,,2 * * * *"}, `the minute ""`},
		{schedule.Spec{Cron: "+1 * * * *"}, `the minute "+1"`},
		{schedule.Spec{Cron: "0 0 30 2 *"}, "no such time comes"},
		{schedule.Spec{Cron: "@daily", Zone: "Europe/Wien"}, "did you mean Europe/Vienna?"},
		{schedule.Spec{Cron: "@daily", Zone: "Local"}, `no time zone "Local"`},
	} {
		_, err := c.spec.Complete(now)
		if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	s, err := schedule.Spec{Cron: "0 2 * * *"}.Complete(time.Now())
	if err != nil || s.Overlap != schedule.Skip || s.CatchUp != time.Hour {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestNext: which times are meant. Those of a zone are shown in UTC. Vienna goes from
// 2:00 to 3:00 on 29 March 2026 at 1:00 UTC, and from 3:00 to 2:00 on 25 October 2026 at
// 1:00 UTC.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  schedule.Spec
		after string
		want  []string
	}{
		{"each night", schedule.Spec{Cron: "0 2 * * *"}, "2026-11-21 02:00:00", []string{"2026-11-22 02:00:00", "2026-11-23 02:00:00"}},
		{"by name", schedule.Spec{Cron: "@weekly"}, "2026-11-21 02:00:00", []string{"2026-11-22 00:00:00", "2026-11-29 00:00:00"}},
		{"sunday is 7 as well", schedule.Spec{Cron: "0 0 * * 7"}, "2026-11-21 02:00:00", []string{"2026-11-22 00:00:00"}},
		{"office hours", schedule.Spec{Cron: "*/30 8-9 * * mon-fri"}, "2026-11-20 09:00:00", []string{"2026-11-20 09:30:00", "2026-11-23 08:00:00"}},
		{"either day is enough", schedule.Spec{Cron: "0 0 13 * FRI"}, "2026-11-11 00:00:00", []string{"2026-11-13 00:00:00", "2026-11-20 00:00:00", "2026-11-27 00:00:00", "2026-12-04 00:00:00", "2026-12-11 00:00:00", "2026-12-13 00:00:00"}},
		{"the 31st", schedule.Spec{Cron: "0 0 31 * *"}, "2026-08-31 00:00:00", []string{"2026-10-31 00:00:00", "2026-12-31 00:00:00"}},
		{"a leap day", schedule.Spec{Cron: "0 0 29 2 *"}, "2026-11-11 00:00:00", []string{"2028-02-29 00:00:00", "2032-02-29 00:00:00"}},
		{"a leap day in a zone", schedule.Spec{Cron: "0 0 29 2 *", Zone: "Europe/Vienna"}, "2026-11-11 00:00:00", []string{"2028-02-28 23:00:00"}},
		{"seconds are left behind", schedule.Spec{Cron: "* * * * *"}, "2026-11-21 12:00:59", []string{"2026-11-21 12:01:00"}},
		{"in a zone", schedule.Spec{Cron: "0 2 * * *", Zone: "Europe/Vienna"}, "2026-11-21 00:00:00", []string{"2026-11-21 01:00:00"}},
		{"the night without that time", schedule.Spec{Cron: "30 2 * * *", Zone: "Europe/Vienna"}, "2026-03-28 00:00:00", []string{"2026-03-28 01:30:00", "2026-03-30 00:30:00"}},
		{"the hour that the clock goes to", schedule.Spec{Cron: "0 3 * * *", Zone: "Europe/Vienna"}, "2026-03-28 12:00:00", []string{"2026-03-29 01:00:00", "2026-03-30 01:00:00"}},
		{"the night with that time twice", schedule.Spec{Cron: "30 2 * * *", Zone: "Europe/Vienna"}, "2026-10-24 12:00:00", []string{"2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-26 01:30:00"}},
		{"all through the longer night", schedule.Spec{Cron: "0 * * * *", Zone: "Europe/Vienna"}, "2026-10-24 23:00:00", []string{"2026-10-25 00:00:00", "2026-10-25 01:00:00", "2026-10-25 02:00:00"}},
		{"a zone that changes by half an hour", schedule.Spec{Cron: "0 2 * * *", Zone: "Australia/Lord_Howe"}, "2026-10-03 00:00:00", []string{"2026-10-04 15:00:00"}},
		{"at intervals", schedule.Spec{Every: 90 * time.Second}, "2026-11-21 12:00:00", []string{"2026-11-21 12:01:30", "2026-11-21 12:03:00"}},
		{"at intervals from in between", schedule.Spec{Every: 6 * time.Hour}, "2026-11-21 12:00:01", []string{"2026-11-21 18:00:00"}},
	} {
		after := at(t, c.after)
		for i, want := range c.want {
			got := c.spec.Next(after)
			if !got.Equal(at(t, want)) {
				t.Errorf("%s: the time %d is %s, not %s", c.name, i+1, got.UTC(), want)
				break
			}
			after = got
		}
	}
}

// TestDue: what is begun, and what is too late.
func TestDue(t *testing.T) {
	hourly := schedule.Spec{Cron: "0 * * * *", CatchUp: 30 * time.Minute}
	day := "2026-11-21 "
	for _, c := range []struct {
		name             string
		spec             schedule.Spec
		since, now, want string
		late             bool
	}{
		{"nothing yet", hourly, "12:00:00", "12:59:59", "", false},
		{"now", hourly, "12:00:00", "13:00:00", "13:00:00", false},
		{"a busy machine", hourly, "12:00:00", "13:00:08", "13:00:00", false},
		{"once what was missed", hourly, "08:00:00", "13:29:00", "13:00:00", false},
		{"too late", hourly, "12:00:00", "13:30:01", "13:00:00", true},
		{"all too late", hourly, "08:00:00", "13:45:00", "09:00:00", true},
		{"the window is later than what was looked at", hourly, "13:00:00", "13:10:00", "", false},
		{"the last of many", schedule.Spec{Every: time.Second, CatchUp: time.Minute}, "12:00:00", "13:00:00", "13:00:00", false},
	} {
		got := c.spec.Due("x", at(t, day+c.since), at(t, day+c.now))
		if c.want == "" {
			if !got.At.IsZero() {
				t.Errorf("%s: %s", c.name, got.At)
			}
			continue
		}
		if !got.At.Equal(at(t, day+c.want)) || got.Late != c.late {
			t.Errorf("%s: %s, late %t; not %s, %t", c.name, got.At.UTC(), got.Late, c.want, c.late)
		}
	}
}

// TestJitter: later by less than that, the same each time, never past the next time, and
// other than that of another schedule.
func TestJitter(t *testing.T) {
	s := schedule.Spec{Every: time.Minute, Jitter: 10 * time.Minute, CatchUp: time.Hour}
	differ := 0
	for i := range 1000 {
		due := at(t, "2026-11-21 12:00:00").Add(time.Duration(i) * time.Minute)
		begin := s.Begin("a", due)
		if begin.Before(due) || !begin.Before(due.Add(time.Minute)) || !begin.Equal(s.Begin("a", due)) {
			t.Fatalf("%s begins at %s", due, begin)
		}
		if !begin.Equal(s.Begin("b", due)) {
			differ++
		}
		if before := begin.Add(-time.Nanosecond); begin.After(due) && !s.Due("a", due.Add(-time.Minute), before).At.IsZero() {
			t.Fatalf("%s is due at %s, before %s", due, before, begin)
		}
		if got := s.Due("a", due.Add(-time.Minute), begin); !got.At.Equal(due) || got.Late {
			t.Fatalf("%s is not due at %s: %+v", due, begin, got)
		}
	}
	if differ < 900 {
		t.Errorf("two schedules begin at once %d times of 1000", 1000-differ)
	}
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		overlap       schedule.Overlap
		going, queued int
		want          schedule.Step
	}{
		{schedule.Skip, 0, 0, schedule.StepBegin}, {schedule.Skip, 1, 0, schedule.StepSkip},
		{schedule.Queue, 0, 0, schedule.StepBegin}, {schedule.Queue, 1, 0, schedule.StepQueue}, {schedule.Queue, 1, 1, schedule.StepSkip},
		{schedule.Cancel, 0, 0, schedule.StepBegin}, {schedule.Cancel, 1, 0, schedule.StepCancel}, {schedule.Cancel, 1, 1, schedule.StepCancel},
		{schedule.Allow, 0, 0, schedule.StepBegin}, {schedule.Allow, 3, 0, schedule.StepBegin},
	} {
		if got := c.overlap.Meet(c.going, c.queued); got != c.want {
			t.Errorf("%s, %d go on, %d wait: %s, not %s", c.overlap, c.going, c.queued, got, c.want)
		}
	}
}
