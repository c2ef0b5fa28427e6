package target

import (
	"context"

	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// local is this machine.
type local struct{}

func init() { Register(local{}) }

func (local) Name() string { return "local" }

func (local) Identity(Fields) (string, error) { return "", nil }

func (local) Dial(context.Context, *effect.Env, Fields) (machine.Conn, error) {
	return machine.Local{}, nil
}
