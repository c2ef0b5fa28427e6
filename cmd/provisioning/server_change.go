package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
)

func (a *app) serverUpdate() *cobra.Command {
	var f serverFlags
	var plan, health, key string
	var packages, downtime, rolling, sudo bool
	var batch int
	var interval time.Duration
	cmd := &cobra.Command{
		Use: "update NAME…", Short: "Change servers, batch by batch", Args: atLeastOne("names of servers, or patterns such as 'web-*'"),
		Long: `Change servers, batch by batch: their plan with --plan, the packages of their
operating system with --os-update.

After each batch its servers have to answer, and --health to succeed on them. Where
that is not so, the servers of the batch get the plan back that they had, those before
them stay as they are, and the update stops. --rolling is one server at a time; else
all change at once, or --batch-size of them.`,
		Example: `  provisioning server update 'web-*' --plan 2xCPU-4GB --rolling --check
  provisioning server update 'web-*' --plan 2xCPU-4GB --rolling --health 'curl -fs localhost'
  provisioning server update 'web-*' --os-update --batch-size 3 --interval 1m`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if plan == "" && !packages {
				return fault.New(fault.Usage, "%s needs --plan or --os-update", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			servers, err := a.servers(cmd, f.provider, names)
			if err != nil {
				return err
			}
			if batch == 0 {
				if batch = len(servers); rolling {
					batch = 1
				}
			}
			params := map[string]starlark.Value{
				"names": stringsValue(serverNames(servers)), "plan": starlark.String(plan), "packages": starlark.Bool(packages),
				"allow_downtime": starlark.Bool(downtime), "batch": starlark.MakeInt(batch), "interval": starlark.String(interval.String()),
				"health": starlark.String(health), "sudo": starlark.Bool(sudo),
			}
			if key != "" {
				params["ssh_key"] = starlark.String(key)
			}
			f.atOnce = 0 // batches say it
			return a.runServers(&f, "update", params, a.showUpdated)
		},
	}
	fs := cmd.Flags()
	f.defineRun(fs)
	_ = fs.MarkHidden("parallel") // --batch-size is the word here; the flag exists
	fs.StringVar(&plan, "plan", "", "their new size")
	fs.BoolVar(&packages, "os-update", false, "bring the packages of the operating system up to date")
	fs.BoolVar(&downtime, "allow-downtime", false, "stop and start them where a new size needs that")
	fs.BoolVar(&rolling, "rolling", false, "one server at a time")
	fs.IntVar(&batch, "batch-size", 0, "how many servers at a time (default: all, with --rolling 1)")
	fs.DurationVar(&interval, "interval", 30*time.Second, "time between two batches")
	fs.StringVar(&health, "health", "", "command for the shell of a server, which fails when it is not well")
	fs.BoolVar(&sudo, "sudo", false, "update packages as root, by sudo")
	fs.StringVar(&key, "key", "", "private key (default: the workspace's own)")
	return cmd
}

func (a *app) showUpdated(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		restart := ""
		if attr(s, "restart") == "True" {
			restart = "wants a restart"
		}
		rows = append(rows, []string{attr(s, "name"), attr(s, "plan"), orDash(attr(s, "packages")), restart})
	}
	a.console.Table([]string{"NAME", "PLAN", "PACKAGES", ""}, rows)
}

func (a *app) serverScale() *cobra.Command {
	var f serverFlags
	var count int
	var key string
	cmd := &cobra.Command{
		Use: "scale GROUP --count N", Short: "Have so many servers of a group", Args: exactly(1, "the name of a group, such as web"),
		Long: `Have so many servers of a group. The group web is the servers web-1, web-2 and so on.

New ones get the next free numbers, and are as the one with the lowest number is:
its image, plan, network, user and tags. The highest numbers go first; that has to be
confirmed, because what is on them is gone.`,
		Example: "  provisioning server scale web --count 3 --check\n  provisioning server scale web --count 1 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 0 || !cmd.Flags().Changed("count") {
				return fault.New(fault.Usage, "%s needs --count, 0 or more", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			all, err := a.servers(cmd, f.provider, nil)
			if err != nil {
				return err
			}
			g, err := groupOf(args[0], all)
			if err != nil {
				return err
			}
			add, remove := g.scaled(count)
			if len(remove) > 0 && !f.check {
				if err := a.confirmDelete(remove, f.yes); err != nil {
					return err
				}
			}
			params := g.like()
			params["add"], params["remove"] = stringsValue(add), stringsValue(serverNames(remove))
			params["wait"] = starlark.String(f.wait.String())
			if key != "" {
				params["ssh_key"] = starlark.String(key)
			}
			return a.runServers(&f, "scale", params, a.showServers)
		},
	}
	f.defineRun(cmd.Flags())
	f.defineWait(cmd.Flags())
	cmd.Flags().IntVar(&count, "count", 0, "how many there shall be")
	cmd.Flags().StringVar(&key, "ssh-key", "", "key to log in to new ones with (default: the workspace's own)")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask whether it is right to remove servers")
	return cmd
}

// member is a server of a group.
type member struct {
	providers.Server
	number int
	digits int // of the number, as it is written
}

// group are servers that are named alike, by their numbers.
type group struct {
	name    string
	members []member
}

var numbered = regexp.MustCompile(`^(.+)-([0-9]{1,6})$`)

// groupOf finds a group. It has to have a server, whose likes the new ones are.
func groupOf(name string, all []providers.Server) (group, error) {
	g := group{name: name}
	var groups []string
	for _, s := range all {
		m := numbered.FindStringSubmatch(s.Name)
		if m == nil {
			continue
		}
		if !slices.Contains(groups, m[1]) {
			groups = append(groups, m[1])
		}
		if m[1] == name {
			number, _ := strconv.Atoi(m[2]) // digits, and few of them
			g.members = append(g.members, member{s, number, len(m[2])})
		}
	}
	slices.SortFunc(g.members, func(a, b member) int { return a.number - b.number })
	if len(g.members) > 0 {
		return g, nil
	}
	e := suggest(fault.New(fault.NotFound, "there is no group %q", name), name, groups)
	if len(groups) == 0 {
		return g, e.WithHint("a group begins with its first server: provisioning server create %s-1", name)
	}
	return g, e.WithHint("the groups are %s", strings.Join(groups, ", "))
}

// scaled says which servers have to be made, and which removed, for there to be so many.
func (g group) scaled(count int) (add []string, remove []providers.Server) {
	for i := count; i < len(g.members); i++ {
		remove = append(remove, g.members[i].Server)
	}
	taken := map[int]bool{}
	for _, m := range g.members {
		taken[m.number] = true
	}
	for number := 1; len(g.members)+len(add) < count; number++ {
		if !taken[number] {
			add = append(add, fmt.Sprintf("%s-%0*d", g.name, g.members[0].digits, number))
		}
	}
	return add, remove
}

// like are the parameters by which new servers are like the first one.
func (g group) like() map[string]starlark.Value {
	s := g.members[0]
	tags := starlark.NewDict(len(s.Tags))
	for _, name := range sortedKeys(s.Tags) {
		_ = tags.SetKey(starlark.String(name), starlark.String(s.Tags[name])) // a fresh dict takes strings
	}
	return map[string]starlark.Value{
		"image": starlark.String(s.Image), "plan": starlark.String(s.Plan), "network": starlark.String(s.Network), "user": starlark.String(s.User), "tags": tags,
	}
}

func (a *app) serverLogs() *cobra.Command {
	var f serverFlags
	var lines int
	var sudo bool
	var key string
	cmd := &cobra.Command{
		Use: "logs NAME…", Short: "Show the system journals of servers", Args: atLeastOne("names of servers, or patterns such as 'web-*'"),
		Long: `Show the last lines of the system journals of servers: of journald, of
/var/log/syslog or /var/log/messages, or of logread, whichever there is. It exits with
1 where there is none.`,
		Example: "  provisioning server logs web-1\n  provisioning server logs 'web-*' --lines 20 --sudo",
		RunE: func(_ *cobra.Command, names []string) error {
			if lines < 1 {
				return fault.New(fault.Usage, "--lines must be at least 1, not %d", lines)
			}
			params := map[string]starlark.Value{"names": stringsValue(names), "lines": starlark.MakeInt(lines), "sudo": starlark.Bool(sudo)}
			if key != "" {
				params["ssh_key"] = starlark.String(key)
			}
			failed := false
			err := a.runServers(&f, "logs", params, func(v starlark.Value) { failed = a.showExits(v) })
			if err == nil && failed {
				return exitCode(1)
			}
			return err
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().IntVarP(&lines, "lines", "n", 100, "how many lines of each")
	cmd.Flags().IntVar(&f.atOnce, "parallel", 10, "of how many servers at a time")
	cmd.Flags().BoolVar(&sudo, "sudo", false, "as root on the server, by sudo")
	cmd.Flags().StringVar(&key, "key", "", "private key (default: the workspace's own)")
	return cmd
}
