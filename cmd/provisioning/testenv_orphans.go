package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// An environment is left behind when nobody holds its lease and nobody has any use for
// it. Every command removes such ones of its workspace, and those that make environments
// remove such ones of all workspaces of the user, and so
// does a worker, at once and every hour. What they remove is recorded, in the workspace or by
// the user: never is something guessed from the name of a container.

// removeOrphans removes environments that nobody has any use for: their process has
// died, or they have expired. It finds containers of this workspace that no record
// knows, too. Nothing without the label is touched.
func (m *environments) removeOrphans() error {
	made, err := m.labelled() // before the records: what is made later has one
	if err != nil {
		return err
	}
	all, err := m.store.List()
	if err != nil {
		return err
	}
	for _, e := range all {
		delete(made, e.ID)
		if e.Status == testenv.Removed {
			continue
		}
		if err := m.removeOrphan(e.ID); err != nil {
			return err
		}
	}
	known, err := m.store.Everywhere()
	if err != nil {
		return err
	}
	for _, e := range known { // somebody has removed its record here: it may be in use
		delete(made, e.ID)
	}
	if err := m.unreadable(made); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(made)) {
		if _, err := m.run("remove", nil, starlark.StringDict{"id": starlark.String(id), "engine": starlark.String(made[id])}, 0); err != nil {
			return err
		}
		m.a.console.Note("removed what was left of the test environment %s", id)
	}
	return m.store.Forget(time.Now())
}

// unreadable says which environments of other workspaces nobody here can look after, and
// takes them out of those that are left: they may be in use.
func (m *environments) unreadable(made map[string]string) error {
	broken, err := m.store.Unreadable()
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(broken)) {
		delete(made, id)
		m.a.console.Note("%v; its workspace has a record of its own: remove the directory of this one. If the workspace is gone, its machines are: docker ps -a --filter label=%s=%s",
			broken[id], testenv.Label, id)
	}
	return nil
}

// labelled are the environments that containers of this workspace are of, and the engines
// that have them; none where no engine answers, which whoever needs one will say.
func (m *environments) labelled() (map[string]string, error) {
	ids := map[string]string{}
	all, err := m.store.List()
	if err != nil || len(all) == 0 {
		return ids, err // there has never been one here: nothing is asked
	}
	for _, named := range enginesOf(all) {
		for _, id := range m.labelledOn(named) {
			if _, known := ids[id]; !known { // an engine may have two names
				ids[id] = named
			}
		}
	}
	return ids, nil
}

// enginesOf are the engines that have environments: the one that is found, and those that
// were named.
func enginesOf(all []*testenv.Environment) []string {
	engines := []string{""}
	for _, e := range all {
		if !slices.Contains(engines, e.Config.Runtime) {
			engines = append(engines, e.Config.Runtime)
		}
	}
	return engines
}

// labelledOn are those of one engine.
func (m *environments) labelledOn(named string) (ids []string) {
	ctx, cancel := context.WithTimeout(context.Background(), container.Patience)
	defer cancel()
	engine, err := openEngineOf(ctx, named)
	if err != nil {
		return nil
	}
	defer engine.Close() //nolint:errcheck // it was only asked
	mine := container.Filter{Owner: container.Owner{Workspace: m.ws.Root}, Labels: map[string]string{testenv.Label: ""}}
	if owner := m.store.Owner(); owner != "" { // a container may have another workspace at the same place
		mine.Labels[testenv.LabelOwner] = owner
	}
	containers, err := engine.List(ctx, mine)
	if err != nil {
		return nil
	}
	for _, c := range containers {
		ids = append(ids, c.Labels[testenv.Label])
	}
	return ids
}

func (m *environments) removeOrphan(id string) error {
	lease, err := m.store.Lease(id)
	if err != nil || lease == nil {
		return err
	}
	defer lease.Release()
	e, err := m.store.Get(id) // its process may just have ended
	if err != nil {
		return err
	}
	if e.Orphan(time.Now()) {
		m.a.console.Note("removing the test environment %s (%s), which was left behind", e.ID, e.Name)
		err := m.remove(e)
		if fault.Is(err, fault.Config) { // no command on this engine can do anything about it
			m.a.console.Note("it stays: %v", err)
			return nil
		}
		return err
	}
	if e.Status == testenv.Testing {
		e.Status, e.Message = testenv.Failed, "the process that tested it has died"
		return m.store.Save(e)
	}
	return nil
}

// removeElsewhere removes what other workspaces of the user have left behind on the
// engine. What cannot be removed is for the next command: nothing here depends on it.
func (m *environments) removeElsewhere(engine string) {
	all, err := m.store.Everywhere()
	if err != nil {
		m.a.console.Note("cannot look for what other workspaces have left behind: %v", err)
		return
	}
	for _, e := range all {
		if e.RuntimeAt != engine || e.Owner == "" || e.Owner != m.store.Owner() || !e.Orphan(time.Now()) {
			continue
		}
		if err := m.removeFrom(e, false); err != nil {
			m.a.console.Note("the test environment %s of %s was left behind, and could not be removed: %v", e.ID, e.Workspace, err)
		}
	}
}

// cleanUpElsewhere removes an environment that this workspace does not know: by its id, or
// the beginning of it.
func (m *environments) cleanUpElsewhere(id string) error {
	e, err := m.store.Elsewhere(id)
	if err != nil {
		return err
	}
	if err := m.removeFrom(e, true); err != nil {
		return err
	}
	m.a.console.Print("%s removed, of %s", e.ID, e.Workspace)
	return nil
}

// removeFrom removes an environment of another workspace, or of one that is gone. Unless
// it is wanted, only one that nobody has any use for is removed.
func (m *environments) removeFrom(e *testenv.Environment, wanted bool) error {
	store := testenv.Store{Dir: m.store.User} // the copy is all that there is
	gone := true
	if ws, err := workspace.At(e.Workspace); err == nil {
		there := environmentsOf(ws)
		if _, err := there.Get(e.ID); err == nil {
			store, gone = there, false
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	lease, err := store.Lease(e.ID)
	if err != nil {
		return err
	}
	if lease == nil {
		if wanted {
			return busy(e)
		}
		return nil
	}
	defer lease.Release()
	e, err = store.Get(e.ID) // its process may just have ended
	if err != nil {
		return err
	}
	switch {
	case e.Status == testenv.Removed:
		return m.store.Drop(e.ID)
	case !wanted && !e.Orphan(time.Now()):
		return nil
	case !wanted:
		m.a.console.Note("removing the test environment %s (%s) of %s, which was left behind", e.ID, e.Name, e.Workspace)
	}
	other := &environments{m.a, m.ws, store}
	if err := other.remove(e); err != nil || !gone {
		return err
	}
	return m.store.Drop(e.ID)
}
