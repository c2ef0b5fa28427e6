package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// adviceText is what the help says of sizes.
const adviceText = `Sizes: for development 1-2 processors and 2 GB, for integration 2-4 and 4-8, as in
production 4 and 8 or more.`

func (a *app) testEnvCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "env", Aliases: []string{"environment"}, Short: "Make machines of containers, and try taskservs on them",
		Long: `Make machines of containers, and try taskservs on them.

An environment is one or more machines on a network of their own. Tests install the
taskservs on them, install them a second time, ask, restart, update and remove them;
of several machines they look whether they reach each other, and find each other's
names. What is made carries the label provisioning.test.env and is removed by cleanup;
what a killed command has left, the next one removes.

` + adviceText,
		Example: `  provisioning test env single redis --auto-start --auto-cleanup
  provisioning test env cluster databases postgres_redis
  provisioning test env run 4f1c9a02 --tests install,health`,
	}
	cmd.AddCommand(
		a.testEnvSingle(), a.testEnvServer(), a.testEnvCluster(), a.testEnvCreate(),
		a.testEnvList(), a.testEnvGet(), a.testEnvStatus(), a.testEnvRun(), a.testEnvLogs(), a.testEnvCleanup(), a.testEnvShell(),
	)
	return cmd
}

func (a *app) testQuick() *cobra.Command {
	var f testenvFlags
	cmd := &cobra.Command{
		Use: "quick TASKSERV", Short: "Try a taskserv on a new machine, which is removed again", Args: exactly(1, "the name of a taskserv"),
		Long: `Try a taskserv on a new machine, which is removed again, however it ends.

There is a line for each test; the exit code is 0 only if none has failed, and at
least one has passed.`,
		Example: "  provisioning test quick redis\n  provisioning test quick redis --keep-on-failure --tests install,health",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.autoStart, f.autoCleanup = true, true
			return a.makeEnvironment(&f, f.configure(cmd.Flags(), testenv.Config{Type: testenv.Single, Taskserv: args[0]}))
		},
	}
	f.defineMake(cmd.Flags())
	return cmd
}

func (a *app) testEnvSingle() *cobra.Command {
	var f testenvFlags
	cmd := &cobra.Command{
		Use: "single TASKSERV", Short: "Make a machine for one taskserv", Args: exactly(1, "the name of a taskserv"),
		Long:    "Make a machine for one taskserv, with what that requires.\n\n" + adviceText,
		Example: "  provisioning test env single redis --cpu 2000 --memory 4096\n  provisioning test env single redis --auto-start --auto-cleanup",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.makeEnvironment(&f, f.configure(cmd.Flags(), testenv.Config{Type: testenv.Single, Taskserv: args[0]}))
		},
	}
	f.defineStart(cmd.Flags())
	return cmd
}

func (a *app) testEnvServer() *cobra.Command {
	var f testenvFlags
	cmd := &cobra.Command{
		Use: "server NAME TASKSERV…", Short: "Make a machine for several taskservs", Args: cobra.ArbitraryArgs,
		Example: "  provisioning test env server web-01 redis,os\n  provisioning test env server web-01 '[redis os]' --auto-start",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fault.New(fault.Usage, "%s takes a name, and taskservs", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			var names []string
			for _, arg := range args[1:] {
				names = append(names, namesIn(strings.Fields(strings.Trim(arg, "[]")))...)
			}
			return a.makeEnvironment(&f, f.configure(cmd.Flags(), testenv.Config{Type: testenv.Server, ServerName: args[0], Taskservs: names}))
		},
	}
	f.defineStart(cmd.Flags())
	return cmd
}

func (a *app) testEnvCluster() *cobra.Command {
	var f testenvFlags
	cmd := &cobra.Command{
		Use: "cluster TYPE [TOPOLOGY]", Short: "Make the machines of a cluster", Args: cobra.RangeArgs(1, 2),
		Long: `Make the machines of a cluster. TOPOLOGY is the name of one, or a file with one; without
it the standard input is read, or the topology is called as the type is.`,
		Example: `  provisioning test env cluster etcd etcd_cluster --auto-start
  provisioning test topology load etcd_cluster | provisioning test env cluster etcd`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, t, err := a.topologyFor(args)
			if err != nil {
				return err
			}
			if t.ClusterType == "" {
				t.ClusterType = args[0]
			}
			c := f.configure(cmd.Flags(), testenv.Config{Type: testenv.Cluster, ClusterType: args[0], Topology: &t})
			c.ServerName = name
			return a.makeEnvironment(&f, c)
		},
	}
	f.defineStart(cmd.Flags())
	return cmd
}

func (a *app) testEnvCreate() *cobra.Command {
	var f testenvFlags
	cmd := &cobra.Command{
		Use: "create FILE", Short: "Make the machines that a file describes", Args: exactly(1, "a file"),
		Long: `Make the machines that a file describes, TOML, JSON, or Starlark that sets config:

  type = "single_taskserv"        # or server_simulation, cluster_topology
  taskserv = "redis"
  base_image = "provisioning/debian:12"
  environment = { LANG = "C.UTF-8" }
  resources = { cpu_millicores = 1000, memory_mb = 2048 }`,
		Example: "  provisioning test env create redis-env.toml --auto-start",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := environmentFile(args[0])
			if err != nil {
				return err
			}
			return a.makeEnvironment(&f, f.configure(cmd.Flags(), c))
		},
	}
	f.defineStart(cmd.Flags())
	return cmd
}

// environmentFile reads what an environment is asked for with.
func environmentFile(name string) (testenv.Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return testenv.Config{}, fault.Wrap(fault.NotFound, err, "cannot read the environment")
	}
	if filepath.Ext(name) == ".star" {
		doc, err := document.Read(name, string(data), nil)
		if err != nil {
			return testenv.Config{}, err
		}
		plain, err := value.Go(doc.Value)
		if err == nil {
			data, err = json.Marshal(plain)
		}
		if err != nil {
			return testenv.Config{}, fault.Wrap(fault.Invalid, err, "%s", name)
		}
	}
	return testenv.ParseConfig(name, data)
}

// environmentOf is the record of an environment that is not made yet.
func (a *app) environmentOf(c testenv.Config) (*testenv.Environment, error) {
	e := &testenv.Environment{Type: c.Type, Config: c, Infra: a.flags.infra}
	node := testenv.Node{Name: "node-01", Resources: c.Resources}
	switch c.Type {
	case testenv.Single:
		if c.Taskserv == "" {
			return nil, fault.New(fault.Invalid, "an environment of the type %s needs a taskserv", c.Type)
		}
		e.Name, node.Taskservs = c.Taskserv, []string{c.Taskserv}
		e.Nodes = []testenv.Node{node}
	case testenv.Server:
		if len(c.Taskservs) == 0 {
			return nil, fault.New(fault.Invalid, "an environment of the type %s needs taskservs", c.Type)
		}
		node.Name = cmp.Or(c.ServerName, node.Name)
		e.Name, node.Taskservs = node.Name, c.Taskservs
		e.Nodes = []testenv.Node{node}
	case testenv.Cluster:
		if c.Topology == nil {
			return nil, fault.New(fault.Invalid, "an environment of the type %s needs a topology", c.Type)
		}
		if problems := c.Topology.Check(); len(problems) > 0 {
			return nil, fault.New(fault.Invalid, "the topology: %s", strings.Join(problems, "; "))
		}
		e.Name, e.Network.Subnet = cmp.Or(c.ServerName, c.ClusterType, c.Topology.ClusterType, "cluster"), c.Topology.Network.Subnet
		for _, n := range c.Topology.Nodes {
			n.Resources.CPU, n.Resources.MemoryMB = cmp.Or(n.Resources.CPU, testenv.CPU), cmp.Or(n.Resources.MemoryMB, testenv.MemoryMB)
			e.Nodes = append(e.Nodes, testenv.Node{Name: n.Name, Role: n.Role, Taskservs: n.Taskservs, Resources: n.Resources})
		}
	default:
		types := []string{testenv.Single, testenv.Server, testenv.Cluster}
		return nil, suggest(fault.New(fault.Invalid, "%q is no type of an environment", c.Type), c.Type, types).WithHint("types are %s", strings.Join(types, ", "))
	}
	if problems := (&testenv.Topology{Nodes: topologyNodes(e.Nodes)}).Check(); len(problems) > 0 {
		return nil, fault.New(fault.Invalid, "%s", strings.Join(problems, "; "))
	}
	for i := range e.Nodes {
		e.Nodes[i].Resources.Privileged = e.Nodes[i].Resources.Privileged || c.Privileged
	}
	return e, a.resolve(e.Nodes)
}

func topologyNodes(nodes []testenv.Node) []testenv.TopologyNode {
	all := make([]testenv.TopologyNode, len(nodes))
	for i, n := range nodes {
		all[i] = testenv.TopologyNode{Name: n.Name, Role: n.Role, Taskservs: n.Taskservs, Resources: n.Resources}
	}
	return all
}

// resolve finds what the taskservs of each node require, other taskservs and all rights.
// All taskservs that there are not are named in one error.
func (a *app) resolve(nodes []testenv.Node) error {
	c, done, err := a.catalogue()
	if err != nil {
		return err
	}
	defer done()
	var unknown []string
	for i := range nodes {
		for j, name := range nodes[i].Taskservs {
			p, err := c.Place(name)
			if err != nil {
				if !slices.Contains(unknown, name) {
					unknown = append(unknown, name)
				}
				continue
			}
			nodes[i].Taskservs[j] = p.Name // it may have been an alias
		}
	}
	if len(unknown) > 0 {
		_, err := c.Place(unknown[0])
		if len(unknown) == 1 {
			return err
		}
		return fault.New(fault.NotFound, "there are no taskservs %s", strings.Join(unknown, ", ")).WithHint("those that there are: provisioning taskserv list")
	}
	on := make([][]*recipe.Recipe, len(nodes))
	for i := range nodes {
		all, err := recipe.Complete(c, nodes[i].Taskservs, nil)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "the node %s", nodes[i].Name)
		}
		if _, err := recipe.Order(all); err != nil {
			return err
		}
		on[i] = all
		for _, r := range all {
			nodes[i].Recipes = append(nodes[i].Recipes, r.Name)
			nodes[i].Resources.Privileged = nodes[i].Resources.Privileged || bool(r.Field("privileged").Truth())
			if len(r.Texts("services")) > 0 {
				nodes[i].Services = append(nodes[i].Services, r.Name)
			}
		}
	}
	return unmet(nodes, on)
}

// unmet is about the first thing that a taskserv needs somewhere, and that is on no node. On
// has the recipes of each node.
func unmet(nodes []testenv.Node, on [][]*recipe.Recipe) error {
	everywhere := slices.Concat(on...)
	for i, recipes := range on {
		for _, r := range recipes {
			for _, need := range r.Requires {
				if need.Infra && !slices.ContainsFunc(everywhere, func(o *recipe.Recipe) bool { return o.Meets(need) }) {
					return fault.New(fault.Invalid, "the node %s: %s requires %s somewhere, and it is on no node", nodes[i].Name, r.Name, need).
						WithHint("add it to the taskservs of a node, here or in a topology: provisioning test env server NAME %s,%s", r.Name, need.Name)
				}
			}
		}
	}
	return nil
}

// makeEnvironment makes an environment, and tests and removes it as the flags say.
func (a *app) makeEnvironment(f *testenvFlags, c testenv.Config) error {
	if err := checkRuntime(c.Runtime); err != nil {
		return err
	}
	if c.Runtime == runtimeNative {
		return a.testNative(f, c)
	}
	m, err := a.environments()
	if err != nil {
		return err
	}
	e, err := a.environmentOf(c)
	if err != nil {
		return err
	}
	if err := m.checkTests(namesIn(f.tests), e.Nodes); err != nil {
		return err
	}
	e.AutoCleanup = f.autoCleanup
	lease, err := m.make(e)
	var why *lacking
	switch {
	case errors.As(err, &why) && f.autoStart:
		shipped, err := m.shippedTests(e.Nodes)
		if err != nil {
			return err
		}
		return m.skipped(e, skippedTests(e, namesIn(f.tests), shipped, why.reason))
	case why != nil:
		return why.fault()
	case err != nil:
		return err
	}
	defer lease.Release()
	if !f.autoStart {
		return a.showMadeEnvironment(e)
	}
	return m.tested(e, f.trial(e), f)
}

// tested makes a trial, and removes an environment that is to be removed after it.
func (m *environments) tested(e *testenv.Environment, t trial, f *testenvFlags) error {
	r, err := m.test(e, t)
	if e.AutoCleanup {
		if f.keep && (r == nil || !r.OK()) {
			e.AutoCleanup = false
			m.a.console.Note("kept: provisioning test env shell %s; remove it with: provisioning test env cleanup %s", e.ID, e.ID)
			if serr := m.store.Save(e); serr != nil {
				return serr
			}
		} else if rerr := m.remove(e); rerr != nil && err == nil {
			err = rerr
		}
	}
	if f.output != "" && r != nil {
		if oerr := m.export(e, e.Nodes, f.output); oerr != nil && err == nil {
			err = oerr
		}
	}
	return m.a.reportTrial(e, r, err)
}

func (a *app) showMadeEnvironment(e *testenv.Environment) error {
	if a.console.Structured() {
		return a.console.Result(e)
	}
	a.console.Print("%s", e.ID)
	a.console.Note("test it with: provisioning test env run %s; remove it with: provisioning test env cleanup %s", e.ID, e.ID)
	return nil
}

func (a *app) testEnvRun() *cobra.Command {
	var f testenvFlags
	cmd := &cobra.Command{
		Use: "run ID", Short: "Test an environment", Args: exactly(1, "the id of an environment"),
		Long: `Test an environment. Its taskservs are installed first, unless they are there.

The tests are ` + strings.Join(testenv.Tests[:6], ", ") + `,
` + strings.Join(testenv.Tests[6:], ", ") + `, and those that the taskservs ship.`,
		Example: "  provisioning test env run 4f1c9a02 --tests install,health --timeout 10m",
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := a.environments()
			if err != nil {
				return err
			}
			e, lease, err := m.take(args[0])
			if err != nil {
				return err
			}
			defer lease.Release()
			if err := m.checkTests(namesIn(f.tests), e.Nodes); err != nil {
				return err
			}
			return m.tested(e, f.trial(e), &f)
		},
	}
	f.defineRun(cmd.Flags())
	return cmd
}

// take finds an environment with machines, and takes its lease.
func (m *environments) take(id string) (*testenv.Environment, *testenv.Lease, error) {
	e, err := m.store.Get(id)
	if err != nil {
		return nil, nil, err
	}
	lease, err := m.store.Lease(e.ID)
	if err != nil {
		return nil, nil, err
	}
	if lease == nil {
		return nil, nil, busy(e)
	}
	if e, err = m.store.Get(e.ID); err == nil && e.Status == testenv.Removed {
		err = fault.New(fault.NotFound, "the test environment %s has been removed", e.ID).WithHint("what is left of it is shown by: provisioning test env get %s", e.ID)
	}
	if err != nil {
		lease.Release()
		return nil, nil, err
	}
	return e, lease, nil
}

func busy(e *testenv.Environment) error {
	return fault.New(fault.Unavailable, "the test environment %s is %s: another process works on it", e.ID, e.Status).
		WithHint("wait for it, or stop that process")
}

func (a *app) testEnvCleanup() *cobra.Command {
	var all, images bool
	var older timeFlag
	cmd := &cobra.Command{
		Use: "cleanup [ID…]", Aliases: []string{"rm"}, Short: "Remove environments; their results and logs stay for 7 days", Args: cobra.ArbitraryArgs,
		Long: `Remove environments. Their results and logs stay for 7 days.

With --images, those that this workspace has made for machines, of images without an init
system, are removed as well, where no machine uses them. They are made again when they
are needed.`,
		Example: "  provisioning test env cleanup 4f1c9a02\n  provisioning test env cleanup --all --older-than 2h\n  provisioning test env cleanup --images",
		RunE: func(cmd *cobra.Command, args []string) error {
			all = all || older > 0
			if all && len(args) > 0 || !all && !images && len(args) == 0 {
				return fault.New(fault.Usage, "%s takes ids, --all or --images", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			m, err := a.environments()
			if err != nil {
				return err
			}
			if all {
				records, err := m.store.List()
				if err != nil {
					return err
				}
				for _, e := range records {
					if e.Status != testenv.Removed && time.Since(e.CreatedAt) >= time.Duration(older) {
						args = append(args, e.ID)
					}
				}
			}
			for _, id := range args {
				if err := m.cleanUp(id); err != nil {
					return err
				}
			}
			if images {
				return m.removeImages()
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all of this workspace")
	cmd.Flags().BoolVar(&images, "images", false, "also the images that were made for machines, and that no machine uses")
	cmd.Flags().Var(&older, "older-than", "all that were made longer ago than this: 2h, 3d, or a number of seconds")
	return cmd
}

// cleanUp removes an environment. One that is removed already is as it shall be.
func (m *environments) cleanUp(id string) error {
	e, err := m.store.Get(id)
	if fault.Is(err, fault.NotFound) {
		return m.cleanUpElsewhere(id)
	}
	if err != nil {
		return err
	}
	if e.Status == testenv.Removed {
		m.a.console.Note("%s is removed already", e.ID)
		return nil
	}
	e, lease, err := m.take(id)
	if err != nil {
		return err
	}
	defer lease.Release()
	if err := m.remove(e); err != nil {
		return err
	}
	m.a.console.Print("%s removed", e.ID)
	return nil
}

func (a *app) testEnvShell() *cobra.Command {
	node := ""
	cmd := &cobra.Command{
		Use: "shell ID", Short: "Open a shell on a machine of an environment", Args: exactly(1, "the id of an environment"),
		Example: "  provisioning test env shell 4f1c9a02 --node etcd-01",
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := a.environments()
			if err != nil {
				return err
			}
			e, n, err := m.node(args[0], node)
			if err != nil {
				return err
			}
			o := &runtimeOptions{timeout: container.Patience, tty: true, preferred: e.Config.Runtime}
			r, err := a.detected(o)
			if err != nil {
				return err
			}
			argv := []string{"exec", "-it", n.Container, "sh", "-c", "command -v bash >/dev/null && exec bash -l || exec sh -l"}
			return a.runRuntime(o, r, "execute", argv, map[string]starlark.Value{"argv": stringsValue(argv)})
		},
	}
	cmd.Flags().StringVar(&node, "node", "", "the machine (default: the first)")
	return cmd
}

// node is a machine of an environment that has not been removed.
func (m *environments) node(id, name string) (*testenv.Environment, testenv.Node, error) {
	e, err := m.store.Get(id)
	if err == nil && e.Status == testenv.Removed {
		err = fault.New(fault.NotFound, "the test environment %s has been removed", e.ID)
	}
	if err != nil {
		return nil, testenv.Node{}, err
	}
	n, err := nodeOf(e, name)
	return e, n, err
}

// nodeOf is a machine of an environment; "" is the first.
func nodeOf(e *testenv.Environment, name string) (testenv.Node, error) {
	n, ok := e.Node(name)
	if !ok {
		names := make([]string, len(e.Nodes))
		for i, n := range e.Nodes {
			names[i] = n.Name
		}
		return n, suggest(fault.New(fault.NotFound, "the test environment %s has no node %q", e.ID, name), name, names).
			WithHint("it has %s", strings.Join(names, ", "))
	}
	return n, nil
}
