package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
)

// serverScript is what the commands that change servers run: each is a run like that
// of any script, with its plan, its journal, resume and rollback.
const serverScript = "@std//server.star"

func (a *app) serverCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "server", Aliases: []string{"servers"}, Short: "Make, reach and remove servers",
		Long: `Make, reach and remove servers.

Servers belong to the workspace. What there is, their provider is asked; the
provider "local" makes servers of containers on this machine. Every command that
changes something is a run: see what it would do with --check, go on with
"provisioning resume" after a failure, take it back with "provisioning rollback".`,
		Example: `  provisioning server create web-1 web-2 --plan 1xCPU-1GB --tag role=web
  provisioning server exec 'web-*' -- uptime
  provisioning server delete 'web-*' --force`,
	}
	cmd.AddCommand(
		a.serverCreate(), a.serverList(), a.serverShow(), a.serverDelete(),
		a.serverPower("start", "Turn servers on", "start"), a.serverPower("stop", "Shut servers down", "stop"),
		a.serverPower("restart", "Shut servers down and start them again", "restart"), a.serverResize(),
		a.serverUpdate(), a.serverScale(),
		a.serverSSH(), a.serverExec(), a.serverCopy(), a.serverLogs(),
	)
	return cmd
}

// serverFlags are those that most commands on servers have.
type serverFlags struct {
	runFlags
	provider string
	wait     time.Duration
	atOnce   int
	yes      bool
}

func (f *serverFlags) define(fs *pflag.FlagSet) {
	fs.StringVar(&f.provider, "provider", "local", "who makes the servers")
}

// defineRun defines the flags of commands that are runs.
func (f *serverFlags) defineRun(fs *pflag.FlagSet) {
	f.define(fs)
	fs.BoolVarP(&f.check, "check", "c", false, "plan: say what would be done, and do nothing")
	fs.BoolVar(&f.check, "dry-run", false, "the same as --check")
	fs.BoolVar(&f.exitCode, "exit-code", false, "with --check: exit with 10 when changes are planned")
	fs.IntVar(&f.atOnce, "parallel", 5, "how many servers at a time")
	_ = fs.MarkHidden("dry-run") // the flag exists
}

func (f *serverFlags) defineWait(fs *pflag.FlagSet) {
	fs.DurationVar(&f.wait, "wait", 2*time.Minute, "how long a server may take to answer; 0 does not wait")
}

// runServers executes a function of the script of servers. show prints what it
// returns; structured output has it anyway.
func (a *app) runServers(f *serverFlags, entry string, params map[string]starlark.Value, show func(starlark.Value)) error {
	params["provider"] = starlark.String(f.provider)
	if f.atOnce > 0 {
		params["at_once"] = starlark.MakeInt(f.atOnce)
	}
	f.start.Script, f.start.Entry, f.start.Params, f.start.Infra = serverScript, entry, params, a.flags.infra
	if f.check {
		out, err := a.watched("", func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
			return rt.Check(in, f.start)
		})
		return a.checked(&f.runFlags, out, err)
	}
	out, err := a.executed("", "", func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) { return e.Start(in, f.start) })
	if out != nil && out.Value != nil && !a.console.Structured() {
		show(out.Value)
		out.Value = nil
	}
	return a.outcome(out, err)
}

func stringsValue(texts []string) *starlark.List {
	elems := make([]starlark.Value, len(texts))
	for i, text := range texts {
		elems[i] = starlark.String(text)
	}
	return starlark.NewList(elems)
}

// atLeastOne refuses a command without names.
func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fault.New(fault.Usage, "%s takes %s", cmd.CommandPath(), what).WithHint("usage: %s", cmd.UseLine())
		}
		return nil
	}
}

func (a *app) serverCreate() *cobra.Command {
	var f serverFlags
	var r struct{ image, plan, zone, network, user, key string }
	var tags []string
	cmd := &cobra.Command{
		Use: "create NAME…", Short: "Make servers", Args: atLeastOne("the names of servers"),
		Long: `Make servers, and wait until they answer.

A server of that name that is there already stays as it is; one that is different
is an error. Plans of the local provider are written as 1xCPU-1GB; its images are
those of the container engine that have an SSH server.`,
		Example: `  provisioning server create web-1 --check
  provisioning server create web-1 web-2 web-3 --plan 1xCPU-1GB --tag role=web
  provisioning server create db --image provisioning/debian:12 --user deploy`,
		RunE: func(_ *cobra.Command, names []string) error {
			labels, err := readTags(tags)
			if err != nil {
				return err
			}
			params := map[string]starlark.Value{
				"names": stringsValue(names), "image": starlark.String(r.image), "plan": starlark.String(r.plan), "zone": starlark.String(r.zone),
				"network": starlark.String(r.network), "user": starlark.String(r.user), "tags": labels, "wait": starlark.String(f.wait.String()),
			}
			if r.key != "" {
				params["ssh_key"] = starlark.String(r.key)
			}
			return a.runServers(&f, "create", params, a.showMade)
		},
	}
	fs := cmd.Flags()
	f.defineRun(fs)
	f.defineWait(fs)
	fs.StringVar(&r.image, "image", "", "what they are made of")
	fs.StringVar(&r.plan, "plan", "", "their size")
	fs.StringVar(&r.zone, "zone", "", "where")
	fs.StringVar(&r.network, "network", "", "private network that they are on")
	fs.StringVar(&r.user, "user", "", "who logs in (default root)")
	fs.StringVar(&r.key, "ssh-key", "", "private key file, or public key, to log in with (default: the workspace's own)")
	fs.StringArrayVar(&tags, "tag", nil, "label NAME=VALUE")
	fs.BoolVar(&f.start.RollbackOnFailure, "rollback-on-failure", false, "remove what was made when one of them fails")
	return cmd
}

func readTags(texts []string) (*starlark.Dict, error) {
	d := starlark.NewDict(len(texts))
	for _, text := range texts {
		name, v, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Usage, "--tag must be NAME=VALUE, not %q", text)
		}
		_ = d.SetKey(starlark.String(name), starlark.String(v)) // a fresh dict takes strings
	}
	return d, nil
}

// structs are those of a list.
func structs(v starlark.Value) []*starlarkstruct.Struct {
	list, ok := v.(*starlark.List)
	if !ok {
		return nil
	}
	var all []*starlarkstruct.Struct
	for v := range list.Elements() {
		if s, ok := v.(*starlarkstruct.Struct); ok {
			all = append(all, s)
		}
	}
	return all
}

// attr is the text of a field; "" for None, or when there is none.
func attr(s *starlarkstruct.Struct, name string) string {
	v, err := s.Attr(name)
	if err != nil || v == starlark.None {
		return ""
	}
	return plain(v)
}

// plain is a value as people read it: a string without quotes.
func plain(v starlark.Value) string {
	if text, ok := starlark.AsString(v); ok {
		return text
	}
	return v.String()
}

func (a *app) showServers(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		rows = append(rows, []string{attr(s, "name"), attr(s, "status"), attr(s, "address"), attr(s, "plan"), attr(s, "image")})
	}
	a.console.Table([]string{"NAME", "STATUS", "ADDRESS", "PLAN", "IMAGE"}, rows)
}

func (a *app) showMade(v starlark.Value) {
	a.showServers(v)
	if made := structs(v); len(made) > 0 {
		a.console.Note("log in with: provisioning server ssh %s", attr(made[0], "name"))
	}
}

func (a *app) serverPower(verb, short, entry string) *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: verb + " NAME…", Short: short, Args: atLeastOne("names of servers, or patterns such as 'web-*'"),
		Long:    short + ". Names may be patterns, such as 'web-*'.",
		Example: fmt.Sprintf("  provisioning server %s web-1\n  provisioning server %s 'web-*' --check", verb, verb),
		RunE: func(_ *cobra.Command, names []string) error {
			params := map[string]starlark.Value{"names": stringsValue(names)}
			if entry != "stop" {
				params["wait"] = starlark.String(f.wait.String())
			}
			return a.runServers(&f, entry, params, a.showServers)
		},
	}
	if verb == "restart" {
		cmd.Aliases = []string{"reboot"}
	}
	f.defineRun(cmd.Flags())
	if entry != "stop" {
		f.defineWait(cmd.Flags())
	}
	return cmd
}

func (a *app) serverResize() *cobra.Command {
	var f serverFlags
	var plan string
	var downtime bool
	cmd := &cobra.Command{
		Use: "resize NAME… --plan PLAN", Short: "Give servers another plan", Args: atLeastOne("names of servers, or patterns such as 'web-*'"),
		Long: `Give servers another plan.

Where the provider can do that only with a server that is off, it is an error, unless
--allow-downtime has it stopped and started again.`,
		Example: "  provisioning server resize web-1 --plan 2xCPU-4GB",
		RunE: func(cmd *cobra.Command, names []string) error {
			if plan == "" {
				return fault.New(fault.Usage, "%s needs --plan", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			return a.runServers(&f, "resize", map[string]starlark.Value{
				"names": stringsValue(names), "plan": starlark.String(plan), "allow_downtime": starlark.Bool(downtime),
			}, a.showServers)
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().StringVar(&plan, "plan", "", "their new size")
	cmd.Flags().BoolVar(&downtime, "allow-downtime", false, "stop and start them where that is needed")
	return cmd
}

func (a *app) serverDelete() *cobra.Command {
	var f serverFlags
	var keep, force bool
	cmd := &cobra.Command{
		Use: "delete NAME…", Aliases: []string{"rm"}, Short: "Remove servers", Args: atLeastOne("names of servers, or patterns such as 'web-*'"),
		Long: `Remove servers, and what is on them. That cannot be taken back, so it has to be
confirmed.

A server that runs is not removed: stop it first, or give --force. With --force a name
that no server has is no error either.`,
		Example: "  provisioning server stop web-1\n  provisioning server delete web-1 --yes\n  provisioning server delete 'web-*' --force --check",
		RunE: func(cmd *cobra.Command, names []string) error {
			servers, err := a.doomed(cmd, f.provider, names, force)
			if err != nil {
				return err
			}
			if len(servers) == 0 {
				a.console.Note("there is none of them")
				return nil
			}
			if !f.check {
				if err := a.confirmDelete(servers, f.yes); err != nil {
					return err
				}
			}
			return a.runServers(&f, "delete", map[string]starlark.Value{
				"names": stringsValue(serverNames(servers)), "keep_storage": starlark.Bool(keep),
			}, a.showServers)
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask whether it is right")
	cmd.Flags().BoolVar(&force, "force", false, "remove servers that run, and pass over names that none has")
	cmd.Flags().BoolVar(&keep, "keepstorage", false, "keep their volumes")
	return cmd
}

// doomed finds the servers to remove. One that runs is only removed by force.
func (a *app) doomed(cmd *cobra.Command, provider string, names []string, force bool) ([]providers.Server, error) {
	if force {
		all, err := a.allServers(cmd, provider)
		if err != nil {
			return nil, err
		}
		servers, _, err := named(all, names) // one that is gone already is as it shall be
		return servers, err
	}
	servers, err := a.servers(cmd, provider, names)
	if err != nil {
		return nil, err
	}
	var on []string
	for _, s := range servers {
		if s.Status == providers.Running {
			on = append(on, s.Name)
		}
	}
	if len(on) > 0 {
		return nil, fault.New(fault.Usage, "%s would be removed while running", strings.Join(on, ", ")).
			WithHint("stop first: provisioning server stop %s; or give --force", strings.Join(on, " "))
	}
	return servers, nil
}

// confirmDelete shows what is to be removed and asks.
func (a *app) confirmDelete(servers []providers.Server, yes bool) error {
	if yes {
		return nil
	}
	if !console.Interactive() {
		return fault.New(fault.Usage, "deleting %s needs a yes", strings.Join(serverNames(servers), ", ")).
			WithHint("look at it with --check, and repeat it with --yes")
	}
	for _, s := range servers {
		a.console.Note("  %s  %s  %s  %s", s.Name, s.Status, s.Plan, s.Addresses.Reach())
	}
	if !a.agreed("remove %d", len(servers)) {
		return fault.New(fault.Usage, "nothing was removed")
	}
	return nil
}

func serverNames(servers []providers.Server) []string {
	names := make([]string, len(servers))
	for i, s := range servers {
		names[i] = s.Name
	}
	return names
}

// notFound is the error for a server that there is not, with the nearest name.
func notFound(name string, all []providers.Server) error {
	names := serverNames(all)
	slices.Sort(names)
	e := fault.New(fault.NotFound, "server not found: %s", name)
	if near := spell.Nearest(name, names); near != "" {
		e.Msg += " (did you mean " + near + "?)"
	}
	if len(names) == 0 {
		return e.WithHint("the workspace has no servers: provisioning server create NAME")
	}
	return e.WithHint("the servers are %s", strings.Join(names, ", "))
}

func tagsText(tags map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		parts = append(parts, name+"="+tags[name])
	}
	return strings.Join(parts, ",")
}
