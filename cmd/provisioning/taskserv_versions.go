package main

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/release"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// sourceOf is where versions of the software are announced.
func sourceOf(r *recipe.Recipe) release.Source {
	s := release.Source{}
	d, _ := r.Field("source").(*starlark.Dict)
	if d == nil {
		return s
	}
	for _, kv := range d.Items() {
		key, _ := starlark.AsString(kv[0])
		s[key], _ = starlark.AsString(kv[1])
	}
	return s
}

// announcement is what is asked of those who announce versions.
type announcement struct {
	refresh  bool // although the last answer is fresh
	security bool // only what mends a hole
}

// announced are the versions of the software that the recipe can install.
func (a *app) announced(r *recipe.Recipe, of announcement) ([]string, error) {
	client := release.Client{}
	if dir := workspace.CacheDir(); dir != "" {
		client.Cache = filepath.Dir(dir)
	}
	ask := client.Versions
	if of.security {
		ask = client.Security
	}
	all, err := ask(context.Background(), sourceOf(r), of.refresh)
	if err != nil {
		e := *fault.As(err)
		e.Msg = r.Name + ": " + e.Msg
		return nil, &e
	}
	fit := []string{}
	for _, v := range all {
		if r.Installs(v) == nil {
			fit = append(fit, v)
		}
	}
	return fit, nil
}

func (a *app) taskservVersions() *cobra.Command {
	var refresh bool
	cmd := &cobra.Command{
		Use: "versions NAME", Short: "List the versions of the software that can be installed", Args: exactly(1, "the name of a taskserv"),
		Long: `List the versions of the software that can be installed, the newest first, as far as its
makers announce them: the recipe says where. Answers are kept for an hour.`,
		Example: "  provisioning taskserv versions etcd",
		RunE: func(_ *cobra.Command, args []string) error {
			_, recipes, err := a.placesOf(args, false)
			if err != nil {
				return err
			}
			versions, err := a.announced(recipes[0], announcement{refresh: refresh})
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(map[string]any{"taskserv": recipes[0].Name, "versions": versions, "default": recipes[0].DefaultVersion})
			}
			for _, v := range versions {
				a.console.Print("%s", v)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&refresh, "refresh", false, "ask again, although the last answer is not an hour old")
	return cmd
}

// updateRecord is what there is to know of an update.
type updateRecord struct {
	Taskserv  string    `json:"taskserv"`
	Server    string    `json:"server,omitempty"`
	Current   string    `json:"current_version"`
	Latest    string    `json:"latest_version"`
	Available bool      `json:"update_available"`
	Level     string    `json:"level,omitempty"` // patch, minor, major
	Checked   time.Time `json:"checked_at"`
	Error     string    `json:"error,omitempty"`
}

func (a *app) taskservCheckUpdates() *cobra.Command {
	var f taskservFlags
	var of announcement
	var names []string
	cmd := &cobra.Command{
		Use: "check-updates [NAME…]", Short: "Look whether there are newer versions than recipes install, or servers have", Args: cobra.ArbitraryArgs,
		Long: `Look whether there are newer versions than recipes install by default, or, with --servers,
than these have. Without NAME, all recipes are looked at that say where versions are
announced. With --security-only, only versions count that mend a hole, as the makers of
the software say: those of the same branch of releases, where there are such.

What package managers of servers have is shown by "provisioning taskserv update --check".`,
		Example: `  provisioning taskserv check-updates
  provisioning taskserv check-updates etcd --out json
  provisioning taskserv check-updates --servers web-1,web-2 --security-only`,
		RunE: func(_ *cobra.Command, args []string) error {
			recipes, err := a.announcing(namesIn(append(args, names...)))
			if err != nil {
				return err
			}
			look := a.updates(of, len(args)+len(names) > 0)
			if len(f.servers) > 0 {
				return a.checkInstalled(&f, recipes, look)
			}
			records := []updateRecord{}
			for _, r := range recipes {
				if u := look(r, r.DefaultVersion); u != nil {
					records = append(records, *u)
				}
			}
			if err := a.showUpdates(records); err != nil {
				return err
			}
			return failedUpdates(records)
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().StringSliceVar(&names, "taskserv", nil, "names of taskservs, separated by commas: the same as NAME")
	cmd.Flags().BoolVar(&of.refresh, "refresh", false, "ask again, although the last answer is not an hour old")
	cmd.Flags().BoolVar(&of.security, "security-only", false, "only versions that mend a hole")
	cmd.Flags().BoolVar(&of.security, "security-patches", false, "the same as --security-only")
	_ = cmd.Flags().MarkHidden("security-patches") // the flag exists
	return cmd
}

// failedUpdates is a failure when somebody could not be asked.
func failedUpdates(records []updateRecord) error {
	if slices.ContainsFunc(records, func(u updateRecord) bool { return u.Error != "" }) {
		return exitCode(1)
	}
	return nil
}

// announcing are the recipes of the names; without names, all that say where versions
// are announced.
func (a *app) announcing(names []string) ([]*recipe.Recipe, error) {
	if len(names) > 0 {
		_, recipes, err := a.placesOf(names, false)
		return recipes, err
	}
	_, recipes, err := a.updatable(nil)
	return slices.DeleteFunc(recipes, func(r *recipe.Recipe) bool { return !sourceOf(r).Announces() }), err // servers know of the others
}

// updates returns what looks for an update of a recipe over a version, and asks once for
// each. It returns nil where nobody says what mends holes, unless the recipe was named.
func (a *app) updates(of announcement, named bool) func(r *recipe.Recipe, current string) *updateRecord {
	type answer struct {
		versions []string
		err      error
	}
	asked := map[string]answer{}
	return func(r *recipe.Recipe, current string) *updateRecord {
		found, ok := asked[r.Name]
		if !ok {
			found.versions, found.err = a.announced(r, of)
			asked[r.Name] = found
		}
		if of.security && !named && fault.Is(found.err, fault.Invalid) {
			return nil
		}
		if of.security {
			found.versions = release.Mends(recipe.Upstream(current), found.versions)
		}
		u := &updateRecord{Taskserv: r.Name, Current: current, Checked: time.Now().UTC()}
		if found.err != nil {
			u.Error = found.err.Error()
		} else if len(found.versions) > 0 {
			u.Latest = found.versions[0]
			u.Level = release.Level(recipe.Upstream(u.Current), u.Latest)
			u.Available = u.Level != ""
		}
		return u
	}
}

// checkInstalled looks for updates of what servers have.
func (a *app) checkInstalled(f *taskservFlags, recipes []*recipe.Recipe, look func(*recipe.Recipe, string) *updateRecord) error {
	var records []updateRecord
	f.view = func(installed starlark.Value) starlark.Value {
		rows := []starlark.Value{}
		for _, s := range structs(installed) {
			i := slices.IndexFunc(recipes, func(r *recipe.Recipe) bool { return r.Name == attr(s, "taskserv") })
			if i < 0 {
				continue
			}
			if u := look(recipes[i], attr(s, "version")); u != nil {
				u.Server = attr(s, "server")
				records, rows = append(records, *u), append(rows, u.value())
			}
		}
		return starlark.NewList(rows)
	}
	f.judge = func(starlark.Value) error { return failedUpdates(records) }
	return a.runTaskserv(f, &taskservScript{function: "installed", arguments: f.arguments()}, func(starlark.Value) {
		_ = a.showUpdates(records) // a table is printed without an error
	})
}

// value is the record as results of runs have it.
func (u *updateRecord) value() starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"taskserv": starlark.String(u.Taskserv), "server": starlark.String(u.Server), "current_version": starlark.String(u.Current),
		"latest_version": starlark.String(u.Latest), "update_available": starlark.Bool(u.Available), "level": starlark.String(u.Level),
		"checked_at": starlark.String(u.Checked.Format(time.RFC3339)), "error": starlark.String(u.Error),
	})
}

func (a *app) showUpdates(records []updateRecord) error {
	if a.console.Structured() {
		return a.console.Result(records)
	}
	var rows [][]string
	head := []string{"NAME", "CURRENT", "LATEST", "STATUS"}
	for _, u := range records {
		status := "current"
		switch {
		case u.Error != "":
			status = u.Error
		case u.Available:
			status = "update (" + u.Level + ")"
		case u.Current == "" || u.Latest == "":
			status = "unknown"
		}
		row := []string{u.Taskserv, orDash(u.Current), orDash(u.Latest), status}
		if u.Server != "" {
			head, row = []string{"NAME", "SERVER", "CURRENT", "LATEST", "STATUS"}, slices.Insert(row, 1, u.Server)
		}
		rows = append(rows, row)
	}
	a.console.Table(head, rows)
	return nil
}
