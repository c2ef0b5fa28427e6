package op

import (
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def kernel_module(target, name, state = "loaded", options = None, at_boot = True):
    """Makes a module of the kernel be loaded, or not.

    The starts of the machine go by files of its name in /etc/modules-load.d and
    /etc/modprobe.d. Options count from the next time that the module is loaded.

    Args:
      target: the machine.
      name: of the module.
      state: "loaded", "absent" (not loaded now) or "blacklisted" (not loaded now, and
        never by itself).
      options: such as "max_loop=64". None: whatever they are.
      at_boot: with "loaded", load it at every start as well.
    Returns:
      The struct of operations.
    Errors:
      invalid for a name that is none; not_found when the machine has no such module;
      failed when it is part of the kernel, or in use, and shall not be loaded.
    Example:
      op.kernel_module(node, "br_netfilter", _sudo = True)
      op.kernel_module(node, "pcspkr", state = "blacklisted")
    """`, &kernelModule{}, effect.Exact)

type kernelModule struct {
	operation.Base
	Name    string  `star:"name"`
	State   string  `star:"state"`
	Options *string `star:"options"`
	AtBoot  bool    `star:"at_boot"`
}

func (k *kernelModule) Describe() string { return k.On() + ": " + k.Name }

func (k *kernelModule) Validate() error {
	if err := k.Base.Validate(); err != nil {
		return err
	}
	if !madeOf(k.Name, "_-") || k.Name[0] == '-' {
		return fault.New(fault.Invalid, "%q is no name of a module of the kernel", k.Name)
	}
	if k.Options != nil && strings.ContainsAny(*k.Options, "\n\x00\\") {
		return fault.New(fault.Invalid, "the options of %s must be one line", k.Name)
	}
	return validState(k.State, "loaded", "absent", "blacklisted")
}

func (k *kernelModule) loadFile() string    { return "/etc/modules-load.d/" + k.Name + ".conf" }
func (k *kernelModule) optionsFile() string { return "/etc/modprobe.d/" + k.Name + ".conf" }
func (k *kernelModule) blackFile() string   { return "/etc/modprobe.d/" + k.Name + "-blacklist.conf" }

func (k *kernelModule) Facts() []fact.Fact {
	return []fact.Fact{
		fact.KernelModule.Of(k.Name), fact.Content.Of(k.loadFile()), fact.Content.Of(k.optionsFile()), fact.Content.Of(k.blackFile()),
	}
}

func (k *kernelModule) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.ModuleState](w, fact.KernelModule.Of(k.Name))
	if k.State == "loaded" && !now.Known {
		return nil, fault.New(fault.NotFound, "%s has no module %q for its kernel", k.On(), k.Name).
			WithHint("install the package with the modules of the kernel; in a container the module has to be loaded on the host")
	}
	if k.State != "loaded" && now.BuiltIn {
		return nil, fault.New(fault.Failed, "%s is part of the kernel of %s: it cannot be unloaded", k.Name, k.On())
	}
	f := k.files(w)
	loaded := k.State == "loaded"
	c := f.change(!loaded)
	if loaded == now.Loaded {
		return c, nil
	}
	if c == nil {
		c = &operation.Change{Undo: &operation.Step{}, After: map[fact.Fact]any{}}
	}
	c.Kind = effect.Update
	load, unload := "modprobe -- "+machine.Quote(k.Name)+"\n", "modprobe -r -- "+machine.Quote(k.Name)+"\n"
	if loaded {
		c.Diff = k.Name + ": not loaded -> loaded\n" + c.Diff
		c.Script, c.Undo.Script = c.Script+load, c.Undo.Script+unload
	} else {
		c.Diff = k.Name + ": loaded -> not loaded\n" + c.Diff
		c.Script, c.Undo.Script = c.Script+unload, c.Undo.Script+load
	}
	then := now
	then.Loaded = loaded
	c.After[fact.KernelModule.Of(k.Name)] = then
	return c, nil
}

// files are what the starts of the machine go by.
func (k *kernelModule) files(w *fact.World) *files {
	f := &files{}
	if k.State == "loaded" && k.AtBoot {
		f.set(w, k.loadFile(), []byte(k.Name+"\n"))
	} else {
		f.remove(w, k.loadFile())
	}
	if k.State == "blacklisted" {
		f.set(w, k.blackFile(), []byte("blacklist "+k.Name+"\n"))
	} else {
		f.remove(w, k.blackFile())
	}
	switch {
	case k.Options != nil && *k.Options != "":
		f.set(w, k.optionsFile(), []byte("options "+k.Name+" "+*k.Options+"\n"))
	case k.Options != nil:
		f.remove(w, k.optionsFile())
	}
	if f.script != "" {
		f.script = "mkdir -p /etc/modules-load.d /etc/modprobe.d\n" + f.script
	}
	return f
}
