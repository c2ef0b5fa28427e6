package runtime_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/breaker"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = fleetModule.Read("def call(name): pass", &hail{})

// hail calls a ship by radio.
type hail struct {
	Name string `star:"name"`
}

func (h *hail) Endpoint() string { return "radio://" + h.Name }

func (h *hail) Perform(context.Context, *effect.Env) (any, error) {
	f := &ships
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, h.Name)
	for _, name := range f.down {
		switch name {
		case h.Name:
			e := fault.New(fault.Timeout, "no answer from %s", h.Name)
			e.Unsent = true
			return nil, e
		case h.Name + " refuses":
			e := fault.New(fault.Network, "%s refuses", h.Name)
			e.Unsent = true
			return nil, e
		}
	}
	return "aye", nil
}

// What one run has found out of an endpoint, the next one knows; it is in the state
// directory, where a person can look at it and reset it.
func TestBreakerOverRuns(t *testing.T) {
	rt, dir := fleetRuntime(t)
	ws, err := workspace.At(dir)
	check(t, err)
	files := breaker.At(ws.State)
	call := func(text string, want string) {
		t.Helper()
		_, err := rt.Start(never, runtime.Start{Script: sailScript(t, dir, text)})
		if got := "fine"; err != nil && !strings.Contains(err.Error(), want) || err == nil && got != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	ships.reset("a")
	for range 3 {
		call(`fleet.call("a", _retries = 0)`, "no answer from a")
	}
	if f := files.Read("radio://a", time.Now()); f.Count != 3 || f.Reason != "no answer from a" {
		t.Errorf("after three failures: %+v", f)
	}
	call(`fleet.call("a", _retries = 1)`, "no answer from a") // that are five
	before := len(ships.calls)
	call(`fleet.call("a")`, "the circuit breaker of radio://a is open after 5 failures in a row, for another 1m")
	call(`fleet.call("b")`, "fine") // another endpoint
	if len(ships.calls) != before+1 {
		t.Errorf("an open breaker let something through: %v", ships.calls)
	}
	check(t, files.Reset("radio://a"))
	ships.reset()
	call(`fleet.call("a")`, "fine")

	// One that answers has no failures any more; one whose time is over gets one attempt.
	check(t, files.Write(breaker.Failures{Endpoint: "radio://a", Count: 4, Last: time.Now()}))
	call(`fleet.call("a")`, "fine")
	check(t, files.Write(breaker.Failures{Endpoint: "radio://c", Count: 7, Last: time.Now().Add(-2 * breaker.Pause)}))
	ships.reset("c")
	call(`fleet.call("c", _retries = 2)`, "is open after 8 failures")
	if got := len(ships.calls); got != 1 {
		t.Errorf("half-open, it let %d attempts through", got)
	}
	all, err := files.All(time.Now())
	if err != nil || len(all) != 1 || all[0].Endpoint != "radio://c" {
		t.Errorf("known are %+v, %v", all, err)
	}

	// A refused connection costs nobody anything.
	ships.reset("d refuses")
	for range 6 {
		call(`fleet.call("d", _retries = 0)`, "d refuses")
	}
}
