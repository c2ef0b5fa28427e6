package local

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

// defaultNetwork is what servers that name none are on.
const defaultNetwork = "default"

// zoneName is where servers are found by full names.
const zoneName = "infra.internal"

// prefix of everything of a workspace: two workspaces may have servers of the same
// name.
func prefix(workspace string) string {
	sum := sha256.Sum256([]byte(workspace))
	return "provisioning-" + hex.EncodeToString(sum[:4]) + "-"
}

func networkName(workspace, name string) string { return prefix(workspace) + "net-" + name }

// subnetBits is the size of a network: 252 servers.
const subnetBits = 24

// network returns the network, and makes it where there is none.
func (p *Provider) network(ctx context.Context, e *container.Engine, workspace, name string) (container.Network, error) {
	full := networkName(workspace, name)
	n, found, err := e.LookNetwork(ctx, full)
	if err != nil || found {
		return n, err
	}
	subnets := 1 << (subnetBits - p.config.pool.Bits())
	sum := sha256.Sum256([]byte(full))
	first := int(binary.BigEndian.Uint32(sum[:])) & (subnets - 1)
	for i := range subnets {
		spec := container.NetworkSpec{Name: full, Subnet: p.subnet((first + i) % subnets), Labels: map[string]string{labelNetwork: name}}
		n, _, err = e.CreateNetwork(ctx, spec, container.Owner{Workspace: workspace})
		switch {
		case err == nil:
			return n, nil
		case fault.KindOf(err) == fault.Exists: // another process was faster
			return e.InspectNetwork(ctx, full)
		case !strings.Contains(err.Error(), "overlaps"):
			return n, err
		}
	}
	return n, fault.New(fault.Unavailable, "all networks of %s are taken", p.config.pool).
		WithHint("remove some (docker network ls), or give network_pool in config/providers/local.toml")
}

// subnet is the network with a number, of the pool.
func (p *Provider) subnet(number int) string {
	base := p.config.pool.Addr().As4()
	binary.BigEndian.PutUint32(base[:], binary.BigEndian.Uint32(base[:])+uint32(number)<<(32-subnetBits))
	return netip.PrefixFrom(netip.AddrFrom4(base), subnetBits).String()
}

// freeAddress chooses an address for a server. It begins at one that its name leads
// to, so that a server that is made again is likely to get the one that it had.
func freeAddress(n container.Network, taken map[string]bool, name string) (string, error) {
	if len(n.Subnets) == 0 {
		return "", fault.New(fault.Failed, "the network %q has no addresses", n.Name)
	}
	subnet, err := netip.ParsePrefix(n.Subnets[0])
	if err != nil || !subnet.Addr().Is4() {
		return "", fault.New(fault.Failed, "the network %q has the addresses %s, which are none of IPv4", n.Name, n.Subnets[0])
	}
	for _, gateway := range n.Gateways {
		taken[gateway] = true
	}
	base := subnet.Masked().Addr().As4()
	hosts := 1<<(32-subnet.Bits()) - 3 // without the network, its gateway and broadcast
	sum := sha256.Sum256([]byte(name))
	first := int(binary.BigEndian.Uint32(sum[:])>>1) % hosts
	for i := range hosts {
		a := base
		binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+2+uint32((first+i)%hosts))
		if address := netip.AddrFrom4(a).String(); !taken[address] {
			return address, nil
		}
	}
	return "", fault.New(fault.Unavailable, "the network %q has no address left", n.Name).WithHint("put servers on another one: network = …")
}

// leave removes a network that has no servers any more.
func (p *Provider) leave(ctx context.Context, e *container.Engine, workspace, network string) error {
	left, err := e.List(ctx, container.Filter{Owner: container.Owner{Workspace: workspace}, Labels: map[string]string{labelServer: "", labelNetwork: network}})
	if err != nil || len(left) > 0 {
		return err
	}
	_, err = e.RemoveNetwork(ctx, networkName(workspace, network))
	if err != nil && strings.Contains(err.Error(), "active endpoints") {
		return nil // somebody has put something else there, or is making a server
	}
	return err
}
