package temporal

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// TestSameTimes: the server begins runs when this program would. It is asked about
// stretches with changes of the clock in them. Servers up to 1.29 at least leave out
// times around the hour that the clock shows twice, in zones east of Greenwich, although
// they are said to count them all.
func TestSameTimes(t *testing.T) {
	server := temporaltest.Start(t)
	c := dialed(t, server.Address)
	for i, test := range []struct {
		spec     schedule.Spec
		from, to string
		least    int    // how many times there are, so that the test says something
		lost     string // until when on 25 October the server leaves times out
	}{
		{schedule.Spec{Cron: "30 2 * * *", Zone: "Europe/Vienna"}, "2026-03-27", "2026-04-02", 5, ""},
		{schedule.Spec{Cron: "30 2 * * *", Zone: "Europe/Vienna"}, "2026-10-23", "2026-10-29", 6, "2026-10-25T01:10"},
		{schedule.Spec{Cron: "*/20 * * * *", Zone: "Europe/Vienna"}, "2026-10-24", "2026-10-26", 136, "2026-10-25T02:30"},
		{schedule.Spec{Cron: "0 1,2,3 * * *", Zone: "America/New_York"}, "2026-03-07", "2026-03-10", 8, ""},
		{schedule.Spec{Cron: "15 1 * * SUN", Zone: "America/New_York"}, "2026-10-20", "2026-11-20", 5, ""},
		{schedule.Spec{Cron: "0 0 13 * FRI"}, "2026-01-01", "2027-01-01", 60, ""},
		{schedule.Spec{Cron: "0 0 */10 * MON-FRI"}, "2026-01-01", "2026-07-01", 12, ""},
		{schedule.Spec{Cron: "0 0 13 * */2"}, "2026-01-01", "2027-01-01", 5, ""},
		{schedule.Spec{Cron: "5-59/20 8-17/3 1-7,29 JAN-jun *"}, "2026-01-01", "2026-12-01", 400, ""},
		{schedule.Spec{Cron: "0 0 31 * *"}, "2026-01-01", "2028-01-01", 14, ""},
		{schedule.Spec{Cron: "0 0 29 2 *", Zone: "Asia/Kolkata"}, "2026-01-01", "2034-01-01", 2, ""},
		{schedule.Spec{Cron: "0 0 * * 7"}, "2026-01-01", "2026-03-01", 8, ""},
		{schedule.Spec{Cron: "@monthly", Zone: "Pacific/Auckland"}, "2026-01-01", "2027-01-01", 12, ""},
		{schedule.Spec{Every: 90 * time.Second}, "2026-01-01", "2026-01-02", 960, ""},
		{schedule.Spec{Every: 7 * time.Hour}, "2026-01-01", "2026-02-01", 100, ""},
	} {
		id := string(rune('a' + i))
		_, err := c.client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
			ID: id, Spec: specOf(test.spec), Paused: true, Action: &client.ScheduleWorkflowAction{Workflow: workflowScheduled, TaskQueue: "none"},
		})
		if err != nil {
			t.Errorf("%+v: %v", test.spec, err)
			continue
		}
		from, to := day(t, test.from), day(t, test.to)
		times, err := c.client.WorkflowService().ListScheduleMatchingTimes(t.Context(), &workflowservice.ListScheduleMatchingTimesRequest{
			Namespace: client.DefaultNamespace, ScheduleId: id, StartTime: timestamppb.New(from.Add(time.Second)), EndTime: timestamppb.New(to),
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(times.StartTime) < test.least {
			t.Errorf("%+v: the server knows %d times", test.spec, len(times.StartTime))
		}
		at := from
		for _, want := range times.StartTime {
			at = test.spec.Next(at)
			for at.Before(want.AsTime()) && strings.HasPrefix(test.lost, at.UTC().Format(time.DateOnly)) && at.UTC().Format("2006-01-02T15:04") < test.lost {
				at = test.spec.Next(at)
			}
			if !at.Equal(want.AsTime()) {
				t.Errorf("%+v: %s, and the server has %s", test.spec, at.UTC(), want.AsTime())
				break
			}
		}
		if next := test.spec.Next(at); !next.After(to) {
			t.Errorf("%+v: the server does not have %s", test.spec, next.UTC())
		}
	}
}

func day(t *testing.T, text string) time.Time {
	v, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// dialed is a client with a workspace of its own.
func dialed(t *testing.T, address string) *Client {
	ws, err := workspace.At(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key := seal.KeyAt(filepath.Join(t.TempDir(), "age.key"))
	rt := runtime.New(runtime.Config{Workspace: ws, Key: key})
	t.Cleanup(func() { rt.Close() })
	c, err := Dial(context.Background(), Settings{Address: address}, key, rt, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestScheduledRun: each time of a schedule makes a run of its own, which goes on when
// that which has begun it is gone, and is told when that is cancelled.
func TestScheduledRun(t *testing.T) {
	s := newStage(t)
	s.env.RegisterWorkflow(scheduled)
	write(t, filepath.Join(s.cfg.Workspace.Root, "a.star"), `
def main(who):
    fs.write("done.txt", "for " + who)
`)
	in := runtime.Interrupt{Stop: t.Context(), Cut: t.Context()}
	tmpl, err := s.rt.Template(in, runtime.Start{Script: filepath.Join(s.cfg.Workspace.Root, "a.star"), Flags: map[string][]string{"who": {"x"}}}, Name, "nightly")
	if err != nil {
		t.Fatal(err)
	}
	s.env.ExecuteWorkflow(scheduled, plan{Name: "nightly", Template: tmpl})
	var end ending
	if err := s.env.GetWorkflowResult(&end); err != nil || end.State != journal.Completed {
		t.Fatal(err, end)
	}
	if got := read(t, filepath.Join(s.cfg.Workspace.Root, "done.txt")); got != "for x" {
		t.Errorf("it wrote %q", got)
	}
}
