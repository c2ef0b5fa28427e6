package control

import (
	"context"
	"slices"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/backoff"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Control(`
def retry(fn, attempts = 3, backoff = "exponential", initial = "1s", factor = 2, max = "60s", jitter = True, on = []):
    """Calls a function until it succeeds.

    Errors that the same call would make again are not retried: kinds invalid,
    script, permission, not_found, exists, usage and config, unless on names them.
    Within fn, run.attempt() says how many calls there have been.

    Args:
      fn: function without arguments.
      attempts: how often it is called at most.
      backoff: how the pauses grow: "exponential", "linear", "fibonacci" or "constant".
      initial: first pause.
      factor: by which exponential pauses grow.
      max: longest pause.
      jitter: take a random part of each pause, so that many callers spread.
      on: kinds of errors to retry; empty for all that may pass.
    Returns:
      What fn returned.
    Errors:
      That of the last call.
    Example:
      retry(lambda: http.get("http://127.0.0.1:8080/health"), attempts = 5, backoff = "constant")
    """`, &retry{})

type retry struct {
	Fn       starlark.Callable `star:"fn"`
	Attempts int               `star:"attempts"`
	Backoff  string            `star:"backoff"`
	Initial  time.Duration     `star:"initial"`
	Factor   float64           `star:"factor"`
	Max      time.Duration     `star:"max"`
	Jitter   bool              `star:"jitter"`
	On       []string          `star:"on"`
}

func (r *retry) Control(thread *starlark.Thread) (any, error) {
	if r.Attempts < 1 || r.Initial < 0 || r.Max < 0 || r.Factor < 1 {
		return nil, fault.New(fault.Invalid, "retry: attempts and factor must be 1 or more, and pauses not negative")
	}
	if !slices.Contains(backoff.Names(), r.Backoff) {
		return nil, fault.New(fault.Invalid, "retry: backoff must be \"exponential\", \"linear\", \"fibonacci\" or \"constant\", not %q", r.Backoff)
	}
	curve := backoff.Curve{Name: r.Backoff, Initial: r.Initial, Factor: r.Factor, Max: r.Max}
	b := branch.Of(thread)
	defer func(n int) { b.Attempt = n }(b.Attempt)
	// The last error is nobody's: a resumed run tries again what failed.
	again := func(err error) bool {
		return b.Attempt < r.Attempts && !b.Tree.Plans() && r.worthwhile(fault.KindOf(b.Tree.Explain(err)))
	}
	for b.Attempt = 1; ; b.Attempt++ {
		v, err := call(thread, again, r.Fn, nil, nil)
		if err == nil {
			return v, nil
		}
		failure, ferr := b.Failed(err)
		if ferr != nil {
			return nil, ferr
		}
		if !again(err) {
			return nil, err
		}
		text := "attempt " + starlark.MakeInt(b.Attempt).String() + " failed: " + failure.Message
		if err := b.Tree.Host.Log(b, "warn", text); err != nil {
			return nil, err
		}
		if err := pauseFor(thread, curve.Pause(b.Attempt), r.Jitter); err != nil {
			return nil, err
		}
	}
}

var hopeless = []fault.Kind{
	fault.Invalid, fault.Script, fault.Permission, fault.NotFound, fault.Exists, fault.Usage, fault.Config,
}

func (r *retry) worthwhile(kind fault.Kind) bool {
	if len(r.On) > 0 {
		return slices.Contains(r.On, string(kind))
	}
	return !slices.Contains(hopeless, kind)
}

var pausing = hidden(effect.Decl{Kind: effect.KindPause, Mode: effect.Read, Quality: effect.Exact}, "duration",
	func(state starlark.Tuple) effect.Performer {
		return &pause{time.Duration(state[0].(startime.Duration)), bool(state[1].(starlark.Bool))}
	}, "time.duration", "bool")

// pause is the wait between two tries. It is a read: a resumed run begins the
// pause that it was in anew, and does not repeat those that are over.
type pause struct {
	d      time.Duration
	jitter bool
}

func pauseFor(thread *starlark.Thread, d time.Duration, jitter bool) error {
	_, err := perform(thread, pausing, &pause{d, jitter}, starlark.String(d.String()))
	return err
}

var _ effect.Patient = (*pause)(nil)

func (p *pause) State() starlark.Tuple {
	return starlark.Tuple{startime.Duration(p.d), starlark.Bool(p.jitter)}
}

func (p *pause) Describe() string { return duration.Short(p.d) }
func (p *pause) Waits()           {}

func (p *pause) Perform(ctx context.Context, env *effect.Env) (any, error) {
	d := p.d
	if p.jitter {
		d = env.Run.Time().Jitter(d)
	}
	return nil, env.Run.Time().Wait(ctx, d)
}

var _ = Module.Control(`
def wait_until(fn, interval = "2s", timeout = "5m"):
    """Calls a function again and again until what it returns is true.

    An error of fn that could pass counts as "not yet"; one of kind invalid, script,
    permission, usage, config or assertion ends the wait. In check mode the function
    is called once, and the condition is taken to come true.

    Args:
      fn: function without arguments.
      interval: pause between two calls.
      timeout: time after which it is given up, counted in intervals.
    Returns:
      The first true value that fn returned.
    Errors:
      timeout, with the last answer or error of fn; that of fn, when it cannot pass.
    Example:
      wait_until(lambda: fs.exists("ready"), interval = "1s", timeout = "30s")
    """`, &waitUntil{})

type waitUntil struct {
	Fn       starlark.Callable `star:"fn"`
	Interval time.Duration     `star:"interval"`
	Timeout  time.Duration     `star:"timeout"`
}

func (w *waitUntil) Control(thread *starlark.Thread) (any, error) {
	if w.Interval <= 0 || w.Timeout < 0 {
		return nil, fault.New(fault.Invalid, "wait_until: interval must be positive, and timeout not negative")
	}
	b := branch.Of(thread)
	last := ""
	// What ends the wait is nobody's: a resumed run tries it again.
	mayPass := func(err error) bool { return !slices.Contains(final, fault.KindOf(b.Tree.Explain(err))) }
	// Time is counted in intervals, not by a clock, so that a replay counts alike.
	for waited := time.Duration(0); ; waited += w.Interval {
		v, cause := call(thread, mayPass, w.Fn, nil, nil)
		failure, err := b.Failed(cause)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			if !mayPass(cause) {
				return nil, cause
			}
			last = failure.Message
		} else if _, unknown := v.(*value.Unknown); !unknown && bool(v.Truth()) {
			return v, nil
		} else {
			last = "the last answer was " + v.String()
		}
		if _, unknown := v.(*value.Unknown); unknown || b.Tree.Plans() {
			return b.Unknown("wait_until(%s)", w.Fn.Name()), nil
		}
		if waited+w.Interval > w.Timeout {
			if err := giveUp(thread, w.Timeout, last); err != nil {
				return nil, err
			}
			waited = -w.Interval // a resumed run waits once more
			continue
		}
		if err := pauseFor(thread, w.Interval, false); err != nil {
			return nil, err
		}
	}
}

// final are the kinds of errors that time does not change. Unlike for retry, what
// is not found, or exists, is what one waits for.
var final = []fault.Kind{fault.Invalid, fault.Script, fault.Permission, fault.Usage, fault.Config, fault.Assertion}

var expiring = hidden(effect.Decl{Kind: effect.KindWaitUntil, Mode: effect.Write, Quality: effect.Exact}, "timeout",
	func(state starlark.Tuple) effect.Performer {
		return &expiry{time.Duration(state[0].(startime.Duration)), string(state[1].(starlark.String))}
	}, "time.duration", "string")

// expiry is the end of a wait that was in vain. It is in the journal so that a
// resumed run does not fail by what it read the last time: there it succeeds, and
// the wait begins anew.
type expiry struct {
	timeout time.Duration
	last    string
}

var (
	_ effect.Repeatable = (*expiry)(nil)
	_ effect.Traceless  = (*expiry)(nil)
)

func giveUp(thread *starlark.Thread, timeout time.Duration, last string) error {
	_, err := perform(thread, expiring, &expiry{timeout, last}, starlark.String(timeout.String()))
	return err
}

func (e *expiry) State() starlark.Tuple {
	return starlark.Tuple{startime.Duration(e.timeout), starlark.String(e.last)}
}

func (e *expiry) Repeatable() bool { return true }
func (e *expiry) LeavesNoTrace()   {}

func (e *expiry) Perform(_ context.Context, env *effect.Env) (any, error) {
	if env.Again {
		return nil, nil
	}
	return nil, fault.New(fault.Timeout, "the condition did not come true within %s: %s", duration.Short(e.timeout), e.last)
}
