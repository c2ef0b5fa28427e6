package taskserv

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def bytes(size):
    """Reads a size.

    Args:
      size: a number and a unit (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB); "" is 0.
    Returns:
      An int, in bytes.
    Errors:
      invalid when it cannot be read.
    Example:
      taskserv.bytes("512MiB")   # 536870912
    """`, &bytes{})

type bytes struct {
	Size string `star:"size"`
}

func (b *bytes) Compute(*effect.Env) (any, error) { return recipe.Bytes(b.Size) }

var _ = Module.Pure(`
def upstream(version):
    """Takes from the version of a package what the distribution has added.

    Args:
      version: such as "7:7.0.15-1~deb12u5".
    Returns:
      The version of the software, such as "7.0.15"; what cannot be read so is returned
      as it is.
    Example:
      taskserv.upstream("7:7.0.15-1~deb12u5")   # "7.0.15"
    """`, &upstream{})

type upstream struct {
	Version string `star:"version"`
}

func (u *upstream) Compute(*effect.Env) (any, error) { return recipe.Upstream(u.Version), nil }
