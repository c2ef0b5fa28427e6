package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

func (a *app) taskservPower(verb, short, state string) *cobra.Command {
	var f taskservFlags
	cmd := &cobra.Command{
		Use: verb + " NAME…", Short: short, Args: atLeastOne("the names of taskservs"),
		Long:    short + `. Started services have to be well then, as their recipe says.`,
		Example: fmt.Sprintf("  provisioning taskserv %s redis --servers web-1,web-2", verb),
		RunE: func(_ *cobra.Command, args []string) error {
			places, _, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "power", recipes: places, arguments: f.arguments()}
			s.arguments["state"] = starlark.String(state)
			return a.runTaskserv(&f, s, func(v starlark.Value) {
				var rows [][]string
				for _, s := range structs(v) {
					rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), attr(s, "services")})
				}
				a.console.Table([]string{"NAME", "SERVER", "SERVICES"}, rows)
			})
		},
	}
	f.defineRun(cmd.Flags())
	return cmd
}

func (a *app) taskservConfigure() *cobra.Command {
	var f taskservFlags
	var config, profile string
	var reset bool
	cmd := &cobra.Command{
		Use: "configure NAME", Short: "Give a service another configuration", Args: exactly(1, "the name of a taskserv"),
		Long: `Give a service another configuration: its files are written, and it is restarted when
they have changed. --reset gives it the configuration that it would have if it were
installed now, without a file.`,
		Example: "  provisioning taskserv configure redis --servers web-1 --config redis.toml\n  provisioning taskserv configure redis --servers web-1 --reset",
		RunE: func(_ *cobra.Command, args []string) error {
			if (config == "") != reset {
				return fault.New(fault.Usage, "either --config or --reset is needed")
			}
			places, recipes, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "configure", recipes: places, arguments: f.arguments()}
			if s.arguments["config"], err = a.taskservConfig(recipes, recipes[0].Name, profile, config); err != nil {
				return err
			}
			s.arguments["profile"] = starlark.String(profile)
			return a.runTaskserv(&f, s, a.showCreated)
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().StringVar(&config, "config", "", "file with the configuration: TOML, YAML, JSON, or a script that sets config")
	cmd.Flags().StringVar(&profile, "profile", "", "name of a set of configuration that the recipe has")
	cmd.Flags().BoolVar(&reset, "reset", false, "go back to the configuration without changes: the one that it would have if it were installed now")
	return cmd
}

func (a *app) taskservReset() *cobra.Command {
	var f taskservFlags
	cmd := &cobra.Command{
		Use: "reset NAME…", Short: "Go back to the configuration without changes, and restart", Args: atLeastOne("the names of taskservs"),
		Long: `Give services the configuration that they would have if they were installed now, without
a file and without a profile, and restart them, whatever that changes. That has to be
confirmed. Data stay.`,
		Example: "  provisioning taskserv reset redis --servers web-1 --check\n  provisioning taskserv reset redis --servers web-1 --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			places, recipes, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "configure", recipes: places, arguments: f.arguments()}
			if s.arguments["config"], err = a.taskservConfig(recipes, "", "", ""); err != nil {
				return err
			}
			s.arguments["restart"] = starlark.True
			what := "reset " + strings.Join(namesOf(recipes), ", ") + " on " + strings.Join(f.servers, ", ")
			if err := a.confirmed(&f, what); err != nil {
				return err
			}
			return a.runTaskserv(&f, s, a.showCreated)
		},
	}
	f.defineRun(cmd.Flags())
	return cmd
}

// namesOf are those of recipes.
func namesOf(recipes []*recipe.Recipe) []string {
	names := make([]string, len(recipes))
	for i, r := range recipes {
		names[i] = r.Name
	}
	return names
}

func (a *app) taskservBackup() *cobra.Command {
	var f taskservFlags
	var label, to string
	cmd := &cobra.Command{
		Use: "backup NAME…", Short: "Back services up, into files of the workspace", Args: atLeastOne("the names of taskservs"),
		Example: "  provisioning taskserv backup postgres --servers db-1 --label before-update",
		RunE: func(_ *cobra.Command, args []string) error {
			places, _, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "backup", recipes: places, arguments: f.arguments()}
			s.arguments["label"], s.arguments["to"] = starlark.String(label), starlark.String(to)
			return a.runTaskserv(&f, s, func(v starlark.Value) {
				var rows [][]string
				for _, s := range structs(v) {
					rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), attr(s, "file")})
				}
				a.console.Table([]string{"NAME", "SERVER", "FILE"}, rows)
			})
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().StringVar(&label, "label", "", "part of the names of the files (default: the time)")
	cmd.Flags().StringVar(&to, "to", "backups", "directory of the workspace")
	return cmd
}

func (a *app) taskservRestore() *cobra.Command {
	f := taskservFlags{inOrder: true} // one file is for one service
	var from string
	cmd := &cobra.Command{
		Use: "restore NAME --from FILE", Short: "Bring back what a backup has saved", Args: exactly(1, "the name of a taskserv"),
		Example: "  provisioning taskserv restore postgres --servers db-1 --from backups/postgres/db-1-before-update",
		RunE: func(cmd *cobra.Command, args []string) error {
			if from == "" {
				return fault.New(fault.Usage, "%s needs --from", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			places, _, err := a.placesOf(args, false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "restore", recipes: places, arguments: f.arguments()}
			s.arguments["source"] = starlark.String(from)
			return a.runTaskserv(&f, s, func(starlark.Value) { a.console.Note("restored %s from %s", args[0], from) })
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().StringVar(&from, "from", "", "file of the workspace that backup has made")
	return cmd
}

func (a *app) taskservRun() *cobra.Command {
	var f taskservFlags
	var arguments []string
	cmd := &cobra.Command{
		Use: "run NAME ACTION", Short: "Call a function of a taskserv's own, such as promote", Args: exactly(2, "the names of a taskserv and of one of its actions"),
		Example: "  provisioning taskserv run postgres promote --servers db-2",
		RunE: func(_ *cobra.Command, args []string) error {
			places, recipes, err := a.placesOf(args[:1], false)
			if err != nil {
				return err
			}
			if actions := recipes[0].Texts("actions"); !slices.Contains(actions, args[1]) {
				return fault.New(fault.Usage, "taskserv %s has no action %q; actions are %s", args[0], args[1], orDash(strings.Join(actions, ", ")))
			}
			given, err := readTags(arguments)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "action", recipes: places, arguments: f.arguments()}
			s.arguments["name"], s.arguments["arguments"] = starlark.String(args[1]), given
			return a.runTaskserv(&f, s, func(v starlark.Value) {
				for _, s := range structs(v) {
					if result := attr(s, "result"); result != "" {
						a.console.Print("%s | %s", attr(s, "server"), result)
					}
				}
			})
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().StringArrayVar(&arguments, "argument", nil, "argument of the action, NAME=VALUE")
	return cmd
}

func (a *app) taskservRollback() *cobra.Command {
	var f taskservFlags
	var data bool
	cmd := &cobra.Command{
		Use: "rollback NAME…", Short: "Bring services back to what they were before the last change", Args: atLeastOne("the names of taskservs"),
		Long: `Bring services back to the version and the configuration that they had before the last
change, as their servers have recorded it. Where that change has failed on its way, it is
what was there before it, and servers that it had not come to stay as they are.

Data stay as they are, unless --data is given: then they are those of the backup that was
made before the update, and what was written since is gone. To take back all that a run has
done, use "provisioning rollback RUN".`,
		Example: "  provisioning taskserv rollback redis --servers web-1,web-2 --check",
		RunE: func(_ *cobra.Command, args []string) error {
			places, _, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "rollback", recipes: places, arguments: f.arguments()}
			if data {
				s.arguments["data"] = starlark.True
			}
			return a.runTaskserv(&f, s, a.showCreated)
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().BoolVar(&data, "data", false, "also bring back the data, from the backup that was made before the update")
	return cmd
}
