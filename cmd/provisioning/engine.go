package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
)

// engine executes runs: this program, or a Temporal cluster.
type engine interface {
	Start(runtime.Interrupt, runtime.Start) (*runtime.Outcome, error)
	Apply(runtime.Interrupt, *plan.File) (*runtime.Outcome, error)
	Resume(in runtime.Interrupt, id string, with runtime.Resume) (*runtime.Outcome, error)
	Rollback(in runtime.Interrupt, id, to string) (*runtime.Outcome, error)
}

var (
	_ engine = (*runtime.Runtime)(nil)
	_ engine = (*temporal.Client)(nil)
)

// engineLocal is the engine within this program.
const engineLocal = "local"

// engineConfig is the table [engine] of the configuration of a workspace.
type engineConfig struct {
	Default  string            `toml:"default"`
	Temporal temporal.Settings `toml:"temporal"`
}

// engineFlags name the engine, and how it is reached.
type engineFlags struct {
	name     string
	temporal temporal.Settings
}

func (f *engineFlags) define(fs *pflag.FlagSet) {
	f.defineServer(fs)
	fs.StringVar(&f.name, "engine", "", "what executes the run: local or temporal (default [engine] default, else local)")
}

func (f *engineFlags) defineServer(fs *pflag.FlagSet) {
	fs.StringVar(&f.temporal.Address, "temporal", "", "address of the Temporal server, HOST:PORT (default [engine.temporal] address, else 127.0.0.1:7233)")
	fs.StringVar(&f.temporal.Namespace, "namespace", "", "namespace on the Temporal server (default [engine.temporal] namespace)")
}

// engineSettings puts together what the configuration, the environment and the flags
// say, each over the one before.
func (a *app) engineSettings(ws workspace.Workspace) (engineConfig, error) {
	file := filepath.Join(ws.Root, workspace.Marker)
	cfg, err := readEngine(file, ws.Root)
	if err != nil {
		return cfg, err
	}
	for _, set := range []struct {
		value string
		field *string
	}{
		{os.Getenv("PROVISIONING_ENGINE"), &cfg.Default}, {a.engine.name, &cfg.Default},
		{os.Getenv("PROVISIONING_ENGINE_TEMPORAL_ADDRESS"), &cfg.Temporal.Address}, {a.engine.temporal.Address, &cfg.Temporal.Address},
		{os.Getenv("PROVISIONING_ENGINE_TEMPORAL_NAMESPACE"), &cfg.Temporal.Namespace}, {a.engine.temporal.Namespace, &cfg.Temporal.Namespace},
		{os.Getenv("PROVISIONING_ENGINE_TEMPORAL_TASK_QUEUE"), &cfg.Temporal.Queue}, {a.engine.temporal.Queue, &cfg.Temporal.Queue},
	} {
		if set.value != "" {
			*set.field = set.value
		}
	}
	if cfg.Temporal.Large == "" && cfg.Temporal.Loopback() {
		cfg.Temporal.Large = workspace.LargeDir()
	}
	switch cfg.Default {
	case "":
		cfg.Default = engineLocal
	case engineLocal, temporal.Name:
	default:
		return cfg, suggest(fault.New(fault.Config, "there is no engine %q", cfg.Default), cfg.Default, []string{engineLocal, temporal.Name}).
			WithHint("the engines are local and temporal; it is that of --engine, PROVISIONING_ENGINE, or [engine] default in %s", file)
	}
	return cfg, nil
}

// readEngine reads the table of a file, which need not be there. Names of files in it
// are relative to root.
func readEngine(file, root string) (engineConfig, error) {
	var all struct {
		Engine engineConfig `toml:"engine"`
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return all.Engine, nil
	}
	if err != nil {
		return all.Engine, fault.Wrap(fault.Config, err, "cannot read the configuration of the workspace")
	}
	err = toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&all)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		err = unknownSetting(file, unknown)
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, col := bad.Position()
		return all.Engine, fault.New(fault.Config, "%s:%d:%d: %s has a value of the wrong type: %s", file, row, col,
			strings.Join(bad.Key(), "."), strings.TrimPrefix(bad.Error(), "toml: ")).
			WithHint("the settings of [engine] are in the guide docs/cluster.md")
	}
	if err != nil {
		return all.Engine, err
	}
	all.Engine.Temporal = all.Engine.Temporal.Below(root)
	return all.Engine, nil
}

// unknownSetting is about the first setting of [engine] that there is not; what is in
// other tables is for others.
func unknownSetting(file string, missing *toml.StrictMissingError) error {
	for _, e := range missing.Errors {
		key := e.Key()
		if len(key) < 2 || key[0] != "engine" {
			continue
		}
		row, col := e.Position()
		name := strings.Join(key[1:], ".")
		f := fault.New(fault.Config, "%s:%d:%d: there is no setting engine.%s", file, row, col, name)
		if near := spell.Nearest(name, engineKeys); near != "" {
			f.Msg += " (did you mean engine." + near + "?)"
		} else {
			f.Hint = "there are engine." + strings.Join(engineKeys, ", engine.")
		}
		return f
	}
	return nil
}

// engineKeys are the settings that there are.
var engineKeys = []string{
	"default", "temporal.address", "temporal.namespace", "temporal.task_queue", "temporal.key_file", "temporal.large", "temporal.api_key_file",
	"temporal.history_events", "temporal.heartbeat", "temporal.routes", "temporal.tls.ca_file", "temporal.tls.cert_file", "temporal.tls.key_file", "temporal.tls.server_name", "temporal.tls.enabled",
}

// executed executes something on an engine while its progress is shown, and Ctrl-C
// stops it. file is the script that it is about; id the run, where there is one.
func (a *app) executed(file, id string, do func(engine, runtime.Interrupt) (*runtime.Outcome, error)) (*runtime.Outcome, error) {
	return a.shown(file, func(ws workspace.Workspace, rt *runtime.Runtime, sink event.Sink) (*runtime.Outcome, error) {
		name, err := a.engineFor(ws, rt, id)
		if err != nil {
			return nil, err
		}
		in, done := a.interrupt()
		defer done()
		if a.following {
			in.Cut = in.Stop
		}
		if name != temporal.Name {
			return do(rt, in)
		}
		if a.isolate && id != "" && !a.isolated(rt, id) {
			return nil, notElsewhere("--isolate for a run that was begun without it")
		}
		client, err := a.temporal(in.Cut, ws, rt, sink)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		a.elsewhere.Store(true)
		return do(client, in)
	})
}

// isolated reports whether a run was begun with an interpreter in a process of its own.
func (a *app) isolated(rt *runtime.Runtime, id string) bool {
	j, err := rt.Journal()
	if err != nil {
		return false
	}
	run, err := j.Find(id)
	return err == nil && run.Options.Isolate
}

// showing shows what a run shows, until it is interrupted.
func (a *app) showing(run func() (*runtime.Outcome, error)) error {
	a.commands, a.following = true, true
	out, err := run()
	if out != nil && out.State == journal.Cancelled {
		return nil
	}
	return a.outcome(out, err)
}

// engineFor is the engine of a run; without one, that for a new run.
func (a *app) engineFor(ws workspace.Workspace, rt *runtime.Runtime, id string) (string, error) {
	if id != "" {
		return a.engineOf(rt, id)
	}
	cfg, err := a.engineSettings(ws)
	return cfg.Default, err
}

// submit gives a run to the cluster, and does not wait for it.
func (a *app) submit(f *runFlags) error {
	ws, err := a.workspace(f.start.Script)
	if err != nil {
		return err
	}
	cfg, err := a.engineSettings(ws)
	if err != nil {
		return err
	}
	if cfg.Default != temporal.Name {
		return fault.New(fault.Usage, "--detach needs an engine that goes on when this program ends").
			WithHint("give the run to a cluster: --engine temporal")
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return err
	}
	in, done := a.interruptWith(stopping)
	defer done()
	client, err := a.temporal(in.Stop, ws, rt, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	run, err := client.Submit(runtime.Interrupt{Stop: in.Stop, Cut: in.Stop}, f.start)
	if err != nil {
		return err
	}
	if a.console.Structured() {
		return a.console.Result(map[string]any{"run": run.ID, "state": run.State, "follow": "provisioning runs follow " + run.ID[:8]})
	}
	a.console.Print("%s", run.ID)
	a.console.Note("the cluster has the run %s; follow it with: provisioning runs follow %s", run.ID[:8], run.ID[:8])
	return nil
}

// follow shows what a run on the cluster does, until it has ended, or waits. Ctrl-C ends
// the following, and not the run.
func (a *app) follow(id string) error {
	var goesOn bool
	out, err := a.shown("", func(ws workspace.Workspace, rt *runtime.Runtime, sink event.Sink) (*runtime.Outcome, error) {
		name, err := a.engineOf(rt, id)
		if err != nil {
			return nil, err
		}
		if name != temporal.Name {
			return nil, fault.New(fault.Usage, "the run %s is executed on this machine", id).
				WithHint("see what it prints with: provisioning runs logs --follow %s", id)
		}
		in, done := a.interruptWith("the run goes on without being watched; stop it with: provisioning cancel " + id)
		defer done()
		client, err := a.temporal(in.Stop, ws, rt, sink)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		out, err := client.Follow(in, id)
		goesOn = in.Stop.Err() != nil
		return out, err
	})
	if goesOn {
		return exitCode(130)
	}
	return a.outcome(out, err)
}

// notElsewhere says that something is for runs on this machine.
func notElsewhere(what string) error {
	return fault.New(fault.Usage, "%s is for runs on this machine; the engine of this one is %s", what, temporal.Name).
		WithHint("run the script here: provisioning run --engine local")
}

// engineOf is the engine that a run was given to.
func (a *app) engineOf(rt *runtime.Runtime, id string) (string, error) {
	j, err := rt.Journal()
	if err != nil {
		return "", err
	}
	run, err := a.find(j, id)
	if err != nil {
		return "", err
	}
	return run.Options.Engine, nil
}

// find finds a run. One that the server has begun, for a schedule or for somebody else,
// is looked for there.
func (a *app) find(j *journal.Journal, id string) (*journal.Run, error) {
	run, err := j.Find(id)
	if !fault.Is(err, fault.NotFound) || !runID.MatchString(id) {
		return run, err
	}
	if there, derr := a.discover(id, 2); derr != nil {
		return nil, errors.Join(err, derr)
	} else if !there {
		return nil, err
	}
	return j.Find(id)
}

// look finds a run that is looked at. Where this workspace has none, "last" is the last one
// of the cluster: what acts on a run does not guess.
func (a *app) look(j *journal.Journal, id string) (*journal.Run, error) {
	run, err := a.find(j, id)
	if id != "last" || !fault.Is(err, fault.NotFound) {
		return run, err
	}
	if _, derr := a.discover("", 1); derr != nil {
		return nil, errors.Join(err, derr)
	}
	return j.Find(id)
}

// runID is the beginning of the id of a run.
var runID = regexp.MustCompile("^[0-9a-f-]{1,36}$")

// discover takes copies of the runs on the server that are not known here, where runs
// are executed there.
func (a *app) discover(begin string, limit int) (there bool, err error) {
	ws, err := a.workspace("")
	if err != nil {
		return false, err
	}
	cfg, err := a.engineSettings(ws)
	if err != nil || cfg.Default != temporal.Name {
		return false, err
	}
	return true, a.onEngine(func(ctx context.Context, c *temporal.Client) error { return c.Discover(ctx, begin, limit) })
}

// temporal connects to the Temporal server.
func (a *app) temporal(ctx context.Context, ws workspace.Workspace, rt *runtime.Runtime, sink event.Sink) (*temporal.Client, error) {
	cfg, err := a.engineSettings(ws)
	if err != nil {
		return nil, err
	}
	keyFile, err := workspace.KeyFile()
	if err != nil {
		return nil, err
	}
	return temporal.Dial(ctx, cfg.Temporal, seal.KeyAt(keyFile), rt, sink)
}

// onServer does something with the engine of a run that is executed elsewhere. It
// reports false for one that is executed here.
func (a *app) onServer(run *journal.Run, do func(context.Context, *temporal.Client) error) (bool, error) {
	if run.Options.Engine != temporal.Name {
		return false, nil
	}
	return true, a.onEngine(do)
}

// onEngine does something with the engine on the server.
func (a *app) onEngine(do func(context.Context, *temporal.Client) error) error {
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return err
	}
	client, err := a.temporal(context.Background(), ws, rt, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	return do(context.Background(), client)
}

// refreshed is a run as it is by now: of one that is executed elsewhere there is a copy
// here, which is brought up to date. Where that cannot be done the copy has to do.
func (a *app) refreshed(run *journal.Run) *journal.Run {
	if run.State.Ended() || a.away {
		return run
	}
	_, err := a.onServer(run, func(ctx context.Context, c *temporal.Client) error {
		fresh, err := c.Sync(ctx, run.ID)
		if err == nil {
			*run = *fresh
		}
		return err
	})
	if err != nil {
		a.away = true // once is enough to wait for it
		a.console.Note("run %s is shown as it was last seen: %v", run.ID[:8], err)
	}
	return run
}
