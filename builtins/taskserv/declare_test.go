package taskserv

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// TestDeclare: what is not said has a value that the library can use.
func TestDeclare(t *testing.T) {
	const script = `
def install(ctx):
    pass

r = taskserv.declare("tool", install = install, %s)
got = `
	for _, c := range []struct{ more, expr, want string }{
		{"", `list(taskserv.EXCLUSIVE)`, `["cni", "container-runtime"]`},
		{"", `[r.name, r.version, r.category, r.requires, r.provides, r.services, r.default_version, r.source, str(r.timeout)]`, `["tool", "0.1.0", "", [], [], [], "", {}, "1h0m0s"]`},
		{"", `[getattr(r, n) for n in ["configure", "check", "status", "update", "uninstall", "backup", "restore", "installed_version", "role", "config"]]`, `[None, None, None, None, None, None, None, None, None, None]`},
		{`requires = ["os", taskserv.need("db", version = ">= 1")], provides = ["store"]`, `[r.requires[0], r.requires[1].name, r.requires[1].version, r.provides]`, `["os", "db", ">= 1", ["store"]]`},
		{`role = lambda ctx: "worker"`, `r.role(None)`, `"worker"`},
		{`profiles = {"b": {}, "a": {"x": 1}}, actions = {"z": install, "y": install}`, `[r.profiles, list(r.actions)]`, `[{"a": {"x": 1}, "b": {}}, ["y", "z"]]`},
		{`tests = {"b": install, "a": taskserv.test(install, nodes = 2, kinds = ["cluster"])}`, `[(name, t.fn == install, t.nodes, t.kinds) for name, t in r.tests.items()]`, `[("a", True, 2, ["cluster"]), ("b", True, 1, [])]`},
		{"", `[r.tests, taskserv.skip("no moon").skipped]`, `[{}, "no moon"]`},
		{`source = {"type": "package", "name": "tool"}`, `r.source`, `{"name": "tool", "type": "package"}`},
		{`source = {"type": "oci", "image": "ghcr.io/team/tool"}`, `r.source["image"]`, `"ghcr.io/team/tool"`},
		{`risk = {"minor": "high"}, downtime = "a minute"`, `[r.risk, r.downtime]`, `[{"minor": "high"}, "a minute"]`},
		{`ports = [80, 443], memory = "1GiB", cpus = 2`, `[r.ports, r.memory, r.cpus]`, `[[80, 443], "1GiB", 2]`},
	} {
		if got := builtintest.New(t, Module).Eval(strings.Replace(script, "%s", c.more, 1) + c.expr); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.more, c.expr, got, c.want)
		}
	}
}

// TestDeclareRefuses: what does not fit is invalid, and known by its argument, so that
// validate finds the line.
func TestDeclareRefuses(t *testing.T) {
	for _, c := range []struct{ arguments, want, argument string }{
		{`"Tool", install = f`, `the taskserv is "Tool", which is not a name`, "name"},
		{`"tool"`, "tool has no install, and no phases instead", ""},
		{`"tool", install = f, phases = [taskserv.phase("a", f)]`, "tool has install and phases", "phases"},
		{`"tool", install = lambda: None`, "install is called with 1 arguments, which lambda does not take", "install"},
		{`"tool", install = f, update = f`, "update is called with 3 arguments", "update"},
		{`"tool", install = f, role = lambda a, b: ""`, "role is called with 1 arguments", "role"},
		{`"tool", install = f, version = "1"`, `the version of the recipe is "1"`, "version"},
		{`"tool", install = f, versions = ["^1", "some"]`, `cannot parse the version constraint "some"`, "versions[1]"},
		{`"tool", install = f, aliases = ["ok", "No"]`, `an alias is "No", which is not a name`, "aliases[1]"},
		{`"tool", install = f, profiles = {"No": {}}`, `a profile is "No"`, "profiles.No"},
		{`"tool", install = f, tests = {"No": f}`, `a test is "No"`, "tests.No"},
		{`"tool", install = f, tests = {"works": f, "health": f}`, `tool ships a test "health", which is the name of one that is made of every taskserv`, "tests.health"},
		{`"tool", install = f, tests = {"syntax": f}`, `tool ships a test "syntax"`, "tests.syntax"},
		{`"tool", install = f, tests = {"works": lambda: None}`, "tests.works is called with 1 arguments, which lambda does not take", "tests.works"},
		{`"tool", install = f, tests = {"works": "well"}`, `the test "works" is a function that takes the context, or what taskserv.test returns, not a string`, "tests.works"},
		{`"tool", install = f, tests = {"works": taskserv.check(tcp = 1)}`, `the test "works" is a function`, "tests.works"},
		{`"tool", install = f, tests = {"works": taskserv.test(f, nodes = 0)}`, "a test needs the taskserv on at least one machine, not on 0", "nodes"},
		{`"tool", install = f, tests = {"works": taskserv.test(f, kinds = ["singel"])}`, `there is no kind "singel" of environments (did you mean "single"?)`, "kinds"},
		{`"tool", install = f, tests = {"works": taskserv.test(lambda: None)}`, "fn is called with 1 arguments", "fn"},
		{`"tool", install = f, description = taskserv.skip(" ").skipped`, "a test that is skipped has a reason", "reason"},
		{`"tool", install = f, requires = ["tool"]`, "circular dependency detected: tool -> tool", "requires[0]"},
		{`"tool", install = f, after = [7]`, "after: a dependency is a name or what taskserv.need returns, not a int", "after[0]"},
		{`"tool", install = f, conflicts = ["x about 1"]`, `cannot parse the version constraint "about 1" of x`, "conflicts[0]"},
		{`"tool", install = f, source = {"type": "ftp"}`, `there are no sources of the type "ftp"`, "source"},
		{`"tool", install = f, source = {"type": "github", "owner": "x"}`, "a source of type github needs owner and repo", "source"},
		{`"tool", install = f, source = {"type": "oci", "image": "x:1"}`, "needs the name of an image", "source"},
		{`"tool", install = f, source = {"type": "url", "url": "http://x", "pattern": "("}`, "a pattern that is a regular expression", "source"},
		{`"tool", install = f, source = {"type": "package", "index": "http://x"}`, "needs name and suite", "source"},
		{`"tool", install = f, memory = "much"`, `cannot read the size "much"`, "memory"},
		{`"tool", install = f, risk = {"minor": "low"}`, "the risk of a minor update is medium at least, not low", "risk.minor"},
		{`"tool", install = f, ports = [80, 0]`, "there is no port 0", "ports[1]"},
		{`"tool", install = f, config_files = ["etc/x"]`, `config_files are absolute paths, which "etc/x" is not`, "config_files[0]"},
		{`"tool", install = f, health = ["up"]`, "health must be a list of what taskserv.check returns, not of a string", "health"},
		{`"tool", install = f, phases = ["a"]`, "tool has install and phases", "phases"},
		{`"tool", install = f, cpus = -1`, "cpus must not be negative", ""},
	} {
		_, err := builtintest.New(t, Module).Exec("f = lambda ctx: None\ntaskserv.declare(" + c.arguments + ")")
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) || recipe.Argument(err) != c.argument {
			t.Errorf("%s\n got %v, about %q\nwant %s, about %q", c.arguments, err, recipe.Argument(err), c.want, c.argument)
		}
	}
}
