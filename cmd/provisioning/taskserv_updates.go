package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/release"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// updateRecord is what there is to know of an update.
type updateRecord struct {
	Taskserv  string    `json:"taskserv"`
	Server    string    `json:"server,omitempty"`
	State     string    `json:"state,omitempty"` // that the server has recorded
	Current   string    `json:"current_version"`
	Latest    string    `json:"latest_version"`
	Available bool      `json:"update_available"`
	Level     string    `json:"level,omitempty"`          // patch, minor, major
	Released  time.Time `json:"released_at,omitzero"`     // the current version; zero where nobody says it
	DaysOld   *int      `json:"days_old,omitempty"`       // since then; nil where nobody says it
	Pinned    string    `json:"pinned_version,omitempty"` // by the configuration
	Checked   time.Time `json:"checked_at"`
	Error     string    `json:"error,omitempty"`
	*updateDetails
}

// updates looks for updates, and asks each source once.
type updates struct {
	app     *app
	of      announcement
	named   bool // the recipes were named: what nobody says of them is an error
	pins    map[string]pin
	answers map[string]announced
	silent  []string // of what nobody says which versions mend a hole
}

type announced struct {
	release.Answer
	err error
}

func (a *app) newUpdates(of announcement, named bool) (*updates, error) {
	pins, err := a.pins()
	return &updates{app: a, of: of, named: named, pins: pins, answers: map[string]announced{}}, err
}

func (l *updates) asked(r *recipe.Recipe) announced {
	found, ok := l.answers[r.Name]
	if !ok {
		found.Answer, found.err = l.app.announced(r, l.of)
		l.answers[r.Name] = found
	}
	return found
}

// over looks for an update of a recipe over a version. It returns nil where nobody says
// what mends holes, unless the recipe was named.
func (l *updates) over(r *recipe.Recipe, current string) *updateRecord {
	found := l.asked(r)
	u := &updateRecord{Taskserv: r.Name, Current: current, Pinned: l.pins[r.Name].version, Checked: found.At}
	if found.err != nil {
		u.Checked = time.Now().UTC()
		silent := fault.Is(found.err, fault.Invalid) && !l.named // nobody was asked
		switch {
		case silent && l.of.security:
			l.silence(r)
			return nil
		case !silent:
			u.Error = found.err.Error()
		}
		return u
	}
	u.age(found.Answer)
	newer := found.Releases
	if l.of.security {
		mends := release.Mends(recipe.Upstream(current), found.Versions())
		newer = slices.DeleteFunc(slices.Clone(newer), func(one release.Release) bool { return !slices.Contains(mends, one.Version) })
	}
	if len(newer) > 0 {
		u.Latest = newer[0].Version
		u.Level = release.Level(recipe.Upstream(current), u.Latest)
		u.Available = u.Level != ""
	}
	return u
}

func (l *updates) silence(r *recipe.Recipe) {
	if !slices.Contains(l.silent, r.Name) {
		l.silent = append(l.silent, r.Name)
	}
}

// sayWhoIsSilent names those of whom nobody says which versions mend a hole: that none is
// listed for them does not mean that they have none.
func (l *updates) sayWhoIsSilent() {
	if len(l.silent) > 0 {
		slices.Sort(l.silent)
		l.app.console.Note("nobody says which versions mend a hole of %s", strings.Join(l.silent, ", "))
	}
}

// age says when the current version was released.
func (u *updateRecord) age(told release.Answer) {
	current := recipe.Upstream(u.Current)
	for _, one := range told.Releases {
		if recipe.Upstream(one.Version) == current && !one.Released.IsZero() {
			days := int(time.Since(one.Released) / (24 * time.Hour))
			u.Released, u.DaysOld = one.Released, &days
			return
		}
	}
}

// installed looks for updates of what a server has recorded; nil for what is none of the
// recipes.
func (l *updates) installed(recipes []*recipe.Recipe, s *starlarkstruct.Struct) *updateRecord {
	i := slices.IndexFunc(recipes, func(r *recipe.Recipe) bool { return r.Name == attr(s, "taskserv") })
	if i < 0 {
		return nil
	}
	r := recipes[i]
	var u *updateRecord
	if asksServers(r) {
		u = l.offered(r, s)
	} else {
		u = l.over(r, attr(s, "version"))
	}
	if u != nil {
		u.Server, u.State = attr(s, "server"), attr(s, "status")
	}
	return u
}

// asksServers reports whether only servers know which versions of a recipe there are.
func asksServers(r *recipe.Recipe) bool {
	source := sourceOf(r)
	return source["type"] == "package" && !source.Announces()
}

// offered is what the package manager of a server has for it.
func (l *updates) offered(r *recipe.Recipe, s *starlarkstruct.Struct) *updateRecord {
	current, latest := orElse(attr(s, "there"), attr(s, "version")), attr(s, "offered")
	u := &updateRecord{Taskserv: r.Name, Current: current, Latest: latest, Pinned: l.pins[r.Name].version, Checked: time.Now().UTC()}
	switch {
	case latest == "" && l.of.security:
		l.silence(r)
		return nil
	case latest == "" || latest == current:
		return u
	case l.of.security && attr(s, "mends") != "True":
		u.Latest = current
		return u
	}
	u.Available = true
	if u.Level = release.Level(recipe.Upstream(current), recipe.Upstream(latest)); u.Level == "" {
		u.Level = "patch" // of the distribution
	}
	return u
}

func (a *app) taskservCheckUpdates() *cobra.Command {
	var f taskservFlags
	var of announcement
	var names []string
	cmd := &cobra.Command{
		Use: "check-updates [NAME…]", Short: "Look whether there are newer versions than recipes install, or servers have", Args: cobra.ArbitraryArgs,
		Long: `Look whether there are newer versions than recipes install by default, or, with --servers,
than these have. Without NAME, all recipes are looked at that say where versions are
announced, and with --servers also those whose packages the servers know, as of the last
time that their package manager has fetched its lists. With --security-only, only versions
count that mend a hole, as the makers of the software say, or a suite for security such as
bookworm-security: those of the same branch of releases, where there are such.

For one taskserv it also says what has changed since, as far as its makers publish that,
which of it breaks something, and what to do.

Exit codes: 0 all could be asked; 1 somebody could not: the error has what was known last.`,
		Example: `  provisioning taskserv check-updates
  provisioning taskserv check-updates etcd --out json
  provisioning taskserv check-updates --servers web-1,web-2 --security-only`,
		RunE: func(_ *cobra.Command, args []string) error {
			names = namesIn(append(args, names...))
			places, recipes, err := a.announcing(names, len(f.servers) > 0)
			if err != nil {
				return err
			}
			l, err := a.newUpdates(of, len(names) > 0)
			if err != nil {
				return err
			}
			detailed := len(names) == 1
			if len(f.servers) > 0 {
				return a.checkInstalled(&f, places, recipes, l, detailed)
			}
			records := []*updateRecord{}
			for _, r := range recipes {
				if u := l.over(r, r.DefaultVersion); u != nil {
					records = append(records, u)
				}
			}
			if detailed {
				l.detail(recipes, records)
			}
			if err := a.showUpdates(records); err != nil {
				return err
			}
			l.sayWhoIsSilent()
			return failedUpdates(records)
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().StringSliceVar(&names, "taskserv", nil, "names of taskservs, separated by commas: the same as NAME")
	of.define(cmd)
	return cmd
}

// define defines the flags of commands that ask for newer versions.
func (of *announcement) define(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&of.refresh, "refresh", false, "ask again, although the last answer is not an hour old")
	cmd.Flags().BoolVar(&of.security, "security-only", false, "only versions that mend a hole")
	cmd.Flags().BoolVar(&of.security, "security-patches", false, "the same as --security-only")
	_ = cmd.Flags().MarkHidden("security-patches") // the flag exists
}

// failedUpdates is a failure when somebody could not be asked.
func failedUpdates(records []*updateRecord) error {
	if slices.ContainsFunc(records, func(u *updateRecord) bool { return u.Error != "" }) {
		return exitCode(1)
	}
	return nil
}

// announcing are the recipes of the names; without names, all that say where versions
// are announced. Where servers are asked, these know of the others.
func (a *app) announcing(names []string, servers bool) ([]recipe.Place, []*recipe.Recipe, error) {
	places, recipes, err := a.updatable(names)
	if err != nil || len(names) > 0 {
		return places, recipes, err
	}
	return places, slices.DeleteFunc(recipes, func(r *recipe.Recipe) bool {
		return !sourceOf(r).Announces() && !(servers && asksServers(r))
	}), nil
}

// checkInstalled looks for updates of what servers have.
func (a *app) checkInstalled(f *taskservFlags, places []recipe.Place, recipes []*recipe.Recipe, l *updates, detailed bool) error {
	var records []*updateRecord
	f.view = func(installed starlark.Value) starlark.Value {
		rows := []starlark.Value{}
		for _, s := range structs(installed) {
			if u := l.installed(recipes, s); u != nil {
				records = append(records, u)
			}
		}
		if detailed {
			l.detail(recipes, records)
		}
		for _, u := range records {
			rows = append(rows, u.value())
		}
		return starlark.NewList(rows)
	}
	f.judge = func(starlark.Value) error {
		l.sayWhoIsSilent()
		return failedUpdates(records)
	}
	return a.runTaskserv(f, a.installedScript(f, places, recipes), func(starlark.Value) {
		_ = a.showUpdates(records) // a table is printed without an error
	})
}

// installedScript asks servers what they have, and what their package managers have for
// those recipes of which only they know.
func (a *app) installedScript(f *taskservFlags, places []recipe.Place, recipes []*recipe.Recipe) *taskservScript {
	s := &taskservScript{function: "installed", arguments: f.arguments()}
	for _, p := range places {
		if slices.ContainsFunc(recipes, func(r *recipe.Recipe) bool { return r.Name == p.Name && asksServers(r) }) {
			s.recipes = append(s.recipes, p)
		}
	}
	return s
}

// value is the record as results of runs have it.
func (u *updateRecord) value() starlark.Value {
	fields := map[string]any{
		"taskserv": u.Taskserv, "server": u.Server, "state": u.State, "current_version": u.Current, "latest_version": u.Latest,
		"update_available": u.Available, "level": u.Level, "checked_at": u.Checked.Format(time.RFC3339), "error": u.Error,
	}
	if u.DaysOld != nil {
		fields["days_old"], fields["released_at"] = *u.DaysOld, u.Released.Format(time.RFC3339)
	}
	if u.Pinned != "" {
		fields["pinned_version"] = u.Pinned
	}
	if u.updateDetails != nil {
		maps.Copy(fields, u.fields())
	}
	return value.Of(fields)
}

// status says in a word or two whether there is an update.
func (u *updateRecord) status() string {
	status := "current"
	switch {
	case u.Error != "":
		return u.Error
	case u.Available:
		status = "update (" + u.Level + ")"
	case u.Current == "" || u.Latest == "":
		status = "unknown"
	}
	if u.Pinned != "" {
		status += ", pinned to " + u.Pinned
	}
	return status
}

func (a *app) showUpdates(records []*updateRecord) error {
	if a.console.Structured() {
		return a.console.Result(records)
	}
	var rows [][]string
	head := []string{"NAME", "CURRENT", "LATEST", "STATUS"}
	for _, u := range records {
		row := []string{u.Taskserv, orDash(u.Current), orDash(u.Latest), u.status()}
		if u.Server != "" {
			head, row = []string{"NAME", "SERVER", "CURRENT", "LATEST", "STATUS"}, slices.Insert(row, 1, u.Server)
		}
		rows = append(rows, row)
	}
	a.console.Table(head, rows)
	a.showDetails(records)
	return nil
}
