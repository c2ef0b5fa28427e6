package ipnet

import (
	"math/big"
	"net/netip"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def parse(address):
    """Returns what is known of an address.

    Args:
      address (string): an IPv4 or IPv6 address.

    Returns:
      A struct of address (in its shortest form), version (4 or 6), and the
      bools private, loopback, link_local and multicast.

    Errors:
      invalid: the text is not an address.

    Example:
      ipnet.parse("2001:DB8::0:1").address  # "2001:db8::1"
      ipnet.parse("10.0.0.1").version  # 4
    """`, &parse{})

// parse is the function ipnet.parse.
type parse struct {
	Address string `star:"address"`
}

// address is what scripts get of an address.
type address struct {
	Address   string `star:"address"`
	Version   int    `star:"version"`
	Private   bool   `star:"private"`
	Loopback  bool   `star:"loopback"`
	LinkLocal bool   `star:"link_local"`
	Multicast bool   `star:"multicast"`
}

func (p *parse) Compute(*effect.Env) (any, error) {
	a, err := readAddress(p.Address)
	if err != nil {
		return nil, err
	}
	return address{
		Address: a.String(), Version: version(a), Private: a.IsPrivate(), Loopback: a.IsLoopback(),
		LinkLocal: a.IsLinkLocalUnicast(), Multicast: a.IsMulticast(),
	}, nil
}

func readAddress(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return a, fault.New(fault.Invalid, "cannot parse the address %.60q", text).
			WithHint("addresses look like 10.0.0.1 or 2001:db8::1, without zone and prefix length")
	}
	return a, nil
}

func version(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

var _ = Module.Pure(`
def is_private(address):
    """Returns whether an address is of a private network.

    These are 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and fc00::/7.

    Args:
      address (string): an IPv4 or IPv6 address.

    Returns:
      True or False.

    Errors:
      invalid: the text is not an address.

    Example:
      ipnet.is_private("172.20.1.1")  # True
    """`, &isPrivate{})

// isPrivate is the function ipnet.is_private.
type isPrivate struct {
	Address string `star:"address"`
}

func (i *isPrivate) Compute(*effect.Env) (any, error) {
	a, err := readAddress(i.Address)
	return a.IsPrivate(), err
}

var _ = Module.Pure(`
def offset(address, by):
    """Returns the address that comes a number of places after another one.

    Args:
      address (string): an IPv4 or IPv6 address.
      by (int): the number of places; negative ones go back.

    Returns:
      The address.

    Errors:
      invalid: the text is not an address, or the result would be none.

    Example:
      ipnet.offset("10.0.0.255", 1)  # "10.0.1.0"
      ipnet.offset("::1", -1)  # "::"
    """`, &offset{})

// offset is the function ipnet.offset.
type offset struct {
	Address string `star:"address"`
	By      int    `star:"by"`
}

func (o *offset) Compute(*effect.Env) (any, error) {
	a, err := readAddress(o.Address)
	if err != nil {
		return nil, err
	}
	b, ok := add(a, big.NewInt(int64(o.By)))
	if !ok {
		return nil, fault.New(fault.Invalid, "cannot offset %s by %d: there is no such address", a, o.By)
	}
	return b.String(), nil
}

// add returns a + n; ok is false beyond the ends of the address space.
func add(a netip.Addr, n *big.Int) (sum netip.Addr, ok bool) {
	bytes := a.AsSlice()
	i := new(big.Int).SetBytes(bytes)
	if i.Add(i, n); i.Sign() < 0 || i.BitLen() > a.BitLen() {
		return a, false
	}
	sum, _ = netip.AddrFromSlice(i.FillBytes(bytes))
	return sum, true
}
