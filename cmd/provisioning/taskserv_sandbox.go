package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/recipe/inspect"
)

// taskservTest is the sandbox: a container, and four tests of a recipe in it.
func (a *app) taskservTest() *cobra.Command {
	var f testenvFlags
	var syntaxOnly bool
	cmd := &cobra.Command{
		Use: "test NAME", Short: "Try a taskserv in a container of its own", Args: exactly(1, "the name of a taskserv"),
		Long: `Try a taskserv in a container of its own, which is removed again.

First it is validated, as "provisioning taskserv validate --level check" does: what has
mistakes is not tried. Then there are four tests: whether the machine has what the recipe
needs, whether its configuration is valid, whether it installs, and whether it is well then.
With --syntax-only, and with --runtime native, there is no container, and what needs one is
skipped. "provisioning test quick" goes further.`,
		Example: "  provisioning taskserv test redis\n  provisioning taskserv test redis --syntax-only",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkRuntime(f.runtime); err != nil {
				return err
			}
			name, err := a.validated(args[0])
			if err != nil {
				return err
			}
			if syntaxOnly || f.runtime == runtimeNative {
				return a.sandboxStatic(name, f.config)
			}
			return a.sandbox(&f, name)
		},
	}
	fs := cmd.Flags()
	f.timeout = timeFlag(testenv.RunTimeout)
	fs.BoolVar(&f.keep, "keep", false, "keep the container")
	fs.BoolVar(&syntaxOnly, "syntax-only", false, "only read the scripts")
	fs.StringVar(&f.config, "settings", "", "file with the configuration: TOML, YAML or JSON")
	fs.StringVar(&f.runtime, "runtime", "", runtimeHelp)
	fs.Var(&f.timeout, "timeout", "how long the tests may take: 5m, or a number of seconds")
	return cmd
}

// validated looks for mistakes in the files of a taskserv, and in what it requires: what has
// some is not tried. It returns the name of the taskserv.
func (a *app) validated(name string) (string, error) {
	report, err := a.inspectTaskserv(name, inspect.Check)
	if err != nil {
		return "", err
	}
	if report.Valid {
		return report.Taskserv, nil
	}
	if err := a.showReport(report); err != nil {
		return "", err
	}
	return "", exitCode(1)
}

// sandboxTests are the tests of the sandbox.
var sandboxTests = []string{"Package prerequisites", "Configuration validity", "Script execution", "Health check simulation"}

func (a *app) sandbox(f *testenvFlags, name string) error {
	m, err := a.environments()
	if err != nil {
		return err
	}
	e, err := a.environmentOf(testenv.Config{
		Type: testenv.Single, Taskserv: name, BaseImage: testenv.BaseImage, Runtime: f.runtime,
		Resources: testenv.Resources{CPU: testenv.CPU, MemoryMB: testenv.MemoryMB},
	})
	if err != nil {
		return err
	}
	e.AutoCleanup = !f.keep
	subject := e.Nodes[0].Taskservs[0]
	if e.Nodes[0].Container, err = sandboxName(f.runtime, subject); err != nil {
		return err
	}
	lease, err := m.make(e)
	var why *lacking
	if errors.As(err, &why) {
		var tests []testenv.Test
		for _, name := range sandboxTests {
			tests = append(tests, testenv.Test{Name: name, Taskserv: subject, Status: testenv.Skipped, Message: why.reason})
		}
		return m.skipped(e, tests)
	}
	if err != nil {
		return err
	}
	defer lease.Release()
	keeps := f.keep
	f.keep = false // it is for --keep-on-failure
	err = m.tested(e, trial{function: "sandbox", timeout: time.Duration(f.timeout), config: f.config, arguments: starlark.StringDict{"subject": starlark.String(subject)}}, f)
	if keeps {
		a.console.Note("kept the container %s; enter it with: provisioning test env shell %s; remove it with: provisioning test env cleanup %s", e.Nodes[0].Container, e.ID, e.ID)
	}
	return err
}

// sandboxName is a name of the container that is not taken.
func sandboxName(runtime, taskserv string) (string, error) {
	ctx := context.Background()
	engine, _, err := chooseEngine(ctx, runtime)
	if err != nil {
		return "", err
	}
	defer engine.Close() //nolint:errcheck // it was only asked
	for n := 1; ; n++ {
		name := "taskserv-test-" + taskserv
		if n > 1 {
			name += fmt.Sprintf("-%d", n)
		}
		if _, found, err := engine.Look(ctx, name); err != nil || !found {
			return name, err
		}
	}
}

// sandboxStatic makes those of the tests that need no container.
func (a *app) sandboxStatic(name, config string) error {
	places, recipes, err := a.placesOf([]string{name}, true)
	if err != nil {
		return err
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	settings, err := a.taskservConfig(recipes, recipes[0].Name, "", config)
	if err != nil {
		return err
	}
	m := &environments{a: a, ws: ws}
	out, err := m.run("sandbox", places, starlark.StringDict{"subject": starlark.String(recipes[0].Name), "config": settings}, 0)
	if err != nil {
		return err
	}
	r := &testenv.Result{RunID: out.Run.ID}
	if err := returned(out, r); err != nil {
		return err
	}
	r.Count()
	return a.reportTrial(&testenv.Environment{}, r, nil)
}
