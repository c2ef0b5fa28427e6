package container

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// NetworkSpec is what a network is made of. Containers on it know each other by
// their names.
type NetworkSpec struct {
	Name     string            `json:"name"`
	Subnet   string            `json:"subnet,omitempty"` // "10.9.0.0/24"; "": the engine chooses
	Gateway  string            `json:"gateway,omitempty"`
	Internal bool              `json:"internal,omitempty"` // no way out
	Driver   string            `json:"driver,omitempty"`   // "": bridge
	Options  map[string]string `json:"options,omitempty"`  // of the driver
	Labels   map[string]string `json:"labels,omitempty"`
}

// Network is a network as its engine describes it.
type Network struct {
	ID         string            `star:"id" json:"id"`
	Name       string            `star:"name" json:"name"`
	Driver     string            `star:"driver" json:"driver"`
	Subnets    []string          `star:"subnets" json:"subnets"`
	Gateways   []string          `star:"gateways" json:"gateways"`
	Internal   bool              `star:"internal" json:"internal"`
	Labels     map[string]string `star:"labels" json:"labels"`
	Created    time.Time         `star:"created" json:"created"`
	Containers map[string]string `star:"containers" json:"containers"` // address by name of those that run
}

// Fixed reports whether the subnet was asked for: only then can a container ask for
// an address.
func (n Network) Fixed() bool {
	var s NetworkSpec
	return json.Unmarshal([]byte(n.Labels[LabelSpec]), &s) == nil && s.Subnet != ""
}

// Validate refuses what can never work.
func (s NetworkSpec) Validate() error {
	if err := ValidName("network", s.Name); err != nil {
		return err
	}
	subnet, err := netip.ParsePrefix(s.Subnet)
	if s.Subnet != "" && (err != nil || subnet != subnet.Masked()) {
		return fault.New(fault.Invalid, "%q is no network address", s.Subnet).WithHint("as in 10.9.0.0/24")
	}
	if s.Gateway == "" {
		return nil
	}
	gateway, err := netip.ParseAddr(s.Gateway)
	switch {
	case err != nil:
		return fault.New(fault.Invalid, "%q is no address of a gateway", s.Gateway)
	case s.Subnet == "" || !subnet.Contains(gateway):
		return fault.New(fault.Invalid, "the gateway %s is not within the subnet %q", s.Gateway, s.Subnet)
	}
	return nil
}

// Print is what the label says that a network was made of.
func (s NetworkSpec) Print() string { return print(s) }

// Matches is as that of Spec.
func (s NetworkSpec) Matches(there Network) error {
	return same("network", s.Name, there.Labels, s.Print())
}

// same reports that something under a name is made of something else.
func same(what, name string, labels map[string]string, wanted string) error {
	was, ours := labels[LabelSpec]
	if !ours {
		return fault.New(fault.Exists, "there is a %s %q already, which was not made by provisioning", what, name).
			WithHint("choose another name, or remove it: docker %s rm %s", what, name)
	}
	diff := Difference(name, was, wanted)
	if diff == "" {
		return nil
	}
	f := fault.New(fault.Exists, "there is a %s %q already, which is made of something else:\n%s", what, name, strings.TrimRight(diff, "\n"))
	f.Details = map[string]any{"diff": diff}
	return f.WithHint("remove it first, with container.%s_remove(%q), or choose another name", what, name)
}

// CreateNetwork makes a network. As with Create, one of that name that is made of
// the same is returned.
func (e *Engine) CreateNetwork(ctx context.Context, s NetworkSpec, o Owner) (n Network, made bool, err error) {
	if err := s.Validate(); err != nil {
		return Network{}, false, err
	}
	there, found, err := e.LookNetwork(ctx, s.Name)
	if err != nil {
		return Network{}, false, err
	}
	if found {
		return there, o.Owns(there.Labels), s.Matches(there)
	}
	labels := o.Labels(s.Labels)
	labels[LabelSpec] = s.Print()
	options := network.CreateOptions{Driver: s.Driver, Internal: s.Internal, Options: s.Options, Labels: labels, Attachable: true}
	if s.Subnet != "" {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: s.Subnet, Gateway: s.Gateway}}}
		if strings.Contains(s.Subnet, ":") {
			v6 := true
			options.EnableIPv6 = &v6
		}
	}
	if _, err := e.api.NetworkCreate(ctx, s.Name, options); err != nil && !errdefs.IsConflict(err) {
		f := e.fault(ctx, err, "cannot create the network %q", s.Name)
		if strings.Contains(err.Error(), "overlaps") {
			return Network{}, false, f.WithHint("another network has these addresses: choose others, or leave the subnet to the engine")
		}
		return Network{}, false, f
	}
	if n, err = e.InspectNetwork(ctx, s.Name); err == nil {
		err = s.Matches(n) // somebody else may have been faster
	}
	return n, o.Owns(n.Labels), err
}

// InspectNetwork describes a network; one that is not there is an error of the
// kind not_found.
func (e *Engine) InspectNetwork(ctx context.Context, name string) (Network, error) {
	n, found, err := e.LookNetwork(ctx, name)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "there is no network %q", name).WithHint("container.network_list() shows those that there are")
	}
	return n, err
}

// LookNetwork is as InspectNetwork, and says whether there is one.
func (e *Engine) LookNetwork(ctx context.Context, name string) (n Network, found bool, err error) {
	i, err := e.api.NetworkInspect(ctx, name, network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return Network{}, false, nil
	}
	if err != nil {
		return Network{}, false, looked(e.fault(ctx, err, "cannot look at the network %q", name))
	}
	return networkOf(i), true, nil
}

func networkOf(i network.Inspect) Network {
	n := Network{
		ID: i.ID, Name: i.Name, Driver: i.Driver, Internal: i.Internal, Labels: i.Labels, Created: i.Created.UTC(),
		Subnets: []string{}, Gateways: []string{}, Containers: map[string]string{},
	}
	for _, c := range i.IPAM.Config {
		n.Subnets = append(n.Subnets, c.Subnet)
		if c.Gateway != "" {
			n.Gateways = append(n.Gateways, c.Gateway)
		}
	}
	for _, c := range i.Containers {
		address, _, _ := strings.Cut(c.IPv4Address, "/")
		n.Containers[c.Name] = address
	}
	return n
}

// Networks describes networks, sorted by name.
func (e *Engine) Networks(ctx context.Context, f Filter) ([]Network, error) {
	found, err := e.api.NetworkList(ctx, network.ListOptions{Filters: f.args()})
	if err != nil {
		return nil, looked(e.fault(ctx, err, "cannot list the networks"))
	}
	all := make([]Network, len(found))
	for i, n := range found {
		all[i] = networkOf(n)
	}
	slices.SortFunc(all, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// RemoveNetwork removes a network; removed is false when there is none.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) (removed bool, err error) {
	err = e.api.NetworkRemove(ctx, name)
	if err == nil || errdefs.IsNotFound(err) {
		return err == nil, nil
	}
	f := e.fault(ctx, err, "cannot remove the network %q", name)
	if strings.Contains(err.Error(), "active endpoints") {
		return false, f.WithHint("containers are on it: remove or disconnect them first")
	}
	return false, f
}

// Connect puts a container on a network; connected is false when it is on it.
func (e *Engine) Connect(ctx context.Context, name string, to Attachment) (connected bool, err error) {
	if err := to.validate(); err != nil {
		return false, err
	}
	c, err := e.Inspect(ctx, name)
	if err != nil {
		return false, err
	}
	if _, on := c.Networks[to.Network]; on {
		return false, nil
	}
	if err := e.api.NetworkConnect(ctx, to.Network, name, to.settings()); err != nil {
		return false, e.fault(ctx, err, "cannot connect the container %q to the network %q", name, to.Network)
	}
	return true, nil
}

// Disconnect takes a container off a network; disconnected is false when it is not
// on it.
func (e *Engine) Disconnect(ctx context.Context, name, from string) (disconnected bool, err error) {
	c, err := e.Inspect(ctx, name)
	if err != nil {
		return false, err
	}
	if _, on := c.Networks[from]; !on {
		return false, nil
	}
	if err := e.api.NetworkDisconnect(ctx, from, name, false); err != nil {
		return false, e.fault(ctx, err, "cannot disconnect the container %q from the network %q", name, from)
	}
	return true, nil
}
