package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

func (a *app) applyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply PLAN",
		Short: "Run a script as a plan shows it",
		Long: `Run a script as a plan shows it.

PLAN is a file that "run --plan-out" has written. It is made again first: when the
script, what its reads gave, or what would be done is not the same any more, the
difference is shown and nothing is done. A write that the plan does not have, in
any of its arms, stops the run for an answer.

Plans are made on this machine, also when another engine executes the run.`,
		Example: "  provisioning run deploy.star --plan-out deploy.plan\n  provisioning apply deploy.plan",
		Args:    exactly(1, "a plan"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.apply(args[0]) },
	}
	a.engine.define(cmd.Flags())
	a.isolateFlag(cmd.Flags())
	return cmd
}

func (a *app) apply(file string) error {
	f, err := plan.Open(file)
	if err != nil {
		return err
	}
	return a.outcome(a.executed("", "", func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) {
		return e.Apply(in, f)
	}))
}

// checkToFile plans the script and writes the plan to a file.
func (a *app) checkToFile(f *runFlags) error {
	file, err := filepath.Abs(f.planOut)
	if err != nil {
		return err
	}
	var saved *plan.File
	out, err := a.watched(f.start.Script, func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
		out, made, err := rt.CheckToFile(in, f.start)
		saved = made
		return out, err
	})
	if err == nil {
		err = saved.Save(file)
	}
	shown := a.checked(f, out, err)
	if err == nil {
		a.console.Note("the plan is in %s (%s); apply it with: provisioning apply %s", f.planOut, saved.Hash[:19], f.planOut)
	}
	return shown
}
