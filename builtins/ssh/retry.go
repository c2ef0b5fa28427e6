package ssh

import (
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/backoff"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def retry(curve = "exponential", max = 3, base = "1s", longest = "60s", jitter = True, command = False):
    """Says how a connection is tried again, as arguments for the function retry.

    Only what passes is tried again: a machine that cannot be reached, does not
    answer in time, or asks to come back later. Without jitter and with a base of
    100 ms the pauses are 100, 200, 400, 800 ms (exponential), 100, 200, 300, 400 ms
    (linear), 100, 100, 200, 300, 500 ms (fibonacci), or 100 ms each (constant).

    Args:
      curve: "exponential", "linear", "fibonacci" or "constant".
      max: how often it is tried again.
      base: first pause.
      longest: longest pause.
      jitter: take a random part of each pause, so that many callers spread.
      command: try again a command that ran and failed, too.
    Returns:
      A dict of arguments.
    Errors:
      invalid when there is no such curve.
    Example:
      again = ssh.retry("linear", max = 5, base = "100ms")
      retry(lambda: ssh.exec(web, ["uptime"], _retries = 0), **again)
    """`, &retryConfig{})

type retryConfig struct {
	Curve   string        `star:"curve"`
	Max     int           `star:"max"`
	Base    time.Duration `star:"base"`
	Longest time.Duration `star:"longest"`
	Jitter  bool          `star:"jitter"`
	Command bool          `star:"command"`
}

// passing are the kinds of failures that may be over when it is tried again.
var passing = []fault.Kind{fault.Network, fault.Timeout, fault.Unavailable}

func (r *retryConfig) Compute(*effect.Env) (any, error) {
	if err := (backoff.Curve{Name: r.Curve, Initial: r.Base, Factor: 2, Max: r.Longest}).Check(); err != nil {
		return nil, err
	}
	if r.Max < 0 {
		return nil, fault.New(fault.Invalid, "max must not be negative")
	}
	kinds := passing
	if r.Command {
		kinds = append(append([]fault.Kind(nil), passing...), fault.Failed)
	}
	on := make([]string, len(kinds))
	for i, k := range kinds {
		on[i] = string(k)
	}
	return map[string]any{
		"attempts": r.Max + 1, "backoff": r.Curve, "initial": startime.Duration(r.Base), "max": startime.Duration(r.Longest),
		"jitter": starlark.Bool(r.Jitter), "on": on,
	}, nil
}

// Strategies are the ways to act on many machines one after the other, which the
// library rollout has functions for.
var Strategies = []string{"parallel", "rolling", "canary", "blue-green"}

var _ = Module.Pure(`
def strategies():
    """Names the strategies for many machines.

    They are functions of the standard library: parallel_each, rolling, canary and
    blue_green of @std//rollout.star.

    Returns:
      A list of names.
    Example:
      ssh.strategies()   # ["parallel", "rolling", "canary", "blue-green"]
    """`, &strategies{})

type strategies struct{}

func (*strategies) Compute(*effect.Env) (any, error) { return Strategies, nil }
