package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/testenv"
)

func (a *app) testEnvList() *cobra.Command {
	var removed, everywhere bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the environments of the workspace", Args: exactly(0, "no arguments"),
		Example: "  provisioning test env list --out json",
		RunE: func(*cobra.Command, []string) error {
			m, err := a.environments()
			if err != nil {
				return err
			}
			list := m.store.List
			if everywhere {
				list = m.store.Everywhere
			}
			all, err := list()
			if err != nil {
				return err
			}
			shown := []*testenv.Environment{}
			var rows [][]string
			for _, e := range all {
				if e.Status != testenv.Removed || removed {
					shown = append(shown, e)
					row := []string{e.ID, e.Name, e.Type, e.Status, fmt.Sprint(len(e.Nodes)), orDash(e.Network.Subnet), e.CreatedAt.Format(time.DateTime)}
					if everywhere {
						row = append(row, e.Workspace)
					}
					rows = append(rows, row)
				}
			}
			if a.console.Structured() {
				return a.console.Result(shown)
			}
			if len(rows) == 0 {
				a.console.Note("there are no test environments")
				return nil
			}
			head := []string{"ID", "NAME", "TYPE", "STATUS", "NODES", "NETWORK", "MADE"}
			if everywhere {
				head = append(head, "WORKSPACE")
			}
			a.console.Table(head, rows)
			return nil
		},
	}
	cmd.Flags().BoolVar(&removed, "removed", false, "also those that were removed in the last 7 days")
	cmd.Flags().BoolVar(&everywhere, "everywhere", false, "those of all your workspaces, but for removed ones")
	cmd.MarkFlagsMutuallyExclusive("removed", "everywhere")
	return cmd
}

func (a *app) testEnvGet() *cobra.Command {
	return a.showEnvironment("get", "Show the record of an environment", func(e *testenv.Environment) {
		a.console.Table(nil, [][]string{
			{"id", e.ID}, {"name", e.Name}, {"type", e.Type}, {"status", e.Status}, {"image", e.Config.BaseImage},
			{"network", e.Network.Name + ", " + orDash(e.Network.Subnet)}, {"made", e.CreatedAt.Format(time.DateTime)}, {"until", e.ExpiresAt.Format(time.DateTime)},
		})
		a.showNodes(e)
		for _, r := range e.Results {
			a.console.Print("tested %s: %d passed, %d failed, %d skipped", r.CompletedAt.Format(time.DateTime), r.Passed, r.Failed, r.Skipped)
		}
	})
}

func (a *app) testEnvStatus() *cobra.Command {
	return a.showEnvironment("status", "Say how an environment is", func(e *testenv.Environment) {
		a.console.Print("%s %s", e.ID, e.Status)
		a.showNodes(e)
	})
}

func (a *app) showNodes(e *testenv.Environment) {
	var rows [][]string
	for _, n := range e.Nodes {
		rows = append(rows, []string{n.Name, orDash(n.Role), n.Status, orDash(n.IP), strings.Join(n.Taskservs, ","), n.Container})
	}
	a.console.Table([]string{"NODE", "ROLE", "STATUS", "ADDRESS", "TASKSERVS", "CONTAINER"}, rows)
}

func (a *app) showEnvironment(verb, short string, show func(*testenv.Environment)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: exactly(1, "the id of an environment"),
		Example: "  provisioning test env " + verb + " 4f1c9a02 --out json",
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := a.environments()
			if err != nil {
				return err
			}
			e, err := m.store.Get(args[0])
			if err != nil {
				return err
			}
			if a.console.Structured() {
				if err := m.store.Complete(e); err != nil {
					return err
				}
				return a.console.Result(e)
			}
			show(e)
			return nil
		},
	}
}
