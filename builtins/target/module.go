// Package target is the module target: machines, and commands and files on them.
package target

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// Module is what scripts see as target.
var Module = module.New("target", "Machines that a script acts on: this one, one over SSH, a container.")

var _ = Module.Pure(`
def local(sudo = False):
    """Names this machine.

    Args:
      sudo: run as root what is done on it, by sudo.
    Returns:
      A target.
    Example:
      op.file(target.local(), "/etc/motd", content = "Welcome.\\n", _sudo = True)
    """`, &local{})

type local struct {
	Sudo bool `star:"sudo"`
}

func (l *local) Compute(*effect.Env) (any, error) {
	fields := starlark.StringDict{}
	if l.Sudo {
		fields["sudo"] = starlark.True
	}
	return target.Make("local", "local", fields), nil
}
