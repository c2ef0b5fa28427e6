package door

import (
	"encoding/json"
	"slices"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Guard says what code that is not the user's own may do.
type Guard interface {
	// Restricted returns those of the modules, by extension, whose effects have to
	// be granted. There are none in most runs, so it has to be quick.
	Restricted(modules []string) []string
	// Allow returns an error unless every one of the restricted may make the call.
	// The arguments of the call hold secrets in the clear. Arguments that check
	// mode does not know yet are allowed: the run asks again.
	Allow(restricted []string, call *effect.Call) error
}

// guarded asks the guard. A refusal is recorded as any other failure is, so that
// a script may handle it, and a resumed run tries again what stopped it. rec is what is
// recorded of the effect; nil where nothing is performed elsewhere.
func (d *Door) guarded(s *site, rec *journal.Effect) error {
	var err error
	switch {
	case d.World != nil:
		err = d.guardedAbroad(s, rec)
	case d.Guard != nil:
		err = d.guardedCall(s.call, s.caller.Modules())
	}
	if err != nil && s.rec != nil && s.rec.Status == journal.Intended {
		// It may have happened when it was allowed. That stays open, and nothing
		// goes on past it.
		e := fault.Wrap(fault.KindOf(err), err, "it was begun, and is not allowed any more")
		e.Hint, e.Cause = fault.As(err).Hint, branch.ErrSuspended
		return e
	}
	return err
}

// guardedCall asks the guard about a call that code of the modules has led to.
func (d *Door) guardedCall(call *effect.Call, modules []string) error {
	restricted := d.Guard.Restricted(modules)
	if len(restricted) == 0 {
		return nil
	}
	call, err := d.inTheClear(call)
	if err != nil {
		return err
	}
	if call.Routed { // nobody grants what an extension does not choose
		copied := *call
		copied.Under = slices.DeleteFunc(slices.Clone(call.Under), func(kv starlark.Tuple) bool { return kv[0] == starlark.String("_queue") })
		call = &copied
	}
	return d.Guard.Allow(restricted, call)
}

// guardedAbroad has the guard asked where the effect is performed.
func (d *Door) guardedAbroad(s *site, rec *journal.Effect) error {
	if effect.Bookkeeping(s.call.Decl.Kind) || len(d.foreign(s)) == 0 {
		return nil
	}
	return d.World.Allowed(s.branch.Context(), d.orderAt(s, s.call.Do, rec, false))
}

// foreign are the files of the code that has led to s, and is not the user's own.
func (d *Door) foreign(s *site) []string {
	if s.foreign == nil {
		modules := d.World.Foreign(s.caller.Modules())
		s.foreign = &modules
	}
	return *s.foreign
}

// inTheClear returns a copy of the call with the secrets in its arguments
// expanded: who wraps an option of a command into a secret must not get it past
// the guard.
func (d *Door) inTheClear(call *effect.Call) (*effect.Call, error) {
	if d.Run.Secrets.Empty() {
		return call, nil
	}
	copied := *call
	copied.Args = slices.Clone(call.Args)
	var err error
	for i, v := range copied.Args {
		if v == nil {
			continue
		}
		if copied.Args[i], err = d.expandValue(v); err != nil {
			return nil, err
		}
	}
	copied.Under = make([]starlark.Tuple, len(call.Under))
	for i, kv := range call.Under {
		v, err := d.expandValue(kv[1])
		if err != nil {
			return nil, err
		}
		copied.Under[i] = starlark.Tuple{kv[0], v}
	}
	return &copied, nil
}

// RefusedBy is the entry in the details of a guard's refusal that names the
// extension.
const RefusedBy = "extension"

// Refused reports whether the guard refused the effect that rec is the record of.
func Refused(rec *journal.Effect) bool {
	if rec.Status != journal.Erred && rec.Status != journal.Caught {
		return false
	}
	var stored storedFault
	if json.Unmarshal(rec.Result, &stored) != nil || stored.Kind != fault.Permission {
		return false
	}
	return decodeDetails(nil, stored.Details)[RefusedBy] != nil
}
