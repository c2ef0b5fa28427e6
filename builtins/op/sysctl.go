package op

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def sysctl(target, key, value = None, state = "present", persist_only = False):
    """Sets a parameter of the kernel, now and at every start of the machine.

    For the starts it has a file of its own in /etc/sysctl.d. "absent" removes that
    file; the kernel keeps the value until it starts again.

    Args:
      target: the machine.
      key: such as "net.ipv4.ip_forward"; with slashes where a part has a dot.
      value: a string or an int; several numbers with spaces between them.
      state: "present" or "absent".
      persist_only: leave the kernel that runs alone, as containers have to.
    Returns:
      The struct of operations.
    Errors:
      invalid for a key that is none; not_found when the kernel has no such parameter;
      permission when it may not be set on this machine.
    Example:
      op.sysctl(web, "net.ipv4.ip_forward", 1, _sudo = True)
      op.sysctl(box, "vm.swappiness", 10, persist_only = True)
    """`, &sysctl{}, effect.Exact)

type sysctl struct {
	operation.Base
	Key         string         `star:"key"`
	Value       starlark.Value `star:"value"`
	State       string         `star:"state"`
	PersistOnly bool           `star:"persist_only"`
}

func (s *sysctl) Describe() string { return s.On() + ": " + s.Key }

func (s *sysctl) Validate() error {
	if err := s.Base.Validate(); err != nil {
		return err
	}
	if !madeOf(s.Key, "._/:@-") || strings.Contains(s.Key, "..") || strings.ContainsAny(s.Key[:1], "./") {
		return fault.New(fault.Invalid, "%q is no parameter of the kernel", s.Key)
	}
	if err := validState(s.State, "present", "absent"); err != nil || s.State == "absent" {
		return err
	}
	switch s.Value.(type) {
	case starlark.String, starlark.Int:
	default:
		return fault.New(fault.Invalid, "the value of %s must be a string or an int, not a %s", s.Key, s.Value.Type())
	}
	if v := s.value(); v == "" || strings.ContainsAny(v, "\n\x00") {
		return fault.New(fault.Invalid, "%q cannot be the value of %s", v, s.Key)
	}
	return nil
}

// value is written like the kernel's: with single spaces.
func (s *sysctl) value() string {
	text, ok := starlark.AsString(s.Value)
	if !ok {
		text = s.Value.String()
	}
	return strings.Join(strings.Fields(text), " ")
}

// path comes after the files of the distributions, which end with 99 at most; the
// numbers of files are compared first.
func (s *sysctl) path() string {
	return "/etc/sysctl.d/99-zz-" + strings.ReplaceAll(s.Key, "/", "-") + ".conf"
}

func (s *sysctl) Facts() []fact.Fact {
	return []fact.Fact{fact.Sysctl.Of(s.Key), fact.Content.Of(s.path())}
}

func (s *sysctl) Plan(w *fact.World) (*operation.Change, error) {
	var f files
	if s.State == "absent" {
		f.remove(w, s.path())
		return f.change(true), nil
	}
	now := fact.Get[fact.SysctlState](w, fact.Sysctl.Of(s.Key))
	f.set(w, s.path(), []byte(s.Key+" = "+s.value()+"\n"))
	if f.script != "" {
		f.script = "mkdir -p /etc/sysctl.d\n" + f.script
	}
	if s.PersistOnly || now.Value == s.value() {
		return f.change(false), nil
	}
	switch {
	case !now.Exists:
		return nil, fault.New(fault.NotFound, "the kernel of %s has no parameter %s", s.On(), s.Key).
			WithHint("a module that is not loaded may bring it (op.kernel_module); persist_only = True leaves the kernel alone")
	case !now.Writable:
		return nil, fault.New(fault.Permission, "%s may not be set on %s: it is %s and not %s", s.Key, s.On(), orNone(now.Value, "empty"), s.value()).
			WithHint("in a container the kernel is that of the host: set it there, or use persist_only = True; elsewhere _sudo = True may be missing")
	}
	c := f.change(false)
	if c == nil {
		c = &operation.Change{Undo: &operation.Step{}, After: map[fact.Fact]any{}}
	}
	c.Kind = effect.Update
	c.Diff = fmt.Sprintf("%s: %s -> %s\n", s.Key, orNone(now.Value, "empty"), s.value()) + c.Diff
	c.Script = s.written(s.value()) + c.Script // what the kernel refuses does not get into the file
	c.Undo.Script = s.written(now.Value) + c.Undo.Script
	c.After[fact.Sysctl.Of(s.Key)] = fact.SysctlState{Exists: true, Writable: true, Value: s.value()}
	return c, nil
}

func (s *sysctl) written(value string) string {
	refused := fmt.Sprintf("the kernel does not take %q as %s", value, s.Key)
	return fmt.Sprintf("printf '%%s\\n' %s >%s || { echo %s >&2; exit 1; }\n", machine.Quote(value), machine.Quote(fact.SysctlPath(s.Key)), machine.Quote(refused))
}
