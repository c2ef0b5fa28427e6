package fs

import (
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// memory is what an effect on one path remembers: the path before it and, by
// fingerprint, after it.
type memory struct {
	Before snapshot `json:"before"`
	Was    string   `json:"was"`            // fingerprint of Before
	Will   string   `json:"will"`           // fingerprint that the effect leaves
	Made   []string `json:"made,omitempty"` // directories made on the way, outermost first
}

// remember looks at p before it becomes what the fingerprint will says.
func remember(env *effect.Env, p sandbox.Path, will string) (*memory, error) {
	was, err := fingerprint(p)
	if err != nil {
		return nil, err
	}
	m := &memory{Was: was, Will: will, Made: names(missingParents(env, p))}
	if was != will { // else there is nothing to restore
		m.Before, err = keep(env, p)
	}
	return m, err
}

func names(paths []sandbox.Path) []string {
	var names []string
	for _, p := range paths {
		names = append(names, p.Name)
	}
	return names
}

// undo makes name what it was, unless someone else has changed it since.
func undo(env *effect.Env, name string, past effect.Past) error {
	var m memory
	if err := past.Remembered(&m); err != nil {
		return err
	}
	p, err := env.Run.Files.Resolve(name)
	if err != nil {
		return err
	}
	now, err := fingerprint(p)
	if err != nil {
		return err
	}
	switch {
	case m.Was == m.Will: // it changed nothing
		return nil
	case now == m.Was:
	case now == m.Will:
		if err := m.Before.restore(env, p); err != nil {
			return err
		}
	default:
		return changedSince(name)
	}
	if err := sweep(env, p); err != nil {
		return err
	}
	return env.Run.Files.RemoveEmpty(m.Made)
}

// sweep removes what an interrupted attempt has left beside p.
func sweep(env *effect.Env, p sandbox.Path) error {
	for _, purpose := range []string{"trash", "undo", "new"} {
		if err := clear(scratch(env, p, purpose)); err != nil {
			return err
		}
	}
	return nil
}

func changedSince(name string) error {
	return fault.New(fault.Failed, "cannot undo the change of %q: it has been changed since, and undoing would lose that", name).
		WithHint("put back by hand what is wanted of %q, then go on with the rollback", name)
}

// happened compares name with what was remembered. of makes the result.
func happened(env *effect.Env, name string, past effect.Past, of func(changed bool) any) (effect.Answer, error) {
	var m memory
	if err := past.Remembered(&m); err != nil {
		return effect.Answer{}, err
	}
	p, err := env.Run.Files.Resolve(name)
	if err != nil {
		return effect.Answer{}, err
	}
	now, err := fingerprint(p)
	if err != nil {
		return effect.Answer{}, err
	}
	switch now {
	case m.Will:
		return effect.Answer{Happened: effect.Yes, Result: of(m.Was != m.Will), Why: "it is as it should be"}, sweep(env, p)
	case m.Was:
		return effect.Answer{Happened: effect.No, Why: "it is as it was before"}, nil
	}
	return effect.Answer{Why: "it is neither as it was before nor as it should be"}, nil
}
