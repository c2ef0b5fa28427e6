package textedit

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestSetHosts(t *testing.T) {
	for _, c := range []struct{ name, text, address, names, want string }{
		{"an empty file", "", "10.0.0.1", "db db.lan", "10.0.0.1\tdb db.lan\n"},
		{"is there", "10.0.0.1 db  db.lan # x\n", "10.0.0.1", "db.lan DB", "10.0.0.1 db  db.lan # x\n"},
		{"a name more", "10.0.0.1  db # x\n", "10.0.0.1", "db old", "10.0.0.1  db old # x\n"},
		{"moved", "10.0.0.2 db web\n10.0.0.1 x\n", "10.0.0.1", "db", "10.0.0.2 web\n10.0.0.1 x db\n"},
		{"moved, from a line of its own", "10.0.0.2 db\nz", "10.0.0.1", "db", "z\n10.0.0.1\tdb\n"},
		{"the other family", "::1 localhost\n", "127.0.0.1", "localhost", "::1 localhost\n127.0.0.1\tlocalhost\n"},
		{"on two lines", "1.1.1.1 a\n1.1.1.1 b\n", "1.1.1.1", "a b", "1.1.1.1 a\n1.1.1.1 b\n"},
		{"comments", "#1.1.1.1 a\n", "1.1.1.2", "a", "#1.1.1.1 a\n1.1.1.2\ta\n"},
		{"Windows", "1.1.1.1 a\r\n", "1.1.1.1", "b", "1.1.1.1 a b\r\n"},
	} {
		address, names := netip.MustParseAddr(c.address), strings.Fields(c.names)
		got := SetHosts(c.text, address, names)
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if again := SetHosts(got, address, names); again != got {
			t.Errorf("%s, again: %q", c.name, again)
		}
	}
}

func TestDropHosts(t *testing.T) {
	for _, c := range []struct{ text, address, names, want string }{
		{"1.1.1.1 a b\n2.2.2.2 a\n", "", "a", "1.1.1.1 b\n"},
		{"1.1.1.1 a b\n2.2.2.2 a\n", "2.2.2.2", "a", "1.1.1.1 a b\n"},
		{"1.1.1.1 a b\n2.2.2.2 a\n", "1.1.1.1", "", "2.2.2.2 a\n"},
		{"::1 a\n", "0:0::1", "A", ""},
	} {
		var address netip.Addr
		if c.address != "" {
			address = netip.MustParseAddr(c.address)
		}
		if got := DropHosts(c.text, address, strings.Fields(c.names)); got != c.want {
			t.Errorf("%q without %s %s: %q", c.text, c.address, c.names, got)
		}
	}
}

// FuzzSetHosts: a second time changes nothing, the names stand for the address and
// for no other, and lines that are no entries stay.
func FuzzSetHosts(f *testing.F) {
	f.Add("10.0.0.2\tdb web # x\n::1 localhost\r\n# y\n", "db", "web")
	f.Add("10.0.0.1 db db\n10.0.0.1 db", "db", "x")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		names := []string{one, two}
		for _, name := range names {
			if name == "" || strings.ContainsAny(name, " \t\r\n\v\f#\u0085\u00a0") || len(strings.Fields(name)) != 1 || strings.Fields(name)[0] != name {
				return
			}
		}
		address := netip.MustParseAddr("10.0.0.1")
		once := SetHosts(text, address, names)
		if again := SetHosts(once, address, names); again != once {
			t.Fatalf("%q, again %q", once, again)
		}
		for _, name := range names {
			var of []string
			for _, line := range linesOf(once) {
				if h, ok := parseHost(line); ok && h.address.Is4() && slices.ContainsFunc(h.names, same(name)) {
					of = append(of, h.address.String())
				}
			}
			if len(of) == 0 || slices.ContainsFunc(of, func(a string) bool { return a != "10.0.0.1" }) {
				t.Fatalf("%q stands for %q in %q", name, of, once)
			}
		}
	})
}
