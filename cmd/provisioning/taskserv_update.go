package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// updateFlags are those of update alone.
type updateFlags struct {
	version  string
	names    []string
	security bool
	resume   bool
	migrate  bool
	force    bool
}

func (a *app) taskservUpdate() *cobra.Command {
	f := taskservFlags{atOnce: 1}
	var u updateFlags
	cmd := &cobra.Command{
		Use: "update [NAME…]", Aliases: []string{"upgrade"}, Short: "Bring services to another version", Args: cobra.ArbitraryArgs,
		Long: `Bring services to another version, with the configuration that they have. Without NAME
those are all that the servers have.

Without --version that is the one that the configuration pins, see "provisioning version
apply", else the newest one that the server's package manager has, as far as the recipe can
tell. One server is updated after the other, until one fails; with
--parallel more of them at a time. Services that the recipe can back up are, before they
get a version that is named: backups/NAME/SERVER-pre-update-VERSION.

With --check it says of each update how much may go wrong: the risk of a patch is low, that
of a minor version medium, that of a major one high, unless the recipe raises it; what is
away meanwhile, whether data are brought along, and how long it took before.

With --security-only, what has a version with a known hole gets the newest one of its
branch of releases that mends it, as the makers of the software say; the rest stays as it
is, and so does what is pinned.`,
		Example: `  provisioning taskserv update redis --servers web-1,web-2 --version 7.2 --check
  provisioning taskserv update --servers web-1,web-2 --security-only
  provisioning taskserv update --resume`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names := namesIn(append(args, u.names...))
			if u.resume {
				if err := onlyResumed(cmd, args); err != nil {
					return err
				}
				return a.resumeUpdate(&f)
			}
			f.told = &told{command: "updated with: " + repeated(cmd, args)}
			return a.update(&f, &u, names)
		},
	}
	fs := cmd.Flags()
	f.defineChange(fs)
	fs.StringVar(&u.version, "version", "", "version of the software")
	fs.StringSliceVar(&u.names, "taskservs", nil, "names of taskservs, separated by commas: the same as NAME")
	fs.BoolVar(&u.security, "security-only", false, "only what has a known hole, to a version that mends it")
	fs.BoolVar(&u.security, "security-patches", false, "the same as --security-only")
	fs.BoolVar(&u.resume, "resume", false, "go on with the last update that did not come to its end")
	fs.BoolVar(&u.migrate, "migrate", false, "bring data along to another major version, after a backup")
	fs.BoolVar(&u.force, "force", false, "also where the backup fails, and to another major version where there are data and no backup")
	_ = fs.MarkHidden("security-patches") // the flag exists
	return cmd
}

func (a *app) update(f *taskservFlags, u *updateFlags, names []string) error {
	if u.version != "" && (len(names) != 1 || u.security) {
		return fault.New(fault.Usage, "--version is for one taskserv, and not together with --security-only")
	}
	places, recipes, err := a.updatable(names)
	if err != nil {
		return err
	}
	s := &taskservScript{function: "update", arguments: f.arguments()}
	f.told.recipes = slices.Clone(recipes) // what is left out below is cut off
	pinned, err := a.pinned(recipes)
	if err != nil {
		return err
	}
	switch {
	case u.security:
		places, recipes = a.withoutPinned(places, recipes, pinned)
	case u.version != "":
		a.notePinned(pinned, recipes[0].Name, u.version)
	case pinned.Len() > 0:
		s.arguments["versions"] = pinned
	}
	if u.security {
		if len(names) == 0 {
			if recipes, err = a.installedOn(*f, recipes); err != nil {
				return err
			}
		}
		mends, err := a.mending(recipes, len(names) > 0)
		if err != nil {
			return err
		}
		s.arguments["mends"] = mends
		places = slices.DeleteFunc(places, func(p recipe.Place) bool { _, told, _ := mends.Get(starlark.String(p.Name)); return !told })
	}
	s.recipes = places
	f.bound(recipes)
	if u.version != "" {
		s.arguments["version"] = starlark.String(u.version)
	}
	for argument, given := range map[string]bool{"installed_only": len(names) == 0, "migrate": u.migrate, "force": u.force} {
		if given {
			s.arguments[argument] = starlark.True
		}
	}
	return a.runTaskserv(f, s, a.showCreated)
}

// withoutPinned leaves out what is pinned to a version, and says so.
func (a *app) withoutPinned(places []recipe.Place, recipes []*recipe.Recipe, pinned *starlark.Dict) ([]recipe.Place, []*recipe.Recipe) {
	is := func(name string) bool { _, there, _ := pinned.Get(starlark.String(name)); return there } // a string can be looked up
	for _, name := range namesOf(recipes) {
		if is(name) {
			v, _, _ := pinned.Get(starlark.String(name))
			a.console.Note("%s is left as it is: the configuration pins it to %s", name, plain(v))
		}
	}
	return slices.DeleteFunc(places, func(p recipe.Place) bool { return is(p.Name) }),
		slices.DeleteFunc(recipes, func(r *recipe.Recipe) bool { return is(r.Name) })
}

// updatable are the recipes of the names; without names, all that are not broken: the
// servers know which of them they have.
func (a *app) updatable(names []string) ([]recipe.Place, []*recipe.Recipe, error) {
	if len(names) > 0 {
		return a.placesOf(names, false)
	}
	c, done, err := a.catalogue()
	if err != nil {
		return nil, nil, err
	}
	defer done()
	var places []recipe.Place
	var recipes []*recipe.Recipe
	for _, p := range c.Places() {
		if r, err := c.Recipe(p.Name); err == nil {
			places, recipes = append(places, p), append(recipes, r)
		}
	}
	return places, recipes, nil
}

// installedOn are those of recipes that the servers have, so that nobody is asked about
// others.
func (a *app) installedOn(f taskservFlags, recipes []*recipe.Recipe) ([]*recipe.Recipe, error) {
	found, err := a.installed(f, &taskservScript{function: "installed", arguments: f.arguments()})
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, s := range found {
		there[attr(s, "taskserv")] = true
	}
	return slices.DeleteFunc(recipes, func(r *recipe.Recipe) bool { return !there[r.Name] }), nil
}

// mending are the versions that mend a hole, the newest first, by the names of recipes.
// Recipes that cannot know them are left out, unless they were named.
func (a *app) mending(recipes []*recipe.Recipe, named bool) (*starlark.Dict, error) {
	mends := starlark.NewDict(len(recipes))
	var silent []string
	for _, r := range recipes {
		told, err := a.announced(r, announcement{security: true})
		if !named && fault.Is(err, fault.Invalid) {
			silent = append(silent, r.Name)
			continue
		}
		if err != nil {
			return nil, err
		}
		_ = mends.SetKey(starlark.String(r.Name), stringsValue(told.Versions())) // a fresh dict takes strings
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		a.console.Note("which versions mend a hole of %s, only servers may know, and they are left as they are: see provisioning version updates --security-only", strings.Join(silent, ", "))
	}
	return mends, nil
}

// onlyResumed refuses what would be said in vain: a run has what it was begun with. Flags
// of all commands, such as --out, say nothing of what is run.
func onlyResumed(cmd *cobra.Command, args []string) error {
	vain := slices.Clone(args)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "resume" && cmd.InheritedFlags().Lookup(f.Name) == nil {
			vain = append(vain, "--"+f.Name)
		}
	})
	if len(vain) == 0 {
		return nil
	}
	return fault.New(fault.Usage, "--resume goes on with an update as it was begun, without %s", strings.Join(vain, ", ")).
		WithHint("begin another one without --resume")
}

// resumeUpdate goes on with the newest update that can be resumed.
func (a *app) resumeUpdate(f *taskservFlags) error {
	j, err := a.journal()
	if err != nil {
		return err
	}
	runs, err := j.Runs(0)
	if err != nil {
		return err
	}
	script := "@std//" + generatedDir + (&taskservScript{function: "update"}).name()
	i := slices.IndexFunc(runs, func(r *journal.Run) bool { return strings.TrimPrefix(r.Script, "//") == script })
	if i < 0 {
		return fault.New(fault.NotFound, "nothing was updated in this workspace yet").WithHint("provisioning taskserv update NAME --servers …")
	}
	if state := runs[i].State; state == journal.Completed || state == journal.RolledBack {
		return fault.New(fault.NotFound, "the last update, %s, has %s", runs[i].ID[:8], strings.ReplaceAll(string(state), "_", " ")).WithHint("begin another one")
	}
	a.console.Note("going on with run %s", runs[i].ID[:8])
	out, err := a.executed("", runs[i].ID, func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) {
		return e.Resume(in, runs[i].ID, runtime.Resume{})
	})
	return a.ended(f, out, err, a.showCreated)
}
