package ipnet

import (
	"math/big"
	"net/netip"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def contains(network, other):
    """Returns whether an address, or all of a network, is in a network.

    Args:
      network (string): the network.
      other (string): an address or a network.

    Returns:
      True or False; False if one is IPv4 and the other IPv6.

    Errors:
      invalid: one of them is not what it should be.

    Example:
      ipnet.contains("10.0.0.0/16", "10.0.3.4")  # True
      ipnet.contains("10.0.0.0/16", "10.0.0.0/8")  # False
    """`, &contains{})

// contains is the function ipnet.contains.
type contains struct {
	Network string `star:"network"`
	Other   string `star:"other"`
}

func (c *contains) Compute(*effect.Env) (any, error) {
	n, err := readNetwork(c.Network)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(c.Other, "/") {
		a, err := readAddress(c.Other)
		return n.Contains(a), err
	}
	other, err := readNetwork(c.Other)
	return n.Bits() <= other.Bits() && n.Contains(other.Addr()), err
}

var _ = Module.Pure(`
def overlaps(a, b):
    """Returns whether two networks have addresses in common.

    Args:
      a (string): a network.
      b (string): another network.

    Returns:
      True or False.

    Errors:
      invalid: one of them is not a network.

    Example:
      ipnet.overlaps("10.0.0.0/8", "10.1.0.0/16")  # True
    """`, &overlaps{})

// overlaps is the function ipnet.overlaps.
type overlaps struct {
	A string `star:"a"`
	B string `star:"b"`
}

func (o *overlaps) Compute(*effect.Env) (any, error) {
	a, err := readNetwork(o.A)
	if err != nil {
		return nil, err
	}
	b, err := readNetwork(o.B)
	return a.Overlaps(b), err
}

// maxSubnetBits bounds how many subnets a list may have: 65536.
const maxSubnetBits = 16

var _ = Module.Pure(`
def subnets(network, new_prefix):
    """Returns the networks that a network falls into.

    Args:
      network (string): the network.
      new_prefix (int): the prefix length of the parts.

    Returns:
      A list of the networks, in order.

    Errors:
      invalid: the text is not a network, the prefix is shorter than that of the
      network or too long, or there would be more than 65536 parts.

    Example:
      ipnet.subnets("10.0.0.0/23", 24)  # ["10.0.0.0/24", "10.0.1.0/24"]
    """`, &subnets{})

// subnets is the function ipnet.subnets.
type subnets struct {
	Network   string `star:"network"`
	NewPrefix int    `star:"new_prefix"`
}

func (s *subnets) Compute(*effect.Env) (any, error) {
	n, err := readNetwork(s.Network)
	if err != nil {
		return nil, err
	}
	bits := s.NewPrefix - n.Bits()
	if bits < 0 || s.NewPrefix > n.Addr().BitLen() {
		return nil, fault.New(fault.Invalid, "cannot split %s: the new prefix must be %d to %d, not %d",
			n, n.Bits(), n.Addr().BitLen(), s.NewPrefix)
	}
	if bits > maxSubnetBits {
		return nil, fault.New(fault.Invalid, "cannot split %s: there would be more than %d subnets of /%d", n, 1<<maxSubnetBits, s.NewPrefix).
			WithHint("split in steps, or compute single addresses with ipnet.offset")
	}
	parts := make([]string, 0, 1<<bits)
	step := size(netip.PrefixFrom(n.Addr(), s.NewPrefix))
	for i := range 1 << bits {
		a, _ := add(n.Addr(), new(big.Int).Mul(step, big.NewInt(int64(i))))
		parts = append(parts, netip.PrefixFrom(a, s.NewPrefix).String())
	}
	return parts, nil
}
