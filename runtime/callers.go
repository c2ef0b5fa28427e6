package runtime

import (
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Callers returns, by the places of the effects of a run, the files of the code
// that led to each. The journal does not keep them; a replay finds them again.
func (r *Runtime) Callers(in Interrupt, run *journal.Run) (map[string][]string, error) {
	x, inputs, err := r.reopen(in, run, true, nil)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	callers := map[string][]string{}
	x.door.Observe = func(place string, modules []string) {
		mu.Lock()
		defer mu.Unlock()
		callers[place] = modules
	}
	_, err = x.execute(run.Script, inputs)
	if why := x.explain(err); fault.Is(why, fault.Mismatch, fault.Internal, fault.Limit) {
		return nil, why
	}
	effects, err := run.Effects()
	if err != nil {
		return nil, err
	}
	// What a rollback called acts for those who registered it.
	for _, e := range effects {
		if path, ok := strings.CutPrefix(e.Place, "r"); ok {
			path, _, _ = strings.Cut(path, "#")
			branch, ordinal, _ := strings.Cut(path, ":")
			ordinal, _, _ = strings.Cut(ordinal, ".")
			callers[e.Place] = callers[branch+"#"+ordinal]
		}
	}
	return callers, nil
}
