package testenv

import (
	"slices"
	"strings"
	"testing"
)

// TestBuiltIn: the topologies of the program are those that the guide names.
func TestBuiltIn(t *testing.T) {
	all := BuiltIn()
	for name, nodes := range map[string]int{
		"kubernetes_3node": 3, "kubernetes_single": 1, "etcd_cluster": 3, "containerd_test": 1, "postgres_redis": 2,
	} {
		if got := len(all[name].Nodes); got != nodes {
			t.Errorf("%s has %d nodes, not %d", name, got, nodes)
		}
	}
	if len(all) != 5 {
		t.Errorf("there are %d topologies", len(all))
	}
	if n := all["kubernetes_3node"].Nodes[0]; n.Role != "control-plane" || n.Resources.CPU != 2000 || !n.Resources.Privileged {
		t.Errorf("the control plane is %+v", n)
	}
}

func TestParse(t *testing.T) {
	const node = "[[c.nodes]]\nname = \"a\"\ntaskservs = [\"redis\"]\n"
	for _, c := range []struct{ what, text, err string }{
		{"the least", node, ""},
		{"a network", node + "[c.network]\nsubnet = \"172.30.0.0/16\"\n", ""},
		{"JSON", `{"c": {"nodes": [{"name": "a", "role": "primary", "taskservs": ["redis"], "resources": {"memory_mb": 512}}]}}`, ""},
		{"no nodes", "[c]\nname = \"C\"\n", "the topology c: it has no nodes"},
		{"two of a name", node + node, `there are two nodes "a"`},
		{"a bad name", strings.Replace(node, `"a"`, `"A_b"`, 1), `"A_b" is no name of a node`},
		{"a role", node + "role = \"primry\"\n", `the role "primry", which is none (did you mean primary?)`},
		{"resources", node + "resources = { cpu_millicores = -1 }\n", "negative resources"},
		{"no network", node + "[c.network]\nsubnet = \"172.30.0.1/16\"\n", "172.30.0.1/16 is no network of IPv4"},
		{"a small network", node + "[c.network]\nsubnet = \"172.30.0.0/31\"\n", "172.30.0.0/31 is too small"},
		{"as small as can be", node + "[c.network]\nsubnet = \"172.30.0.0/30\"\n", ""},
		{"too small for two", node + strings.Replace(node, `"a"`, `"b"`, 1) + "[c.network]\nsubnet = \"172.30.0.0/30\"\n", "too small"},
		{"an unknown key", node + "memory = 3\n", `f.toml:4:1: there is no setting "c.nodes.memory"`},
		{"an unknown key of JSON", `{"c": {"noodes": []}}`, `f.toml: json: unknown field "noodes"`},
		{"no TOML", "[c\n", "f.toml:1:3: "},
	} {
		all, err := Parse("f.toml", []byte(c.text))
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v, want %q", c.what, err, c.err)
		case c.err == "" && (all["c"].Nodes[0].Name != "a" || all["c"].Nodes[0].Resources.CPU != CPU || !slices.Equal(all["c"].Nodes[0].Taskservs, []string{"redis"})):
			t.Errorf("%s: %+v", c.what, all)
		}
	}
}

func TestParseConfig(t *testing.T) {
	for _, text := range []string{
		"type = \"single_taskserv\"\ntaskserv = \"redis\"\nresources = { memory_mb = 512 }\n",
		`{"type": "single_taskserv", "taskserv": "redis", "resources": {"memory_mb": 512}}`,
	} {
		c, err := ParseConfig("f", []byte(text))
		if err != nil || c.Type != Single || c.Taskserv != "redis" || c.Resources.MemoryMB != 512 {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
	if _, err := ParseConfig("f", []byte("typ = 1\n")); err == nil || !strings.Contains(err.Error(), `f:1:1: there is no setting "typ"`) {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: what is read can be printed, and is then read as the same.
func FuzzParse(f *testing.F) {
	f.Add(string(builtIn))
	f.Add(`{"c": {"nodes": [{"name": "a", "taskservs": []}]}}`)
	f.Add("[c.network]\nsubnet = \"::/0\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse("f", []byte(text))
		if err != nil {
			return
		}
		for name, topology := range all {
			printed, err := topology.TOML(name)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse("f", []byte(printed))
			if err != nil || len(again[name].Nodes) != len(topology.Nodes) || again[name].Network != topology.Network {
				t.Fatalf("%q was printed as\n%s\n%v", text, printed, err)
			}
		}
	})
}
