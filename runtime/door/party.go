package door

import (
	"context"
	"iter"
	"slices"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Companions that follow each other with nothing between them are held back until
// the last one comes, and performed then: in their order, each for itself, but with
// one look at the world before. Nobody can tell the difference but by the clock:
// the loader marks only calls between which nothing happens (rewrite.More), they
// get their places when they are performed, and whatever leaves the straight line,
// such as an error between them, settles them first.

// held is a call that waits for those after it.
type held struct {
	caller Caller
	call   *effect.Call
}

// party is calls that are performed together.
type party struct {
	rest    []held // from the one on that is performed now
	scouted bool
	found   any
}

// maxParty is how many calls may wait.
const maxParty = 1000

// holds reports whether a call is to wait.
func (d *Door) holds(call *effect.Call) bool {
	return call.Options.More && call.Options.When && call.Unknown == nil && partyOf(call) != "" &&
		d.Watch == nil && d.WhatIf == nil && d.Compare == nil && d.Answers == nil
}

func partyOf(call *effect.Call) string {
	if c, ok := call.Do.(effect.Companion); ok && call.Unknown == nil {
		return c.Party(call.Options)
	}
	return ""
}

// hold keeps a call back. Those of another party are performed first.
func (d *Door) hold(caller Caller, call *effect.Call) error {
	b := caller.Branch()
	waiting, _ := b.Waiting.([]held)
	if len(waiting) > 0 && (partyOf(waiting[0].call) != partyOf(call) || len(waiting) >= maxParty) {
		if err := d.SettleOf(caller); err != nil {
			return err
		}
		waiting = nil
	}
	b.Waiting = append(waiting, held{keep(caller), call})
	return nil
}

// Settle performs the effects that the branch of thread still holds back.
func (d *Door) Settle(thread *starlark.Thread) error { return d.SettleOf(onThread{thread}) }

// SettleOf is Settle for a caller that may be in another process.
func (d *Door) SettleOf(caller Caller) error {
	_, err := d.together(caller.Branch(), nil)
	return err
}

// together performs what waits, and then last, which need not be of the party.
func (d *Door) together(b *branch.Branch, last *held) (v starlark.Value, err error) {
	waiting, _ := b.Waiting.([]held)
	b.Waiting = nil
	if last != nil && len(waiting) > 0 && partyOf(waiting[0].call) == partyOf(last.call) && last.call.Options.When {
		waiting = append(waiting, *last)
		last = nil
	}
	p := &party{}
	for i, h := range waiting {
		p.rest = waiting[i:]
		if v, err = d.alone(h.caller, h.call, p); err != nil {
			return nil, located(err, h.caller)
		}
	}
	if last != nil {
		return d.alone(last.caller, last.call, nil)
	}
	return v, nil
}

// located says where an effect was asked for that failed later.
func located(err error, c Caller) error {
	e := fault.As(err)
	if e == nil || e.At != "" {
		return err
	}
	copied := *e
	copied.At = c.Position()
	return &copied
}

// scout looks, once for all of the party, at what it has to know.
func (d *Door) scout(ctx context.Context, p *party, env *effect.Env, do effect.Performer) any {
	if p == nil || len(p.rest) < 2 && !p.scouted {
		return nil
	}
	if p.scouted {
		return p.found
	}
	p.scouted = true
	all := []effect.Performer{do}
	for _, h := range p.rest[1:] {
		next, err := d.expanded(h.call.Do)
		if err != nil {
			return nil
		}
		all = append(all, next)
	}
	found, err := do.(effect.Companion).Scout(ctx, env, all)
	if err != nil {
		return nil // the first that has to know says what is wrong
	}
	p.found = found
	return found
}

// kept is a caller as it was at a moment.
type kept struct {
	branch    *branch.Branch
	position  string
	trail     string
	functions []string
	modules   []string
}

var _ Caller = (*kept)(nil)

// keep notes where a thread is. A caller in another process does not move.
func keep(c Caller) Caller {
	if _, moves := c.(onThread); !moves {
		return c
	}
	return &kept{c.Branch(), c.Position(), c.Trail(), slices.Collect(c.Functions()), c.Modules()}
}

func (k *kept) Branch() *branch.Branch      { return k.branch }
func (k *kept) Position() string            { return k.position }
func (k *kept) Trail() string               { return k.trail }
func (k *kept) Functions() iter.Seq[string] { return slices.Values(k.functions) }
func (k *kept) Modules() []string           { return k.modules }
