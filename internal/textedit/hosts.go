package textedit

import (
	"net/netip"
	"slices"
	"strings"
)

// SetHosts makes names stand for an address in a text in the form of /etc/hosts, and
// for no other address of its kind (IPv4, IPv6). Names that stand with others on a
// line of the address stay there; those that are missing come to its first line, else
// to a new one at the end.
func SetHosts(text string, address netip.Addr, names []string) string {
	f := parse(text)
	missing := slices.Clone(names)
	for i := range f.lines {
		h, ok := parseHost(f.at(i))
		if !ok || h.address != address {
			continue
		}
		missing = slices.DeleteFunc(missing, func(name string) bool { return slices.ContainsFunc(h.names, same(name)) })
	}
	f.dropNames(names, func(a netip.Addr) bool { return a != address && a.Is4() == address.Is4() })
	if len(missing) == 0 {
		return f.String()
	}
	for i := range f.lines {
		if h, ok := parseHost(f.at(i)); ok && h.address == address {
			h.names = append(h.names, missing...)
			f.lines[i] = h.String() + returnOf(f.lines[i])
			return f.String()
		}
	}
	f.insert(len(f.lines), []string{address.String() + "\t" + strings.Join(missing, " ")})
	return f.String()
}

// DropHosts makes names stand for no address, or, where address is valid, not for
// that one. Without names everything that stands for address goes.
func DropHosts(text string, address netip.Addr, names []string) string {
	f := parse(text)
	if len(names) == 0 {
		f.drop(func(i int) bool {
			h, ok := parseHost(f.at(i))
			return ok && h.address == address
		})
		return f.String()
	}
	f.dropNames(names, func(a netip.Addr) bool { return !address.IsValid() || a == address })
	return f.String()
}

// dropNames takes names from the lines of some addresses, and the lines that have
// no names any more.
func (f *file) dropNames(names []string, of func(netip.Addr) bool) {
	empty := map[int]bool{}
	for i := range f.lines {
		h, ok := parseHost(f.at(i))
		if !ok || !of(h.address) {
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(h.names), func(name string) bool { return slices.ContainsFunc(names, same(name)) })
		if len(kept) == len(h.names) {
			continue
		}
		h.names = kept
		empty[i] = len(kept) == 0
		f.lines[i] = h.String() + returnOf(f.lines[i])
	}
	f.drop(func(i int) bool { return empty[i] })
}

// same compares names as the resolver does.
func same(name string) func(string) bool {
	return func(other string) bool { return strings.EqualFold(name, other) }
}

// host is a line of /etc/hosts.
type host struct {
	written string // the address as it was written, and the white space after it
	address netip.Addr
	names   []string
	comment string // with the white space before it
}

func parseHost(line string) (h host, ok bool) {
	if i := strings.IndexByte(line, '#'); i >= 0 {
		before := strings.TrimRight(line[:i], " \t")
		line, h.comment = before, line[len(before):]
	}
	words := strings.Fields(line)
	if len(words) < 2 {
		return h, false
	}
	address, err := netip.ParseAddr(words[0])
	if err != nil {
		return h, false
	}
	i := strings.Index(line, words[0]) + len(words[0])
	gap := line[i : len(line)-len(strings.TrimLeft(line[i:], " \t"))]
	h.written, h.address, h.names = line[:i]+gap, address, words[1:]
	return h, true
}

func (h host) String() string { return h.written + strings.Join(h.names, " ") + h.comment }
