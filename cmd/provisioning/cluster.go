package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/clusters"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

func (a *app) clusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cluster", Aliases: []string{"clusters", "cl"}, Short: "Make servers, services and applications that belong together",
		Long: `Make servers, services and applications that belong together.

A cluster is a script that says which components there are, and which need each other.
There are those of the program and those of the workspace, below extensions. Every
command that changes something is a run: see what it would do with --check, go on with
"provisioning resume" after a failure, take it back with "provisioning rollback".`,
		Example: `  provisioning cluster list
  provisioning cluster create web --check
  provisioning cluster status web`,
	}
	cmd.AddCommand(
		a.clusterList(), a.clusterShow(), a.clusterCreate(), a.clusterDelete(), a.clusterStatus(), a.clusterScale(),
		a.clusterUpdate(), a.clusterComponents(), a.clusterValidate(),
	)
	return cmd
}

// clusterFlags are those of commands that change clusters.
type clusterFlags struct {
	taskservFlags
	config string
}

func (f *clusterFlags) define(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.check, "check", "c", false, "plan: say what would be done, and do nothing")
	fs.BoolVar(&f.check, "dry-run", false, "the same as --check")
	fs.BoolVar(&f.exitCode, "exit-code", false, "with --check: exit with 10 when changes are planned")
	fs.BoolVar(&f.script, "script", false, "print the script that would be run, and do nothing")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask whether it is right")
	_ = fs.MarkHidden("dry-run") // the flag exists
}

// defineConfig defines the flag of commands that take a configuration.
func (f *clusterFlags) defineConfig(fs *pflag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "file with the configuration: TOML, YAML or JSON")
}

// described finds a cluster, and reads its script.
func (a *app) described(name string) (*clusterScript, *starlarkstruct.Struct, error) {
	p, err := a.clusterPlace(name)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.composition(p)
	return &clusterScript{place: p, arguments: starlark.StringDict{}}, s, err
}

// configure gives a script the configuration, after it has been checked: the file over
// what [app.settings] finds. Without a file a cluster keeps what it has, if it may.
func (f *clusterFlags) configure(a *app, s *clusterScript, described *starlarkstruct.Struct, keeps bool) error {
	if f.config == "" && keeps {
		return nil
	}
	docs, err := a.clusterSettings(s.place.name)
	if err != nil {
		return err
	}
	if f.config != "" {
		doc, err := readDocument(f.config)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		return nil
	}
	doc, err := schema.MergeDocuments(docs...)
	if err != nil {
		return err
	}
	v, _ := described.Attr("config")
	config, ok := v.(*schema.Schema)
	if !ok {
		return fault.New(fault.Config, "cluster %s takes no configuration, but there is %s", s.place.name, doc.Name)
	}
	_, report, err := config.Validate(&starlark.Thread{Name: doc.Name}, doc.Value, doc.At)
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		a.console.Note("%s", w.Text())
	}
	s.arguments["config"] = doc.Value
	return report.Fault(fault.Config, "the configuration of "+s.place.name)
}

// clusterSettings are what the tables [clusters.NAME] say, see [app.settings].
func (a *app) clusterSettings(name string) ([]*document.Document, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	known, err := a.extensionNames(clusterType)
	if err != nil {
		return nil, err
	}
	for _, files := range []struct {
		in      fs.FS
		pattern string
	}{{clusters.FS, "*/*/" + composition.Script}, {os.DirFS(ws.Root), "infra/*/clusters/*.star"}} {
		found, _ := fs.Glob(files.in, files.pattern) // the patterns are well formed
		for _, file := range found {
			if path.Base(file) == composition.Script {
				file = path.Dir(file)
			}
			known = append(known, strings.TrimSuffix(path.Base(file), ".star"))
		}
	}
	return a.settings(ws, "clusters", name, known)
}

// confirmed asks a person, unless nothing will be done, or yes was said.
func (a *app) confirmed(f *taskservFlags, what string) error {
	if f.check || f.script || f.yes {
		return nil
	}
	if !console.Interactive() {
		return fault.New(fault.Usage, "to %s needs a yes", what).WithHint("look at it with --check, and repeat it with --yes")
	}
	if !a.agreed("%s", what) {
		return fault.New(fault.Usage, "nothing was done")
	}
	return nil
}

func (a *app) clusterCreate() *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use: "create NAME", Aliases: []string{"deploy"}, Short: "Make a cluster, or bring it into the state that is wanted", Args: exactly(1, "the name of a cluster"),
		Long: `Make a cluster, or bring it into the state that is wanted. A second time changes
nothing. When a component fails, all that this run has made is taken back, and nothing
that was there before.`,
		Example: "  provisioning cluster create web --check\n  provisioning cluster create web --config web.toml --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			s, described, err := a.described(args[0])
			if err != nil {
				return err
			}
			s.function, f.start.RollbackOnFailure = "create", true
			if err := f.configure(a, s, described, false); err != nil {
				return err
			}
			if err := a.confirmed(&f.taskservFlags, "make cluster "+args[0]); err != nil {
				return err
			}
			return a.runTaskserv(&f.taskservFlags, s, a.showDeployed)
		},
	}
	f.define(cmd.Flags())
	f.defineConfig(cmd.Flags())
	return cmd
}

func (a *app) clusterUpdate() *cobra.Command {
	var f clusterFlags
	cmd := &cobra.Command{
		Use: "update NAME", Aliases: []string{"upgrade"}, Short: "Change a cluster, one container at a time", Args: exactly(1, "the name of a cluster"),
		Long: `Change a cluster that is deployed: by another configuration, or by what its script says
now. Containers are replaced one at a time; one that does not become healthy is taken
back, and the update fails there.`,
		Example: "  provisioning cluster update web --config web.toml --check",
		RunE: func(_ *cobra.Command, args []string) error {
			s, described, err := a.described(args[0])
			if err != nil {
				return err
			}
			s.function = "update"
			if err := f.configure(a, s, described, true); err != nil {
				return err
			}
			if err := a.confirmed(&f.taskservFlags, "update cluster "+args[0]); err != nil {
				return err
			}
			return a.runTaskserv(&f.taskservFlags, s, a.showDeployed)
		},
	}
	f.define(cmd.Flags())
	f.defineConfig(cmd.Flags())
	return cmd
}

func (a *app) clusterScale() *cobra.Command {
	var f clusterFlags
	var component string
	var replicas int
	cmd := &cobra.Command{
		Use: "scale NAME --component COMPONENT --replicas N", Short: "Give a component another number of containers", Args: exactly(1, "the name of a cluster"),
		Example: "  provisioning cluster scale web --component app --replicas 3 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if component == "" || replicas == 0 {
				return fault.New(fault.Usage, "%s needs --component and --replicas", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			s, _, err := a.described(args[0])
			if err != nil {
				return err
			}
			s.function = "scale"
			s.arguments["component"], s.arguments["replicas"] = starlark.String(component), starlark.MakeInt(replicas)
			if err := a.confirmed(&f.taskservFlags, fmt.Sprintf("scale %s of cluster %s to %d", component, args[0], replicas)); err != nil {
				return err
			}
			return a.runTaskserv(&f.taskservFlags, s, a.showDeployed)
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().StringVar(&component, "component", "", "the component")
	cmd.Flags().IntVar(&replicas, "replicas", 0, "how many containers")
	return cmd
}

func (a *app) clusterDelete() *cobra.Command {
	var f clusterFlags
	var cleanup, force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Remove a cluster: what it has made, and nothing else", Args: exactly(1, "the name of a cluster"),
		Long: `Remove a cluster, its components in the opposite order. Servers and services that were
there before it stay, and services that others need. The data of services that stay on
their servers are kept, unless --cleanup is given.`,
		Example: "  provisioning cluster delete web --check\n  provisioning cluster delete web --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			s, _, err := a.described(args[0])
			if err != nil {
				return err
			}
			s.function = "delete"
			s.arguments["cleanup"], s.arguments["force"] = starlark.Bool(cleanup), starlark.Bool(force)
			if err := a.confirmed(&f.taskservFlags, "remove cluster "+args[0]); err != nil {
				return err
			}
			return a.runTaskserv(&f.taskservFlags, s, func(v starlark.Value) {
				for _, s := range structs(starlark.NewList([]starlark.Value{v})) {
					a.console.Print("%s  %s", attr(s, "cluster"), attr(s, "status"))
				}
			})
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().BoolVar(&cleanup, "cleanup", false, "remove the data of services as well")
	cmd.Flags().BoolVar(&force, "force", false, "go on where a component fails")
	return cmd
}

// showDeployed prints what was made.
func (a *app) showDeployed(v starlark.Value) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		return
	}
	var rows [][]string
	parts, _ := s.Attr("components")
	for _, c := range structs(parts) {
		rows = append(rows, []string{attr(c, "component"), attr(c, "type"), attr(c, "status"), attr(c, "result")})
	}
	a.console.Table([]string{"COMPONENT", "TYPE", "STATUS", ""}, rows)
	a.showEndpoints(s)
}

func (a *app) showEndpoints(s *starlarkstruct.Struct) {
	v, _ := s.Attr("endpoints")
	d, ok := v.(*starlark.Dict)
	if !ok {
		return
	}
	for _, item := range d.Items() {
		name, _ := starlark.AsString(item[0])
		address, _ := starlark.AsString(item[1])
		a.console.Print("%s: %s", name, address)
	}
}

// needs joins what a component requires, and what it comes after.
func needs(s *starlarkstruct.Struct, field string) string {
	v, _ := s.Attr(field)
	list, ok := v.(starlark.Iterable)
	if !ok {
		return ""
	}
	var all []string
	for e := range starlark.Elements(list) {
		text, _ := starlark.AsString(e)
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
