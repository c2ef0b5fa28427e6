package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

func (a *app) taskservCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "taskserv", Aliases: []string{"taskservs", "t", "task"}, Short: "Install services on servers, and look after them",
		Long: `Install services on servers, and look after them.

A taskserv is a script that knows a service: how it is installed, configured, checked,
updated and removed. There are those of the program and those of the workspace, below
extensions. Every command that changes something is a run: see what it would do with
--check, go on with "provisioning resume" after a failure, take it back with
"provisioning rollback".

Servers are named as "provisioning server list" shows them; ssh://USER@HOST,
container://NAME and local are others.`,
		Example: `  provisioning taskserv list
  provisioning taskserv create redis --servers web-1,web-2 --check
  provisioning taskserv status redis --servers web-1,web-2`,
	}
	cmd.AddCommand(
		a.taskservList(), a.taskservShow(), a.taskservCreate(), a.taskservDelete(), a.taskservUpdate(),
		a.taskservStatus(), a.taskservHealth(), a.taskservCheck(),
		a.taskservPower("start", "Start services", "started"), a.taskservPower("stop", "Stop services", "stopped"),
		a.taskservPower("restart", "Restart services", "restarted"),
		a.taskservConfigure(), a.taskservReset(), a.taskservCheckMigration(), a.taskservMigrationLogs(), a.taskservBackup(), a.taskservRestore(), a.taskservRun(), a.taskservLogs(), a.taskservValidate(),
		a.taskservTest(),
		a.taskservCheckDeps(), a.taskservScale(), a.taskservRollback(), a.taskservVersions(), a.taskservCheckUpdates(),
	)
	return cmd
}

// taskservFlags are those that commands on installed services have.
type taskservFlags struct {
	runFlags
	servers  []string
	provider string
	sudo     bool
	atOnce   int
	inOrder  bool // one server after the other, always
	rolling  bool
	timeout  wallTime
	yes      bool
	script   bool
	debug    bool
	told     *told                               // what is told of a plan; nil for nothing but the plan
	judge    func(starlark.Value) error          // whether what the run returns is a failure; may be nil
	view     func(starlark.Value) starlark.Value // makes what is shown of what the run returns; may be nil
}

// wallTime is the value of --timeout: the text that the limit of a run takes.
type wallTime string

var _ pflag.Value = (*wallTime)(nil)

func (w *wallTime) String() string { return string(*w) }
func (w *wallTime) Type() string   { return "duration" }

func (w *wallTime) Set(text string) error {
	d, err := duration.Parse(text)
	if err == nil && d <= 0 {
		err = fault.New(fault.Usage, "it has to be longer than nothing")
	}
	*w = wallTime(text)
	return err
}

// always is the value of a flag for what is always so.
type always struct{}

var _ pflag.Value = always{}

func (always) String() string { return "true" }
func (always) Type() string   { return "bool" }

func (always) Set(text string) error {
	if on, err := strconv.ParseBool(text); err != nil || !on {
		return fault.New(fault.Usage, "a service that is not well is not installed: it cannot be switched off")
	}
	return nil
}

// define defines the flags of commands that only ask. What is in f already is the default.
func (f *taskservFlags) define(fs *pflag.FlagSet) {
	fs.StringSliceVarP(&f.servers, "servers", "s", nil, "servers, separated by commas")
	fs.StringVar(&f.provider, "provider", "local", "who has made the servers")
	fs.BoolVar(&f.sudo, "sudo", false, "act as root, by sudo, on servers that are reached over SSH")
	if !f.inOrder {
		fs.IntVar(&f.atOnce, "parallel", cmp.Or(f.atOnce, 10), "how many servers at a time")
	}
	fs.BoolVar(&f.debug, "debug", false, "show all that is done, as --verbose does, and what commands on servers print")
	fs.Var(always{}, "wait", "wait until services are well: it is always so")
	fs.Lookup("wait").NoOptDefVal = "true"
}

// defineRun defines the flags of commands that are runs.
func (f *taskservFlags) defineRun(fs *pflag.FlagSet) {
	f.define(fs)
	fs.BoolVarP(&f.check, "check", "c", false, "plan: say what would be done, and do nothing")
	fs.BoolVar(&f.check, "dry-run", false, "the same as --check")
	fs.BoolVar(&f.exitCode, "exit-code", false, "with --check: exit with 10 when changes are planned")
	fs.BoolVar(&f.start.RollbackOnFailure, "rollback-on-failure", false, "take everything back when something fails")
	fs.BoolVar(&f.script, "script", false, "print the script that would be run, and do nothing")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask whether it is right")
	_ = fs.MarkHidden("dry-run") // the flag exists
}

// defineChange defines the flags of commands that bring services onto servers.
func (f *taskservFlags) defineChange(fs *pflag.FlagSet) {
	f.defineRun(fs)
	fs.BoolVar(&f.rolling, "rolling", false, "one server after the other, until one fails: the same as --parallel 1")
	fs.Var(&f.timeout, "timeout", "time that all of it may take, as in 10m; it can be resumed then (default: what the recipes say)")
}

// bound limits the time of a run that does all that recipes do on servers, unless
// --timeout has: each server has as long as the recipes say, one after the other.
func (f *taskservFlags) bound(recipes []*recipe.Recipe) {
	if f.timeout != "" {
		return
	}
	var each time.Duration
	for _, r := range recipes {
		each += r.Timeout
	}
	atOnce := max(f.atOnce, 1)
	rounds := (len(f.servers) + atOnce - 1) / atOnce
	if all := each * time.Duration(rounds); all > 0 {
		f.timeout = wallTime(all.String())
	}
}

// arguments are those that every function of the library has; at_once, unless it acts on one
// server after the other anyway.
func (f *taskservFlags) arguments() starlark.StringDict {
	if f.rolling {
		f.atOnce = 1
	}
	arguments := starlark.StringDict{"servers": stringsValue(f.servers), "provider": starlark.String(f.provider), "sudo": starlark.Bool(f.sudo)}
	if !f.inOrder {
		arguments["at_once"] = starlark.MakeInt(f.atOnce)
	}
	return arguments
}

// namesIn are the names among the arguments, which may be lists with commas.
func namesIn(args []string) []string {
	var names []string
	for _, arg := range args {
		for name := range strings.SplitSeq(strings.Trim(arg, "[]"), ",") {
			if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// placesOf are where the recipes of the names are. complete adds those that they need.
func (a *app) placesOf(names []string, complete bool) ([]recipe.Place, []*recipe.Recipe, error) {
	places, recipes, _, err := a.placesNamed(names, complete, given{})
	return places, recipes, err
}

// placesNamed are placesOf, and how many of them were named: these come first. They are
// fewer than the names where one of these is an alias of another. What is given chooses, of
// several that provide what is needed, the one to take.
func (a *app) placesNamed(names []string, complete bool, g given) (places []recipe.Place, recipes []*recipe.Recipe, named int, err error) {
	c, done, err := a.catalogue()
	if err != nil {
		return nil, nil, 0, err
	}
	defer done()
	if recipes, err = recipesOf(c, names); err != nil {
		return nil, nil, 0, err
	}
	if named = len(recipes); complete {
		if recipes, err = recipe.Complete(c, namesOf(recipes), a.chooser(c, recipes[0].Name, g)); err != nil {
			return nil, nil, 0, err
		}
	}
	places = make([]recipe.Place, len(recipes))
	for i, r := range recipes {
		if places[i], err = c.Place(r.Name); err != nil {
			return nil, nil, 0, err
		}
	}
	return places, recipes, named, nil
}

// recipesOf are those of the names, each once.
func recipesOf(c *recipe.Catalogue, names []string) ([]*recipe.Recipe, error) {
	var recipes []*recipe.Recipe
	for _, name := range names {
		r, err := c.Recipe(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(namesOf(recipes), r.Name) {
			recipes = append(recipes, r)
		}
	}
	return recipes, nil
}

// runTaskserv executes the script of a command. show prints what it returns; structured
// output has it anyway.
func (a *app) runTaskserv(f *taskservFlags, s generatedScript, show func(starlark.Value)) error {
	if f.script {
		a.console.Print("%s", strings.TrimSuffix(s.text(), "\n"))
		return nil
	}
	if f.check {
		return a.checkTaskserv(f, s)
	}
	out, err := a.startTaskserv(f, s)
	return a.ended(f, out, err, show)
}

// ended shows what a run of the script of a command has returned.
func (a *app) ended(f *taskservFlags, out *runtime.Outcome, err error, show func(starlark.Value)) error {
	verdict := error(nil)
	if out != nil && out.Value != nil && f.view != nil {
		out.Value = f.view(out.Value)
	}
	if out != nil && out.Value != nil && f.judge != nil {
		verdict = f.judge(out.Value)
	}
	if out != nil && out.Value != nil && !a.console.Structured() {
		show(out.Value)
		out.Value = nil
	}
	if err := a.outcome(out, err); err != nil {
		return err
	}
	return verdict
}

// use makes the script the one that is executed.
func (a *app) use(f *taskservFlags, s generatedScript) {
	if f.debug {
		a.console.Verbose = true
	}
	a.library = s.library()
	f.start.Script, f.start.Infra = "@std//"+generatedDir+s.name(), a.flags.infra
	if f.timeout != "" {
		f.start.Limits = map[string]string{"wall": string(f.timeout)}
	}
}

func (a *app) startTaskserv(f *taskservFlags, s generatedScript) (*runtime.Outcome, error) {
	a.use(f, s)
	return a.executed("", "", func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) { return e.Start(in, f.start) })
}

func (a *app) checkTaskserv(f *taskservFlags, s generatedScript) error {
	a.use(f, s)
	out, err := a.watched("", func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
		return rt.Check(in, f.start)
	})
	if f.told != nil {
		return a.tell(f, out, err)
	}
	return a.checked(&f.runFlags, out, err)
}

func (a *app) taskservCreate() *cobra.Command {
	var f taskservFlags
	var version, profile, config string
	var force, migrate, controlPlane, workers bool
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use: "create NAME…", Aliases: []string{"install"}, Short: "Install services, with all that they require", Args: atLeastOne("the names of taskservs"),
		Long: `Install services, with all that they require.

What is there already is brought into the state that is wanted: another configuration
is written, another version installed. A second time changes nothing. An older version
than the one that is there is refused without --force, and another major version of what
has data without --migrate. With --force, what is there in the version that is wanted is
removed, but for its data, and installed again.

Where several taskservs provide what one requires, its configuration may choose: cri is who
provides container-runtime, cni who provides cni, runtime_default who provides oci-runtime.

Configuration comes in layers, the later ones over the earlier ones: the profile, the table
[taskservs.NAME] of the user's config.toml, of config/provisioning.toml and of
infra/INFRA/config.toml, the file infra/INFRA/taskservs/NAME.toml (or .yaml, .json, .star),
and --config. The version is that of --version, of the table [versions] of those files, where
"provisioning version apply" pins it, or the one that the recipe installs.`,
		Example: `  provisioning taskserv create redis --servers web-1,web-2 --check
  provisioning taskserv create redis --servers web-1 --config redis.toml
  provisioning taskserv create etcd postgres --servers db-1,db-2,db-3`,
		RunE: func(_ *cobra.Command, args []string) error {
			places, recipes, named, err := a.placesNamed(namesIn(args), true, given{profile, config})
			if err != nil {
				return err
			}
			wanted := recipes[:named]
			s := &taskservScript{function: "create", recipes: places, arguments: f.arguments()}
			if s.elsewhere, err = a.awaitedElsewhere(recipes); err != nil {
				return err
			}
			for argument, said := range map[string]bool{"force": force, "migrate": migrate, "tell": f.check} {
				if said {
					s.arguments[argument] = starlark.True
				}
			}
			if force {
				s.arguments["again"] = stringsValue(namesOf(wanted))
			}
			f.told = &told{recipes: recipes, command: "deployed with: " + repeated(cmd, args)}
			if role := roleOf(controlPlane, workers); role != "" {
				if controlPlane && workers || len(wanted) != 1 {
					return fault.New(fault.Usage, "--control-plane-only and --workers-only exclude each other, and are for one taskserv")
				}
				s.arguments["role"] = starlark.String(role)
			}
			if (version != "" || profile != "") && len(wanted) != 1 {
				return fault.New(fault.Usage, "--version and --profile are for one taskserv, not for %d", len(wanted))
			}
			if profile != "" {
				s.arguments["profiles"] = oneEntry(wanted[0].Name, starlark.String(profile))
			}
			if err := a.useVersions(s, recipes, wanted[0].Name, version); err != nil {
				return err
			}
			if config != "" && len(wanted) != 1 {
				return fault.New(fault.Usage, "--config is for one taskserv, not for %d", len(wanted))
			}
			if s.arguments["config"], err = a.taskservConfig(recipes, wanted[0].Name, profile, config); err != nil {
				return err
			}
			s.arguments["kept"] = kept(recipes[named:], s.arguments["config"].(*starlark.Dict))
			f.bound(recipes)
			return a.runTaskserv(&f, s, a.showCreated)
		},
	}
	fs := cmd.Flags()
	f.defineChange(fs)
	fs.StringVar(&version, "version", "", "version of the software")
	fs.StringVar(&profile, "profile", "", "name of a set of configuration that the recipe has")
	fs.StringVar(&config, "config", "", "file with the configuration: TOML, YAML, JSON, or a script that sets config")
	fs.BoolVar(&force, "force", false, "install whatever the requirements say, older versions, where the backup before an update fails, and again what is there")
	fs.BoolVar(&controlPlane, "control-plane-only", false, "only on those servers that are the control plane, as the recipe tells")
	fs.BoolVar(&workers, "workers-only", false, "only on those servers that are workers, as the recipe tells")
	fs.BoolVar(&migrate, "migrate", false, "bring data along to another major version, after a backup")
	return cmd
}

// roleOf is what recipes call the role of the servers that are meant; "" for all.
func roleOf(controlPlane, workers bool) string {
	switch {
	case controlPlane:
		return "control-plane"
	case workers:
		return "worker"
	}
	return ""
}

// kept are the names of recipes that others require and nobody has said anything of: where
// they are installed already, they stay as they are.
func kept(required []*recipe.Recipe, config *starlark.Dict) starlark.Value {
	var names []string
	for _, r := range required {
		if _, said, _ := config.Get(starlark.String(r.Name)); !said { // a string can be looked up
			names = append(names, r.Name)
		}
	}
	return stringsValue(names)
}

func oneEntry(name string, v starlark.Value) *starlark.Dict {
	d := starlark.NewDict(1)
	_ = d.SetKey(starlark.String(name), v) // a fresh dict takes strings
	return d
}

func (a *app) showCreated(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), attr(s, "version"), attr(s, "action")})
	}
	a.console.Table([]string{"NAME", "SERVER", "VERSION", "DONE"}, rows)
}

func (a *app) taskservDelete() *cobra.Command {
	var f taskservFlags
	var cleanup, keep, force bool
	cmd := &cobra.Command{
		Use: "delete NAME…", Aliases: []string{"uninstall"}, Short: "Remove services from servers", Args: atLeastOne("the names of taskservs"),
		Long: `Remove services from servers. That has to be confirmed. Their data stay, unless
--cleanup-data is given.

A step that fails is a warning, and the rest goes on: the status is partial then, and the
service stays recorded as failed, so that it can be removed again.

Exit codes: 0 all of it is removed; 1 a step has failed, or others need the service.`,
		Example: "  provisioning taskserv delete redis --servers web-1 --check\n  provisioning taskserv delete redis --servers web-1 --yes",
		RunE: func(_ *cobra.Command, args []string) error {
			places, recipes, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			if cleanup && keep {
				return fault.New(fault.Usage, "--cleanup-data and --keep-data exclude each other")
			}
			if !f.check && !f.script {
				if err := a.confirmUninstall(recipes, f.servers, cleanup, f.yes); err != nil {
					return err
				}
			}
			s := &taskservScript{function: "delete", recipes: places, arguments: f.arguments()}
			s.arguments["cleanup_data"], s.arguments["force"] = starlark.Bool(cleanup), starlark.Bool(force)
			if !force {
				f.judge = removedWhole
			}
			return a.runTaskserv(&f, s, a.showDeleted)
		},
	}
	f.defineRun(cmd.Flags())
	cmd.Flags().BoolVar(&cleanup, "cleanup-data", false, "remove their data as well, which cannot be taken back")
	cmd.Flags().BoolVar(&keep, "keep-data", false, "keep their data, as without it")
	cmd.Flags().BoolVar(&force, "force", false, "also where others need the service; and forget it whatever step has failed")
	return cmd
}

func (a *app) confirmUninstall(recipes []*recipe.Recipe, servers []string, data, yes bool) error {
	what := strings.Join(namesOf(recipes), ", ") + " from " + strings.Join(servers, ", ")
	if data {
		what += " with all data"
	}
	if yes {
		return nil
	}
	if !console.Interactive() {
		return fault.New(fault.Usage, "removing %s needs a yes", what).WithHint("look at it with --check, and repeat it with --yes")
	}
	if !a.agreed("remove %s", what) {
		return fault.New(fault.Usage, "nothing was removed")
	}
	return nil
}

// removedWhole is a failure when a part of something is still there.
func removedWhole(v starlark.Value) error {
	for _, s := range structs(v) {
		if attr(s, "status") == "partial" {
			return exitCode(1)
		}
	}
	return nil
}

func (a *app) showDeleted(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), attr(s, "status"), attr(s, "error")})
	}
	a.console.Table([]string{"NAME", "SERVER", "STATUS", ""}, rows)
}
