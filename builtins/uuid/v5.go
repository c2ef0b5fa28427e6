package uuid

import (
	"crypto/sha1" //nolint:gosec // RFC 9562 prescribes it; nothing rests on its strength
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def v5(namespace, name):
    """Returns the UUID of a name, the same every time.

    Args:
      namespace: a UUID, or "dns", "url", "oid" or "x500".
      name: any text.

    Returns:
      A string of 36 characters.

    Errors:
      invalid: the namespace is none of these.

    Example:
      uuid.v5("dns", "web-1.example.org")
    """`, &v5{})

// v5 is the function uuid.v5.
type v5 struct {
	Namespace string `star:"namespace"`
	Name      string `star:"name"`
}

// namespaces are in the order of RFC 9562, which numbers them 10, 11, 12 and 14.
var namespaces = map[string]byte{"dns": 0x10, "url": 0x11, "oid": 0x12, "x500": 0x14}

func (v *v5) Compute(*effect.Env) (any, error) {
	namespace := v.Namespace
	last, standard := namespaces[strings.ToLower(namespace)]
	if standard {
		namespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	}
	space, err := read(namespace)
	if standard {
		space[3] = last
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the namespace must be a UUID, \"dns\", \"url\", \"oid\" or \"x500\", not %q", v.Namespace)
	}
	sum := sha1.Sum(slices.Concat(space[:], []byte(v.Name)))
	u := id(sum[:16])
	return u.mark(5), nil
}
