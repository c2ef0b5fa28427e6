package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Begin runs at times: by cron expressions, or at intervals",
		Long: `Begin runs at times: by cron expressions, or at intervals.

A schedule keeps the text of its script, of all that it loads, and its arguments.
On a Temporal cluster the server begins the runs, and workers execute them; on this
machine the process "provisioning worker --engine local" does both.`,
		Example: `  provisioning schedule create nightly backup.star --cron "0 2 * * *" --timezone Europe/Vienna
  provisioning schedule list
  provisioning schedule trigger nightly`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(a.scheduleCreate(), a.scheduleList(), a.scheduleShow(), a.schedulePause(), a.scheduleResume(), a.scheduleTrigger(), a.scheduleDelete())
	return cmd
}

// schedules does something with the schedules of the engine.
func (a *app) schedules(do func(name string, rt *runtime.Runtime, e schedule.Engine) error) error {
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	cfg, err := a.engineSettings(ws)
	if err != nil {
		return err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return err
	}
	if cfg.Default != temporal.Name {
		return do(engineLocal, rt, schedule.NewBook(rt))
	}
	client, err := a.temporal(context.Background(), ws, rt, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(temporal.Name, rt, client.Schedules())
}

// scheduleFlags say when the runs of a schedule begin.
type scheduleFlags struct {
	inputFlags
	cron, every, zone, overlap, catchUp, jitter string
	note                                        string
	paused, replace                             bool
}

func (f *scheduleFlags) define(fs *pflag.FlagSet) {
	f.inputFlags.define(fs)
	fs.StringVar(&f.cron, "cron", "", "when: minute, hour, day of the month, month, day of the week; or @daily and the like")
	fs.StringVar(&f.every, "every", "", "when: an interval, such as 90s or 6h")
	fs.StringVar(&f.zone, "timezone", "", "time zone of --cron, such as Europe/Vienna (default UTC)")
	fs.StringVar(&f.overlap, "overlap", "", "while another run of the schedule goes on: skip, queue, cancel or allow (default skip)")
	fs.StringVar(&f.catchUp, "catch-up", "", "how late a run may begin that nothing was there to begin (default 1h)")
	fs.StringVar(&f.jitter, "jitter", "", "begin later by up to this, so that not all begin at once")
	fs.BoolVar(&f.paused, "paused", false, "make it, but do not let it begin anything yet")
	fs.StringVar(&f.note, "reason", "", "why it is paused; it is kept with the schedule")
	fs.BoolVar(&f.replace, "replace", false, "take it in place of the schedule that has the name")
}

// spec reads the flags.
func (f *scheduleFlags) spec() (schedule.Spec, error) {
	s := schedule.Spec{Cron: f.cron, Zone: f.zone, Overlap: schedule.Overlap(f.overlap)}
	for _, d := range []struct {
		flag, text string
		to         *time.Duration
	}{{"every", f.every, &s.Every}, {"catch-up", f.catchUp, &s.CatchUp}, {"jitter", f.jitter, &s.Jitter}} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.to, err = duration.Parse(d.text); err != nil {
			return s, fault.New(fault.Usage, "--%s %v", d.flag, err)
		}
		if *d.to == 0 && d.flag != "jitter" {
			return s, fault.New(fault.Usage, "--%s must not be zero", d.flag)
		}
	}
	return s.Complete(time.Now())
}

func (a *app) scheduleCreate() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "create NAME FILE [flags of the script]",
		Short: "Make a schedule of a script",
		Long: `Make a schedule of a script.

The script is read now, with all that it loads, and mistakes in it, in its arguments
and in the times are found now. What is changed in the file afterwards does not
change the schedule: take the new text with --replace.

A time that the clock on the wall leaves out, when summer time begins, is left out;
one that it shows twice, when summer time ends, counts twice.`,
		Example: `  provisioning schedule create nightly backup.star --host db-1 --cron "0 2 * * *" --timezone Europe/Vienna
  provisioning schedule create watch check.star --every 90s --overlap skip --jitter 10s
  provisioning schedule create nightly backup.star --host db-2 --cron "0 3 * * *" --replace`,
		// The flags depend on the script, so they are parsed when it is known.
		DisableFlagParsing: true,
	}
	f.define(cmd.Flags())
	a.engine.define(cmd.Flags())
	a.isolateFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.createSchedule(cmd, &f, args) }
	cmd.ValidArgsFunction = completeRun(1)
	return cmd
}

func (a *app) createSchedule(cmd *cobra.Command, f *scheduleFlags, args []string) error {
	file, given, helped, err := a.scriptArguments(cmd, args, 1)
	if err != nil || helped {
		return err
	}
	rest := cmd.Flags().Args()
	if len(rest) != 2 {
		return fault.New(fault.Usage, "schedule create takes a name and a script").WithHint("usage: %s", cmd.UseLine())
	}
	name := rest[0]
	if !workspace.ValidName(name) {
		return fault.New(fault.Usage, "%q is no name of a schedule", name).
			WithHint("names are lower case letters, digits, - and _, after a letter; at most 63 of them")
	}
	spec, err := f.spec()
	if err != nil {
		return err
	}
	if err := f.complete(file, given); err != nil {
		return err
	}
	f.start.Infra = a.flags.infra
	return a.schedules(func(engine string, rt *runtime.Runtime, e schedule.Engine) error {
		in, done := a.interrupt()
		defer done()
		executes := engine
		if executes == engineLocal {
			executes = "" // as runs have it
		}
		t, err := rt.Template(in, f.start, executes, name)
		if err != nil {
			return err
		}
		s := schedule.Schedule{Name: name, Spec: spec, Template: t, Paused: f.paused, Note: f.note}
		if err := e.Create(context.Background(), s, f.replace); err != nil {
			return err
		}
		return a.created(engine, rt, s)
	})
}

// created says what was made, and what is missing for it to begin something.
func (a *app) created(engine string, rt *runtime.Runtime, s schedule.Schedule) error {
	next := s.Spec.Wake(s.Name, time.Now()).In(s.Spec.Location())
	if a.console.Structured() {
		record := map[string]any{"schedule": s.Name, "engine": engine, "paused": s.Paused}
		if !s.Paused {
			record["next"] = next
		}
		return a.console.Result(record)
	}
	if s.Paused {
		a.console.Note("the schedule %s is paused; let it begin with: provisioning schedule resume %s", s.Name, s.Name)
	} else {
		a.console.Note("the schedule %s begins its next run at %s", s.Name, next.Format(time.RFC3339))
	}
	return a.served(engine, rt)
}

// served says so when nothing begins the runs of schedules.
func (a *app) served(engine string, rt *runtime.Runtime) error {
	if engine != engineLocal {
		return nil
	}
	j, err := rt.Journal()
	if err == nil && j.SchedulesProcess() == 0 {
		a.console.Note("nothing begins runs yet: start provisioning worker --engine local")
	}
	return err
}

// onSchedule makes a command that does something with one schedule.
func (a *app) onSchedule(cmd *cobra.Command, do func(ctx context.Context, e schedule.Engine, name string) error) *cobra.Command {
	cmd.Args = exactly(1, "a schedule")
	cmd.ValidArgsFunction = a.scheduleNames
	a.engine.define(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.schedules(func(_ string, _ *runtime.Runtime, e schedule.Engine) error {
			return do(context.Background(), e, args[0])
		})
	}
	return cmd
}

// scheduleNames offers the schedules of this machine: a tab does not ask a server.
func (a *app) scheduleNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	j := a.existingJournal()
	if j == nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	all, _ := j.Schedules() // without: nothing is offered
	for _, s := range all {
		names = append(names, s.Name+"\t"+script.FileName(s.Template.Script))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) schedulePause() *cobra.Command {
	var reason string
	cmd := a.onSchedule(&cobra.Command{
		Use: "pause NAME", Short: "Let a schedule begin nothing until it is resumed",
		Long:    "Let a schedule begin nothing until it is resumed. Runs that go on do so, and a trigger\nstill begins one.",
		Example: "  provisioning schedule pause nightly --reason \"the disks are being replaced\"",
	}, func(ctx context.Context, e schedule.Engine, name string) error {
		if err := e.Pause(ctx, name, true, reason); err != nil {
			return err
		}
		a.console.Note("the schedule %s is paused", name)
		return nil
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept with the schedule")
	return cmd
}

func (a *app) scheduleResume() *cobra.Command {
	return a.onSchedule(&cobra.Command{
		Use: "resume NAME", Short: "Let a paused schedule go on",
		Long:    "Let a paused schedule go on. Times that have passed meanwhile are left out.",
		Example: "  provisioning schedule resume nightly",
	}, func(ctx context.Context, e schedule.Engine, name string) error {
		if err := e.Pause(ctx, name, false, ""); err != nil {
			return err
		}
		a.console.Note("the schedule %s goes on", name)
		return nil
	})
}

func (a *app) scheduleTrigger() *cobra.Command {
	return a.onSchedule(&cobra.Command{
		Use: "trigger NAME", Short: "Have a schedule begin a run now",
		Long:    "Have a schedule begin a run now, also one that is paused. Where another run goes on,\nthe same is done as at any other time of the schedule: see schedule create --overlap.",
		Example: "  provisioning schedule trigger nightly\n  provisioning schedule show nightly",
	}, func(ctx context.Context, e schedule.Engine, name string) error {
		if err := e.Trigger(ctx, name); err != nil {
			return err
		}
		a.console.Note("the schedule %s begins a run; see: provisioning schedule show %s", name, name)
		return nil
	})
}

func (a *app) scheduleDelete() *cobra.Command {
	return a.onSchedule(&cobra.Command{
		Use: "delete NAME", Short: "Remove a schedule",
		Long:    "Remove a schedule. Its runs stay, and those that go on do.",
		Example: "  provisioning schedule delete nightly",
	}, func(ctx context.Context, e schedule.Engine, name string) error {
		if err := e.Delete(ctx, name); err != nil {
			return err
		}
		a.console.Note("the schedule %s is removed", name)
		return nil
	})
}
