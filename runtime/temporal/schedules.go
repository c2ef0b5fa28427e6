package temporal

import (
	"context"
	"errors"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
)

// Schedules are those on the server, for the queue of the settings.
type Schedules struct{ c *Client }

var _ schedule.Engine = (*Schedules)(nil)

// Schedules returns the schedules that the server keeps.
func (c *Client) Schedules() *Schedules { return &Schedules{c} }

// prefix is what the ids of the schedules of a queue begin with.
func (s *Schedules) prefix() string { return "provisioning/" + s.c.settings.Queue + "/" }

func (s *Schedules) handle(ctx context.Context, name string) client.ScheduleHandle {
	return s.c.client.ScheduleClient().GetHandle(ctx, s.prefix()+name)
}

var overlaps = map[schedule.Overlap]enumspb.ScheduleOverlapPolicy{
	schedule.Skip:   enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
	schedule.Queue:  enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ONE,
	schedule.Cancel: enumspb.SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER,
	schedule.Allow:  enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL,
}

// specOf says to the server when runs begin.
func specOf(s schedule.Spec) client.ScheduleSpec {
	spec := client.ScheduleSpec{CronExpressions: s.Crons(), Jitter: s.Jitter, TimeZoneName: s.Zone}
	if s.Every != 0 {
		spec.Intervals = []client.ScheduleIntervalSpec{{Every: s.Every}}
	}
	return spec
}

// Create gives the server a schedule.
func (s *Schedules) Create(ctx context.Context, made schedule.Schedule, replace bool) error {
	routes, err := routesOf(s.c.settings.Routes)
	if err != nil {
		return err
	}
	id := s.prefix() + made.Name
	action := &client.ScheduleWorkflowAction{
		ID: id, Workflow: workflowScheduled, TaskQueue: s.c.settings.Queue, WorkflowTaskTimeout: taskTime,
		Args: []any{plan{made.Name, made.Spec, made.Template, routes, s.c.settings.History}},
	}
	_, err = s.c.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: id, Spec: specOf(made.Spec), Action: action, Overlap: overlaps[made.Spec.Overlap], CatchupWindow: made.Spec.CatchUp,
		Paused: made.Paused, Note: made.Note,
	})
	if !errors.Is(err, sdk.ErrScheduleAlreadyRunning) {
		return s.said(ctx, err, made.Name)
	}
	if !replace {
		return journal.ScheduleThere(made.Name)
	}
	spec := specOf(made.Spec)
	return s.said(ctx, s.handle(ctx, made.Name).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			return &client.ScheduleUpdate{Schedule: &client.Schedule{
				Spec: &spec, Action: action, Policy: &client.SchedulePolicies{Overlap: overlaps[made.Spec.Overlap], CatchupWindow: made.Spec.CatchUp},
				State: &client.ScheduleState{Paused: made.Paused, Note: made.Note},
			}}, nil
		},
	}), made.Name)
}

// said puts what the server says into words for people.
func (s *Schedules) said(ctx context.Context, err error, name string) error {
	var missing *serviceerror.NotFound
	var wrong *serviceerror.InvalidArgument
	switch {
	case err == nil || fault.As(err) != nil:
		return err
	case errors.As(err, &missing):
		names, lerr := s.names(ctx)
		return errors.Join(lerr, journal.NoSchedule(name, names))
	case errors.As(err, &wrong):
		return fault.Wrap(fault.Usage, err, "the Temporal server does not take the schedule %s", name)
	}
	return fault.Wrap(fault.Unavailable, err, "the Temporal server at %s", s.c.settings.Address)
}

// names are the schedules that the server lists: a new one after a moment.
func (s *Schedules) names(ctx context.Context) ([]string, error) {
	all, err := s.c.client.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 100})
	if err != nil {
		return nil, s.said(ctx, err, "")
	}
	var names []string
	for all.HasNext() {
		entry, err := all.Next()
		if err != nil {
			return nil, s.said(ctx, err, "")
		}
		if name, ours := strings.CutPrefix(entry.ID, s.prefix()); ours && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// List returns all schedules, by name.
func (s *Schedules) List(ctx context.Context) ([]*schedule.Status, error) {
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]*schedule.Status, 0, len(names))
	for _, name := range names {
		status, err := s.Show(ctx, name)
		if fault.Is(err, fault.NotFound) {
			continue // it was deleted a moment ago
		}
		if err != nil {
			return nil, err
		}
		list = append(list, status)
	}
	return list, nil
}

// Show returns one schedule.
func (s *Schedules) Show(ctx context.Context, name string) (*schedule.Status, error) {
	d, err := s.handle(ctx, name).Describe(ctx)
	if err != nil {
		return nil, s.said(ctx, err, name)
	}
	p, err := s.plan(d)
	if err != nil {
		return nil, err
	}
	status := &schedule.Status{
		Name: name, Spec: p.Spec, Script: p.Template.Script, Entry: p.Template.Entry, Infra: p.Template.Options.Infra, Hashes: p.Template.Hashes(),
		Paused: d.Schedule.State.Paused, Note: d.Schedule.State.Note, Created: d.Info.CreatedAt, Updated: d.Info.LastUpdateAt,
		Skipped: d.Info.NumActionsSkippedOverlap, Missed: d.Info.NumActionsMissedCatchupWindow,
	}
	if status.Updated.IsZero() {
		status.Updated = status.Created
	}
	if !status.Paused {
		status.Next = d.Info.NextActionTimes[:min(len(d.Info.NextActionTimes), coming)]
	}
	going := map[string]bool{}
	for _, w := range d.Info.RunningWorkflows {
		going[w.FirstExecutionRunID] = true
	}
	for _, a := range slices.Backward(d.Info.RecentActions) {
		f := schedule.Firing{Due: a.ScheduleTime, At: a.ActualTime, State: journal.FiringEnded}
		if w := a.StartWorkflowResult; w != nil {
			f.Run = runOf(w.FirstExecutionRunID)
			if going[w.FirstExecutionRunID] {
				f.State = journal.FiringStarted
			}
		}
		status.Firings = append(status.Firings, f)
	}
	return status, nil
}

// coming is how many of the next times are shown.
const coming = 5

// plan reads what the server keeps of a schedule.
func (s *Schedules) plan(d *client.ScheduleDescription) (p plan, err error) {
	action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	if !ok || len(action.Args) != 1 {
		return p, fault.New(fault.Failed, "the schedule on the server was not made by this program")
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	if !ok {
		return p, fault.New(fault.Internal, "the schedule on the server cannot be read")
	}
	return p, s.c.data.FromPayload(payload, &p)
}

// Pause pauses a schedule, or lets it go on.
func (s *Schedules) Pause(ctx context.Context, name string, paused bool, note string) error {
	h := s.handle(ctx, name)
	if paused {
		return s.said(ctx, h.Pause(ctx, client.SchedulePauseOptions{Note: note}), name)
	}
	if err := h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: " "}); err != nil { // it would write a note of its own
		return s.said(ctx, err, name)
	}
	return nil
}

// Trigger has a run begin now.
func (s *Schedules) Trigger(ctx context.Context, name string) error {
	return s.said(ctx, s.handle(ctx, name).Trigger(ctx, client.ScheduleTriggerOptions{}), name)
}

// Delete removes a schedule. Its runs stay, and those that go on do.
func (s *Schedules) Delete(ctx context.Context, name string) error {
	return s.said(ctx, s.handle(ctx, name).Delete(ctx), name)
}

// Run takes a copy of a run that a schedule has begun.
func (s *Schedules) Run(ctx context.Context, id string) (*journal.Run, error) {
	parcel, err := s.c.parcel(ctx, id)
	if err != nil {
		return nil, s.c.said(err, id)
	}
	return s.c.rt.Unpack(parcel)
}
