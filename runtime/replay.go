package runtime

import (
	"errors"
	"os"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// replaced returns the sources of a run with its main module replaced by a file.
func (r *Runtime) replaced(run *journal.Run, file string) (map[string][]byte, error) {
	sources, err := run.Sources()
	if err != nil {
		return nil, err
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.NotFound, "cannot read the script %q: %v", file, err)
	}
	sources[run.Script] = src
	return sources, nil
}

// replayed says how a replay ended. It has to end as the run did: with its
// result, with its failure, or where its journal ends.
func (x *execution) replayed(run *journal.Run, v starlark.Value, err error) (*Outcome, error) {
	out := &Outcome{Run: run, Value: x.shared.Secrets.Shown(v), State: run.State, Replayed: x.door.Past.Len()}
	why := x.explain(err)
	switch {
	case fault.Is(why, fault.Mismatch, fault.Internal, fault.Limit) || x.stop.Err() != nil:
		return out, why
	case errors.Is(why, branch.ErrSuspended):
		if run.State == journal.Completed {
			return out, fault.New(fault.Mismatch, "the script goes on where the journal of the completed run ends").
				WithHint("%s", why)
		}
		return out, nil
	case why != nil && run.State == journal.Completed:
		return out, fault.New(fault.Mismatch, "the run has completed, but the replay fails: %v", why)
	case why == nil && run.State == journal.Completed:
		return out, x.unused()
	}
	return out, nil
}

// unused reports recorded effects that the replay never came to.
func (x *execution) unused() error {
	rec := x.door.Past.Unused()
	if rec == nil {
		return nil
	}
	return fault.New(fault.Mismatch, "the script ends before its journal does").
		WithHint("journal: %s %s   %s\nscript:  ends", rec.Kind, rec.Description, rec.Pos)
}

func undecided(err error) bool {
	var u *value.Undecided
	return errors.As(err, &u)
}
