package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/ssh"
	"github.com/provisioning-systems/provisioning/internal/breaker"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/pool"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func (a *app) sshPool() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pool VERB",
		Short: "Machines that commands are run on together",
		Long: `Machines that commands are run on together.

The register of the pool is in the state directory of the workspace. Connections
live as long as a command.`,
		Example: `  provisioning ssh pool connect web-1 deploy --group web
  provisioning ssh pool exec @web uptime
  provisioning ssh pool status`,
	}
	cmd.AddCommand(a.poolConnect(), a.poolExec(), a.poolList(), a.poolDisconnect(), a.poolStatus())
	return cmd
}

// hostKeyPolicy is what is done with a host key that is not known. One that has
// changed is always refused.
func hostKeyPolicy(acceptNew bool) starlark.String {
	if acceptNew {
		return "first-use"
	}
	return "strict"
}

func (a *app) poolConnect() *cobra.Command {
	var h pool.Host
	var timeout time.Duration
	var acceptNew bool
	cmd := &cobra.Command{
		Use:   "connect HOST USER",
		Short: "Test the connection to a machine, and enter it in the register",
		Example: "  provisioning ssh pool connect web-1 deploy --group web\n" +
			"  provisioning ssh pool connect 10.0.0.7 root --port 2222 --key ~/.ssh/id_ed25519",
		Args: exactly(2, "a host and a user"),
	}
	cmd.Flags().IntVar(&h.Port, "port", 0, "port (default: what ~/.ssh/config says, or 22)")
	cmd.Flags().StringVar(&h.Key, "key", "", "file with the private key (default: what ~/.ssh/config says, and the agent)")
	cmd.Flags().StringSliceVar(&h.Groups, "group", nil, "group that the machine is in, for @group")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "time that the test may take")
	cmd.Flags().BoolVar(&acceptNew, "accept-new", false, "record the host key if none is known")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		h.Name, h.User = args[0], args[1]
		if h.Key != "" {
			key, err := filepath.Abs(h.Key)
			if err != nil {
				return err
			}
			h.Key = key
		}
		return a.connectHost(h, timeout, acceptNew)
	}
	return cmd
}

func (a *app) connectHost(h pool.Host, timeout time.Duration, acceptNew bool) error {
	spec, err := hostSpec(h)
	if err != nil {
		return err
	}
	spec["timeout"], spec["host_keys"] = starlark.String(timeout.String()), hostKeyPolicy(acceptNew)
	register, err := a.poolRegister()
	if err != nil {
		return err
	}
	out, err := a.watched("", func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
		return rt.Start(in, runtime.Start{Script: "@std//commands/ssh_pool_connect.star", Params: spec})
	})
	if err != nil {
		a.inRun = out != nil
		return err
	}
	h.Connected = time.Now().UTC().Truncate(time.Second)
	if err := register.Change(func(c *pool.Content) error { c.Put(h); return nil }); err != nil {
		return err
	}
	if a.console.Structured() {
		return a.console.Result(h)
	}
	a.console.Print("connected to %s as %s", h.Name, h.User)
	return nil
}

// hostSpec is a host as the parameters of a script.
func hostSpec(h pool.Host) (map[string]starlark.Value, error) {
	user, address, port, err := ssh.ParseHost(h.Name)
	if err != nil {
		e := fault.As(err)
		e.Kind = fault.Usage
		return nil, e
	}
	if h.User != "" {
		user = h.User
	}
	if h.Port != 0 {
		port = h.Port
	}
	return map[string]starlark.Value{
		"name": starlark.String(h.Name), "address": starlark.String(address), "user": starlark.String(user),
		"port": starlark.MakeInt(port), "key": starlark.String(h.Key),
	}, nil
}

func (a *app) poolList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the machines of the register", Args: exactly(0, "no arguments"),
		Example: "  provisioning ssh pool list",
		RunE: func(*cobra.Command, []string) error {
			register, err := a.poolRegister()
			if err != nil {
				return err
			}
			c, err := register.Read()
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(slices.Concat([]pool.Host{}, c.Hosts))
			}
			var rows [][]string
			for _, h := range c.Hosts {
				port := ""
				if h.Port != 0 {
					port = fmt.Sprint(h.Port)
				}
				rows = append(rows, []string{h.Name, h.User, port, fmt.Sprint(h.Groups), h.Connected.Format(time.RFC3339)})
			}
			a.console.Table([]string{"host", "user", "port", "groups", "connected"}, rows)
			return nil
		},
	}
}

func (a *app) poolDisconnect() *cobra.Command {
	return &cobra.Command{
		Use: "disconnect HOST", Short: "Take a machine out of the register", Args: exactly(1, "a host"),
		Example: "  provisioning ssh pool disconnect web-1",
		RunE: func(_ *cobra.Command, args []string) error {
			register, err := a.poolRegister()
			if err != nil {
				return err
			}
			err = register.Change(func(c *pool.Content) error {
				if c.Remove(args[0]) {
					return nil
				}
				var names []string
				for _, h := range c.Hosts {
					names = append(names, h.Name)
				}
				return suggest(fault.New(fault.NotFound, "%q is not in the register of the pool", args[0]), args[0], names)
			})
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(map[string]any{"disconnected": args[0]})
			}
			a.console.Print("%s is not in the register any more", args[0])
			return nil
		},
	}
}

// poolStatus is what is known of the machines of the register.
type poolStatus struct {
	Connections int    `json:"connections"` // machines of the register
	Active      int    `json:"active"`      // that a run is doing something on now
	Idle        int    `json:"idle"`
	Breaker     string `json:"circuit_breaker"`
}

func (a *app) poolStatus() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how many machines are in use, and whether they answer",
		Long: `Show how many machines of the register are in use by a run, and whether they answer.

circuit_breaker is green when all circuit breakers are closed, yellow when some are
open or half-open, red when all are.`,
		Args: exactly(0, "no arguments"), Example: "  provisioning ssh pool status",
		RunE: func(*cobra.Command, []string) error {
			s, err := a.statusOfPool()
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(s)
			}
			a.console.Print("connections=%d, active=%d, idle=%d, circuit_breaker=%s", s.Connections, s.Active, s.Idle, s.Breaker)
			return nil
		},
	}
}

func (a *app) statusOfPool() (s poolStatus, err error) {
	ws, err := a.workspace("")
	if err != nil {
		return s, err
	}
	c, err := pool.At(ws.State).Read()
	if err != nil {
		return s, err
	}
	failing, err := breaker.At(ws.State).All(time.Now())
	if err != nil {
		return s, err
	}
	busy, err := a.busyHosts()
	if err != nil {
		return s, err
	}
	s.Connections = len(c.Hosts)
	open := 0
	for _, h := range c.Hosts {
		if busy[h.Name] {
			s.Active++
		}
		if slices.ContainsFunc(failing, func(f breaker.Failures) bool { return isOpen(f) && isHost(f.Endpoint, h) }) {
			open++
		}
	}
	s.Idle = s.Connections - s.Active
	switch {
	case open == 0:
		s.Breaker = "green"
	case open < len(c.Hosts):
		s.Breaker = "yellow"
	default:
		s.Breaker = "red"
	}
	return s, nil
}

func isOpen(f breaker.Failures) bool {
	state, _ := f.State(time.Now())
	return state != breaker.Closed
}

func isHost(endpoint string, h pool.Host) bool {
	user, address, port, err := ssh.ParseHost(h.Name)
	if err != nil {
		return false
	}
	if h.User != "" {
		user = h.User
	}
	if h.Port != 0 {
		port = h.Port
	}
	name := address
	if user != "" {
		name = user + "@" + name
	}
	if port != 0 {
		name += fmt.Sprintf(":%d", port)
	}
	return slices.Contains(breaker.Names(endpoint), name)
}

// busyHosts are the machines that effects are under way on, in runs of any process.
func (a *app) busyHosts() (map[string]bool, error) {
	j, err := a.journal()
	if err != nil {
		return nil, err
	}
	runs, err := j.Runs(50)
	if err != nil {
		return nil, err
	}
	busy := map[string]bool{}
	for _, run := range runs {
		if run.OwnerProcess() == 0 {
			continue
		}
		done, err := a.execsOf(j, run)
		if err != nil {
			return nil, err
		}
		for _, e := range done {
			if e.status == journal.Intended {
				busy[e.host] = true
			}
		}
	}
	return busy, nil
}

// poolStep is an effect ssh.exec of a run.
type poolStep struct {
	host     string
	status   journal.Status
	check    bool // it is the command, and not a look at the health
	result   starlark.Value
	failure  *fault.Error
	attempts int
}

// execsOf reads what a run did on machines by ssh.exec, in its order.
func (a *app) execsOf(j *journal.Journal, run *journal.Run) ([]poolStep, error) {
	effects, err := run.Effects()
	if err != nil {
		return nil, err
	}
	values, _, err := a.reader(run, a.codecOf(j))
	if err != nil {
		return nil, err
	}
	var all []poolStep
	for _, e := range effects {
		if e.Kind != "ssh.exec" || e.Status == journal.Dropped {
			continue
		}
		if err := run.Details(e); err != nil {
			return nil, err
		}
		given, err := values.Decode(e.Args)
		if err != nil {
			return nil, err
		}
		x := poolStep{host: hostIn(given), status: e.Status, check: truthOf(given, "check"), attempts: max(e.Attempts, 1)}
		switch e.Status {
		case journal.Done, journal.Assumed:
			x.result, err = values.Decode(e.Result)
		case journal.Erred, journal.Caught:
			x.failure, err = door.Failure(nil, e.Result)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

func hostIn(given starlark.Value) string {
	if t, ok := argOf(given, "target").(starlark.HasAttrs); ok {
		if name, err := t.Attr("name"); err == nil {
			text, _ := starlark.AsString(name)
			return text
		}
	}
	return ""
}

func argOf(given starlark.Value, name string) starlark.Value {
	if d, ok := given.(*starlark.Dict); ok {
		if v, found, err := d.Get(starlark.String(name)); found && err == nil {
			return v
		}
	}
	return starlark.None
}

func truthOf(given starlark.Value, name string) bool { return bool(argOf(given, name).Truth()) }

// plainOf is a field of a result as a Go value; nil when it has none.
func plainOf(v starlark.Value, name string) any {
	if h, ok := v.(starlark.HasAttrs); ok {
		if f, err := h.Attr(name); err == nil && f != nil {
			if plain, err := value.Go(f); err == nil {
				return plain
			}
		}
	}
	return nil
}
