package runtime

import (
	"os"
	"path/filepath"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// guesses are what the last completed run of a script got from its effects: a
// plan takes the arm that it took for the likely one.
type guesses map[string][]byte // results in their encoding, by branch and content key

// of returns nil for an effect that the run did not have, or whose result holds
// a secret.
func (g guesses) of(path string, key []byte) starlark.Value {
	data, ok := g[path+" "+string(key)]
	if !ok {
		return nil
	}
	v, err := new(codec.Codec).Decode(data)
	if err != nil {
		return nil
	}
	return v
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
				g[branch.PathOf(e.Place)+" "+string(e.Key)] = e.Result
			}
		}
		return g, nil
	}
	return nil, nil
}
