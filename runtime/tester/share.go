package tester

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// shared names the first of the effects of a run in a world at root that has changed
// something which other executions of the test would change as well: a machine, a
// container, a service. It is "" when all that was changed is in the world, as far as
// can be told: what a command of exec does elsewhere nobody can see.
//
// The writes of Suite.Own stay in the world. All others are suspected: a new module is
// slow at worst.
func (s *Suite) shared(run *journal.Run, effects []*journal.Effect, root string) (string, error) {
	suspect := acting(s.Runtime.Modules)
	for kind := range acting(s.Own) {
		delete(suspect, kind)
	}
	for _, e := range effects {
		if !e.Write || e.Attempts == 0 || !suspect[e.Kind] {
			continue
		}
		if err := run.Details(e); err != nil {
			return "", err
		}
		if !inWorld(e, root) {
			return fmt.Sprintf("%s: %s %s", e.Pos, e.Kind, e.Description), nil
		}
	}
	return "", nil
}

// places are the arguments that say where an operation writes. What others have of a path,
// a content or a command, is no place.
var places = []string{"path", "directory", "destination"}

// wider are those that change more than the place they name: what is mounted, and
// whatever a script changes.
var wider = map[string]bool{"op.mount": true, "target.script": true}

// inWorld reports whether an effect is one on this machine, and all places that it names
// are in the world.
func inWorld(e *journal.Effect, root string) bool {
	if wider[e.Kind] || !bytes.Contains(e.Args, []byte(root)) {
		return false
	}
	v, err := new(codec.Codec).Decode(e.Args)
	args, ok := v.(*starlark.Dict)
	if err != nil || !ok {
		return false
	}
	return isLocal(args) && placesWithin(args, root)
}

// isLocal reports whether the target of an effect is this machine.
func isLocal(args *starlark.Dict) bool {
	for _, item := range args.Items() {
		if t, ok := item[1].(*starlarkstruct.Struct); ok && t.Constructor() == starlark.Value(target.Constructor) {
			kind, err := t.Attr("kind")
			return err == nil && kind == starlark.String("local")
		}
	}
	return false
}

// placesWithin reports whether an effect names places, and all of them are in root.
func placesWithin(args *starlark.Dict, root string) bool {
	some := false
	for _, name := range places {
		v, found, _ := args.Get(starlark.String(name)) // a string is hashable
		if !found {
			continue
		}
		place, ok := starlark.AsString(v)
		if !ok || !strings.HasPrefix(path.Clean(place)+"/", root+"/") {
			return false
		}
		some = true
	}
	return some
}

// jobsAt is how many points of a test are looked at at a time. Those that change the
// same machine would find there what others do, and have to wait for each other.
func (s *Suite) jobsAt(ref *reference) int {
	if s.Jobs == 0 && ref.shared != "" {
		return 1
	}
	return s.jobs()
}

// meeting adds to a failure that it may be of points that have met.
func meeting(err error, ref *reference, jobs int) error {
	if e := fault.As(err); e != nil && ref.shared != "" && jobs > 1 {
		return e.WithHint("%d points at a time have changed the same thing (%s): leave --jobs away, and they come one after the other", jobs, ref.shared)
	}
	return err
}
