package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/spf13/cobra"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// topologiesFile is where an infrastructure, a workspace and a user have topologies: it
// ends in .toml or .star.
const topologiesFile = "test-topologies"

// sourced is a topology, and where it is from.
type sourced struct {
	Name   string           `json:"name"`
	Source string           `json:"source"`
	Nodes  int              `json:"nodes"`
	T      testenv.Topology `json:"topology"`
}

// topologies are all that there are, by name: the nearest wins.
func (a *app) topologies() (map[string]sourced, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	all := map[string]sourced{}
	for name, t := range testenv.BuiltIn() {
		all[name] = sourced{name, "built in", len(t.Nodes), t}
	}
	key, err := workspace.KeyFile()
	if err != nil {
		return nil, err
	}
	places := []struct{ source, file string }{
		{"user", filepath.Join(filepath.Dir(key), topologiesFile)},
		{"workspace", filepath.Join(ws.Root, "config", topologiesFile)},
	}
	infra, err := a.infraDir(ws)
	if err != nil {
		return nil, err
	}
	if infra != "" {
		places = append(places, struct{ source, file string }{"infrastructure", filepath.Join(ws.Root, infra, topologiesFile)})
	}
	for _, p := range places {
		found, err := a.topologiesAt(ws, p.file)
		if err != nil {
			return nil, err
		}
		for name, t := range found {
			all[name] = sourced{name, p.source, len(t.Nodes), t}
		}
	}
	return all, nil
}

// topologiesAt reads those of one place, which may be in both forms.
func (a *app) topologiesAt(ws workspace.Workspace, file string) (map[string]testenv.Topology, error) {
	all, err := testenv.File(file + ".toml")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file + ".star"); errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	written, err := a.starTopologies(ws, file+".star")
	if err != nil {
		return nil, err
	}
	for name := range all {
		if _, twice := written[name]; twice {
			return nil, fault.New(fault.Invalid, "the topology %s is in %s.toml and in %[2]s.star", name, file)
		}
	}
	maps.Copy(written, all)
	return written, nil
}

// starTopologies evaluates a script: its globals that topology of @std//topology.star has
// made are topologies. One outside of the workspace can load nothing but @std.
func (a *app) starTopologies(ws workspace.Workspace, file string) (map[string]testenv.Topology, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "cannot read the topologies")
	}
	module := "@std//" + generatedDir + filepath.Base(file)
	here, err := workspace.At(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	if rel, err := filepath.Rel(ws.Root, filepath.Join(here.Root, filepath.Base(file))); err == nil && filepath.IsLocal(rel) {
		module = "//" + filepath.ToSlash(rel)
	} else {
		a.library = library{generated: fstest.MapFS{filepath.Base(file): {Data: text}}}
		defer func() { a.library = library{} }()
	}
	rt, in, done, err := a.unwatched()
	if err != nil {
		return nil, err
	}
	defer done()
	globals, err := rt.Evaluate(in, module)
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	for name, v := range globals {
		if s, ok := v.(*starlarkstruct.Struct); ok && attr(s, "kind") == "topology" && !strings.HasPrefix(name, "_") {
			if found[name], err = value.Go(v); err != nil {
				return nil, fault.Wrap(fault.Invalid, err, "%s: the topology %s", file, name)
			}
			delete(found[name].(map[string]any), "kind")
		}
	}
	if len(found) == 0 {
		return nil, fault.New(fault.Invalid, "%s: there is no topology in it", file).
			WithHint("set a name to what topology of @std//topology.star returns")
	}
	data, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	return testenv.Parse(file, data)
}

// topology finds one by its name, or in a file that has one only.
func (a *app) topology(name string) (string, testenv.Topology, error) {
	if strings.ContainsAny(name, "/.") {
		if filepath.Ext(name) == ".star" {
			ws, err := a.workspace("")
			if err != nil {
				return "", testenv.Topology{}, err
			}
			all, err := a.starTopologies(ws, name)
			if err != nil {
				return "", testenv.Topology{}, err
			}
			return theOnly(name, all)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return "", testenv.Topology{}, fault.Wrap(fault.NotFound, err, "cannot read the topology")
		}
		return onlyTopology(name, data)
	}
	all, err := a.topologies()
	if err != nil {
		return "", testenv.Topology{}, err
	}
	if s, ok := all[name]; ok {
		return name, s.T, nil
	}
	names := slices.Sorted(maps.Keys(all))
	return "", testenv.Topology{}, suggest(fault.New(fault.NotFound, "there is no topology %q", name), name, names).
		WithHint("the topologies are %s; a file is named with its directory", strings.Join(names, ", "))
}

func onlyTopology(source string, data []byte) (string, testenv.Topology, error) {
	all, err := testenv.Parse(source, data)
	if err != nil {
		return "", testenv.Topology{}, err
	}
	return theOnly(source, all)
}

// theOnly is the topology of a file that may have no others.
func theOnly(source string, all map[string]testenv.Topology) (string, testenv.Topology, error) {
	names := slices.Sorted(maps.Keys(all))
	if len(names) != 1 {
		return "", testenv.Topology{}, fault.New(fault.Invalid, "%s: one topology is needed, and there are %d", source, len(names))
	}
	return names[0], all[names[0]], nil
}

// topologyFor is the topology of a command with a type, and perhaps the name of one.
func (a *app) topologyFor(args []string) (string, testenv.Topology, error) {
	if len(args) == 2 {
		return a.topology(args[1])
	}
	if !console.Interactive() {
		data, err := io.ReadAll(io.LimitReader(a.console.In, 1<<20))
		if err != nil {
			return "", testenv.Topology{}, fault.Wrap(fault.Failed, err, "cannot read the standard input")
		}
		if len(bytes.TrimSpace(data)) > 0 {
			return onlyTopology("standard input", data)
		}
	}
	return a.topology(args[0])
}

func (a *app) testTopology() *cobra.Command {
	cmd := &cobra.Command{
		Use: "topology", Aliases: []string{"topologies"}, Short: "Look at the topologies of clusters", Args: cobra.ArbitraryArgs,
		Long: `Look at the topologies of clusters: those of the infrastructure, of the workspace in
config/test-topologies.toml or .star, of the user, and of the program. The nearest of a
name wins.`,
		Example: "  provisioning test topology list\n  provisioning test topology load etcd_cluster",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Aliases: []string{"ls"}, Short: "List the topologies that there are", Args: exactly(0, "no arguments"),
			Example: "  provisioning test topology list --out json",
			RunE: func(*cobra.Command, []string) error {
				all, err := a.topologies()
				if err != nil {
					return err
				}
				list := []sourced{}
				var rows [][]string
				for _, name := range slices.Sorted(maps.Keys(all)) {
					s := all[name]
					list = append(list, s)
					var nodes []string
					for _, n := range s.T.Nodes {
						nodes = append(nodes, n.Name)
					}
					rows = append(rows, []string{name, orDash(s.T.ClusterType), strings.Join(nodes, ","), s.Source})
				}
				if a.console.Structured() {
					return a.console.Result(list)
				}
				a.console.Table([]string{"NAME", "TYPE", "NODES", "FROM"}, rows)
				return nil
			},
		},
		&cobra.Command{
			Use: "load NAME", Aliases: []string{"show"}, Short: "Print a topology", Args: exactly(1, "the name of a topology"),
			Example: "  provisioning test topology load postgres_redis",
			RunE: func(_ *cobra.Command, args []string) error {
				name, t, err := a.topology(args[0])
				if err != nil {
					return err
				}
				if a.console.Structured() {
					return a.console.Result(map[string]testenv.Topology{name: t})
				}
				text, err := t.TOML(name)
				if err != nil {
					return err
				}
				a.console.Print("%s", strings.TrimSuffix(text, "\n"))
				return nil
			},
		},
	)
	return cmd
}
