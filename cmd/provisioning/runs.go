package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

func (a *app) runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "runs",
		Short:   "Look at the runs of the workspace",
		Example: "  provisioning runs list\n  provisioning runs show last",
		Args:    cobra.ArbitraryArgs,
	}
	cmd.AddCommand(a.runsList(), a.runsShow(), a.runsLogs(), a.runsFollow(), a.runsEvents(), a.runsGraph(), a.runsExplain(), a.runsAnswer(), a.runsExport(), a.runsPrune(), a.runsCapabilities())
	return cmd
}

// withRun makes the body of a command that looks at one run.
func (a *app) withRun(do func(j *journal.Journal, run *journal.Run) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		j, err := a.journal()
		if err != nil {
			return err
		}
		run, err := a.look(j, args[0])
		if err != nil {
			return err
		}
		return do(j, a.refreshed(run))
	}
}

// runRecord is what programs see of a run.
type runRecord struct {
	ID         string             `json:"id"`
	State      journal.State      `json:"state"`
	Script     string             `json:"script"`
	Entry      string             `json:"entry,omitempty"`
	Infra      string             `json:"infra,omitempty"`
	Created    time.Time          `json:"created_at"`
	Updated    time.Time          `json:"updated_at"`
	Ended      time.Time          `json:"completed_at,omitzero"`
	Executions int                `json:"executions"`
	Isolated   bool               `json:"isolated,omitempty"`
	Schedule   string             `json:"schedule,omitempty"`
	Owner      string             `json:"owner,omitempty"`
	Error      *journal.Fault     `json:"error,omitempty"`
	Effects    []effectRecord     `json:"effects,omitempty"`
	Questions  []journal.Question `json:"questions,omitempty"`
	Revisions  []journal.Revised  `json:"edits,omitempty"`
}

type effectRecord struct {
	Number      int       `json:"number"` // in the order in which they were begun
	Place       string    `json:"place"`
	Kind        string    `json:"kind"`
	Write       bool      `json:"write"`
	Description string    `json:"description"`
	Position    string    `json:"position"`
	Status      string    `json:"status"`
	Undo        string    `json:"undo,omitempty"`
	UndoError   string    `json:"undo_error,omitempty"`
	Begun       time.Time `json:"begun_at"`
	Ended       time.Time `json:"ended_at,omitzero"`
	Attempts    int       `json:"attempts"`
}

func recordOf(r *journal.Run) runRecord {
	return runRecord{
		ID: r.ID, State: state(r), Script: script.FileName(r.Script), Entry: r.Entry, Infra: r.Options.Infra,
		Created: r.Created.UTC(), Updated: r.Updated.UTC(), Ended: utc(r.Ended), Executions: r.Executions, Isolated: r.Options.Isolate,
		Owner: r.Owner, Error: r.Error, Schedule: r.Options.Schedule,
	}
}

func effectOf(e *journal.Effect) effectRecord {
	return effectRecord{
		Place: e.Place, Kind: e.Kind, Write: e.Write, Description: e.Description, Position: e.Pos, Status: e.Progress(),
		Undo: e.UndoStatus.String(), UndoError: e.UndoError, Begun: e.Begun.UTC(), Ended: utc(e.Ended), Attempts: e.Attempts,
	}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// state is that of the journal, unless the process of a run is gone.
func state(r *journal.Run) journal.State {
	if r.Options.Engine == "" && (r.State == journal.Running || r.State == journal.RollingBack || r.State == journal.Pending) && r.OwnerProcess() == 0 {
		return "interrupted"
	}
	return r.State
}

func (a *app) runsList() *cobra.Command {
	var limit int
	var only string
	cmd := &cobra.Command{
		Use: "list", Short: "List the runs, newest first", Args: exactly(0, "no arguments"),
		Example: "  provisioning runs list --status failed",
		RunE: func(*cobra.Command, []string) error {
			j, err := a.journal()
			if err != nil {
				return err
			}
			if _, err := a.discover("", max(limit, 0)); err != nil {
				a.console.Note("runs that were begun elsewhere may be missing: %v", err)
			}
			runs, err := j.Runs(limit)
			if err != nil {
				return err
			}
			records := make([]runRecord, 0, len(runs))
			for _, r := range runs {
				if rec := recordOf(a.refreshed(r)); only == "" || string(rec.State) == only {
					records = append(records, rec)
				}
			}
			if a.console.Structured() {
				return a.console.Result(records)
			}
			var rows [][]string
			for _, r := range records {
				why := ""
				if r.Error != nil {
					why = firstLine(r.Error.Message)
				}
				rows = append(rows, []string{r.ID[:8], string(r.State), r.Script, r.Created.Format(time.RFC3339), why})
			}
			a.console.Table([]string{"run", "state", "script", "created", "why"}, rows)
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many runs to look at")
	cmd.Flags().StringVar(&only, "status", "", "only runs in this state")
	return cmd
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len([]rune(line)) > 70 {
		return string([]rune(line)[:70]) + "…"
	}
	return line
}

func (a *app) runsShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show a run with its effects", Args: exactly(1, "a run"),
		Example: "  provisioning runs show last",
		RunE: a.withRun(func(_ *journal.Journal, run *journal.Run) error {
			effects, err := run.Effects()
			if err != nil {
				return err
			}
			questions, err := run.Questions()
			if err != nil {
				return err
			}
			rec := recordOf(run)
			rec.Questions = questions
			if rec.Revisions, err = run.Revisions(); err != nil {
				return err
			}
			for i, e := range effects {
				rec.Effects = append(rec.Effects, effectOf(e))
				rec.Effects[i].Number = i + 1
			}
			if a.console.Structured() {
				return a.console.Result(rec)
			}
			a.printRun(rec)
			return nil
		}),
	}
}

func (a *app) printRun(r runRecord) {
	a.console.Print("run %s\nscript %s\nstate %s\ncreated %s\nexecutions %d", r.ID, r.Script, r.State, r.Created.Format(time.RFC3339), r.Executions)
	if r.Isolated {
		a.console.Print("isolated")
	}
	if r.Schedule != "" {
		a.console.Print("schedule %s", r.Schedule)
	}
	if r.Error != nil {
		a.console.Print("why %s", strings.TrimSpace(fault.Render(r.Error.Err())))
	}
	for _, rev := range r.Revisions {
		a.console.Print("edited %s: %s", rev.At.Format(time.RFC3339), rev.Note)
	}
	for _, q := range r.Questions {
		answer := "not answered"
		if q.Answer != "" {
			answer = q.Answer + " " + q.Reason
		}
		a.console.Print("question %s: %s [%s] %s", q.Place, q.Text, strings.Join(q.Choices, "/"), answer)
	}
	var rows [][]string
	for _, e := range r.Effects {
		took := ""
		if !e.Ended.IsZero() {
			took = duration.Short(e.Ended.Sub(e.Begun))
		}
		status := e.Status
		if strings.HasPrefix(e.Place, journal.ParkedPrefix) {
			status += ", removed by an edit"
		}
		if e.Undo != "" {
			status += ", " + e.Undo
		}
		rows = append(rows, []string{strconv.Itoa(e.Number), e.Place, e.Kind, firstLine(e.Description), status, took, e.Position})
	}
	a.console.Table([]string{"n", "place", "effect", "", "status", "took", "position"}, rows)
}

func (a *app) runsLogs() *cobra.Command {
	var level string
	var follow bool
	cmd := &cobra.Command{
		Use: "logs RUN", Short: "Show what a run printed", Args: exactly(1, "a run"),
		Long:    "Show what a run printed: with print, with the functions of log, and through its commands.",
		Example: "  provisioning runs logs last --level stderr",
	}
	cmd.RunE = a.withRun(func(_ *journal.Journal, run *journal.Run) error {
		all := []journal.Line{}
		for after := int64(0); ; {
			lines, next, err := run.Lines(after)
			if err != nil {
				return err
			}
			after = next
			for _, l := range lines {
				if level != "" && l.Level != level {
					continue
				}
				l.At = l.At.UTC()
				all = append(all, l)
				a.console.Print("%s %s %-6s %s", l.At.Format(time.RFC3339), l.Place, l.Level, l.Text)
			}
			if !follow || !a.goesOn(run) {
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
		if a.console.Structured() {
			return a.console.Result(all)
		}
		return nil
	})
	cmd.Flags().StringVar(&level, "level", "", "only this level: print, debug, info, warn, error, stdout, stderr")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return cmd
}

func (a *app) runsFollow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "follow RUN", Short: "Show what a run on a cluster does, until it has ended or waits", Args: exactly(1, "a run"),
		Long: `Show what a run on a cluster does, from its beginning, until it has ended or waits.
It ends as "provisioning run" would have. Ctrl-C ends the following, and not the run.`,
		Example: "  provisioning runs follow last",
		RunE:    func(_ *cobra.Command, args []string) error { return a.follow(args[0]) },
	}
	a.engine.defineServer(cmd.Flags())
	return cmd
}

// goesOn reports whether a run is being executed.
func (a *app) goesOn(run *journal.Run) bool {
	if run.Options.Engine != "" {
		return !a.refreshed(run).State.Ended() && run.State != journal.Waiting
	}
	return run.OwnerProcess() != 0
}

// runEvent is a line of runs events.
type runEvent struct {
	Time  time.Time `json:"time"`
	Type  string    `json:"type"`
	Place string    `json:"place,omitempty"`
	Kind  string    `json:"kind,omitempty"`
	Text  string    `json:"text,omitempty"`
}

func (a *app) runsEvents() *cobra.Command {
	return &cobra.Command{
		Use: "events RUN", Short: "Show what happened in a run, in the order of time", Args: exactly(1, "a run"),
		Example: "  provisioning runs events last --out json",
		RunE: a.withRun(func(_ *journal.Journal, run *journal.Run) error {
			effects, err := run.Effects()
			if err != nil {
				return err
			}
			events := eventsOf(run, effects)
			if a.console.Structured() {
				return a.console.Result(events)
			}
			for _, e := range events {
				a.console.Print("%s", strings.TrimRight(fmt.Sprintf("%s %-14s %-8s %s %s",
					e.Time.Format("2006-01-02T15:04:05.000Z07:00"), e.Type, e.Place, e.Kind, e.Text), " "))
			}
			return nil
		}),
	}
}

func eventsOf(run *journal.Run, effects []*journal.Effect) []runEvent {
	events := []runEvent{{Time: run.Created.UTC(), Type: "run_started", Text: script.FileName(run.Script)}}
	for _, e := range effects {
		events = append(events, runEvent{e.Begun.UTC(), "effect_started", e.Place, e.Kind, e.Description})
		if !e.Ended.IsZero() {
			events = append(events, runEvent{e.Ended.UTC(), "effect_ended", e.Place, e.Kind, e.Status.String()})
		}
	}
	if !run.Ended.IsZero() {
		events = append(events, runEvent{Time: run.Ended.UTC(), Type: "run_ended", Text: string(run.State)})
	}
	slices.SortStableFunc(events, func(x, y runEvent) int { return x.Time.Compare(y.Time) })
	return events
}

func (a *app) runsAnswer() *cobra.Command {
	var place, reason string
	cmd := &cobra.Command{
		Use: "answer RUN CHOICE", Short: "Answer the question that a run waits for", Args: exactly(2, "a run and a choice"),
		Example: "  provisioning runs answer last yes --reason \"checked with the team\"\n  provisioning resume last",
	}
	cmd.Flags().StringVar(&place, "place", "", "which question, when there are several")
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept with the run")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		return a.withRun(func(_ *journal.Journal, run *journal.Run) error {
			q, err := openQuestion(run, place)
			if err != nil {
				return err
			}
			if !slices.Contains(q.Choices, args[1]) {
				return suggest(fault.New(fault.Usage, "%q is no answer to: %s", args[1], q.Text), args[1], q.Choices).
					WithHint("answer with one of %s", strings.Join(q.Choices, ", "))
			}
			if err := run.Answer(q.Place, args[1], reason); err != nil {
				return err
			}
			if _, err := a.onServer(run, func(ctx context.Context, c *temporal.Client) error {
				return c.Answer(ctx, run.ID, q.Place, args[1], reason)
			}); err != nil {
				return err
			}
			a.console.Note("answered; go on with: provisioning resume %s", run.ID[:8])
			return nil
		})(c, args[:1])
	}
	return cmd
}

func openQuestion(run *journal.Run, place string) (journal.Question, error) {
	questions, err := run.Questions()
	if err != nil {
		return journal.Question{}, err
	}
	var open []journal.Question
	var places []string
	for _, q := range questions {
		if q.Answer == "" && (place == "" || q.Place == place) {
			open = append(open, q)
			places = append(places, q.Place)
		}
	}
	switch len(open) {
	case 0:
		return journal.Question{}, fault.New(fault.NotFound, "the run %s has no open question", run.ID[:8])
	case 1:
		return open[0], nil
	}
	return journal.Question{}, fault.New(fault.Usage, "the run %s has several open questions", run.ID[:8]).
		WithHint("say which one with --place: %s", strings.Join(places, ", "))
}

func (a *app) runsPrune() *cobra.Command {
	var olderThan string
	var failed, check bool
	cmd := &cobra.Command{
		Use: "prune", Short: "Remove ended runs with their journals", Args: exactly(0, "no arguments"),
		Long:    "Remove completed and rolled back runs. Failed and cancelled ones are kept, as they can be\nresumed, unless --failed is given.",
		Example: "  provisioning runs prune --older-than 30d --check",
	}
	cmd.Flags().StringVar(&olderThan, "older-than", "30d", "age since their end")
	cmd.Flags().BoolVar(&failed, "failed", false, "failed and cancelled runs as well")
	cmd.Flags().BoolVarP(&check, "check", "c", false, "only say what would be removed")
	cmd.RunE = func(*cobra.Command, []string) error {
		age, err := duration.Parse(olderThan)
		if err != nil {
			return fault.New(fault.Usage, "--older-than %v", err)
		}
		j, err := a.journal()
		if err != nil {
			return err
		}
		return a.prune(j, time.Now().Add(-age), failed, check)
	}
	return cmd
}

func (a *app) prune(j *journal.Journal, before time.Time, failed, check bool) error {
	runs, err := j.Runs(0)
	if err != nil {
		return err
	}
	removed := []string{}
	for _, r := range runs {
		resumable := r.State == journal.Failed || r.State == journal.Cancelled
		if !r.State.Ended() || r.Ended.After(before) || (resumable && !failed) || r.OwnerProcess() != 0 {
			continue
		}
		if !check {
			if err := r.Delete(); err != nil {
				return err
			}
		}
		removed = append(removed, r.ID)
		a.console.Print("%s %s %s", r.ID[:8], r.State, script.FileName(r.Script))
	}
	if !check {
		if err := j.Sweep(); err != nil {
			return err
		}
	}
	if a.console.Structured() {
		return a.console.Result(removed)
	}
	verb := "removed"
	if check {
		verb = "would be removed"
	}
	a.console.Note("%d runs %s", len(removed), verb)
	return nil
}

// showValue is the text of a stored value; secrets have none.
func showValue(v starlark.Value, err error) string {
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return v.String()
}
