package testenv

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// Topology is which nodes a cluster has, and what is on them.
type Topology struct {
	Name        string          `json:"name,omitempty" toml:"name,omitempty"` // for people
	ClusterType string          `json:"cluster_type,omitempty" toml:"cluster_type,omitempty"`
	Nodes       []TopologyNode  `json:"nodes" toml:"nodes"`
	Network     TopologyNetwork `json:"network,omitzero" toml:"network,omitempty"`
}

// TopologyNode is a node of a topology.
type TopologyNode struct {
	Name      string    `json:"name" toml:"name"`
	Role      string    `json:"role,omitempty" toml:"role,omitempty"`
	Taskservs []string  `json:"taskservs" toml:"taskservs"`
	Resources Resources `json:"resources,omitzero" toml:"resources,omitempty"`
}

// TopologyNetwork is the network of a topology.
type TopologyNetwork struct {
	Subnet string `json:"subnet,omitempty" toml:"subnet,omitempty"` // "": the next one that is free
}

// Roles are those that nodes may have.
var Roles = []string{"cache", "client", "control-plane", "database", "load-balancer", "member", "monitor", "primary", "replica", "server", "storage", "worker"}

//go:embed topologies.toml
var builtIn []byte

// BuiltIn are the topologies of the program, by name.
func BuiltIn() map[string]Topology {
	all, err := Parse("built in", builtIn)
	if err != nil {
		panic(err) // TestBuiltIn would have told
	}
	return all
}

// File reads the topologies of a file; none when there is no such file.
func File(name string) (map[string]Topology, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the topologies")
	}
	return Parse(name, data)
}

// Parse reads topologies by name, TOML or JSON, and checks each. Errors begin with the
// name of the source.
func Parse(source string, data []byte) (map[string]Topology, error) {
	all := map[string]Topology{}
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err = d.Decode(&all); err != nil {
			err = fault.New(fault.Invalid, "%s: %v", source, err)
		}
	} else {
		err = decodeTOML(source, data, &all)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t := all[name]
		if problems := t.Check(); len(problems) > 0 {
			return nil, fault.New(fault.Invalid, "%s: the topology %s: %s", source, name, strings.Join(problems, "; "))
		}
		for i := range t.Nodes {
			t.Nodes[i].Resources.complete()
		}
		all[name] = t
	}
	return all, nil
}

// decodeTOML refuses keys that there are not, and says where.
func decodeTOML(source string, data []byte, into any) error {
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(into)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		row, col := unknown.Errors[0].Position()
		return fault.New(fault.Invalid, "%s:%d:%d: there is no setting %q", source, row, col, strings.Join(unknown.Errors[0].Key(), "."))
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, col := bad.Position()
		return fault.New(fault.Invalid, "%s:%d:%d: %s", source, row, col, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s: %v", source, err)
	}
	return nil
}

// ParseConfig reads what an environment is asked for with, TOML or JSON.
func ParseConfig(source string, data []byte) (Config, error) {
	var c Config
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return c, fault.New(fault.Invalid, "%s: %v", source, err)
		}
		return c, nil
	}
	return c, decodeTOML(source, data, &c)
}

var nodeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Check says what is wrong with a topology, but for its taskservs.
func (t *Topology) Check() []string {
	var problems []string
	bad := func(format string, args ...any) {
		problems = append(problems, fault.New(fault.Invalid, format, args...).Msg)
	}
	if len(t.Nodes) == 0 {
		bad("it has no nodes")
	}
	seen := map[string]bool{}
	for _, n := range t.Nodes {
		switch {
		case !nodeName.MatchString(n.Name):
			bad("%q is no name of a node: lower case letters, digits and -, the first a letter, 31 at most", n.Name)
		case seen[n.Name]:
			bad("there are two nodes %q", n.Name)
		}
		seen[n.Name] = true
		if n.Role != "" && !slices.Contains(Roles, n.Role) {
			near := spell.Nearest(n.Role, Roles)
			if near != "" {
				near = " (did you mean " + near + "?)"
			}
			bad("the node %q has the role %q, which is none%s; roles are %s", n.Name, n.Role, near, strings.Join(Roles, ", "))
		}
		if n.Resources.CPU < 0 || n.Resources.MemoryMB < 0 {
			bad("the node %q has negative resources", n.Name)
		}
	}
	if t.Network.Subnet != "" {
		if why := subnetFor(t.Network.Subnet, len(t.Nodes)); why != "" {
			bad("%s", why)
		}
	}
	return problems
}

// subnetFor says why nodes cannot be on a subnet: each needs an address, and so do the
// network, its gateway and broadcast.
func subnetFor(text string, nodes int) string {
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || !p.Addr().Is4() || p != p.Masked():
		return "the subnet " + text + " is no network of IPv4, such as 172.30.0.0/24"
	case p.Bits() < 8 || p.Bits() > 30 || 1<<(32-p.Bits())-3 < nodes:
		return "the subnet " + text + " is too small, or too large, for its nodes"
	}
	return ""
}

// TOML is a topology as Parse reads it.
func (t Topology) TOML(name string) (string, error) {
	data, err := toml.Marshal(map[string]Topology{name: t})
	return string(data), err
}
