package ssh

import (
	"context"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/breaker"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

var _ = Module.Read(`
def breaker(target):
    """Tells the state of the circuit breaker of a machine.

    After 5 failures in a row, of any run, nothing is sent to a machine for 60
    seconds: every effect fails at once. Then one attempt is made.

    Args:
      target: the machine.
    Returns:
      A struct with host, state ("closed", "open" or "half-open"), failures, limit,
      left (how long it stays open) and reason (the last failure).
    Example:
      if ssh.breaker(web).state == "open":
          print("it does not answer")
    """`, &breakerState{})

type breakerState struct{ circuit }

// circuit is the argument of what is about a breaker.
type circuit struct {
	Target starlark.Value `star:"target"`
}

// state is what ssh.breaker returns.
type state struct {
	Host     string        `star:"host"`
	State    string        `star:"state"`
	Failures int           `star:"failures"`
	Limit    int           `star:"limit"`
	Left     time.Duration `star:"left"`
	Reason   string        `star:"reason"`
}

func (b *circuit) Describe() string {
	if t, err := target.Parse(b.Target); err == nil {
		return t.Name
	}
	return "?"
}

func (b *circuit) Validate() error {
	_, err := target.Parse(b.Target)
	return err
}

// Volatile says that it is something else each time.
func (b *breakerState) Volatile() {}

func (b *breakerState) Perform(_ context.Context, env *effect.Env) (any, error) {
	t, err := target.Parse(b.Target)
	if err != nil {
		return nil, err
	}
	now := env.Run.Time().Now()
	known := breaker.At(env.Run.State).Read(t.ID, now)
	s, left := known.State(now)
	return state{t.Name, s, known.Count, breaker.Limit, left.Round(time.Second), known.Reason}, nil
}

var _ = Module.Write(`
def reset_breaker(target):
    """Closes the circuit breaker of a machine, so that it is tried at once.

    Args:
      target: the machine.
    Example:
      ssh.reset_breaker(web)
    """`, &resetBreaker{}, effect.Exact)

type resetBreaker struct{ circuit }

var (
	_ effect.Repeatable = (*resetBreaker)(nil)
	_ effect.Traceless  = (*resetBreaker)(nil)
)

func (r *resetBreaker) Repeatable() bool { return true }
func (r *resetBreaker) LeavesNoTrace()   {}

func (r *resetBreaker) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Change: effect.Act}, nil
}

func (r *resetBreaker) Perform(_ context.Context, env *effect.Env) (any, error) {
	t, err := target.Parse(r.Target)
	if err != nil {
		return nil, err
	}
	return nil, breaker.At(env.Run.State).Reset(t.ID)
}
