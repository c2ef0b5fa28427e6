package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

// scheduleRecord is what programs see of a schedule.
type scheduleRecord struct {
	Name     string         `json:"name"`
	Engine   string         `json:"engine"`
	Script   string         `json:"script"`
	Entry    string         `json:"entry,omitempty"`
	Infra    string         `json:"infra,omitempty"`
	Cron     string         `json:"cron,omitempty"`
	Every    string         `json:"every,omitempty"`
	Timezone string         `json:"timezone,omitempty"`
	Overlap  string         `json:"overlap"`
	CatchUp  string         `json:"catch_up"`
	Jitter   string         `json:"jitter,omitempty"`
	Paused   bool           `json:"paused"`
	Note     string         `json:"reason,omitempty"`
	Created  time.Time      `json:"created_at"`
	Updated  time.Time      `json:"updated_at"`
	Next     []time.Time    `json:"next"`
	Changed  []string       `json:"changed,omitempty"` // files whose text is another one by now
	Skipped  int            `json:"skipped"`
	Missed   int            `json:"missed"`
	Recent   []firingRecord `json:"recent"`
}

type firingRecord struct {
	Due   time.Time     `json:"due"`
	At    time.Time     `json:"at"`
	What  string        `json:"what"` // started, queued, skipped, missed, stopped, ended
	Run   string        `json:"run,omitempty"`
	State journal.State `json:"state,omitempty"` // of the run, where it is known
}

func (a *app) scheduleRecord(engine string, rt *runtime.Runtime, s *schedule.Status) scheduleRecord {
	r := scheduleRecord{
		Name: s.Name, Engine: engine, Script: script.FileName(s.Script), Entry: s.Entry, Infra: s.Infra,
		Cron: s.Spec.Cron, Timezone: s.Spec.Zone, Overlap: string(s.Spec.Overlap), CatchUp: s.Spec.CatchUp.String(),
		Paused: s.Paused, Note: strings.TrimSpace(s.Note), Created: s.Created.UTC(), Updated: s.Updated.UTC(),
		Next: []time.Time{}, Changed: rt.Changed(s.Hashes), Skipped: s.Skipped, Missed: s.Missed, Recent: []firingRecord{},
	}
	if s.Spec.Every != 0 {
		r.Every = s.Spec.Every.String()
	}
	if s.Spec.Jitter != 0 {
		r.Jitter = s.Spec.Jitter.String()
	}
	for _, t := range s.Next {
		r.Next = append(r.Next, t.In(s.Spec.Location()))
	}
	for _, f := range s.Firings {
		r.Recent = append(r.Recent, firingRecord{Due: f.Due.In(s.Spec.Location()), At: f.At.In(s.Spec.Location()), What: f.State, Run: f.Run})
	}
	return r
}

// when says when the runs of a schedule begin.
func (r *scheduleRecord) when() string {
	if r.Every != "" {
		return "every " + r.Every
	}
	return strings.TrimSpace(r.Cron + " " + r.Timezone)
}

// state says whether a schedule begins runs, and what people may want to know of it.
func (r *scheduleRecord) state() string {
	state := "active"
	if r.Paused {
		state = "paused"
		if r.Note != "" {
			state += ": " + firstLine(r.Note)
		}
	}
	if len(r.Changed) > 0 {
		state += ", the script has changed since"
	}
	return state
}

func (a *app) scheduleList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the schedules", Args: exactly(0, "no arguments"),
		Example: "  provisioning schedule list --out json",
	}
	a.engine.define(cmd.Flags())
	cmd.RunE = func(*cobra.Command, []string) error {
		return a.schedules(func(engine string, rt *runtime.Runtime, e schedule.Engine) error {
			all, err := e.List(context.Background())
			if err != nil {
				return err
			}
			records := make([]scheduleRecord, 0, len(all))
			for _, s := range all {
				records = append(records, a.scheduleRecord(engine, rt, s))
			}
			if a.console.Structured() {
				return a.console.Result(records)
			}
			var rows [][]string
			for _, r := range records {
				next, last := "", ""
				if len(r.Next) > 0 {
					next = r.Next[0].Format(time.RFC3339)
				}
				if len(r.Recent) > 0 {
					last = r.Recent[0].Due.Format(time.RFC3339) + " " + r.Recent[0].What
				}
				rows = append(rows, []string{r.Name, r.when(), r.Script, next, last, r.state()})
			}
			a.console.Table([]string{"schedule", "when", "script", "next", "last", "state"}, rows)
			if len(records) == 0 {
				return nil
			}
			return a.served(engine, rt)
		})
	}
	return cmd
}

func (a *app) scheduleShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a schedule with its next and its last runs", Args: exactly(1, "a schedule"),
		Example:           "  provisioning schedule show nightly",
		ValidArgsFunction: a.scheduleNames,
	}
	a.engine.define(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.schedules(func(engine string, rt *runtime.Runtime, e schedule.Engine) error {
			s, err := e.Show(context.Background(), args[0])
			if err != nil {
				return err
			}
			record := a.scheduleRecord(engine, rt, s)
			if err := a.runStates(rt, e, record.Recent); err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(record)
			}
			a.printSchedule(record)
			return a.served(engine, rt)
		})
	}
	return cmd
}

// runStates fills in how the runs of a schedule stand. Those that nobody answers for
// stay as they are.
func (a *app) runStates(rt *runtime.Runtime, e schedule.Engine, firings []firingRecord) error {
	j, err := rt.Journal()
	if err != nil {
		return err
	}
	for i := range firings {
		f := &firings[i]
		if f.Run == "" {
			continue
		}
		run, err := j.Find(f.Run)
		if there, ok := e.(*temporal.Schedules); ok && fault.Is(err, fault.NotFound) {
			run, err = there.Run(context.Background(), f.Run)
		}
		if fault.Is(err, fault.NotFound) {
			continue // it was removed
		}
		if err != nil {
			a.console.Note("the run %s cannot be shown: %v", f.Run[:8], err)
			return nil
		}
		f.State = state(a.refreshed(run))
	}
	return nil
}

func (a *app) printSchedule(r scheduleRecord) {
	a.console.Print("schedule %s\nengine %s\nscript %s\nwhen %s\nstate %s", r.Name, r.Engine, r.Script, r.when(), r.state())
	if r.Entry != "" {
		a.console.Print("entry %s", r.Entry)
	}
	if r.Infra != "" {
		a.console.Print("infra %s", r.Infra)
	}
	a.console.Print("overlap %s\ncatch-up %s", r.Overlap, r.CatchUp)
	if r.Jitter != "" {
		a.console.Print("jitter %s", r.Jitter)
	}
	for _, name := range r.Changed {
		a.console.Print("changed %s: runs have the text of %s", name, r.Updated.Format(time.RFC3339))
	}
	a.console.Print("left out %d, missed %d", r.Skipped, r.Missed)
	for _, t := range r.Next {
		a.console.Print("next %s", t.Format(time.RFC3339))
	}
	var rows [][]string
	for _, f := range r.Recent {
		run := f.Run
		if run != "" {
			run = run[:8]
		}
		rows = append(rows, []string{f.Due.Format(time.RFC3339), f.What, orDash(run), string(f.State)})
	}
	a.console.Table([]string{"due", "what", "run", "state"}, rows)
}
