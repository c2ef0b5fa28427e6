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
}

// Defer registers fn, for the call of a builtin on thread, with the innermost
// scope.
func (b *Branch) Defer(thread *starlark.Thread, fn func(thread *starlark.Thread) error) {
	s := b.scopes[len(b.scopes)-1]
	s.deferred = append(s.deferred, deferred{fn, Position(thread)})
}

// InScope runs fn and then what it has deferred, last one first.
//
// A scope that an error leaves has ended only when somebody handles the error:
// when catches is set, the error can be caught, and the branch need not stop.
// Otherwise the run stops here
// and may be resumed at this very place, so cleaning up would pull the ground
// from under what comes next; the deferred calls then wait for the resumed run.
func (b *Branch) InScope(thread *starlark.Thread, catches bool, fn func() (starlark.Value, error)) (starlark.Value, error) {
	s := &scope{}
	b.scopes = append(b.scopes, s)
	defer func() { b.scopes = b.scopes[:len(b.scopes)-1] }()
	v, err := fn()
	if err != nil {
		if !catches || !Catchable(err) || b.ctx.Err() != nil {
			return nil, err
		}
		b.Tree.Host.Handled(err)
	}
	return b.unwind(s, thread, v, err)
}

// unwind calls what was deferred in s. v and err are what has come of the scope
// so far.
func (b *Branch) unwind(s *scope, thread *starlark.Thread, v starlark.Value, err error) (starlark.Value, error) {
	for len(s.deferred) > 0 {
		last := s.deferred[len(s.deferred)-1]
		s.deferred = s.deferred[:len(s.deferred)-1]
		b.deferredAt = last.at
		if derr := last.call(thread); derr != nil {
			if err == nil || !Catchable(derr) {
				v, err = nil, derr
				continue
			}
			b.Tree.Host.Handled(derr)
			_ = b.Tree.Host.Log(b, "error", "a deferred call failed as well: "+derr.Error()) // err is on its way already
		}
	}
	return v, err
}

// Open begins a scope that outlives a call: the one of a session, whose
// statements defer to its end.
func (b *Branch) Open() { b.scopes = append(b.scopes, &scope{}) }

// Close ends the scope that Open has begun.
func (b *Branch) Close(thread *starlark.Thread) error {
	s := b.scopes[len(b.scopes)-1]
	_, err := b.unwind(s, thread, starlark.None, nil)
	b.scopes = b.scopes[:len(b.scopes)-1]
	return err
}

// ErrSuspended is wrapped by errors after which the run goes on later, at the
// same place: nothing may be cleaned up, caught or retried on the way out.
var ErrSuspended = errors.New("the run is suspended")

// Catchable reports whether a script may go on after err. It may not when the
// run is to stop: interrupted, over a limit, waiting for a person, or off the
// path of its journal.
func Catchable(err error) bool {
	return !errors.Is(err, ErrSuspended) &&
		!fault.Is(err, fault.Cancelled, fault.Limit, fault.Waiting, fault.Mismatch, fault.Internal)
}
