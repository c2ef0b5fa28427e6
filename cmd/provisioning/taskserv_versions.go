package main

import (
	"context"
	"path/filepath"
	"slices"

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

// announcement is what is asked of those who announce versions.
type announcement struct {
	refresh  bool // although the last answer is fresh
	security bool // only what mends a hole
}

// announced are the releases of the software that the recipe can install.
func (a *app) announced(r *recipe.Recipe, of announcement) (release.Answer, error) {
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
		return release.Answer{}, &e
	}
	all.Releases = slices.DeleteFunc(all.Releases, func(one release.Release) bool { return r.Installs(one.Version) != nil })
	return all, nil
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
			told, err := a.announced(recipes[0], announcement{refresh: refresh})
			if err != nil {
				return err
			}
			versions := told.Versions()
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
