package ipnet

import (
	"math/big"
	"net/netip"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def network(text):
    """Returns what is known of a network.

    Args:
      text (string): an address and a prefix length; the address may be any of
        the network.

    Returns:
      A struct of network ("10.0.0.0/24"), address, prefix, netmask, first and
      last (addresses), first_host and last_host (without the network and the
      broadcast address of IPv4), size (how many addresses) and version.

    Errors:
      invalid: the text is not a network.

    Example:
      ipnet.network("10.0.0.5/24").network  # "10.0.0.0/24"
      ipnet.network("10.0.0.0/24").last_host  # "10.0.0.254"
    """`, &parseNetwork{})

// parseNetwork is the function ipnet.network.
type parseNetwork struct {
	Text string `star:"text"`
}

// network is what scripts get of a network.
type network struct {
	Network   string   `star:"network"`
	Address   string   `star:"address"`
	Prefix    int      `star:"prefix"`
	Netmask   string   `star:"netmask"`
	First     string   `star:"first"`
	Last      string   `star:"last"`
	FirstHost string   `star:"first_host"`
	LastHost  string   `star:"last_host"`
	Size      *big.Int `star:"size"`
	Version   int      `star:"version"`
}

func (p *parseNetwork) Compute(*effect.Env) (any, error) {
	n, err := readNetwork(p.Text)
	if err != nil {
		return nil, err
	}
	first, end := n.Addr(), last(n)
	firstHost, lastHost := first, end
	if first.Is4() && n.Bits() < 31 {
		firstHost, lastHost = first.Next(), end.Prev()
	}
	return network{
		Network: n.String(), Address: first.String(), Prefix: n.Bits(), Netmask: netmask(n).String(),
		First: first.String(), Last: end.String(), FirstHost: firstHost.String(), LastHost: lastHost.String(),
		Size: size(n), Version: version(first),
	}, nil
}

func readNetwork(text string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return n, fault.New(fault.Invalid, "cannot parse the network %.60q", text).
			WithHint("networks look like 10.0.0.0/16 or 2001:db8::/64")
	}
	return n.Masked(), nil
}

// size is the number of addresses of a network.
func size(n netip.Prefix) *big.Int {
	return new(big.Int).Lsh(big.NewInt(1), uint(n.Addr().BitLen()-n.Bits()))
}

func last(n netip.Prefix) netip.Addr {
	a, _ := add(n.Addr(), new(big.Int).Sub(size(n), big.NewInt(1)))
	return a
}

func netmask(n netip.Prefix) netip.Addr {
	bytes := n.Addr().AsSlice()
	for i := range bytes {
		bytes[i] = 0
		for bit := range 8 {
			if i*8+bit < n.Bits() {
				bytes[i] |= 0x80 >> bit
			}
		}
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

var _ = Module.Pure(`
def host(network, index):
    """Returns an address of a network by its place.

    Args:
      network (string): the network.
      index (int): 0 is the address of the network itself, -1 its last one.

    Returns:
      The address.

    Errors:
      invalid: the text is not a network, or it has no such place.

    Example:
      ipnet.host("10.0.0.0/24", 1)  # "10.0.0.1"
      ipnet.host("10.0.0.0/24", -2)  # "10.0.0.254"
    """`, &host{})

// host is the function ipnet.host.
type host struct {
	Network string `star:"network"`
	Index   int    `star:"index"`
}

func (h *host) Compute(*effect.Env) (any, error) {
	n, err := readNetwork(h.Network)
	if err != nil {
		return nil, err
	}
	index := big.NewInt(int64(h.Index))
	if h.Index < 0 {
		index.Add(index, size(n))
	}
	if index.Sign() < 0 || index.Cmp(size(n)) >= 0 {
		return nil, fault.New(fault.Invalid, "cannot take address %d of %s: it has %s", h.Index, n, size(n))
	}
	a, _ := add(n.Addr(), index)
	return a.String(), nil
}
