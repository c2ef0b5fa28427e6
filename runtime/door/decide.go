package door

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Decide takes the place of an unknown where the script must know, in check
// mode: it takes the arm that the trace is to explore, else the one that an
// earlier run took.
func (d *Door) Decide(thread *starlark.Thread, u *value.Undecided) (int, error) {
	return d.DecideOf(onThread{thread}, u)
}

// DecideOf is Decide for a caller that may be in another process.
func (d *Door) DecideOf(caller Caller, u *value.Undecided) (int, error) {
	if d.Trace == nil || !d.Trace.Explores() {
		return 0, u
	}
	if d.Trace.Full() {
		return 0, &value.Undecided{Unknown: u.Unknown, Op: u.Op + " (after too many other decisions)"}
	}
	unknown, negated := u.Unknown, false
	if u.Op != "for" { // how often a loop goes round has no opposite
		unknown, negated = unknown.Positive()
	}
	decision := plan.Decision{
		Key: unknown.Key(), Question: d.Run.Secrets.Redact(unknown.Text), Op: u.Op, Position: caller.Position(),
		Arms: 2, Choice: 1, Likely: unknown.Guess != nil,
	}
	if u.Op == "for" {
		decision.Key, decision.Arms, decision.Choice = "for "+decision.Key, 3, 2
	}
	if guess := unknown.Guess; guess != nil {
		decision.Choice = likely(guess, u.Op)
	}
	choice := d.Trace.Decide(caller.Branch().Path, decision)
	if negated {
		choice = 1 - choice
	}
	return choice, nil
}

func likely(guess starlark.Value, op string) int {
	switch {
	case op == "for":
		return max(0, min(starlark.Len(guess), 2))
	case bool(guess.Truth()):
		return 1
	}
	return 0
}

// Pass notes how a loop over an unknown goes on, in check mode.
func (d *Door) Pass(thread *starlark.Thread, _ *value.Undecided, n, was int) {
	d.Trace.Pass(branch.Of(thread).Path, n, was)
}
