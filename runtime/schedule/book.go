package schedule

import (
	"context"
	"encoding/json"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Schedule is a schedule as people make it.
type Schedule struct {
	Name     string
	Spec     Spec
	Template *journal.Template
	Paused   bool
	Note     string // why it is paused
}

// Status is how a schedule stands.
type Status struct {
	Name    string
	Spec    Spec
	Script  string // name of the main module
	Entry   string
	Infra   string
	Hashes  map[string]string // of the texts that its runs have, by name
	Paused  bool
	Note    string
	Created time.Time
	Updated time.Time
	Next    []time.Time // the next times; none while it is paused
	Firings []Firing    // the last ones, newest first
	Skipped int         // times that were left out, because a run went on
	Missed  int         // times that nothing was there for
}

// Firing is a time at which a run was begun, or was to.
type Firing struct {
	Due   time.Time
	At    time.Time
	State string // see journal.Firing
	Run   string // "" for none
}

// Engine keeps schedules.
type Engine interface {
	Create(ctx context.Context, s Schedule, replace bool) error
	List(ctx context.Context) ([]*Status, error)
	Show(ctx context.Context, name string) (*Status, error)
	Pause(ctx context.Context, name string, paused bool, note string) error
	Trigger(ctx context.Context, name string) error
	Delete(ctx context.Context, name string) error
}

// Book are the schedules in the journal of the workspace.
type Book struct {
	rt  *runtime.Runtime
	now func() time.Time
}

var _ Engine = (*Book)(nil)

// NewBook returns the schedules of a workspace.
func NewBook(rt *runtime.Runtime) *Book { return &Book{rt, time.Now} }

// Now has the book take the time from elsewhere than the machine.
func (b *Book) Now(now func() time.Time) { b.now = now }

// Create keeps a new schedule; with replace also one in place of another. What would
// have come before that is left out.
func (b *Book) Create(_ context.Context, s Schedule, replace bool) error {
	j, err := b.rt.Journal()
	if err != nil {
		return err
	}
	spec, err := json.Marshal(s.Spec)
	if err != nil {
		return err
	}
	now := b.now()
	return j.PutSchedule(&journal.Schedule{
		Name: s.Name, Spec: spec, Template: *s.Template, Paused: s.Paused, Note: s.Note, Created: now, Updated: now, Considered: now,
	}, replace)
}

// recent is how many of its firings a status has, and of the times that come.
const (
	recent = 10
	coming = 5
)

// List returns all schedules, by name.
func (b *Book) List(context.Context) ([]*Status, error) {
	j, err := b.rt.Journal()
	if err != nil {
		return nil, err
	}
	all, err := j.Schedules()
	if err != nil {
		return nil, err
	}
	list := make([]*Status, 0, len(all))
	for _, s := range all {
		status, err := b.status(j, s)
		if err != nil {
			return nil, err
		}
		list = append(list, status)
	}
	return list, nil
}

// Show returns one schedule.
func (b *Book) Show(_ context.Context, name string) (*Status, error) {
	j, err := b.rt.Journal()
	if err != nil {
		return nil, err
	}
	s, err := j.Schedule(name)
	if err != nil {
		return nil, err
	}
	return b.status(j, s)
}

func (b *Book) status(j *journal.Journal, s *journal.Schedule) (*Status, error) {
	t := &s.Template
	status := &Status{
		Name: s.Name, Script: t.Script, Entry: t.Entry, Infra: t.Options.Infra, Hashes: s.Hashes,
		Paused: s.Paused, Note: s.Note, Created: s.Created, Updated: s.Updated,
	}
	var err error
	if status.Spec, err = read(s); err != nil {
		return nil, err
	}
	if !s.Paused {
		status.Next = status.Spec.coming(s.Name, b.now())
	}
	firings, err := j.Firings(s.Name, recent)
	if err != nil {
		return nil, err
	}
	for _, f := range firings {
		status.Firings = append(status.Firings, Firing{f.Due, f.At, f.State, f.Run})
	}
	if status.Skipped, err = j.CountFirings(s.Name, journal.FiringSkipped); err != nil {
		return nil, err
	}
	status.Missed, err = j.CountFirings(s.Name, journal.FiringMissed)
	return status, err
}

// coming are the next times at which runs begin.
func (s Spec) coming(name string, now time.Time) []time.Time {
	var times []time.Time
	for t := s.Next(now); !t.IsZero() && len(times) < coming; t = s.Next(t) {
		times = append(times, s.Begin(name, t))
	}
	return times
}

// read reads the specification of a schedule.
func read(s *journal.Schedule) (spec Spec, err error) {
	if err = json.Unmarshal(s.Spec, &spec); err != nil {
		err = fault.Wrap(fault.Failed, err, "cannot read the schedule %s", s.Name)
	}
	return spec, err
}

// Pause pauses a schedule, or lets it go on from now.
func (b *Book) Pause(_ context.Context, name string, paused bool, note string) error {
	j, err := b.rt.Journal()
	if err != nil {
		return err
	}
	return j.PauseSchedule(name, paused, note, b.now())
}

// Trigger has a run begin now. Something has to be there to do it: nobody expects it
// the day after.
func (b *Book) Trigger(_ context.Context, name string) error {
	j, err := b.rt.Journal()
	if err != nil {
		return err
	}
	if _, err := j.Schedule(name); err != nil {
		return err
	}
	if j.SchedulesProcess() == 0 {
		return fault.New(fault.Unavailable, "nothing serves the schedules of this workspace").
			WithHint("start it with: provisioning worker --engine local")
	}
	return j.Ask(journal.Request{At: b.now(), Verb: journal.TriggerSchedule, Name: name})
}

// Delete removes a schedule. Its runs stay, and those that go on do.
func (b *Book) Delete(_ context.Context, name string) error {
	j, err := b.rt.Journal()
	if err != nil {
		return err
	}
	return j.DeleteSchedule(name)
}
