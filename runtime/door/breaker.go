package door

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/provisioning-systems/provisioning/internal/breaker"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// A circuit breaker keeps from calling an endpoint that does not answer. Only
// failures count that have cost something: those for which something was sent, and
// those that were waited for. A refused connection costs nobody anything.
//
// What has failed is kept in the state directory as well, for other runs and for
// people; see package breaker. As long as all is well nothing is read or written
// there but once per endpoint.
type circuit struct {
	endpoint string
	files    breaker.Register
	now      func() time.Time

	mu     sync.Mutex
	cb     *gobreaker.CircuitBreaker[any]
	before breaker.Failures // what other runs have found
	noted  bool             // there is a file
}

// breakerOf returns the breaker for an effect; nil for one that talks to nobody.
func (d *Door) breakerOf(do effect.Performer) *circuit {
	r, ok := do.(effect.Remote)
	if !ok {
		return nil
	}
	name := r.Endpoint()
	if name == "" {
		return nil
	}
	if c, ok := d.breakers.Load(name); ok {
		return c.(*circuit)
	}
	now := d.Run.Time().Now
	c := &circuit{endpoint: name, files: breaker.At(d.Run.State), now: now}
	c.before = c.files.Read(name, now())
	c.noted = c.before.Count > 0
	c.cb = c.fresh()
	first, _ := d.breakers.LoadOrStore(name, c)
	return first.(*circuit)
}

// fresh makes a closed breaker, which counts on from what others have found.
func (c *circuit) fresh() *gobreaker.CircuitBreaker[any] {
	return gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Name: c.endpoint, Timeout: breaker.Pause,
		ReadyToTrip: func(n gobreaker.Counts) bool {
			failures := int(n.ConsecutiveFailures)
			if n.TotalSuccesses == 0 {
				failures += min(c.before.Count, breaker.Limit-1)
			}
			return failures >= breaker.Limit
		},
		IsSuccessful: func(err error) bool { return !counts(err) },
	})
}

// counts reports whether a failure is one of the endpoint, and has cost something.
func counts(err error) bool {
	e := fault.As(err)
	return e != nil && e.Transient() && (!e.Unsent || e.Kind == fault.Timeout)
}

func (c *circuit) execute(d *Door, perform func() (any, error)) (any, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	result, err := c.breaker().Execute(perform)
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, c.open()
	}
	c.note(d, err)
	return result, err
}

func (c *circuit) breaker() *gobreaker.CircuitBreaker[any] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cb
}

// enter refuses what another run has found out that it is in vain.
func (c *circuit) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state, left := c.before.State(c.now()); state == breaker.Open {
		if c.files.Read(c.endpoint, c.now()).Count > 0 {
			return refusal(c.endpoint, c.before.Count, left)
		}
		c.before, c.noted = breaker.Failures{Endpoint: c.endpoint}, false // somebody has reset it
	}
	return nil
}

// open is the error of a breaker that this run has opened, unless somebody has
// reset it: then the next attempt is made.
func (c *circuit) open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.files.Read(c.endpoint, c.now())
	if known.Count == 0 {
		c.before = breaker.Failures{Endpoint: c.endpoint}
		c.cb, c.noted = c.fresh(), false
		e := fault.New(fault.Unavailable, "the circuit breaker of %s was reset", c.endpoint)
		e.Unsent = true
		return e
	}
	_, left := known.State(c.now())
	return refusal(c.endpoint, known.Count, left)
}

// errOpen says that it makes no sense to try again soon.
var errOpen = errors.New("the circuit breaker is open")

func refusal(endpoint string, failures int, left time.Duration) error {
	left = max(left.Round(time.Second), time.Second)
	e := fault.New(fault.Unavailable, "the circuit breaker of %s is open after %d failures in a row, for another %s", endpoint, failures, duration.Short(left))
	e.Unsent, e.RetryAfter, e.Cause = true, left.Seconds(), errOpen
	return e.WithHint("one attempt is made %s after the last failure; to try at once: provisioning ssh circuit-breaker reset %s",
		duration.Short(breaker.Pause), endpoint)
}

// note writes failures down, and that there are none any more.
func (c *circuit) note(d *Door, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !counts(err) {
		if e := fault.As(err); c.noted && (e == nil || !e.Unsent) { // it has answered
			c.noted, c.before = false, breaker.Failures{Endpoint: c.endpoint}
			_ = c.files.Reset(c.endpoint) // at worst another run waits in vain
		}
		return
	}
	known := c.files.Read(c.endpoint, c.now())
	known.Count, known.Last, known.Reason = known.Count+1, c.now(), d.Run.Secrets.Redact(fault.As(err).Msg)
	c.noted = true
	_ = c.files.Write(known) // it only saves time
}
