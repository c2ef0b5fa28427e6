package op

import (
	"net/netip"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textedit"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def hosts_entry(target, address = "", names = [], path = "/etc/hosts", state = "present"):
    """Makes names stand for an address in /etc/hosts, or not.

    The names stand for no other address of the same kind (IPv4, IPv6) afterwards. The
    first name of a new entry is the canonical one.

    In a container /etc/hosts is a mount point that cannot be replaced. It is written
    over there: others may see a part of it for a moment.

    Args:
      target: the machine.
      address: the IPv4 or IPv6 address. With state = "absent" it may be missing: then
        the names stand for nothing.
      names: list of the names. With state = "absent" they may be missing: then all
        that stands for the address goes.
      path: the file.
      state: "present" or "absent".

    Returns:
      The struct of operations.

    Errors:
      invalid when the address or a name is none; permission when the file cannot be
      read; failed when the machine refuses.

    Example:
      op.hosts_entry(web, "10.0.0.5", ["db.internal", "db"])
      op.hosts_entry(web, names = ["old.internal"], state = "absent")
    """`, &hostsEntry{}, effect.Exact)

type hostsEntry struct {
	operation.Base
	Address string   `star:"address"`
	Names   []string `star:"names"`
	Path    string   `star:"path"`
	State   string   `star:"state"`
}

func (h *hostsEntry) Describe() string {
	return h.On() + ": " + strings.TrimSpace(h.Address+" "+strings.Join(h.Names, " "))
}

func (h *hostsEntry) Validate() error {
	if err := h.Base.Validate(); err != nil {
		return err
	}
	if err := below(h.Path); err != nil {
		return err
	}
	if err := validState(h.State, "present", "absent"); err != nil {
		return err
	}
	if h.Address == "" && (h.State == "present" || len(h.Names) == 0) {
		return fault.New(fault.Invalid, "the address is missing").WithHint("give one, such as 10.0.0.5")
	}
	if _, err := netip.ParseAddr(h.Address); err != nil && h.Address != "" {
		return fault.New(fault.Invalid, "%q is no address", h.Address).WithHint("write it as 10.0.0.5 or fd00::5")
	}
	if h.State == "present" && len(h.Names) == 0 {
		return fault.New(fault.Invalid, "no name stands for the address").WithHint("give names = [\"…\"]")
	}
	for _, name := range h.Names {
		if name == "" || strings.ContainsAny(name, "# \t") || len(strings.Fields(name)) != 1 {
			return fault.New(fault.Invalid, "%q is no name of a host", name)
		}
	}
	return nil
}

func (h *hostsEntry) edited() *Edited { return &Edited{Path: h.Path, Create: true} }

func (h *hostsEntry) Facts() []fact.Fact { return []fact.Fact{fact.Content.Of(h.Path)} }

func (h *hostsEntry) Plan(w *fact.World) (*operation.Change, error) {
	address, _ := netip.ParseAddr(h.Address) // Validate has parsed it; the zero value is none
	if h.State == "absent" && !fact.Get[fact.FileState](w, fact.Content.Of(h.Path)).Exists() {
		return nil, nil
	}
	return h.edited().plan(&h.Base, w, func(text string) (string, error) {
		if h.State == "absent" {
			return textedit.DropHosts(text, address, h.Names), nil
		}
		return textedit.SetHosts(text, address, h.Names), nil
	})
}
