package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func (a *app) resumeCommand() *cobra.Command {
	var done, redo, skip, limits []string
	var edit editFlags
	cmd := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that failed, was interrupted, or waits",
		Long: `Go on with a run that failed, was interrupted, waits, or lost its process.

What the journal knows to have happened is not done again. An effect that may or
may not have happened is looked for in the world; where that cannot tell, the run
waits until you say what happened, with --done, --redo or --skip.

The run goes on with the script that it was started with. With --edited it goes on
with the text that the script has now: that is compared with what was done, and
writes which it has inserted before that, or removed, are done or taken back only
when you say so.

RUN is an id, the beginning of one, or "last".`,
		Example: "  provisioning resume last\n  provisioning resume 3f2a --redo 0.2#4\n  provisioning resume last --edited --check",
		Args:    exactly(1, "a run"),
	}
	cmd.Flags().StringArrayVar(&done, "done", nil, "the effect at this place happened")
	cmd.Flags().StringArrayVar(&redo, "redo", nil, "the effect at this place did not happen: do it")
	cmd.Flags().StringArrayVar(&limits, "limit", nil, "limit of the run in place of the one that it had, NAME=VALUE")
	cmd.Flags().StringArrayVar(&skip, "skip", nil, "go on without the effect at this place")
	edit.define(cmd.Flags())
	a.engine.defineServer(cmd.Flags())
	a.isolateFlag(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		answers := map[string]string{}
		for choice, places := range map[string][]string{door.AnswerDone: done, door.AnswerRedo: redo, door.AnswerSkip: skip} {
			for _, place := range places {
				if answers[place] != "" {
					return fault.New(fault.Usage, "the effect %s is answered twice", place)
				}
				answers[place] = choice
			}
		}
		with := runtime.Resume{Limits: map[string]string{}}
		for _, place := range sortedKeys(answers) {
			with.Answers = append(with.Answers, runtime.Answer{Place: place, Choice: answers[place]})
		}
		if err := readLimits(limits, with.Limits); err != nil {
			return err
		}
		with.KeepRemoved = edit.keep
		if err := edit.checkFlags(len(answers)); err != nil {
			return err
		}
		if edit.edited {
			return a.resumeEdited(args[0], with, &edit)
		}
		return a.resume(args[0], with)
	}
	return cmd
}

func (a *app) resume(id string, with runtime.Resume) error {
	return a.outcome(a.executed("", id, func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) {
		return e.Resume(in, id, with)
	}))
}

func (a *app) rollbackCommand() *cobra.Command {
	var to string
	var check bool
	cmd := &cobra.Command{
		Use:   "rollback RUN",
		Short: "Take back what a run did, newest first",
		Long: `Take back what a run did, newest first, and go on past what cannot be taken back.

With --to, only what came after that checkpoint is taken back, and the run can be
resumed from there. A rollback that was interrupted goes on when it is called again.`,
		Example: "  provisioning rollback last\n  provisioning rollback 3f2a --to \"database ready\"",
		Args:    exactly(1, "a run"),
	}
	cmd.Flags().StringVar(&to, "to", "", "checkpoint to go back to")
	cmd.Flags().BoolVarP(&check, "check", "c", false, "only say what would be taken back")
	a.engine.defineServer(cmd.Flags())
	a.isolateFlag(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if check {
			return a.rollbackPlan(args[0], to)
		}
		return a.outcome(a.executed("", args[0], func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) {
			return e.Rollback(in, args[0], to)
		}))
	}
	return cmd
}

func (a *app) replayCommand() *cobra.Command {
	var with string
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Execute a run again from its journal, acting on nothing",
		Long: `Execute a run again from its journal, acting on nothing.

The script has to follow the journal; the first difference is shown with both
sides. With --script, an edited script is tried against the journal.`,
		Example: "  provisioning replay last\n  provisioning replay last --script deploy.star",
		Args:    exactly(1, "a run"),
	}
	cmd.Flags().StringVar(&with, "script", "", "script to use in place of the one that was run")
	a.isolateFlag(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		rt, in, done, err := a.unwatched()
		if err != nil {
			return err
		}
		defer done()
		out, err := rt.Replay(in, args[0], with)
		if err != nil {
			a.inRun = out != nil
			return err
		}
		if a.console.Structured() {
			return a.console.Result(map[string]any{"run": out.Run.ID, "state": out.State, "effects": out.Replayed})
		}
		a.console.Print("the run %s replays: %d effects, as recorded", out.Run.ID[:8], out.Replayed)
		return nil
	}
	return cmd
}

func (a *app) cancelCommand() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Stop a run that another process executes",
		Long: `Stop a run that another process executes. What is under way may end; it can be
resumed. A run that no process executes, and that waits, becomes cancelled.`,
		Example: "  provisioning cancel last",
		Args:    exactly(1, "a run"),
	}
	cmd.Flags().BoolVar(&now, "now", false, "cut off what is under way, too")
	a.engine.defineServer(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.cancel(args[0], now) }
	return cmd
}

func (a *app) cancel(id string, now bool) error {
	j, err := a.journal()
	if err != nil {
		return err
	}
	run, err := a.find(j, id)
	if err != nil {
		return err
	}
	if run.Options.Engine != "" && a.refreshed(run).State.Ended() {
		return fault.New(fault.Usage, "the run %s has ended: it is %s", run.ID[:8], run.State)
	}
	if there, err := a.onServer(run, func(ctx context.Context, c *temporal.Client) error {
		if now {
			return c.Cut(ctx, run.ID)
		}
		return c.Cancel(ctx, run.ID)
	}); there {
		if err == nil {
			a.console.Note("the run %s was told to stop", run.ID[:8])
		}
		return err
	}
	if pid := run.OwnerProcess(); pid != 0 && pid == j.SchedulesProcess() { // which has others to do
		if err := j.Ask(journal.Request{At: time.Now(), Verb: journal.CancelRun, Name: run.ID}); err != nil {
			return err
		}
		a.console.Note("the run %s is told to stop", run.ID[:8])
		return nil
	} else if pid != 0 {
		signals := 1
		if now {
			signals = 2
		}
		for range signals {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				return fault.Wrap(fault.Failed, err, "cannot stop the process %d of run %s", pid, run.ID[:8])
			}
			time.Sleep(50 * time.Millisecond) // two signals at once would count as one
		}
		a.console.Note("the process %d was told to stop", pid)
		return nil
	}
	if run.State.Ended() {
		return fault.New(fault.Usage, "the run %s has ended: it is %s", run.ID[:8], run.State)
	}
	if err := run.Cancel(); err != nil {
		return err
	}
	a.console.Note("the run %s is cancelled; resume it with: provisioning resume %s", run.ID[:8], run.ID[:8])
	return nil
}

// watched executes something while its progress is shown, and Ctrl-C stops it.
// file is the script that it is about; "" where that is in the journal.
func (a *app) watched(file string, do func(*runtime.Runtime, runtime.Interrupt) (*runtime.Outcome, error)) (*runtime.Outcome, error) {
	return a.shown(file, func(_ workspace.Workspace, rt *runtime.Runtime, _ event.Sink) (*runtime.Outcome, error) {
		in, done := a.interrupt()
		defer done()
		return do(rt, in)
	})
}

// shown does something with a runtime whose progress is shown, as is what it passes on
// to the sink.
func (a *app) shown(file string, do func(workspace.Workspace, *runtime.Runtime, event.Sink) (*runtime.Outcome, error)) (*runtime.Outcome, error) {
	ws, err := a.workspace(file)
	if err != nil {
		return nil, err
	}
	progress := a.console.NewProgress()
	progress.Commands = a.commands
	defer progress.Close()
	rt, err := a.runtime(ws, progress)
	if err != nil {
		return nil, err
	}
	return do(ws, rt, progress)
}

// unwatched prepares an execution that acts on nothing, so that there is no
// progress to show. done ends the listening for Ctrl-C.
func (a *app) unwatched() (rt *runtime.Runtime, in runtime.Interrupt, done func(), err error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, in, nil, err
	}
	if rt, err = a.runtime(ws, nil); err != nil {
		return nil, in, nil, err
	}
	in, done = a.interrupt()
	return rt, in, done, nil
}

// outcome shows how an execution ended. What a failed or interrupted run says
// ends with the command that resumes it.
func (a *app) outcome(out *runtime.Outcome, err error) error {
	if out == nil || out.Run == nil {
		return err
	}
	a.inRun = true
	if a.console.Structured() {
		return a.structuredOutcome(out, err)
	}
	a.rollbackReport(out.Rollback)
	id := out.Run.ID[:8]
	if err != nil {
		a.report(err)
		a.console.Quiet = false // how to go on belongs to the error
	}
	switch out.State {
	case journal.Completed:
		if v := out.Value; v != nil && v != starlark.None {
			a.console.Print("%s", value.Show(v))
		}
		a.console.Note("run %s completed", id)
	case journal.RolledBack:
		a.console.Note("run %s rolled back", id)
	case journal.Waiting:
		a.console.Note("run %s waits for an answer; then go on with: provisioning resume %s", id, id)
	case journal.RollingBack:
		a.console.Note("the rollback of run %s is not complete; go on with: provisioning rollback %s", id, id)
	case journal.Failed:
		if out.Rollback != nil {
			a.console.Note("the rollback of run %s is not complete; go on with: provisioning rollback %s", id, id)
			break
		}
		fallthrough
	default:
		a.console.Note("run %s %s; resume it with: provisioning resume %s", id, out.State, id)
	}
	if err != nil {
		code, _ := a.codeOf(err)
		return exitCode(code)
	}
	return nil
}

func (a *app) structuredOutcome(out *runtime.Outcome, err error) error {
	result := map[string]any{"run": out.Run.ID, "state": out.State}
	if out.Rollback != nil {
		result["rollback"] = out.Rollback
	}
	if out.Value != nil && out.Value != starlark.None {
		if plain, gerr := value.Go(out.Value); gerr == nil {
			result["result"] = plain
		} else {
			result["result"] = out.Value.String()
		}
	}
	if err != nil {
		result["error"] = journal.FaultOf(err)
		result["resume"] = fmt.Sprintf("provisioning resume %s", out.Run.ID[:8])
	}
	if rerr := a.console.Result(result); rerr != nil {
		return rerr
	}
	if err != nil {
		code, _ := a.codeOf(err)
		return exitCode(code)
	}
	return nil
}

func (a *app) rollbackPlan(id, to string) error {
	rt, in, done, err := a.unwatched()
	if err != nil {
		return err
	}
	defer done()
	report, err := rt.RollbackPlan(in, id, to)
	if err != nil {
		return err
	}
	if a.console.Structured() {
		return a.console.Result(report)
	}
	a.console.Note("Dry-run mode - no changes will be made")
	for _, u := range report.Undone {
		a.console.Print("  undo    %s", u)
	}
	for _, u := range report.Failed {
		a.console.Print("  cannot  %s", u)
	}
	for _, u := range report.Left {
		a.console.Print("  leave   %s", u)
	}
	a.console.Print("rollback: %d to undo, %d that cannot be, %d to leave as they are", len(report.Undone), len(report.Failed), len(report.Left))
	return nil
}

func (a *app) rollbackReport(r *runtime.Report) {
	if r == nil {
		return
	}
	a.console.Note("rollback: %d undone, %d failed, %d left as they are", len(r.Undone), len(r.Failed), len(r.Left))
	for _, u := range r.Failed {
		a.console.Note("  failed  %s", u)
	}
	for _, u := range r.Left {
		a.console.Note("  left    %s", u)
	}
}
