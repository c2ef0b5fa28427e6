package runtime

import (
	"os"
	"path/filepath"
	"sync"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// guesses are what the last completed run of a script got from its effects: a
// plan takes the arm that it took for the likely one.
type guesses map[string][][]byte // results in their encoding, in order, by branch and content key

// arm returns what answers for one arm of a plan: the nth effect of a kind gets
// what the nth one got. nil stands for an effect that the run did not have, or
// whose result holds a secret.
func (g guesses) arm() func(path string, key []byte) starlark.Value {
	var mu sync.Mutex
	asked := map[string]int{}
	return func(path string, key []byte) starlark.Value {
		name := path + " " + string(key)
		mu.Lock()
		n := asked[name]
		asked[name]++
		mu.Unlock()
		if n >= len(g[name]) {
			return nil
		}
		v, err := new(codec.Codec).Decode(g[name][n])
		if err != nil {
			return nil
		}
		return v
	}
}

// earlier is how many runs are looked through for one of the script.
const earlier = 200

// guesses reads what the last completed run of the module called name got.
func (r *Runtime) guesses(name string) (guesses, error) {
	if _, err := os.Stat(filepath.Join(r.cfg.Workspace.State, journal.FileName)); err != nil {
		return nil, nil // no run so far; planning leaves nothing behind
	}
	j, err := r.Journal()
	if err != nil {
		return nil, err
	}
	runs, err := j.Runs(earlier)
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if run.Script != name || run.State != journal.Completed {
			continue
		}
		effects, err := run.Effects()
		if err != nil {
			return nil, err
		}
		g := guesses{}
		for _, e := range effects {
			if e.Status == journal.Done {
				name := branch.PathOf(e.Place) + " " + string(e.Key)
				g[name] = append(g[name], e.Result)
			}
		}
		return g, nil
	}
	return nil, nil
}
