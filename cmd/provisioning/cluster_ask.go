package main

import (
	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// clusterRecord is what programs see of a cluster.
type clusterRecord struct {
	Name        string `json:"name"`
	Version     string `json:"version,omitempty"`
	Category    string `json:"category,omitempty"`
	Description string `json:"description,omitempty"`
	Source      string `json:"source"`
	Path        string `json:"path"`
	State       string `json:"state,omitempty"`
	Error       string `json:"error,omitempty"`
}

func (a *app) clusterRecord(p clusterPlace) (clusterRecord, error) {
	r := clusterRecord{Name: p.name, Source: p.source, Path: p.module}
	s, err := a.composition(p)
	if err != nil {
		r.Error = err.Error()
	} else {
		r.Version, r.Category, r.Description = attr(s, "version"), attr(s, "category"), attr(s, "description")
	}
	r.State, err = a.clusterState(p.name)
	return r, err
}

func (a *app) clusterList() *cobra.Command {
	var deployed bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the clusters that there are", Args: exactly(0, "no arguments"),
		Example: "  provisioning cluster list --deployed",
		RunE: func(*cobra.Command, []string) error {
			places, err := a.clusterPlaces()
			if err != nil {
				return err
			}
			records, rows := []clusterRecord{}, [][]string{}
			for _, p := range places {
				r, err := a.clusterRecord(p)
				if err != nil {
					return err
				}
				if r.State == "" && deployed {
					continue
				}
				records = append(records, r)
				rows = append(rows, []string{r.Name, orDash(r.Version), r.Source, orDash(r.State), r.Description + r.Error})
			}
			if a.console.Structured() {
				return a.console.Result(records)
			}
			a.console.Table([]string{"NAME", "VERSION", "FROM", "STATE", ""}, rows)
			return nil
		},
	}
	cmd.Flags().BoolVar(&deployed, "deployed", false, "only those that are deployed")
	return cmd
}

func (a *app) clusterShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Aliases: []string{"info"}, Short: "Show what a cluster is", Args: exactly(1, "the name of a cluster"),
		Example: "  provisioning cluster show web",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.clusterPlace(args[0])
			if err != nil {
				return err
			}
			r, err := a.clusterRecord(p)
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(r)
			}
			a.console.Table(nil, [][]string{
				{"name", r.Name}, {"description", r.Description + r.Error}, {"category", r.Category}, {"version", r.Version},
				{"from", r.Source + ", " + r.Path}, {"state", orDash(r.State)},
			})
			return nil
		},
	}
}

func (a *app) clusterStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status NAME", Aliases: []string{"health"}, Short: "Ask how a cluster is", Args: exactly(1, "the name of a cluster"),
		Long: `Ask how a cluster is: it is healthy when all components are. One that is not is exit
code 1.`,
		Example: "  provisioning cluster status web",
		RunE: func(_ *cobra.Command, args []string) error {
			s, _, err := a.described(args[0])
			if err != nil {
				return err
			}
			s.function = "status"
			well := true
			err = a.runTaskserv(&taskservFlags{}, s, func(v starlark.Value) { well = a.showStatus(v) })
			if err == nil && !well {
				return exitCode(1)
			}
			return err
		},
	}
}

// showStatus prints how a cluster is, and returns whether it is healthy.
func (a *app) showStatus(v starlark.Value) bool {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		return false
	}
	rows := [][]string{}
	parts, _ := s.Attr("components")
	for _, c := range structs(parts) {
		rows = append(rows, []string{attr(c, "name"), attr(c, "type"), attr(c, "status"), attr(c, "replicas"), healthWord(c)})
	}
	a.console.Print("%s  %s  %s", attr(s, "cluster"), attr(s, "status"), healthWord(s))
	a.console.Table([]string{"COMPONENT", "TYPE", "STATUS", "REPLICAS", "HEALTH"}, rows)
	a.showEndpoints(s)
	return attr(s, "healthy") == "True"
}

func (a *app) clusterComponents() *cobra.Command {
	return a.clusterPlan("components", "List the components of a cluster in the order in which they are made", func(_ string, v starlark.Value) {
		var rows [][]string
		for _, c := range structs(v) {
			rows = append(rows, []string{attr(c, "wave"), attr(c, "name"), attr(c, "type"), attr(c, "replicas"), needs(c, "requires"), needs(c, "after")})
		}
		a.console.Table([]string{"WAVE", "COMPONENT", "TYPE", "REPLICAS", "REQUIRES", "AFTER"}, rows)
	})
}

func (a *app) clusterValidate() *cobra.Command {
	return a.clusterPlan("validate", "Look whether a cluster is described well", func(name string, v starlark.Value) {
		a.console.Print("%s: VALID - %d components", name, len(structs(v)))
	})
}

// clusterPlan is a command that looks at the components, and asks no machine.
func (a *app) clusterPlan(use, short string, show func(name string, v starlark.Value)) *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use: use + " NAME", Short: short, Args: exactly(1, "the name of a cluster"),
		Example: "  provisioning cluster " + use + " web --config web.toml",
		RunE: func(_ *cobra.Command, args []string) error {
			s, described, err := a.described(args[0])
			if err != nil {
				return err
			}
			s.function = "components"
			if err := f.configure(a, s, described, false); err != nil {
				return err
			}
			return a.runTaskserv(&f.taskservFlags, s, func(v starlark.Value) { show(args[0], v) })
		},
	}
	f.defineConfig(cmd.Flags())
	return cmd
}
