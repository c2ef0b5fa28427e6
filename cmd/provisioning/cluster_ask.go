package main

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// clusterRecord is what programs see of a cluster.
type clusterRecord struct {
	Name        string         `json:"name"`
	Version     string         `json:"version,omitempty"`
	Category    string         `json:"category,omitempty"`
	Description string         `json:"description,omitempty"`
	Infra       string         `json:"infra,omitempty"`
	Source      string         `json:"source"`
	Path        string         `json:"path"`
	State       string         `json:"state,omitempty"`
	Records     map[string]any `json:"records,omitempty"` // those of a fixed form that it has, such as resources
	Error       string         `json:"error,omitempty"`
}

func (a *app) clusterRecord(p clusterPlace) (clusterRecord, error) {
	r := clusterRecord{Name: p.name, Infra: p.infra, Source: p.source, Path: strings.TrimPrefix(p.module, "//")}
	s, err := a.composition(p)
	if err != nil {
		r.Error = err.Error()
	} else {
		r.Version, r.Category, r.Description, r.Records = attr(s, "version"), attr(s, "category"), attr(s, "description"), recordsOf(s)
	}
	state, err := a.recordedAt(p.infra, p.name)
	r.State = state.State
	return r, err
}

// recordsOf are the records of a fixed form that a cluster declares.
func recordsOf(s *starlarkstruct.Struct) map[string]any {
	records := map[string]any{}
	for _, name := range composition.Records {
		v := field(s, name)
		if list, ok := v.(*starlark.List); v == starlark.None || ok && list.Len() == 0 {
			continue
		}
		if plain, err := value.Go(v); err == nil {
			records[name] = plain
		}
	}
	return records
}

// clusterStates are those that a cluster can have.
var clusterStates = []string{"pending", "creating", "running", "degraded", "updating", "deleting", "failed"}

func (a *app) clusterList() *cobra.Command {
	var deployed, all bool
	var status string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the clusters that there are", Args: exactly(0, "no arguments"),
		Long: `List the clusters that there are, with what the workspace has recorded of their state.
Nothing is asked: whether a cluster is degraded tells "provisioning cluster status".`,
		Example: "  provisioning cluster list --deployed\n  provisioning cluster list --all --status failed",
		RunE: func(*cobra.Command, []string) error {
			if status != "" && !slices.Contains(clusterStates, status) {
				return suggest(fault.New(fault.Usage, "there is no state %q", status), status, clusterStates).WithHint("states are %s", strings.Join(clusterStates, ", "))
			}
			places, err := a.clusterPlaces(all)
			if err != nil {
				return err
			}
			records := []clusterRecord{}
			for _, p := range places {
				r, err := a.clusterRecord(p)
				if err != nil {
					return err
				}
				if (r.State != "" || !deployed) && (status == "" || status == r.State || status == "pending" && r.State == "") {
					records = append(records, r)
				}
			}
			if a.console.Structured() {
				return a.console.Result(records)
			}
			a.showClusters(records, all)
			return nil
		},
	}
	cmd.Flags().BoolVar(&deployed, "deployed", false, "only those that are deployed")
	cmd.Flags().BoolVar(&all, "all", false, "also those of all infrastructures of the workspace")
	cmd.Flags().StringVar(&status, "status", "", "only those in a state: "+strings.Join(clusterStates, ", "))
	return cmd
}

func (a *app) showClusters(records []clusterRecord, all bool) {
	var rows [][]string
	for _, r := range records {
		from := r.Source
		if all && r.Infra != "" {
			from += " " + r.Infra
		}
		rows = append(rows, []string{r.Name, orDash(r.Version), from, orDash(r.State), r.Description + r.Error})
	}
	a.console.Table([]string{"NAME", "VERSION", "FROM", "STATE", ""}, rows)
}

func (a *app) clusterShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [NAME]", Aliases: []string{"info"}, Short: "Show what a cluster is", Args: oneCluster,
		Example: "  provisioning cluster show web",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.clusterMeant(args)
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
			rows := [][]string{
				{"name", r.Name}, {"description", r.Description + r.Error}, {"category", r.Category}, {"version", r.Version},
				{"from", r.Source + ", " + r.Path}, {"state", orDash(r.State)},
			}
			for _, name := range composition.Records {
				if r.Records[name] == nil {
					continue
				}
				text, err := json.Marshal(r.Records[name])
				if err != nil {
					return err
				}
				rows = append(rows, []string{name, string(text)})
			}
			a.console.Table(nil, rows)
			return nil
		},
	}
}

func (a *app) clusterStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status [NAME]", Aliases: []string{"health"}, Short: "Ask how a cluster is", Args: oneCluster,
		Long: `Ask how a cluster is: it is healthy when all components are. One that is not is exit
code 1.`,
		Example: "  provisioning cluster status web",
		RunE: func(_ *cobra.Command, args []string) error {
			s, _, err := a.described("status", args)
			if err != nil {
				return err
			}
			record, err := a.recordedCluster(s.place.name)
			if err != nil {
				return err
			}
			if record.State == "failed" {
				s.arguments["broken_off"] = starlark.True
			}
			f := &taskservFlags{judge: func(v starlark.Value) error {
				if s, ok := v.(*starlarkstruct.Struct); !ok || attr(s, "healthy") != "True" {
					return exitCode(1)
				}
				return nil
			}}
			return a.runTaskserv(f, s, a.showStatus)
		},
	}
}

// showStatus prints how a cluster is.
func (a *app) showStatus(v starlark.Value) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		return
	}
	rows := [][]string{}
	for _, c := range structs(field(s, "components")) {
		rows = append(rows, []string{attr(c, "name"), attr(c, "type"), attr(c, "status"), attr(c, "replicas"), healthWord(c), orDash(attr(c, "version"))})
	}
	a.console.Print("%s  %s  %s", attr(s, "cluster"), attr(s, "status"), healthWord(s))
	a.console.Table([]string{"COMPONENT", "TYPE", "STATUS", "REPLICAS", "HEALTH", "VERSION"}, rows)
	a.showPairs(field(s, "endpoints"))
	a.showPairs(field(s, "details"))
}

func (a *app) clusterLogs() *cobra.Command {
	lines := 0
	cmd := &cobra.Command{
		Use: "logs [NAME] [COMPONENT]", Short: "Show what the components of a cluster have logged last", Args: clusterAnd("the name of a component", false),
		Long: `Show what the containers and services of a cluster have logged last, or those of one
component; for one that is servers, their journals. A single argument that is the name of a
cluster is that; else it is a component of the only cluster.`,
		Example: "  provisioning cluster logs web\n  provisioning cluster logs web app --tail 20",
		RunE: func(_ *cobra.Command, args []string) error {
			if lines < 1 {
				return fault.New(fault.Usage, "--tail is a number of lines, 1 or more")
			}
			names, component, err := a.clusterOrComponent(args)
			if err != nil {
				return err
			}
			s, _, err := a.described("logs", names)
			if err != nil {
				return err
			}
			s.arguments["component"], s.arguments["lines"] = starlark.String(component), starlark.MakeInt(lines)
			return a.runTaskserv(&taskservFlags{}, s, func(v starlark.Value) {
				for _, s := range structs(v) {
					for line := range strings.Lines(attr(s, "text")) {
						a.console.Print("%s | %s", attr(s, "source"), strings.TrimSuffix(line, "\n"))
					}
				}
			})
		},
	}
	cmd.Flags().IntVar(&lines, "tail", 50, "how many lines of each")
	return cmd
}

// clusterOrComponent tells the name of a cluster from that of a component, either of which
// may be missing.
func (a *app) clusterOrComponent(args []string) (names []string, component string, err error) {
	if len(args) == 2 {
		return args[:1], args[1], nil
	}
	if len(args) == 0 {
		return nil, "", nil
	}
	places, err := a.clusterPlaces(false)
	if err != nil || slices.Contains(placeNames(places), args[0]) {
		return args, "", err
	}
	if _, err := a.clusterMeant(nil); err != nil {
		return args, "", nil // there is no only one: a name of a cluster was meant
	}
	return nil, args[0], nil
}

func (a *app) clusterComponents() *cobra.Command {
	return a.clusterPlan("components", "List the components of a cluster in the order in which they are made", func(_ string, v starlark.Value) {
		var rows [][]string
		for _, c := range structs(v) {
			rows = append(rows, []string{
				attr(c, "wave"), attr(c, "name"), attr(c, "type"), attr(c, "replicas"),
				joined(c, "requires"), joined(c, "after"), orDash(attr(c, "version")), orDash(attr(c, "tier")),
			})
		}
		a.console.Table([]string{"WAVE", "COMPONENT", "TYPE", "REPLICAS", "REQUIRES", "AFTER", "VERSION", "TIER"}, rows)
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
		Use: use + " [NAME]", Short: short, Args: oneCluster,
		Example: "  provisioning cluster " + use + " web --config web.toml",
		RunE: func(_ *cobra.Command, args []string) error {
			s, described, err := a.described("components", args)
			if err != nil {
				return err
			}
			if err := f.configure(a, s, described, false); err != nil {
				return err
			}
			return a.runTaskserv(&f.taskservFlags, s, func(v starlark.Value) { show(s.place.name, v) })
		},
	}
	f.defineConfig(cmd.Flags())
	return cmd
}
