package main

import (
	"context"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/internal/testenv"
)

// taskservTest is the sandbox: a container, and four tests of a recipe in it.
func (a *app) taskservTest() *cobra.Command {
	var f testenvFlags
	var syntaxOnly bool
	runtimeName := ""
	cmd := &cobra.Command{
		Use: "test NAME", Short: "Try a taskserv in a container of its own", Args: exactly(1, "the name of a taskserv"),
		Long: `Try a taskserv in a container of its own, which is removed again.

There are four tests: whether the machine has what the recipe needs, whether its
configuration is valid, whether it installs, and whether it is well then. With
--syntax-only, and with --runtime native, there is no container, and what needs one is
skipped. "provisioning test quick" goes further.`,
		Example: "  provisioning taskserv test redis\n  provisioning taskserv test redis --syntax-only",
		RunE: func(_ *cobra.Command, args []string) error {
			native, err := spelledRuntime(runtimeName)
			if err != nil {
				return err
			}
			if syntaxOnly || native {
				return a.sandboxStatic(args[0], f.config)
			}
			return a.sandbox(&f, args[0])
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.keep, "keep", false, "keep the container")
	fs.BoolVar(&syntaxOnly, "syntax-only", false, "only read the scripts")
	fs.StringVar(&f.config, "settings", "", "file with the configuration: TOML, YAML or JSON")
	fs.StringVar(&runtimeName, "runtime", "", "what the container is of: docker or podman (default: the one that is there), or native for none")
	fs.DurationVar(&f.timeout, "timeout", testenv.RunTimeout, "how long the tests may take")
	return cmd
}

// spelledRuntime reports whether no container is wanted. Which engine there is, the
// environment says: DOCKER_HOST, or the socket that is found.
func spelledRuntime(name string) (native bool, err error) {
	names := []string{"docker", "native", "podman"}
	switch name {
	case "", "docker", "podman":
		return false, nil
	case "native":
		return true, nil
	}
	e := fault.New(fault.Usage, "there is no runtime %q", name)
	if near := spell.Nearest(name, names); near != "" {
		e.Msg += " (did you mean " + near + "?)"
	}
	return false, e.WithHint("it is docker, podman or native")
}

func (a *app) sandbox(f *testenvFlags, name string) error {
	m, err := a.environments()
	if err != nil {
		return err
	}
	e, err := a.environmentOf(testenv.Config{
		Type: testenv.Single, Taskserv: name, BaseImage: testenv.BaseImage, Resources: testenv.Resources{CPU: testenv.CPU, MemoryMB: testenv.MemoryMB},
	})
	if err != nil {
		return err
	}
	e.AutoCleanup = !f.keep
	subject := e.Nodes[0].Taskservs[0]
	if e.Nodes[0].Container, err = sandboxName(subject); err != nil {
		return err
	}
	lease, err := m.make(e)
	if err != nil {
		return err
	}
	defer lease.Release()
	err = m.tested(e, trial{function: "sandbox", timeout: f.timeout, config: f.config, arguments: starlark.StringDict{"subject": starlark.String(subject)}}, false)
	if f.keep {
		a.console.Note("kept the container %s; enter it with: provisioning test env shell %s; remove it with: provisioning test env cleanup %s", e.Nodes[0].Container, e.ID, e.ID)
	}
	return err
}

// sandboxName is the name of the container; "", for the usual one of environments, when
// it is taken.
func sandboxName(taskserv string) (string, error) {
	ctx := context.Background()
	engine, err := openEngine(ctx)
	if err != nil {
		return "", err
	}
	defer engine.Close() //nolint:errcheck // it was only asked
	name := "taskserv-test-" + taskserv
	if _, found, err := engine.Look(ctx, name); err != nil || found {
		return "", err
	}
	return name, nil
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
	out, err := m.run("sandbox", places, starlark.StringDict{"subject": starlark.String(recipes[0].Name), "config": settings}, nil)
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
