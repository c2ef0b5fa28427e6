package branch

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// scope is what deferred calls belong to: the run, a branch, an attempt.
type scope struct {
	deferred []deferred
}

type deferred struct {
	call func(thread *starlark.Thread) error
	at   string
	well bool // not when an error has ended the scope
}

// Catcher decides whether the script goes on after an error. It is asked only
// about errors that can be caught; nil never goes on.
type Catcher func(err error) bool

// Always goes on after every error that can be caught.
func Always(error) bool { return true }

// Defer registers fn, for the call of a builtin on thread, with the innermost
// scope.
func (b *Branch) Defer(thread *starlark.Thread, fn func(thread *starlark.Thread) error) {
	b.atEnd(deferred{Bound(thread, fn), Position(thread), false})
}

// DeferWell is Defer for what is to be done only where the scope ends without an
// error.
func (b *Branch) DeferWell(thread *starlark.Thread, fn func(thread *starlark.Thread) error) {
	b.atEnd(deferred{Bound(thread, fn), Position(thread), true})
}

func (b *Branch) atEnd(d deferred) {
	s := b.scopes[len(b.scopes)-1]
	s.deferred = append(s.deferred, d)
}

// InScope runs fn and then what it has deferred, last one first.
//
// A scope that an error leaves has ended only when somebody goes on after the
// error. Otherwise the run stops here and may be resumed at this very place, so
// cleaning up would pull the ground from under what comes next: the deferred
// calls then wait for the resumed run, or for an outer scope that goes on.
func (b *Branch) InScope(thread *starlark.Thread, catches Catcher, fn func() (starlark.Value, error)) (starlark.Value, error) {
	s := &scope{}
	b.scopes = append(b.scopes, s)
	defer func() { b.leave(s) }()
	v, err := fn()
	if b.Waiting != nil {
		if serr := b.Tree.Host.Settle(thread); serr != nil {
			v, err = nil, serr // that was before whatever ended fn
		}
	}
	if err != nil {
		if !b.goesOn(catches, err) {
			return nil, err
		}
		b.Tree.Host.Handled(err)
	}
	return b.unwind(s, catches, thread, v, err)
}

func (b *Branch) goesOn(catches Catcher, err error) bool {
	return catches != nil && b.catchable(err) && !b.Stopping() && catches(err)
}

// leave ends a scope. What is left of it is for the scope around it.
func (b *Branch) leave(s *scope) {
	b.scopes = b.scopes[:len(b.scopes)-1]
	if n := len(b.scopes); n > 0 {
		outer := b.scopes[n-1]
		outer.deferred = append(outer.deferred, s.deferred...)
	} else {
		b.left = append(b.left, s.deferred...)
	}
}

// unwind calls what was deferred in s. v and err are what has come of the scope
// so far. A failure that nobody goes on after keeps the rest for the resumed run.
func (b *Branch) unwind(s *scope, catches Catcher, thread *starlark.Thread, v starlark.Value, err error) (starlark.Value, error) {
	for len(s.deferred) > 0 {
		last := s.deferred[len(s.deferred)-1]
		// Taken off first: one that was begun is never begun again by an outer
		// scope. A resumed run comes to it by way of its journal.
		s.deferred = s.deferred[:len(s.deferred)-1]
		if last.well && err != nil {
			continue
		}
		before := b.calledAt
		b.calledAt = last.at
		derr := last.call(thread)
		b.calledAt = before
		if derr == nil {
			continue
		}
		if !b.goesOn(catches, derr) {
			return nil, derr
		}
		b.Tree.Host.Handled(derr)
		if err == nil {
			v, err = nil, derr
			continue
		}
		_ = b.Tree.Host.Log(b, "error", "a deferred call failed as well: "+derr.Error()) // err is on its way already
	}
	return v, err
}

// Open begins a scope that outlives a call: the one of a session, whose
// statements defer to its end.
func (b *Branch) Open() { b.scopes = append(b.scopes, &scope{}) }

// Close ends the scope that Open has begun.
func (b *Branch) Close(thread *starlark.Thread) error {
	s := b.scopes[len(b.scopes)-1]
	_, err := b.unwind(s, Always, thread, starlark.None, nil)
	b.leave(s)
	return err
}

// ErrSuspended is wrapped by errors after which the run goes on later, at the
// same place: nothing may be cleaned up, caught or retried on the way out.
var ErrSuspended = errors.New("the run is suspended")

// catchable reports whether the script of b may go on after err.
func (b *Branch) catchable(err error) bool {
	return Catchable(err) && (b.Expects || !b.Tree.Asserts || !fault.Is(err, fault.Assertion))
}

// Catchable reports whether a script may go on after err. It may not when the
// run is to stop: interrupted, over a limit, waiting for a person, or off the
// path of its journal.
func Catchable(err error) bool {
	return !errors.Is(err, ErrSuspended) &&
		!fault.Is(err, fault.Cancelled, fault.Limit, fault.Waiting, fault.Mismatch, fault.Journal, fault.Internal)
}
