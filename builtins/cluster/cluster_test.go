package cluster

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// shelf has recipes, which taskserv.declare would make.
var shelf = module.New("shelf", "Recipes.")

var _ = shelf.Pure(`
def recipe(name):
    """Makes a recipe.

    Args:
      name: its name.
    Returns:
      A recipe.
    """`, &shelved{})

type shelved struct {
	Name string `star:"name"`
}

func (s *shelved) Compute(*effect.Env) (any, error) {
	return starlarkstruct.FromStringDict(recipe.Constructor, starlark.StringDict{"name": starlark.String(s.Name)}), nil
}

func fixture(t *testing.T) *builtintest.Fixture { return builtintest.New(t, Module, shelf) }

// TestComponents: what is not said has a value that the library can use.
func TestComponents(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{
			"application", `a = cluster.application("app", image = "app:1")
got = [a.type, a.name, a.image, a.command, a.replicas, a.max_replicas, a.env, a.ports, a.mounts, a.memory, a.cpus, a.health, str(a.ready), a.beside, a.requires, a.after]`,
			`["application", "app", "app:1", [], 1, 0, {}, [], [], "", 0, None, "1m0s", "", [], []]`,
		},
		{
			"application with all of it", `a = cluster.application("app-1", image = "app:1", command = ["app", "-v"], replicas = 2, max_replicas = 5, env = {"B": "2", "A": "1"},
    ports = ["80"], mounts = ["data:/srv"], memory = "64m", cpus = 0.5, health = {"command": ["true"]}, ready = "90s", beside = "web-1", requires = ["db"], after = ["log"])
got = [a.command, a.replicas, a.max_replicas, a.env, a.ports, a.mounts, a.memory, a.cpus, a.health, str(a.ready), a.beside, a.requires, a.after]`,
			`[["app", "-v"], 2, 5, {"A": "1", "B": "2"}, ["80"], ["data:/srv"], "64m", 0.5, {"command": ["true"]}, "1m30s", "web-1", ["db"], ["log"]]`,
		},
		{"one container can have a port", `got = cluster.application("app", image = "app:1", ports = ["8080:80"], max_replicas = 1).ports`, `["8080:80"]`},
		{
			"infrastructure", `i = cluster.infrastructure("nodes", ["b", "a"], plan = "1xCPU-1GB", requires = ["net"])
got = [i.type, i.name, i.servers, i.plan, i.image, i.provider, i.requires, i.after]`,
			`["infrastructure", "nodes", ["b", "a"], "1xCPU-1GB", "", "local", ["net"], []]`,
		},
		{
			"taskserv", `s = cluster.taskserv("db", [shelf.recipe("os"), shelf.recipe("redis")], ["a"], config = {"redis": {"port": 1}}, versions = {"redis": "7", "os": "1"}, after = ["nodes"])
got = [s.type, s.name, [r.name for r in s.recipes], s.servers, s.config, s.versions, s.provider, s.requires, s.after]`,
			`["taskserv", "db", ["os", "redis"], ["a"], {"redis": {"port": 1}}, {"os": "1", "redis": "7"}, "local", [], ["nodes"]]`,
		},
		{
			"what all components have", `a = cluster.application("app", image = "reg:5000/app", enabled = False, tier = "web", requires = ["db"], dependencies = ["db", "log"], min_replicas = 2, replicas = 3, batch_size = "25%")
got = [a.enabled, a.tier, a.requires, a.version, a.min_replicas, a.batch_size, cluster.application("b", image = "x/b:1.2").version, cluster.infrastructure("n", ["n"], role = "db").role]`,
			`[False, "web", ["db", "log"], "latest", 2, "25%", "1.2", "db"]`,
		},
		{
			"the version of the last recipe", `s = cluster.taskserv("db", [shelf.recipe("os"), shelf.recipe("redis")], role = "db", version = "7.2", versions = {"os": "1"})
got = [s.version, s.versions, s.servers, s.role, cluster.taskserv("db", [shelf.recipe("redis")], ["a"], versions = {"redis": "6"}).version]`,
			`["7.2", {"os": "1", "redis": "7.2"}, [], "db", "6"]`,
		},
		{
			"roles", `got = [[(c.name, getattr(c, "servers"), c.requires) for c in wave] for wave in cluster.order([
    cluster.taskserv("s", [shelf.recipe("os")], role = "db"), cluster.infrastructure("n", ["a", "b"], role = "db"),
    cluster.infrastructure("m", ["c"], role = "db"), cluster.infrastructure("o", ["d"], role = "db", enabled = False), cluster.infrastructure("p", ["e"])])]`,
			`[[("m", ["c"], []), ("n", ["a", "b"], []), ("p", ["e"], [])], [("s", ["a", "b", "c"], ["n", "m"])]]`,
		},
		{
			"records", `c = cluster.declare("shop", lambda config: [], resources = {"min_nodes": 2}, services = [{"name": "a", "image": "a:1"}], load_balancer = {}, auto_scaling = {"metrics": {"cpu": 50}})
got = [c.resources.min_nodes, c.resources.memory_per_node, c.network, c.services[0].replicas, c.load_balancer.health_check, c.auto_scaling.metrics.cpu, c.auto_scaling.max_replicas]`,
			`[2, "4Gi", None, 1, "/health", 50, 20]`,
		},
		{
			"what servers lack", `r = cluster.declare("shop", lambda config: [], resources = {"min_nodes": 3, "cpu_per_node": "2", "memory_per_node": "1Gi"}).resources
u = cluster.unmet(r, {"b": "2xCPU-512MB", "a": "t3.medium"})
got = [u.unmet, u.unknown, cluster.unmet(r, {"a": "2xCPU-1GB", "b": "4xCPU-4GB", "c": "2xCPU-1024MB"}).unmet, cluster.unmet(None, {}).unmet]`,
			`[["3 servers, and there are 2", "1Gi of memory, and b (2xCPU-512MB) has less"], ["a"], [], []]`,
		},
		{
			"what is secret", `s = cluster.split({"a": 1, "b": {"c": [1], "d": {}}})
got = [s.plain, s.secret]`,
			`[{"a": 1, "b": {"c": [1], "d": {}}}, {}]`,
		},
		{
			"cluster", `c = cluster.declare("shop", components = lambda config: [config])
got = [c.name, c.components(1), c.version, c.description, c.category, c.config, c.before_create, c.after_create, c.before_delete, c.after_delete, c.endpoints, c.status, c.scale, c.upgrade, c.resources, c.services]`,
			`["shop", [1], "0.1.0", "", "", None, None, None, None, None, None, None, None, None, None, []]`,
		},
		{
			"cluster with hooks", `c = cluster.declare("shop", lambda config: [], version = "1.2.3", description = "d", category = "web", config = 7,
    before_create = lambda c: "bc", after_create = lambda c: "ac", before_delete = lambda c: "bd", after_delete = lambda c: "ad", endpoints = lambda c: {"web": c})
got = [c.version, c.description, c.category, c.config, c.before_create(0), c.after_create(0), c.before_delete(0), c.after_delete(0), c.endpoints(1)]`,
			`["1.2.3", "d", "web", 7, "bc", "ac", "bd", "ad", {"web": 1}]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fixture(t).Eval(c.script); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestOrder: waves of names; each component after those that it requires.
func TestOrder(t *testing.T) {
	const short = `
def app(name, requires = [], after = []):
    return cluster.application(name, image = "x", requires = requires, after = after)

def names(components):
    return [[c.name for c in wave] for wave in cluster.order(components)]

`
	for _, c := range []struct{ name, components, want string }{
		{"none", `[]`, `[]`},
		{"nobody needs another", `[app("b"), app("a")]`, `[["a", "b"]]`},
		{"a row", `[app("web", ["app"]), app("app", ["db"]), app("db")]`, `[["db"], ["app"], ["web"]]`},
		{"a diamond", `[app("top", ["left", "right"]), app("left", ["base"]), app("right", ["base"]), app("base")]`, `[["base"], ["left", "right"], ["top"]]`},
		{"after what is there", `[app("a", after = ["b"]), app("b")]`, `[["b"], ["a"]]`},
		{"after what is not there", `[app("a", after = ["z"]), app("b")]`, `[["a", "b"]]`},
		{
			"of all types", `[cluster.taskserv("s", [shelf.recipe("os")], ["n"], requires = ["n"]), cluster.infrastructure("n", ["n"]), app("a", ["s"])]`,
			`[["n"], ["s"], ["a"]]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fixture(t).Eval(short + "got = names(" + c.components + ")"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	app := func(more string) string { return `cluster.application("app", image = "x"` + more + `)` }
	for _, c := range []struct{ script, want string }{
		{app(", replicas = 0"), "component app has 0 replicas, and 0 at most"},
		{app(", replicas = 3, max_replicas = 2"), "component app has 3 replicas, and 2 at most"},
		{app(`, replicas = 2, ports = ["80", "8080:80"]`), "component app: only one container can have the port 8080:80"},
		{app(`, max_replicas = 2, ports = ["8080:80"]`), "only one container can have the port 8080:80"},
		{app(`, ready = "soon"`), "ready"},
		{app(`, min_replicas = 0`), "component app has 1 replicas, and 0 at least"},
		{app(`, min_replicas = 2`), "component app has 1 replicas, and 2 at least"},
		{app(`, batch_size = 0`), "component app: batch_size is 0"},
		{app(`, batch_size = "120%"`), `component app: batch_size is "120%"`},
		{app(`, batch_size = "0.5%"`), "batch_size"},
		{app(`, batch_size = [1]`), "batch_size is [1]"},
		{`cluster.taskserv("db", [shelf.recipe("os")], ["a"], role = "db")`, "component db names servers, and a role"},
		{`cluster.taskserv("db", [shelf.recipe("os")], ["a"], version = "1", versions = {"os": "2"})`, "component db has two versions of os: 1 and 2"},
		{`cluster.order([cluster.taskserv("db", [shelf.recipe("os")], role = "db")])`, `component db is for servers with the role "db", and no component makes any`},
		{`cluster.order([` + app(`, requires = ["db"]`) + `, cluster.application("db", image = "x", enabled = False)])`, "app requires db, which is not enabled"},
		{`cluster.declare("shop", lambda c: [], resources = {"min_nodes": "x"})`, "resources.min_nodes must be"},
		{`cluster.declare("shop", lambda c: [], services = [{"name": "a"}])`, "services[0].image"},
		{`cluster.declare("shop", lambda c: [], network = {"subnets": {"a": "x"}})`, "network.subnets.a must be"},
		{`cluster.declare("shop", lambda c: [], auto_scaling = {"min_replicas": 5, "max_replicas": 4})`, "auto_scaling.max_replicas must not be less than auto_scaling.min_replicas, 5"},
		{`cluster.unmet("x", {})`, "resources is what cluster.declare has made of it, not a string"},
		{`cluster.split([])`, "config"},
		{app(`, replica = 2`), `did you mean "replicas"`},
		{`cluster.application("App", image = "x")`, `the component is "App", which is not a name`},
		{`cluster.application("app")`, "image"},
		{`cluster.infrastructure("nodes", [])`, "component nodes names no servers"},
		{`cluster.infrastructure("no des", ["a"])`, `the component is "no des", which is not a name`},
		{`cluster.infrastructure("nodes", "a")`, "servers"},
		{`cluster.taskserv("db", [shelf.recipe("os")], [])`, "component db names no servers"},
		{`cluster.taskserv("db", [], ["a"])`, "component db names no recipes"},
		{`cluster.taskserv("db", [shelf.recipe("os"), "redis"], ["a"])`, "component db: the recipe at index 1: a recipe is what taskserv.declare returns, not a string"},
		{`cluster.taskserv("db", [struct(name = "os")], ["a"])`, "the recipe at index 0"},
		{`cluster.taskserv("db", [shelf.recipe("os")], ["a"], versions = {"os": 1})`, "versions"},
		{`cluster.declare("Shop", lambda c: [])`, `the cluster is "Shop", which is not a name`},
		{`cluster.declare("shop", lambda c: [], version = "1")`, `the version of the cluster is "1"`},
		{`cluster.declare("shop", [])`, "components"},
		{`cluster.declare("shop", lambda c: [], after_create = "x")`, "after_create"},
		{`cluster.order([` + app("") + `, 7])`, "the component at index 1: a component is what cluster.taskserv, cluster.application and cluster.infrastructure return, not a int"},
		{`cluster.order([struct(name = "app")])`, "the component at index 0"},
		{`cluster.order([` + app("") + `, ` + app("") + `])`, `there are two components "app"`},
		{`cluster.order([` + app(`, requires = ["db"]`) + `])`, "app requires db, and there is no such component"},
		{
			`cluster.order([cluster.application("a", image = "x", requires = ["b"]), cluster.application("b", image = "x", after = ["a"])])`,
			"Circular dependency detected in cluster components: a -> b -> a",
		},
	} {
		_, err := fixture(t).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

// TestErrorsSayWhat: what does not fit is invalid, and has a hint where there is more to
// say.
func TestErrorsSayWhat(t *testing.T) {
	for script, hint := range map[string]string{
		`cluster.application("app", image = "x", replicas = 0)`:                           "replicas is 1 or more, and max_replicas not less, or 0",
		`cluster.application("app", image = "x", replicas = 2, ports = ["1.2.3.4:80:8"])`: `name the port of the container alone, "8", and put a proxy in front`,
		`cluster.declare("shop", lambda c: [], version = "1.2")`:                          "a version is MAJOR.MINOR.PATCH",
		`cluster.infrastructure("-", ["a"])`:                                              "a name begins with a lower case letter, and has letters, digits, - and _",
	} {
		_, err := fixture(t).Exec(script)
		if !fault.Is(err, fault.Invalid) || fault.As(err).Hint != hint {
			t.Errorf("%s: %v, hint %q", script, err, fault.As(err).Hint)
		}
	}
}

// TestDocs checks that everything is documented.
func TestDocs(t *testing.T) {
	for _, fn := range Module.Funcs() {
		doc := fn.Doc()
		if doc.Summary == "" || doc.Returns == "" || doc.Errors == "" || doc.Examples == "" {
			t.Errorf("%s: the documentation lacks a section", fn.Name())
		}
		for _, p := range fn.Params() {
			if doc.Arg(p) == "" {
				t.Errorf("%s: nothing about the argument %s", fn.Name(), p)
			}
		}
	}
}
