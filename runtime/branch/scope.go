package branch

import (
	"errors"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// scope is what deferred calls belong to: the run, a branch, an attempt.
type scope struct {
	deferred []func(thread *starlark.Thread) error
}

// Defer registers fn with the innermost scope of b.
func (b *Branch) Defer(fn func(thread *starlark.Thread) error) {
	s := b.scopes[len(b.scopes)-1]
	s.deferred = append(s.deferred, fn)
}

// InScope runs fn and then what it has deferred, last one first.
//
// A scope that an error leaves has ended only when somebody handles the error:
// when catches is set, and the error can be caught. Otherwise the run stops here
// and may be resumed at this very place, so cleaning up would pull the ground
// from under what comes next; the deferred calls then wait for the resumed run.
func (b *Branch) InScope(thread *starlark.Thread, catches bool, fn func() (starlark.Value, error)) (starlark.Value, error) {
	s := &scope{}
	b.scopes = append(b.scopes, s)
	defer func() { b.scopes = b.scopes[:len(b.scopes)-1] }()
	v, err := fn()
	if err != nil {
		if !catches || !Catchable(err) {
			return nil, err
		}
		b.Tree.Host.Handled(err)
	}
	for len(s.deferred) > 0 {
		last := s.deferred[len(s.deferred)-1]
		s.deferred = s.deferred[:len(s.deferred)-1]
		if derr := last(thread); derr != nil {
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
