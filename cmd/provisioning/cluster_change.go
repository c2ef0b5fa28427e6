package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

func (a *app) clusterCreate() *cobra.Command {
	var f clusterFlags
	var replicas []string
	var deploy, wait bool
	cmd := &cobra.Command{
		Use: "create [NAME]", Aliases: []string{"deploy"}, Short: "Make a cluster, or bring it into the state that is wanted", Args: oneCluster,
		Long: `Make a cluster, or bring it into the state that is wanted. A second time changes
nothing. When a component fails, all that this run has made is taken back, and nothing
that was there before.`,
		Example: `  provisioning cluster create web --check
  provisioning cluster create web --config web.toml --yes
  provisioning cluster create shop --secrets secrets.toml.age --replicas app=3 --yes`,
		RunE: func(_ *cobra.Command, args []string) error {
			s, described, err := a.described("create", args)
			if err != nil {
				return err
			}
			f.start.RollbackOnFailure = true
			if err := f.configure(a, s, described, false); err != nil {
				return err
			}
			if len(replicas) > 0 {
				if s.arguments["replicas"], err = numbers(replicas); err != nil {
					return err
				}
			}
			return a.runCluster(&f, s, "make cluster "+s.place.name, a.showDeployed)
		},
	}
	f.define(cmd.Flags())
	f.defineConfig(cmd.Flags())
	cmd.Flags().StringSliceVar(&replicas, "replicas", nil, "how many containers a component has: N, or COMPONENT=N where several can be scaled")
	cmd.Flags().BoolVar(&deploy, "deploy", false, "deploy it, as without")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until all components are healthy, as without")
	return cmd
}

// runCluster executes the script of a command that changes a cluster, after a person has
// agreed to what is done.
func (a *app) runCluster(f *clusterFlags, s *clusterScript, what string, show func(starlark.Value)) error {
	if err := a.confirmed(&f.taskservFlags, what); err != nil {
		return err
	}
	return a.runTaskserv(&f.taskservFlags, s, show)
}

// numbers reads texts such as 3 and app=3: a dict of numbers by component, "" for the
// only one.
func numbers(given []string) (*starlark.Dict, error) {
	d := starlark.NewDict(len(given))
	for _, text := range given {
		component, number, named := strings.Cut(text, "=")
		if !named {
			component, number = "", text
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || named && component == "" {
			return nil, fault.New(fault.Usage, "--replicas takes N or COMPONENT=N, not %q", text)
		}
		_ = d.SetKey(starlark.String(component), starlark.MakeInt(n)) // a fresh dict takes strings
	}
	return d, nil
}

func (a *app) clusterUpdate() *cobra.Command {
	cmd := a.clusterRenewal("update", func(*clusterScript) {})
	cmd.Short = "Change a cluster, one batch of containers after the other"
	cmd.Long = `Change a cluster that is deployed: by another configuration, or by what its script says
now. Containers are replaced in batches, as their components say; a batch that does not
become healthy is taken back, and the update fails there.`
	cmd.Example = "  provisioning cluster update web --config web.toml --check\n  provisioning cluster update web --rolling --yes"
	return cmd
}

func (a *app) clusterUpgrade() *cobra.Command {
	var version string
	cmd := a.clusterRenewal("upgrade", func(s *clusterScript) {
		if version != "" {
			s.arguments["version"] = starlark.String(version)
		}
	})
	cmd.Short = "Bring a cluster to the version of its description that is there now"
	cmd.Long = `Bring a cluster that is deployed to the version that its script has now. With --version it
is refused where the script has another one. A script that is older than what is deployed
is refused, too: "provisioning cluster rollback" goes back.`
	cmd.Example = "  provisioning cluster upgrade web --version 2.0.0 --check"
	cmd.Flags().StringVar(&version, "version", "", "the version that is meant")
	return cmd
}

// clusterRenewal is a command that brings a cluster into another state. add adds its own
// arguments.
func (a *app) clusterRenewal(verb string, add func(*clusterScript)) *cobra.Command {
	var f clusterFlags
	var rolling bool
	cmd := &cobra.Command{
		Use: verb + " [NAME]", Args: oneCluster,
		RunE: func(_ *cobra.Command, args []string) error {
			s, described, err := a.described(verb, args)
			if err != nil {
				return err
			}
			if err := f.configure(a, s, described, true); err != nil {
				return err
			}
			if rolling {
				s.arguments["rolling"] = starlark.True
			}
			add(s)
			return a.runCluster(&f, s, verb+" cluster "+s.place.name, a.showDeployed)
		},
	}
	f.define(cmd.Flags())
	f.defineConfig(cmd.Flags())
	cmd.Flags().BoolVar(&rolling, "rolling", false, "one container and one server at a time, whatever components say")
	return cmd
}

func (a *app) clusterRollback() *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use: "rollback [NAME]", Short: "Bring a cluster back to the revision that was deployed last", Args: oneCluster,
		Long: `Bring a cluster back to the configuration, with its secrets, and to the numbers of replicas
that it had before the last update; after an update that has failed, to those that it had
when it was well last. What its script says has to be the same as then.`,
		Example: "  provisioning cluster rollback web --check\n  provisioning cluster rollback web --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			s, _, err := a.described("rollback", args)
			if err != nil {
				return err
			}
			return a.runCluster(&f, s, "roll back cluster "+s.place.name, func(v starlark.Value) {
				a.showDeployed(v)
				if s, ok := v.(*starlarkstruct.Struct); ok {
					a.console.Print("revision %s", attr(s, "revision"))
				}
			})
		},
	}
	f.define(cmd.Flags())
	return cmd
}

func (a *app) clusterScale() *cobra.Command {
	var f clusterFlags
	var component string
	var replicas int
	cmd := &cobra.Command{
		Use: "scale [NAME] --replicas N", Short: "Give a component another number of containers", Args: oneCluster,
		Long: `Give a component another number of containers, in batches as it says. A batch that does not
become healthy is removed again, and the component keeps the number that it has.`,
		Example: "  provisioning cluster scale web --component app --replicas 3 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if replicas == 0 {
				return fault.New(fault.Usage, "%s needs --replicas", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			s, _, err := a.described("scale", args)
			if err != nil {
				return err
			}
			s.arguments["component"], s.arguments["replicas"] = starlark.String(component), starlark.MakeInt(replicas)
			what := component
			if what == "" {
				what = "the component"
			}
			return a.runCluster(&f, s, fmt.Sprintf("scale %s of cluster %s to %d", what, s.place.name, replicas), a.showDeployed)
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().StringVar(&component, "component", "", "the component; without it the only one that can be scaled")
	cmd.Flags().IntVar(&replicas, "replicas", 0, "how many containers")
	return cmd
}

func (a *app) clusterRestart() *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use: "restart-component [NAME] COMPONENT", Short: "Restart a component of a cluster", Args: clusterAnd("the name of a component", true),
		Long: `Restart a component of a cluster: containers in batches, as it says, each of which has to
become healthy; services and servers one at a time.`,
		Example: "  provisioning cluster restart-component web app --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			names, component := args[:len(args)-1], args[len(args)-1]
			s, _, err := a.described("restart", names)
			if err != nil {
				return err
			}
			s.arguments["component"] = starlark.String(component)
			return a.runCluster(&f, s, fmt.Sprintf("restart %s of cluster %s", component, s.place.name), func(v starlark.Value) {
				if s, ok := v.(*starlarkstruct.Struct); ok {
					a.console.Print("%s restarted: %s", attr(s, "component"), joined(s, "restarted"))
				}
			})
		},
	}
	f.define(cmd.Flags())
	return cmd
}

func (a *app) clusterDelete() *cobra.Command {
	var f clusterFlags
	var cleanup, keep, force bool
	cmd := &cobra.Command{
		Use: "delete [NAME]", Short: "Remove a cluster: what it has made, and nothing else", Args: oneCluster,
		Long: `Remove a cluster, its components in the opposite order. Servers and services that were
there before it stay, and services that others need. The data of services that stay on
their servers are kept, and volumes of containers, unless --cleanup is given.`,
		Example: "  provisioning cluster delete web --check\n  provisioning cluster delete web --cleanup --keep-volumes --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			s, _, err := a.described("delete", args)
			if err != nil {
				return err
			}
			for name, given := range map[string]bool{"cleanup": cleanup, "keep_volumes": keep, "force": force} {
				if given {
					s.arguments[name] = starlark.True
				}
			}
			return a.runCluster(&f, s, "remove cluster "+s.place.name, func(v starlark.Value) {
				if s, ok := v.(*starlarkstruct.Struct); ok {
					a.console.Print("%s  %s", attr(s, "cluster"), attr(s, "status"))
				}
			})
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().BoolVar(&cleanup, "cleanup", false, "remove the data of services, and the volumes of containers, as well")
	cmd.Flags().BoolVar(&keep, "keep-volumes", false, "keep the volumes of containers and of servers, also with --cleanup")
	cmd.Flags().BoolVar(&force, "force", false, "go on where a component fails; it is no error that the cluster is not deployed")
	return cmd
}

// showDeployed prints what was made.
func (a *app) showDeployed(v starlark.Value) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		return
	}
	var rows [][]string
	for _, c := range structs(field(s, "components")) {
		rows = append(rows, []string{attr(c, "component"), attr(c, "type"), attr(c, "status"), attr(c, "result")})
	}
	a.console.Table([]string{"COMPONENT", "TYPE", "STATUS", ""}, rows)
	a.showPairs(field(s, "endpoints"))
}

// showPairs prints a dict, a line for each entry.
func (a *app) showPairs(v starlark.Value) {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return
	}
	for _, item := range d.Items() {
		a.console.Print("%s: %s", plain(item[0]), plain(item[1]))
	}
}

// joined are the texts of a field that is a list.
func joined(s *starlarkstruct.Struct, name string) string {
	list, ok := field(s, name).(starlark.Iterable)
	if !ok {
		return ""
	}
	var all []string
	for e := range starlark.Elements(list) {
		all = append(all, plain(e))
	}
	return strings.Join(all, ", ")
}
