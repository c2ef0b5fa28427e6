package target

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def reachable(target, timeout = "10s"):
    """Tells whether a machine runs commands.

    Args:
      target: the machine.
      timeout: how long it may take to answer.
    Returns:
      True or False. A key or a password that is refused is not reachable either;
      target.wait says why.
    Errors:
      invalid when target is none.
    Example:
      if not target.reachable(target.local()):
          fail("nobody home")
    """`, &reachable{})

type reachable struct {
	command.On
	Timeout time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*reachable)(nil)
	_ effect.Describer = (*reachable)(nil)
)

func (r *reachable) Describe() string { return r.Host() }

func (r *reachable) Perform(ctx context.Context, env *effect.Env) (any, error) {
	err := answers(ctx, env, &r.On, r.Timeout)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return err == nil, nil
}

// answers has the machine run a command that does nothing.
func answers(ctx context.Context, env *effect.Env, o *command.On, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	conn, err := o.Open(ctx, env)
	if err != nil {
		return err
	}
	exit, err := conn.Exec(ctx, ":", machine.Streams{})
	if err == nil && !exit.OK() {
		err = fault.New(fault.Failed, "%s runs no commands: an empty one ends with code %d", o.Host(), exit.Code)
	}
	return err
}

var _ = Module.Read(`
def wait(target, timeout = "5m"):
    """Waits until a machine runs commands, such as one that is just starting.

    Args:
      target: the machine.
      timeout: how long to wait.
    Returns:
      None.
    Errors:
      timeout when it does not answer in time, with the last reason; permission,
      invalid and others at once when waiting does not help, such as a host key
      that is not the expected one.
    Example:
      target.wait(target.local(), timeout = "30s")
    """`, &wait{})

type wait struct {
	command.On
	Timeout time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*wait)(nil)
	_ effect.Describer = (*wait)(nil)
)

const (
	tryTime     = 10 * time.Second // for one attempt to connect
	firstPause  = 250 * time.Millisecond
	longestWait = 5 * time.Second
)

func (w *wait) Describe() string { return w.Host() }

func (w *wait) Perform(ctx context.Context, env *effect.Env) (any, error) {
	clock := env.Run.Time()
	limit := ctx
	if w.Timeout > 0 {
		var cancel context.CancelFunc
		limit, cancel = clock.Timeout(ctx, w.Timeout, fault.New(fault.Timeout, "it took longer than %s", w.Timeout))
		defer cancel()
	}
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		err := answers(limit, env, &w.On, tryTime)
		if err == nil {
			return nil, nil
		}
		if limit.Err() == nil && !fault.Is(err, fault.Network, fault.Timeout, fault.Unavailable) {
			return nil, err
		}
		if limit.Err() != nil || clock.Wait(limit, pause) != nil {
			return nil, w.gaveUp(ctx, err)
		}
	}
}

func (w *wait) gaveUp(ctx context.Context, last error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := fault.New(fault.Timeout, "%s did not answer within %s: %v", w.Host(), w.Timeout, last)
	e.Cause = last
	return e.WithHint("give it more time with timeout, or find out whether it has started")
}
