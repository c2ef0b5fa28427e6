package container

import (
	"context"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Read(`
def logs(container, tail = 0, since = None, timestamps = False, follow = False, timeout = "10m", engine = ""):
    """Reads what process 1 of a container has printed.

    Args:
      container: its name, or what container.create has returned.
      tail: how many lines from the end; 0 for all.
      since: a time; only what was printed after it.
      timestamps: put the time before each line.
      follow: show what it prints, and go on until it ends.
      timeout: with follow, the time after which that is over; 0 for no limit.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations, with stdout and stderr. A container with a terminal
      prints everything to stdout.
    Errors:
      not_found when there is no such container; limit when it is more than 64 MiB.
    Example:
      container.logs("db", tail = 20).stderr
    """`, &logs{})

type logs struct {
	of
	Tail       int           `star:"tail"`
	Since      *time.Time    `star:"since"`
	Timestamps bool          `star:"timestamps"`
	Follow     bool          `star:"follow"`
	Timeout    time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*logs)(nil)
	_ effect.Describer = (*logs)(nil)
	_ effect.Toucher   = (*logs)(nil)
	_ effect.Remote    = (*logs)(nil)
)

func (l *logs) Validate() error {
	if l.Tail < 0 {
		return fault.New(fault.Invalid, "the number of lines is negative")
	}
	return l.of.Validate()
}

// maxOutput is what is kept of an output.
const maxOutput = 64 << 20

func (l *logs) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := l.open(ctx, env)
	if err != nil {
		return nil, err
	}
	o := engine.LogOptions{Follow: l.Follow, Tail: l.Tail, Timestamps: l.Timestamps}
	if l.Since != nil {
		o.Since = *l.Since
	}
	out, errs := &machine.Buffer{Max: maxOutput}, &machine.Buffer{Max: maxOutput}
	if !l.Follow {
		err = e.Logs(ctx, l.name(), o, out, errs)
	} else {
		following, cancel := within(ctx, l.Timeout)
		defer cancel()
		show, flush := shown(env, l.name(), machine.Streams{Stdout: out, Stderr: errs})
		err = e.Logs(following, l.name(), o, show.Stdout, show.Stderr)
		flush()
		if following.Err() != nil && ctx.Err() == nil {
			err = nil // the time is over, as was asked for
		}
	}
	if err != nil {
		return nil, err
	}
	if out.Full || errs.Full {
		return nil, fault.New(fault.Limit, "the log of the container %q is more than %d MiB", l.name(), maxOutput>>20).WithHint("take its end: tail = 1000")
	}
	return operation.Result{Host: l.name(), OK: true, Stdout: out.String(), Stderr: errs.String(), Duration: time.Since(began)}, nil
}
