package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

func (a *app) taskservScale() *cobra.Command {
	f := taskservFlags{inOrder: true}
	var nodes int
	var cleanup bool
	cmd := &cobra.Command{
		Use: "scale NAME --nodes N", Short: "Bring a service onto more servers, or fewer", Args: exactly(1, "the name of a taskserv"),
		Long: `Bring a service that several servers keep in common onto more of them, or fewer, one after
the other. Its recipe has to tell servers apart by roles. That has to be confirmed.

Name all servers: those that have it, and those that may get it. The first ones that do not
have it come in, with the version and the configuration of the others; the last ones leave,
the last first. Data stay on servers that leave, unless --cleanup-data is given.`,
		Example: `  provisioning taskserv scale etcd --servers db-1,db-2,db-3 --nodes 3 --check
  provisioning taskserv scale etcd --servers db-1,db-2,db-3 --nodes 2 --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("nodes") {
				return fault.New(fault.Usage, "%s needs --nodes", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			if nodes < 1 {
				return fault.New(fault.Usage, "%s cannot be on %d servers: one has to stay", args[0], nodes).
					WithHint("to remove it from all of them: provisioning taskserv delete %s", args[0])
			}
			places, recipes, err := a.placesOf(args, true)
			if err != nil {
				return err
			}
			if !recipes[0].Has("role") {
				return fault.New(fault.Usage, "taskserv %s cannot be scaled: it does not tell servers apart by roles", recipes[0].Name)
			}
			s := &taskservScript{module: "scaling", function: "scale", recipes: places, arguments: f.arguments()}
			if s.arguments["config"], err = a.taskservConfig(recipes[1:], "", "", ""); err != nil {
				return err
			}
			if err := a.useVersions(s, recipes[1:], "", ""); err != nil {
				return err
			}
			s.arguments["nodes"], s.arguments["cleanup_data"] = starlark.MakeInt(nodes), starlark.Bool(cleanup)
			if err := a.confirmed(&f, fmt.Sprintf("bring %s to %s of %s", recipes[0].Name, count(nodes, "server"), strings.Join(f.servers, ", "))); err != nil {
				return err
			}
			return a.runTaskserv(&f, s, a.showScaled)
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().IntVar(&nodes, "nodes", 0, "how many servers shall have it")
	cmd.Flags().BoolVar(&cleanup, "cleanup-data", false, "remove its data from servers that leave, which cannot be taken back")
	return cmd
}

func (a *app) showScaled(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), attr(s, "role"), orDash(attr(s, "version")), attr(s, "action")})
	}
	a.console.Table([]string{"NAME", "SERVER", "ROLE", "VERSION", "DONE"}, rows)
}
