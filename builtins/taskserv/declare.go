package taskserv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/release"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def declare(name, version = "0.1.0", description = "", category = "", aliases = [], install = None, configure = None, check = None, status = None, health = [], update = None, uninstall = None, backup = None, restore = None, installed_version = None, role = None, actions = {}, tests = {}, phases = [], config = None, profiles = {}, requires = [], after = [], conflicts = [], provides = [], suggests = [], services = [], default_version = "", versions = [], source = {}, supported_os = [], arch = [], memory = "", disk = "", cpus = 0, privileged = False, ports = [], config_files = [], data_directories = [], tags = [], timeout = "1h", risk = {}, downtime = ""):
    """Describes a service: how it is installed, and what there is to know of it.

    The functions take one argument, the context that @std//taskserv.star documents, and
    what is named with them below. They may be called again after a failure, so they say
    with operations (op) how things shall be. All but install may be left out.

    New versions of the software are announced by one of

        {"type": "github", "owner": …, "repo": …}: releases; also release_pattern
            ("v{version}"), prerelease and draft ("true" counts them), and api, the URL of
            another one. What its security advisories call patched mends a hole.
        {"type": "oci", "image": "ghcr.io/team/app"}: tags of a registry; also prerelease
        {"type": "package", "name": …, "index": URL, "suite": "bookworm"}: a Debian
            repository; also component ("main") and arch ("amd64"). Those of a suite such
            as bookworm-security mend holes. Without an index only servers know.
        {"type": "url", "url": …, "pattern": …}: the first group of a regular expression
        {"type": "static", "versions": "1.2, 1.3"}; also security, those that mend a hole

    Args:
      name: that of the directory; lower case letters, digits and -.
      version: of this recipe, a semantic version.
      description: one line for people.
      category: such as "databases".
      aliases: other names that people know it by.
      install: brings the software onto the server. May be left out when there are
        phases.
      configure: writes the configuration. What has to restart the service says
        notify = ctx.restart. It is called after install, and whenever the
        configuration changes.
      check: looks whether the server will do, and returns a list of what is missing,
        as texts for people.
      status: returns a dict of what is worth knowing beyond what is known anyway.
      health: list of taskserv.check, or a function that returns one.
      update: takes (ctx, from_version, to_version); without it, install is called
        with the new version.
      uninstall: takes (ctx, keep_data); without it the taskserv cannot be removed.
      backup: takes (ctx, path): puts everything that is worth keeping into a new file
        of that absolute path on the server.
      restore: takes (ctx, path): brings back what backup has put into the file.
      installed_version: returns the version of the software that is there, or "".
      role: returns what the server is for the service, such as "control-plane" or
        "worker", where servers differ.
      actions: dict of further functions by name, such as "promote", which take the
        context and keyword arguments. "provisioning taskserv run" calls them.
      tests: dict of functions by name, or of taskserv.test, that test environments call
        once the service is installed, with the context of the first machine that has it;
        ctx.peers are all. A test fails (assert, fail), or returns; or it returns
        taskserv.skip.
      phases: list of taskserv.phase, instead of install.
      config: schema.record of the configuration.
      profiles: dict of configurations by name, that go over the defaults.
      requires: list of names, or taskserv.need, of what has to be there before it.
      after: the same, of what comes before it when it is there at all.
      conflicts: the same, of what cannot be on the same server.
      provides: list of names that others may require instead of its own, such as
        "container-runtime".
      suggests: list of names that people may want as well.
      services: list of names of its system services, that start, stop, restart and
        logs act on.
      default_version: version of the software; "" for what the server's package
        manager has.
      versions: list of constraints on the versions that it can install; none for any.
      source: where new versions are announced, a dict of texts, as listed above; {} for
        nowhere.
      supported_os: list such as ["debian-12", "ubuntu-22.04", "debian"]; none for any.
      arch: list such as ["x86_64", "aarch64"]; none for any.
      memory: what it needs of it, such as "512MiB"; "" for nothing worth naming.
      disk: the same, of free space.
      cpus: how many processors it needs.
      privileged: it works in a container only with all rights.
      ports: list of numbers that it listens on by default.
      config_files: list of absolute paths.
      data_directories: list of absolute paths.
      tags: list of words to be found by.
      timeout: for all that is done on one server: commands that install or update end
        their run when the time of all is over. It can be resumed then.
      risk: dict of "medium" and "high" by the levels of updates for which more may go
        wrong than usual: "patch" (low), "minor" (medium), "major" (high).
      downtime: what an update takes away, for people, such as "none" or "a minute on each
        server"; "" for a restart of its services.
    Returns:
      A struct with these fields, which the script binds to the name recipe.
    Errors:
      invalid, when something does not fit.
    Example:
      recipe = taskserv.declare(
          "hello",
          install = lambda ctx: op.package(ctx.target, "hello"),
          health = [taskserv.check(command = "hello", contains = "Hello")],
      )
    """`, &declare{})

type declare struct {
	Name             string                       `star:"name"`
	Version          string                       `star:"version"`
	Description      string                       `star:"description"`
	Category         string                       `star:"category"`
	Aliases          []string                     `star:"aliases"`
	Install          starlark.Callable            `star:"install"`
	Configure        starlark.Callable            `star:"configure"`
	Check            starlark.Callable            `star:"check"`
	Status           starlark.Callable            `star:"status"`
	Health           starlark.Value               `star:"health"`
	Update           starlark.Callable            `star:"update"`
	Uninstall        starlark.Callable            `star:"uninstall"`
	Backup           starlark.Callable            `star:"backup"`
	Restore          starlark.Callable            `star:"restore"`
	InstalledVersion starlark.Callable            `star:"installed_version"`
	Role             starlark.Callable            `star:"role"`
	Actions          map[string]starlark.Callable `star:"actions"`
	Tests            map[string]starlark.Value    `star:"tests"`
	Phases           []starlark.Value             `star:"phases"`
	Config           starlark.Value               `star:"config"`
	Profiles         map[string]*starlark.Dict    `star:"profiles"`
	Requires         []starlark.Value             `star:"requires"`
	After            []starlark.Value             `star:"after"`
	Conflicts        []starlark.Value             `star:"conflicts"`
	Provides         []string                     `star:"provides"`
	Suggests         []string                     `star:"suggests"`
	Services         []string                     `star:"services"`
	DefaultVersion   string                       `star:"default_version"`
	Versions         []string                     `star:"versions"`
	Source           map[string]string            `star:"source"`
	SupportedOS      []string                     `star:"supported_os"`
	Arch             []string                     `star:"arch"`
	Memory           string                       `star:"memory"`
	Disk             string                       `star:"disk"`
	CPUs             int                          `star:"cpus"`
	Privileged       bool                         `star:"privileged"`
	Ports            []int                        `star:"ports"`
	ConfigFiles      []string                     `star:"config_files"`
	DataDirectories  []string                     `star:"data_directories"`
	Tags             []string                     `star:"tags"`
	Timeout          time.Duration                `star:"timeout"`
	Risk             map[string]string            `star:"risk"`
	Downtime         string                       `star:"downtime"`
}

func (d *declare) Compute(*effect.Env) (any, error) {
	for _, check := range []func() error{d.names, d.functions, d.shipped, d.versions, d.lists, d.sizes} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return starlarkstruct.FromStringDict(recipe.Constructor, d.fields()), nil
}

func (d *declare) names() error {
	if err := recipe.ValidName("the taskserv", d.Name); err != nil {
		return recipe.At(err, "name")
	}
	for _, l := range []struct {
		what, argument string
		names          []string
	}{
		{"an alias", "aliases", d.Aliases}, {"what it provides", "provides", d.Provides}, {"what it suggests", "suggests", d.Suggests},
		{"an action", "actions", slices.Sorted(maps.Keys(d.Actions))}, {"a test", "tests", slices.Sorted(maps.Keys(d.Tests))}, {"a profile", "profiles", slices.Sorted(maps.Keys(d.Profiles))},
	} {
		for i, name := range l.names {
			if err := recipe.ValidName(l.what, name); err != nil {
				return recipe.At(err, l.argument+element(l.argument, i, name))
			}
		}
	}
	return nil
}

// element is the step of a path to one of a list, or of a dict by its key.
func element(argument string, i int, key string) string {
	if argument == "actions" || argument == "tests" || argument == "profiles" {
		return "." + key
	}
	return fmt.Sprintf("[%d]", i)
}

func (d *declare) functions() error {
	if d.Install == nil && len(d.Phases) == 0 {
		return fault.New(fault.Invalid, "%s has no install, and no phases instead", d.Name).
			WithHint("install = the function that brings the software onto a server")
	}
	if d.Install != nil && len(d.Phases) > 0 {
		return recipe.At(fault.New(fault.Invalid, "%s has install and phases; phases are instead of it", d.Name), "phases")
	}
	for _, f := range []struct {
		name   string
		fn     starlark.Callable
		params int
	}{
		{"install", d.Install, 1}, {"configure", d.Configure, 1}, {"check", d.Check, 1}, {"status", d.Status, 1}, {"update", d.Update, 3},
		{"uninstall", d.Uninstall, 2}, {"backup", d.Backup, 2}, {"restore", d.Restore, 2}, {"installed_version", d.InstalledVersion, 1},
		{"role", d.Role, 1},
	} {
		if err := takes(f.name, f.fn, f.params); err != nil {
			return err
		}
	}
	if fn, ok := d.Health.(starlark.Callable); ok {
		return takes("health", fn, 1)
	}
	return structsOf("health", d.Health, recipe.CheckConstructor, "taskserv.check")
}

// takes refuses a function that cannot be called with so many arguments.
func takes(name string, fn starlark.Callable, n int) error {
	f, ok := fn.(*starlark.Function)
	if !ok { // a builtin, or none: its call tells
		return nil
	}
	required := 0
	for i := range f.NumParams() - f.NumKwonlyParams() {
		if i < f.NumParams() && f.ParamDefault(i) == nil {
			required++
		}
	}
	if f.HasVarargs() {
		required--
	}
	if f.HasKwargs() {
		required--
	}
	if required > n || f.NumParams() < n && !f.HasVarargs() {
		return recipe.At(fault.New(fault.Invalid, "%s is called with %d arguments, which %s does not take", name, n, f.Name()), name)
	}
	return nil
}

// structsOf refuses what is not a list of structs that one function has made.
func structsOf(name string, v starlark.Value, constructor starlark.String, by string) error {
	list, ok := v.(starlark.Iterable)
	if !ok {
		return recipe.At(fault.New(fault.Invalid, "%s must be a list, not a %s", name, v.Type()), name)
	}
	for e := range starlark.Elements(list) {
		if s, ok := e.(*starlarkstruct.Struct); !ok || s.Constructor() != starlark.Value(constructor) {
			return recipe.At(fault.New(fault.Invalid, "%s must be a list of what %s returns, not of a %s", name, by, e.Type()), name)
		}
	}
	return nil
}

func (d *declare) versions() error {
	if _, err := semver.StrictNewVersion(d.Version); err != nil {
		return recipe.At(fault.New(fault.Invalid, "the version of the recipe is %q: %s", d.Version, err).WithHint("a version is MAJOR.MINOR.PATCH"), "version")
	}
	for i, constraint := range d.Versions {
		if _, err := semver.NewConstraint(constraint); err != nil {
			return recipe.At(fault.New(fault.Invalid, "cannot parse the version constraint %q: %s", constraint, err).
				WithHint(`a constraint is such as ">= 1.2", "^1.2.3", "~1.2" or ">= 1.2, < 2"`), fmt.Sprintf("versions[%d]", i))
		}
	}
	for _, level := range slices.Sorted(maps.Keys(d.Risk)) {
		if err := recipe.ValidRisk(level, d.Risk[level]); err != nil {
			return recipe.At(err, "risk."+level)
		}
	}
	if err := release.Source(d.Source).Valid(); err != nil {
		return recipe.At(err, "source")
	}
	return nil
}

func (d *declare) lists() error {
	for _, l := range []struct {
		name  string
		needs []starlark.Value
	}{{"requires", d.Requires}, {"after", d.After}, {"conflicts", d.Conflicts}} {
		for i, v := range l.needs {
			n, err := recipe.NeedOf(v)
			if err == nil && n.Name == d.Name {
				err = fault.New(fault.Invalid, "circular dependency detected: %s -> %s", d.Name, d.Name).WithHint("it is in %s of itself", l.name)
			} else if err != nil {
				err = fault.Wrap(fault.Invalid, err, "%s", l.name).WithHint("%s", fault.As(err).Hint)
			}
			if err != nil {
				return recipe.At(err, fmt.Sprintf("%s[%d]", l.name, i))
			}
		}
	}
	for _, l := range []struct {
		name  string
		paths []string
	}{{"config_files", d.ConfigFiles}, {"data_directories", d.DataDirectories}} {
		for i, p := range l.paths {
			if !strings.HasPrefix(p, "/") {
				return recipe.At(fault.New(fault.Invalid, "%s are absolute paths, which %q is not", l.name, p), fmt.Sprintf("%s[%d]", l.name, i))
			}
		}
	}
	for i, p := range d.Ports {
		if p < 1 || p > 65535 {
			return recipe.At(fault.New(fault.Invalid, "there is no port %d", p), fmt.Sprintf("ports[%d]", i))
		}
	}
	return structsOf("phases", starlark.NewList(d.Phases), recipe.PhaseConstructor, "taskserv.phase")
}

func (d *declare) sizes() error {
	for name, text := range map[string]string{"memory": d.Memory, "disk": d.Disk} {
		if _, err := recipe.Bytes(text); err != nil {
			return recipe.At(err, name)
		}
	}
	if d.CPUs < 0 || d.Timeout <= 0 {
		return fault.New(fault.Invalid, "cpus must not be negative, and timeout has to be positive")
	}
	return nil
}

func (d *declare) fields() starlark.StringDict {
	return starlark.StringDict{
		"name": starlark.String(d.Name), "version": starlark.String(d.Version), "description": starlark.String(d.Description),
		"category": starlark.String(d.Category), "aliases": texts(d.Aliases),
		"install": orNone(d.Install), "configure": orNone(d.Configure), "check": orNone(d.Check), "status": orNone(d.Status),
		"health": d.Health, "update": orNone(d.Update), "uninstall": orNone(d.Uninstall), "backup": orNone(d.Backup),
		"restore": orNone(d.Restore), "installed_version": orNone(d.InstalledVersion), "role": orNone(d.Role), "actions": byName(d.Actions), "tests": byName(d.Tests),
		"phases": starlark.NewList(d.Phases), "config": d.Config, "profiles": byName(d.Profiles),
		"requires": starlark.NewList(d.Requires), "after": starlark.NewList(d.After), "conflicts": starlark.NewList(d.Conflicts),
		"provides": texts(d.Provides), "suggests": texts(d.Suggests), "services": texts(d.Services),
		"default_version": starlark.String(d.DefaultVersion), "versions": texts(d.Versions), "source": textsByName(d.Source),
		"supported_os": texts(d.SupportedOS), "arch": texts(d.Arch), "memory": starlark.String(d.Memory), "disk": starlark.String(d.Disk),
		"cpus": starlark.MakeInt(d.CPUs), "privileged": starlark.Bool(d.Privileged), "ports": numbers(d.Ports),
		"config_files": texts(d.ConfigFiles), "data_directories": texts(d.DataDirectories), "tags": texts(d.Tags),
		"timeout": startime.Duration(d.Timeout), "risk": textsByName(d.Risk), "downtime": starlark.String(d.Downtime),
	}
}

func orNone(fn starlark.Callable) starlark.Value {
	if fn == nil {
		return starlark.None
	}
	return fn
}

func texts(all []string) *starlark.List {
	elems := make([]starlark.Value, len(all))
	for i, text := range all {
		elems[i] = starlark.String(text)
	}
	return starlark.NewList(elems)
}

func numbers(all []int) *starlark.List {
	elems := make([]starlark.Value, len(all))
	for i, n := range all {
		elems[i] = starlark.MakeInt(n)
	}
	return starlark.NewList(elems)
}

// byName makes a dict that is sorted by its keys.
func byName[V starlark.Value](m map[string]V) *starlark.Dict {
	d := starlark.NewDict(len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		_ = d.SetKey(starlark.String(name), m[name]) // a fresh dict takes strings
	}
	return d
}

func textsByName(m map[string]string) *starlark.Dict {
	values := map[string]starlark.String{}
	for name, text := range m {
		values[name] = starlark.String(text)
	}
	return byName(values)
}
