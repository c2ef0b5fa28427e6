package main

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

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

// announced are the versions of the software that the recipe can install.
func (a *app) announced(r *recipe.Recipe, refresh bool) ([]string, error) {
	client := release.Client{}
	if dir := workspace.CacheDir(); dir != "" {
		client.Cache = filepath.Dir(dir)
	}
	all, err := client.Versions(context.Background(), sourceOf(r), refresh)
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
			versions, err := a.announced(recipes[0], refresh)
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
	var refresh bool
	cmd := &cobra.Command{
		Use: "check-updates [NAME…]", Short: "Look whether there are newer versions than recipes install", Args: cobra.ArbitraryArgs,
		Long: `Look whether there are newer versions than recipes install by default. Without NAME, all
recipes are looked at that say where versions are announced.

What servers have is shown by status; what their package managers have, by
"provisioning taskserv update --check".`,
		Example: "  provisioning taskserv check-updates\n  provisioning taskserv check-updates etcd --out json",
		RunE: func(_ *cobra.Command, args []string) error {
			recipes, err := a.announcing(taskservNames(args))
			if err != nil {
				return err
			}
			records, failed := []updateRecord{}, false
			for _, r := range recipes {
				u := a.updateOf(r, refresh)
				failed = failed || u.Error != ""
				records = append(records, u)
			}
			if err := a.showUpdates(records); err != nil {
				return err
			}
			if failed {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&refresh, "refresh", false, "ask again, although the last answer is not an hour old")
	return cmd
}

// announcing are the recipes of the names; without names, all that say where versions
// are announced.
func (a *app) announcing(names []string) ([]*recipe.Recipe, error) {
	if len(names) > 0 {
		_, recipes, err := a.placesOf(names, false)
		return recipes, err
	}
	c, done, err := a.catalogue()
	if err != nil {
		return nil, err
	}
	defer done()
	var all []*recipe.Recipe
	for _, name := range c.Names() {
		if r, err := c.Recipe(name); err == nil && slices.Contains([]string{"github", "url", "static"}, sourceOf(r)["type"]) { // servers know of packages; list shows what is broken
			all = append(all, r)
		}
	}
	return all, nil
}

func (a *app) updateOf(r *recipe.Recipe, refresh bool) updateRecord {
	u := updateRecord{Taskserv: r.Name, Current: r.DefaultVersion, Checked: time.Now().UTC()}
	versions, err := a.announced(r, refresh)
	if err != nil {
		u.Error = err.Error()
		return u
	}
	if len(versions) > 0 {
		u.Latest = versions[0]
		u.Level = release.Level(recipe.Upstream(u.Current), u.Latest)
		u.Available = u.Level != ""
	}
	return u
}

func (a *app) showUpdates(records []updateRecord) error {
	if a.console.Structured() {
		return a.console.Result(records)
	}
	var rows [][]string
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
		rows = append(rows, []string{u.Taskserv, orDash(u.Current), orDash(u.Latest), status})
	}
	a.console.Table([]string{"NAME", "CURRENT", "LATEST", "STATUS"}, rows)
	return nil
}
