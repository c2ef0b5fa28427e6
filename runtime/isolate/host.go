package isolate

import (
	"context"
	"errors"
	"slices"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// This file is the host of the interpreter in its own process: what the script
// asks for becomes a request to the parent.

var (
	_ interpreter.Host = (*child)(nil)
	_ event.Sink       = (*child)(nil)
)

// errLost is the answer to requests that the parent will not answer any more.
var errLost = fault.New(fault.Cancelled, "the run has ended")

// ask sends a request, whose number is id, and waits for the answer. b is the
// branch that it is from, or nil.
func (c *child) ask(b *branch.Branch, m message, id *int64) (*answer, error) {
	waiting := make(chan *answer, 1)
	waits := c.turns != nil && mayTakeLong(m)
	c.mu.Lock()
	c.last++
	*id = c.last
	c.pending[*id] = waiting
	if waits {
		c.asking = append(c.asking, &asking{id: *id, branch: b})
	}
	c.mu.Unlock()
	if err := c.conn.send(m); err != nil {
		if errors.Is(err, errGarbage) {
			c.mu.Lock()
			delete(c.pending, *id)
			c.asking = slices.DeleteFunc(c.asking, func(w *asking) bool { return w.id == *id })
			c.mu.Unlock()
			return nil, fault.New(fault.TooLarge, "what the script asks for is too large to leave the interpreter")
		}
		return nil, errLost
	}
	if b != nil && c.turns == nil {
		quit := context.AfterFunc(b.Context(), func() {
			if context.Cause(b.Context()) == error(branch.ErrSibling) {
				_ = c.conn.send(&tellCancel{b.Path}) // without the parent this process ends
			}
		})
		defer quit()
	}
	if waits {
		c.turns.give()
	}
	a := <-waiting
	if waits {
		c.turns.take()
		c.mu.Lock()
		c.asking = slices.DeleteFunc(c.asking, func(w *asking) bool { return w.id == *id })
		c.mu.Unlock()
	}
	if b != nil && a.Ordinal > 0 {
		b.Advance(a.Ordinal)
		b.Planned += a.Planned
	}
	return a, a.Fault.err(c.run.Secrets)
}

// mayTakeLong reports whether the parent answers a request when it can, and not at once.
func mayTakeLong(m message) bool {
	switch m.(type) {
	case *askEffect, *askSettle, *askFork, *askJoin, *askDecide:
		return true
	}
	return false
}

// siteOf says where thread is.
func siteOf(thread *starlark.Thread) site {
	b := branch.Of(thread)
	s := site{Path: b.Path, Pos: branch.Position(thread), Cancelled: b.Context().Err() != nil && context.Cause(b.Context()) == error(branch.ErrSibling)}
	caller := door.On(thread)
	s.Functions, s.Modules, s.Trail = slices.Collect(caller.Functions()), caller.Modules(), caller.Trail()
	return s
}

// Effect hands a call to the parent.
func (c *child) Effect(thread *starlark.Thread, call *effect.Call) (starlark.Value, error) {
	b := branch.Of(thread)
	if b.Pure != nil {
		return nil, door.Refuse(b.Pure, call)
	}
	door.Route(b, call)
	b.Waiting = nil
	if call.Options.More { // the parent may hold it back
		b.Waiting = true
	}
	m := &askEffect{site: siteOf(thread), Kind: call.Decl.Kind, More: call.Options.More, Routed: call.Routed}
	given, args := make([]byte, len(call.Args)), starlark.Tuple{}
	for i, v := range call.Args {
		given[i] = '0'
		if v != nil {
			given[i] = '1'
			args = append(args, v)
		}
	}
	m.Given = string(given)
	under := make(starlark.Tuple, len(call.Under))
	for i, kv := range call.Under {
		under[i] = kv
	}
	var err error
	if m.Args, err = c.codec.Encode(args); err != nil {
		return nil, err
	}
	if len(under) > 0 {
		if m.Under, err = c.codec.Encode(under); err != nil {
			return nil, err
		}
	}
	if carrier, ok := call.Do.(module.Carrier); ok {
		if m.State, err = c.codec.Encode(carrier.State()); err != nil {
			return nil, err
		}
	}
	a, err := c.ask(b, m, &m.ID)
	if err != nil {
		return nil, err
	}
	return c.codec.Decode(a.Value)
}

// Settle has the parent perform what it holds back.
func (c *child) Settle(thread *starlark.Thread) error {
	b := branch.Of(thread)
	b.Waiting = nil
	m := &askSettle{siteOf(thread)}
	_, err := c.ask(b, m, &m.ID)
	return err
}

// Fork tells the parent of branches that are about to be made.
func (c *child) Fork(thread *starlark.Thread, fn string, n int) (branch.Fork, error) {
	b := branch.Of(thread)
	if b.Pure != nil {
		return branch.Fork{}, nil
	}
	m := &askFork{site: siteOf(thread), Fn: fn, N: n, Limit: min(b.Width, n), Keeps: b.Keeps}
	a, err := c.ask(b, m, &m.ID)
	if err != nil {
		return branch.Fork{}, err
	}
	return branch.Fork{
		Place: a.Fork.Place, Closed: a.Fork.Closed, Err: a.Fork.Err.err(c.run.Secrets), Record: joint{b, a.Fork.ID},
	}, nil
}

// joint is what the host keeps of a fork.
type joint struct {
	branch *branch.Branch
	id     int
}

// Join tells the parent how branches have ended.
func (c *child) Join(f branch.Fork, err error) error {
	j, ok := f.Record.(joint)
	if !ok {
		return err
	}
	m := &askJoin{site: site{Path: j.branch.Path}, Fork: j.id, Err: carry(err), Results: f.Results}
	a, got := c.ask(j.branch, m, &m.ID)
	switch {
	case f.Err != nil:
		return f.Err
	case a == nil || !a.Same && !a.Wraps:
		return got
	case a.Same:
		return err
	}
	if e := fault.As(got); e != nil {
		e.Cause = err
	}
	return got
}

// Decide asks the parent about an unknown in a condition or a loop.
func (c *child) Decide(thread *starlark.Thread, u *value.Undecided) (int, error) {
	m := &askDecide{site: siteOf(thread), Op: u.Op}
	var err error
	if m.Unknown, err = c.codec.Encode(u.Unknown); err != nil {
		return 0, err
	}
	a, err := c.ask(branch.Of(thread), m, &m.ID)
	if a.Same {
		return 0, u
	}
	return a.Arm, err
}

// Pass tells the parent how a loop over an unknown goes on.
func (c *child) Pass(thread *starlark.Thread, _ *value.Undecided, n, was int) {
	b := branch.Of(thread)
	m := &askPass{site: site{Path: b.Path}, N: n, Was: was}
	_, _ = c.ask(b, m, &m.ID) // it is for the plan
}

// mayLoad asks the parent whether a module may load another one.
func (c *child) mayLoad(name, from string) error {
	m := &askLoad{Name: name, From: from}
	_, err := c.ask(nil, m, &m.ID)
	return err
}

// Handled tells the parent that the script goes on after err.
func (c *child) Handled(err error) {
	m := &askHandled{}
	for e := fault.As(err); e != nil; e = fault.As(e.Cause) {
		if e.Place != "" {
			m.Places = append(m.Places, e.Place)
		}
	}
	if len(m.Places) > 0 {
		_, _ = c.ask(nil, m, &m.ID) // a broken journal stops the next effect
	}
}

// OnRollback keeps fn: it cannot cross.
func (c *child) OnRollback(place string, fn func(thread *starlark.Thread) error) {
	c.undoing.Store(place, fn)
}

// Log prints a line.
func (c *child) Log(b *branch.Branch, level, text string) error {
	if b.Pure != nil {
		b.Pure.Hold(level, text)
		return nil
	}
	m := &askLog{site: site{Path: b.Path}, Level: level, Text: text}
	_, err := c.ask(b, m, &m.ID)
	return err
}

// Progress reports how far the branch is.
func (c *child) Progress(b *branch.Branch, done, total int64, note string) {
	if b.Pure == nil {
		m := &askProgress{site: site{Path: b.Path}, Done: done, Total: total, Note: note}
		_, _ = c.ask(b, m, &m.ID) // it is for those who watch
	}
}

// Ended tells of a branch that check mode could not follow to its end.
func (c *child) Ended(b *branch.Branch, err error) {
	if b.Pure == nil {
		m := &askEnded{site: site{Path: b.Path}, Why: carry(err)}
		_, _ = c.ask(b, m, &m.ID)
	}
}

// Env is what functions without effect get.
func (c *child) Env() *effect.Env { return c.env }

// Check reports whether unknown values may occur.
func (c *child) Check() bool { return c.config.Check }

// Emit tells the parent of branches; other events come from there.
func (c *child) Emit(e event.Event) {
	if e.Type == event.BranchStarted || e.Type == event.BranchEnded {
		_ = c.conn.send(&tellBranch{
			Path: e.Place, Text: e.Text, Status: e.Status, Error: clip(e.Error), Ended: e.Type == event.BranchEnded, Took: int64(e.Duration),
		})
	}
}
