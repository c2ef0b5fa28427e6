package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

// workerFlags are the flags of worker.
type workerFlags struct {
	work   temporal.Work
	given  string // a flag that only the engine temporal has; "": none
	health string
}

func (a *app) workerCommand() *cobra.Command {
	var f workerFlags
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Execute runs on a Temporal cluster, or those of schedules on this machine",
		Long: `Execute runs on a Temporal cluster, or those of schedules on this machine, until
it is stopped.

With the engine temporal, a worker executes the scripts of runs, and their effects, for
the queues that it is given. Files that effects read and write are those of the
workspace that it is started in. All workers and clients need the same key, see
[engine.temporal] key_file, and "provisioning worker key", which makes one.

With the engine local, it begins the runs of the schedules of the workspace, and
executes them. One process does so for a workspace. Runs that were under way when
it ended go on when it is started again. At once and every hour it removes the test
environments that were left behind.

The engine is that of --engine, else temporal where a flag is about it, else
[engine] default, else local.

The first Ctrl-C lets effects that are under way end, for up to a minute.

With --health it answers HTTP requests: /health with 200 while it takes work, and the
server answers, else with 503; /live with 200 for as long as the process is there.`,
		Example: "  provisioning worker --engine local\n  provisioning worker --temporal temporal.example.com:7233 --namespace ops\n  provisioning worker --queue eu-1 --capacity 20 --health :8080",
		Args:    exactly(0, "no arguments"),
	}
	a.engine.define(cmd.Flags())
	cmd.Flags().StringArrayVar(&f.work.Queues, "queue", nil, "queue to take work from; may be given several times (default [engine.temporal] task_queue)")
	cmd.Flags().IntVar(&f.work.Capacity, "capacity", 0, "how many effects to perform at a time (default 100)")
	cmd.Flags().StringVar(&f.health, "health", "", "address to answer HTTP requests about the worker's health at, HOST:PORT")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range []string{"temporal", "namespace", "queue", "capacity"} {
			if cmd.Flags().Changed(name) {
				f.given = name
			}
		}
		return a.work(f)
	}
	cmd.AddCommand(a.workerKey())
	return cmd
}

// work works for an engine.
func (a *app) work(f workerFlags) error {
	work := f.work
	if f.given != "" && a.engine.name == "" {
		a.engine.name = temporal.Name
	}
	if work.Capacity < 0 {
		return fault.New(fault.Usage, "--capacity must be 1 or more")
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	cfg, err := a.engineSettings(ws)
	if err != nil {
		return err
	}
	if cfg.Default != temporal.Name {
		if f.given != "" {
			return fault.New(fault.Usage, "--%s is for the engine temporal", f.given)
		}
		return a.serveSchedules(ws, f.health)
	}
	work.Settings = cfg.Temporal
	return a.serveRuns(ws, work, f.health)
}

// serveRuns executes runs of a cluster.
func (a *app) serveRuns(ws workspace.Workspace, work temporal.Work, address string) error {
	keyFile, err := workspace.KeyFile()
	if err != nil {
		return err
	}
	work.Runtime = runtime.Config{
		Workspace: ws, Modules: builtins.All, Globals: builtins.Globals, Stdlib: library{}, Guard: newGuard,
		Key: seal.KeyAt(keyFile), CacheDir: workspace.CacheDir(),
	}
	work.Log = slog.New(slog.NewTextHandler(a.console.Err, &slog.HandlerOptions{Level: slog.LevelInfo}))
	work.Contact = &temporal.Contact{Log: work.Log}
	in, done := a.interruptWith("stopping: effects that are under way may end, for up to " + temporal.Drain.String())
	defer done()
	h := &health{contact: work.Contact, stopping: in.Stop.Done()}
	end, err := h.serve(address)
	if err != nil {
		return err
	}
	defer end()
	work.Ready = func() {
		h.ready.Store(true)
		a.console.Note("the worker is ready: %s", work)
	}
	return temporal.Serve(in.Stop, work)
}

// serveSchedules executes the schedules of a workspace in this process.
func (a *app) serveSchedules(ws workspace.Workspace, address string) error {
	rt, err := a.runtimeWith(ws, nil, nil) // nobody is there to be asked
	if err != nil {
		return err
	}
	in, done := a.interrupt()
	defer done()
	h := &health{contact: new(temporal.Contact), stopping: in.Stop.Done()}
	end, err := h.serve(address)
	if err != nil {
		return err
	}
	defer end()
	defer a.sweepHourly(in.Stop, clock.Real)()
	return schedule.NewKeeper(rt, in, a.console.Note).Serve(clock.Real, func() {
		h.ready.Store(true)
		a.console.Note("the worker is ready: it serves the schedules of %s", ws.Root)
	})
}

func (a *app) workerKey() *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make the key that workers and clients share",
		Long: `Make the key that workers and clients share. It opens all that the server keeps of
runs, so FILE can be read by its owner alone. It is an age key, as age-keygen makes it.

Take it to each machine that runs a worker or starts runs, over a channel that you
trust, and name it there: [engine.temporal] key_file.`,
		Example: "  provisioning worker key config/cluster.key",
		Args:    exactly(1, "a file"),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
				return fault.New(fault.Usage, "there is a file %q already", args[0]).
					WithHint("what was sealed with a key cannot be read without it: choose another name")
			}
			if _, err := seal.KeyAt(args[0]).Derive("made"); err != nil {
				return err
			}
			a.console.Note("made the key %s; keep it out of version control", args[0])
			return nil
		},
	}
}
