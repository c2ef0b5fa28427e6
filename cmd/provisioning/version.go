package main

import (
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/release"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// versionVerbs are about the versions of what is installed; "version" alone is about the
// program.
func (a *app) versionVerbs() []*cobra.Command {
	return []*cobra.Command{a.versionShow(), a.versionCheck(), a.versionUpdates(), a.versionTaskserv(), a.versionApply()}
}

const whichServers = `Without --servers, all servers of the workspace that run are asked, or with --infra those of
that infrastructure. Which versions there are is found out as "provisioning taskserv
check-updates" does it, with the same answers, which are kept for an hour.

Exit codes: 0 all could be asked; 1 somebody could not: the error has what was known last.`

// versionAsk is what the verbs ask servers, and those who announce versions.
type versionAsk struct {
	taskservFlags
	of announcement
}

func (v *versionAsk) define(cmd *cobra.Command) {
	v.taskservFlags.define(cmd.Flags())
	cmd.Flags().BoolVar(&v.of.refresh, "refresh", false, "ask for newer versions again, although the last answer is not an hour old")
}

func (a *app) versionShow() *cobra.Command {
	var v versionAsk
	cmd := &cobra.Command{
		Use: "show [NAME…]", Short: "Show what is installed, with its version, how old that is, and the newest one", Args: cobra.ArbitraryArgs,
		Long: `Show what is installed on servers, with its version, how many days ago that was released,
where its makers say it, and the newest version there is.

` + whichServers,
		Example: "  provisioning version show\n  provisioning version show redis --servers cache-1,cache-2 --out json",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, records, err := a.versionRecords(cmd, &v, namesIn(args))
			if err != nil {
				return err
			}
			if a.console.Structured() {
				if err := a.console.Result(records); err != nil {
					return err
				}
			} else {
				a.showVersions(records)
			}
			return failedUpdates(records)
		},
	}
	v.define(cmd)
	return cmd
}

func (a *app) versionCheck() *cobra.Command {
	var v versionAsk
	exit := false
	cmd := &cobra.Command{
		Use: "check [NAME…]", Short: "Look whether there are updates of what is installed", Args: cobra.ArbitraryArgs,
		Long: `Look whether there are updates of what is installed on servers.

` + whichServers + `
With --exit-code: 10 there are updates.`,
		Example: "  provisioning version check\n  provisioning version check --infra prod --exit-code",
		RunE: func(cmd *cobra.Command, args []string) error {
			_, records, err := a.versionRecords(cmd, &v, namesIn(args))
			if err != nil {
				return err
			}
			if err := a.showUpdates(records); err != nil {
				return err
			}
			if err := failedUpdates(records); err != nil || !exit || !slices.ContainsFunc(records, available) {
				return err
			}
			return exitCode(10)
		},
	}
	v.define(cmd)
	cmd.Flags().BoolVar(&exit, "exit-code", false, "exit with 10 when there are updates")
	return cmd
}

func (a *app) versionUpdates() *cobra.Command {
	var v versionAsk
	cmd := &cobra.Command{
		Use: "updates [NAME…]", Short: "List the updates that there are of what is installed", Args: cobra.ArbitraryArgs,
		Long: `List the updates that there are of what is installed on servers. With --security-only, those
that mend a hole: their makers say so in an advisory, or a suite for security has them, such
as bookworm-security. Of whom nobody says it is told.

` + whichServers,
		Example: "  provisioning version updates\n  provisioning version updates --security-only --infra prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, records, err := a.versionRecords(cmd, &v, namesIn(args))
			if err != nil {
				return err
			}
			records = slices.DeleteFunc(records, func(u *updateRecord) bool { return !available(u) && u.Error == "" })
			if err := a.showUpdates(records); err != nil {
				return err
			}
			l.sayWhoIsSilent()
			return failedUpdates(records)
		},
	}
	v.define(cmd)
	cmd.Flags().BoolVar(&v.of.security, "security-only", false, "only updates that mend a hole")
	return cmd
}

func available(u *updateRecord) bool { return u.Available }

// taskservVersions is what programs see of the versions of one taskserv.
type taskservVersions struct {
	Taskserv string          `json:"taskserv"`
	Default  string          `json:"default_version,omitempty"` // that the recipe installs
	Pinned   string          `json:"pinned_version,omitempty"`  // by the configuration
	Latest   string          `json:"latest_version"`
	Error    string          `json:"error,omitempty"` // why it is not known
	Servers  []*updateRecord `json:"servers"`
}

func (a *app) versionTaskserv() *cobra.Command {
	var v versionAsk
	cmd := &cobra.Command{
		Use: "taskserv NAME", Short: "Show which version of a taskserv is on which server", Args: exactly(1, "the name of a taskserv"),
		Long: `Show which version of a taskserv is on which server, and in what state, as the servers have
recorded it, and the newest version there is.

` + whichServers,
		Example: "  provisioning version taskserv redis\n  provisioning version taskserv redis --servers cache-1,cache-2",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, records, err := a.versionRecords(cmd, &v, args)
			if err != nil {
				return err
			}
			_, recipes, err := a.placesOf(args, false)
			if err != nil {
				return err
			}
			t := l.versionsOf(recipes[0], records)
			if a.console.Structured() {
				err = a.console.Result(t)
			} else {
				a.showTaskservVersions(t)
			}
			if err == nil && t.Error != "" {
				return exitCode(1)
			}
			return err
		},
	}
	v.define(cmd)
	return cmd
}

// versionsOf puts together what is known of one taskserv.
func (l *updates) versionsOf(r *recipe.Recipe, records []*updateRecord) *taskservVersions {
	t := &taskservVersions{Taskserv: r.Name, Default: r.DefaultVersion, Pinned: l.pins[r.Name].version, Servers: records}
	if asksServers(r) {
		for _, u := range records {
			if t.Latest == "" || release.Level(recipe.Upstream(t.Latest), recipe.Upstream(u.Latest)) != "" {
				t.Latest = u.Latest
			}
		}
		return t
	}
	u := l.over(r, r.DefaultVersion)
	t.Latest, t.Error = u.Latest, u.Error
	return t
}

func (a *app) showTaskservVersions(t *taskservVersions) {
	rows := [][]string{{"taskserv", t.Taskserv}, {"latest", orElse(t.Error, orDash(t.Latest))}, {"installed by default", orElse(t.Default, "what the server's package manager has")}}
	if t.Pinned != "" {
		rows = append(rows, []string{"pinned to", t.Pinned})
	}
	a.console.Table(nil, rows)
	if len(t.Servers) == 0 {
		return
	}
	rows = nil
	for _, u := range t.Servers {
		rows = append(rows, []string{u.Server, orDash(u.Current), u.State, u.status()})
	}
	a.console.Print("")
	a.console.Table([]string{"SERVER", "VERSION", "STATE", "STATUS"}, rows)
}

// versionRecords asks servers what they have of the names, or of all, and looks for updates.
func (a *app) versionRecords(cmd *cobra.Command, v *versionAsk, names []string) (*updates, []*updateRecord, error) {
	places, recipes, err := a.updatable(names)
	if err != nil {
		return nil, nil, err
	}
	l, err := a.newUpdates(v.of, len(names) > 0)
	if err != nil {
		return nil, nil, err
	}
	records := []*updateRecord{}
	if err := a.allRunning(cmd, &v.taskservFlags); err != nil || len(v.servers) == 0 {
		return l, records, err
	}
	there, err := a.installed(v.taskservFlags, a.installedScript(&v.taskservFlags, places, recipes))
	if err != nil {
		return nil, nil, err
	}
	for _, s := range there {
		if u := l.installed(recipes, s); u != nil {
			records = append(records, u)
		}
	}
	return l, records, nil
}

// allRunning makes the servers that are asked all that can be, unless some are named.
func (a *app) allRunning(cmd *cobra.Command, f *taskservFlags) error {
	if len(f.servers) > 0 {
		return nil
	}
	all, err := a.servers(cmd, f.provider, nil)
	if err != nil {
		return err
	}
	filter := providers.Filter{Infra: a.flags.infra}
	for _, s := range all {
		switch {
		case !filter.Matches(s):
		case s.Status == providers.Running:
			f.servers = append(f.servers, s.Name)
		default:
			a.console.Note("%s is not asked: it is %s", s.Name, s.Status)
		}
	}
	if len(f.servers) == 0 {
		a.console.Note("no server runs that could be asked")
	}
	return nil
}

// installed is what servers have recorded, without a word about the run that asks them.
func (a *app) installed(f taskservFlags, s *taskservScript) ([]*starlarkstruct.Struct, error) {
	f.timeout = ""
	out, err := a.startTaskserv(&f, s)
	if err != nil {
		return nil, a.outcome(out, err)
	}
	return structs(out.Value), nil
}

// showVersions shows what is installed, and how old that is.
func (a *app) showVersions(records []*updateRecord) {
	var rows [][]string
	for _, u := range records {
		latest, days := orDash(u.Latest), "-"
		if u.Level == "major" {
			latest += " (major)"
		}
		if u.DaysOld != nil {
			days = strconv.Itoa(*u.DaysOld)
		}
		rows = append(rows, []string{u.Taskserv, u.Server, orDash(u.Current), latest, days, u.status()})
	}
	a.console.Table([]string{"NAME", "SERVER", "CURRENT", "LATEST", "DAYS OLD", "STATUS"}, rows)
}
