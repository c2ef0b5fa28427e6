package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// logsPatience is how long the logs of machines may take that are removed next.
const logsPatience = 30 * time.Second

func (a *app) testEnvLogs() *cobra.Command {
	var node, output string
	var follow bool
	cmd := &cobra.Command{
		Use: "logs ID", Short: "Show what was logged of the machines of an environment", Args: exactly(1, "the id of an environment"),
		Long: `Show what was logged of the machines of an environment, of each

  container  what process 1 has printed
  run        what its tests have done on it: the steps of the recipes, what they
             printed, and their errors; values of secrets are not shown
  journal    what its services have logged

Of one that is removed, what its last tests have kept; after 7 days that is removed, too.
--output writes them to a directory, with the record and the results.`,
		Example: "  provisioning test env logs 4f1c9a02 --node etcd-01\n  provisioning test env logs 4f1c9a02 --output artefacts",
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := a.environments()
			if err != nil {
				return err
			}
			if follow {
				e, n, err := m.node(args[0], node)
				if err != nil {
					return err
				}
				one := value.Of(m.nodeValue(e, n))
				return a.showing(func() (*runtime.Outcome, error) { return m.run("follow", nil, starlark.StringDict{"node": one}, 0) })
			}
			return m.logs(args[0], node, output)
		},
	}
	cmd.Flags().StringVar(&node, "node", "", "only those of this machine")
	cmd.Flags().StringVar(&output, "output", "", "directory to write them to, with the record and the results, for CI")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show what a machine logs, until Ctrl-C")
	return cmd
}

// readLogs reads what machines have logged. The time limit is 0 for none.
func (m *environments) readLogs(e *testenv.Environment, limit time.Duration) (map[string]string, error) {
	out, err := m.run("logs", nil, starlark.StringDict{"nodes": m.nodesValue(e)}, limit)
	if err != nil {
		return nil, err
	}
	logs := map[string]string{}
	return logs, returned(out, &logs)
}

// logs shows the logs of an environment, or writes them to a directory.
func (m *environments) logs(id, node, output string) error {
	e, err := m.store.Get(id)
	if err != nil {
		return err
	}
	nodes := e.Nodes
	if node != "" {
		n, err := nodeOf(e, node)
		if err != nil {
			return err
		}
		nodes = []testenv.Node{n}
	}
	if e.Status != testenv.Removed {
		logs, err := m.readLogs(e, 0)
		if err != nil {
			return err
		}
		if err := m.store.SaveLogs(e.ID, logs); err != nil {
			return err
		}
	}
	if output != "" {
		return m.export(e, nodes, output)
	}
	return m.showLogs(e, nodes)
}

func (m *environments) showLogs(e *testenv.Environment, nodes []testenv.Node) error {
	all, empty := map[string]map[string]string{}, true
	for _, n := range nodes {
		all[n.Name] = map[string]string{}
		for _, log := range testenv.Logs {
			text, err := m.store.Log(e.ID, n.Name, log)
			if err != nil {
				return err
			}
			all[n.Name][log] = text
			if text == "" || m.a.console.Structured() {
				continue
			}
			empty = false
			m.a.console.Print("==> %s.%s <==", n.Name, log)
			m.a.console.Print("%s", strings.TrimSuffix(text, "\n"))
		}
	}
	if m.a.console.Structured() {
		return m.a.console.Result(all)
	}
	if empty {
		m.a.console.Note("there are no logs")
	}
	return nil
}

// export writes the logs of nodes to a directory, with the record of the environment and
// its results.
func (m *environments) export(e *testenv.Environment, nodes []testenv.Node, output string) error {
	files := map[string]string{"environment.json": filepath.Join(m.store.Dir, e.ID, "environment.json")}
	for _, n := range nodes {
		for _, log := range testenv.Logs {
			name := testenv.LogFile(n.Name, log)
			files[name] = filepath.Join(m.store.LogsDir(e.ID), name)
		}
	}
	for _, file := range m.store.ResultFiles(e) {
		files["result-"+filepath.Base(file)] = file
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write the logs")
	}
	written := 0
	for _, name := range sortedKeys(files) {
		text, err := os.ReadFile(files[name])
		if os.IsNotExist(err) {
			continue // a log that there is not
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(output, name), text, 0o644)
		}
		if err != nil {
			return fault.Wrap(fault.Failed, err, "cannot write the logs")
		}
		written++
	}
	m.a.console.Note("%s in %s", count(written, "file"), output)
	return nil
}
