package uuid

import (
	"context"
	"crypto/rand"
	"encoding/binary"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def v7():
    """Returns a UUID that begins with the time, in milliseconds.

    Those made later sort after those made before; those of one millisecond
    have no order.

    Returns:
      A string of 36 characters.

    Example:
      uuid.v7()
    """`, &v7{})

// v7 is the effect uuid.v7.
type v7 struct{}

func (*v7) Volatile() {}

func (*v7) Perform(_ context.Context, env *effect.Env) (any, error) {
	var u id
	if _, err := rand.Read(u[6:]); err != nil {
		return nil, err
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(env.Run.Time().Now().UnixMilli()))
	copy(u[:6], ms[2:])
	return u.mark(7), nil
}
