package ipnet

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`ipnet.parse("fe80::1")`, `address(address = "fe80::1", link_local = True, loopback = False, multicast = False, private = False, version = 6)`},
		{`ipnet.network("10.1.2.3/22")`, `network(address = "10.1.0.0", first = "10.1.0.0", first_host = "10.1.0.1", last = "10.1.3.255", last_host = "10.1.3.254", netmask = "255.255.252.0", network = "10.1.0.0/22", prefix = 22, size = 1024, version = 4)`},
		{`ipnet.network("10.0.0.2/31").first_host`, `"10.0.0.2"`},
		{`ipnet.network("0.0.0.0/0").last`, `"255.255.255.255"`},
		{`ipnet.network("2001:db8::/32").size == 1 << 96`, `True`},
		{`ipnet.network("::/0").size == 1 << 128`, `True`},
		{`ipnet.network("2001:db8::/33").netmask`, `"ffff:ffff:8000::"`},
		{`ipnet.contains("10.0.0.0/8", "::1")`, `False`},
		{`ipnet.contains("10.0.0.0/8", "10.0.0.0/8")`, `True`},
		{`ipnet.overlaps("10.0.0.0/8", "11.0.0.0/8")`, `False`},
		{`len(ipnet.subnets("10.0.0.0/8", 24))`, `65536`},
		{`ipnet.subnets("2001:db8::/32", 48)[-1]`, `"2001:db8:ffff::/48"`},
		{`ipnet.subnets("1.2.3.4/32", 32)`, `["1.2.3.4/32"]`},
		{`ipnet.host("::/0", -1)`, `"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"`},
		{`ipnet.is_private("8.8.8.8")`, `False`},
	} {
		if got := builtintest.New(t, Module).Eval("got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`ipnet.parse(1)`, "must be a string"},
		{`ipnet.parse("10.0.0")`, `cannot parse the address "10.0.0"`},
		{`ipnet.parse("fe80::1%eth0")`, "cannot parse the address"},
		{`ipnet.network("10.0.0.0")`, `cannot parse the network "10.0.0.0"`},
		{`ipnet.network("10.0.0.0/33")`, "cannot parse the network"},
		{`ipnet.contains("10.0.0.0/8", "x")`, "cannot parse the address"},
		{`ipnet.overlaps("10.0.0.0/8", "x")`, "cannot parse the network"},
		{`ipnet.subnets("10.0.0.0/8", 25)`, "more than 65536 subnets of /25"},
		{`ipnet.subnets("10.0.0.0/8", 7)`, "the new prefix must be 8 to 32, not 7"},
		{`ipnet.subnets("10.0.0.0/8", 33)`, "the new prefix must be"},
		{`ipnet.host("10.0.0.0/30", 4)`, "cannot take address 4 of 10.0.0.0/30: it has 4"},
		{`ipnet.host("10.0.0.0/30", -5)`, "cannot take address -5"},
		{`ipnet.offset("255.255.255.255", 1)`, "there is no such address"},
		{`ipnet.offset("0.0.0.0", -1)`, "there is no such address"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}
