package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/clusters"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/composition"
)

// clusterType is what the manifest of an extension says that is a cluster.
const clusterType = "cluster"

// clusterPlace is where a cluster is described.
type clusterPlace struct {
	name   string
	module string // the script, as load names it
	source string // "infrastructure", "workspace" or "built in"
	infra  string // the infrastructure that it is for; "" for none
}

// clusterPlaces are where the clusters are that there are, sorted by name: those of the
// infrastructure that was chosen, infra/NAME/clusters/CLUSTER.star and extensions, hide
// those of the workspace, and both those of the program. All are also those of the
// infrastructures that were not chosen.
func (a *app) clusterPlaces(all bool) ([]clusterPlace, error) {
	ws, extensions, err := a.nearby()
	if err != nil {
		return nil, err
	}
	infra, err := a.infraDir(ws)
	if err != nil {
		return nil, err
	}
	var places []clusterPlace
	add := func(p clusterPlace) {
		if !slices.ContainsFunc(places, func(o clusterPlace) bool { return o.name == p.name }) {
			places = append(places, p)
		}
	}
	for _, p := range scriptsOf(ws.Root, infra) {
		add(p)
	}
	for _, e := range extensions {
		if e.Err == nil && e.Manifest.Extension.Type == clusterType {
			add(clusterPlace{e.Name, "//" + path.Join(e.Dir, composition.Script), originOf(e.Dir), a.flags.infra})
		}
	}
	files, _ := fs.Glob(clusters.FS, "*/*/"+composition.Script) // the pattern is well formed
	for _, file := range files {
		add(clusterPlace{path.Base(path.Dir(file)), "@std//" + clustersDir + file, "built in", a.flags.infra})
	}
	if all {
		others, err := a.placesElsewhere(ws.Root)
		if err != nil {
			return nil, err
		}
		places = append(places, others...)
	}
	slices.SortStableFunc(places, func(a, b clusterPlace) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.infra, b.infra))
	})
	return places, nil
}

// scriptsOf are the clusters of an infrastructure that are a script alone; none without an
// infrastructure.
func scriptsOf(root, infra string) (places []clusterPlace) {
	if infra == "" {
		return nil
	}
	scripts, _ := fs.Glob(os.DirFS(root), path.Join(filepath.ToSlash(infra), "clusters", "*.star")) // the pattern is well formed
	for _, script := range scripts {
		places = append(places, clusterPlace{strings.TrimSuffix(path.Base(script), ".star"), "//" + script, originOf(script), filepath.Base(infra)})
	}
	return places
}

// placesElsewhere are the clusters of the infrastructures that were not chosen.
func (a *app) placesElsewhere(root string) (places []clusterPlace, err error) {
	_, extensions, err := a.extensions()
	if err != nil {
		return nil, err
	}
	dirs, _ := filepath.Glob(filepath.Join(root, "infra", "*")) // the pattern is well formed
	for _, dir := range dirs {
		infra := filepath.Base(dir)
		if infra == a.flags.infra {
			continue
		}
		places = append(places, scriptsOf(root, filepath.Join("infra", infra))...)
		for _, e := range extensions {
			if e.Err == nil && e.Manifest.Extension.Type == clusterType && strings.HasPrefix(e.Dir, "infra/"+infra+"/") {
				places = append(places, clusterPlace{e.Name, "//" + path.Join(e.Dir, composition.Script), originOf(e.Dir), infra})
			}
		}
	}
	return places, nil
}

func (a *app) clusterPlace(name string) (clusterPlace, error) {
	places, err := a.clusterPlaces(false)
	if err != nil {
		return clusterPlace{}, err
	}
	for _, p := range places {
		if p.name == name {
			return p, nil
		}
	}
	e := fault.New(fault.NotFound, "there is no cluster %q", name)
	if near := spell.Nearest(name, placeNames(places)); near != "" {
		return clusterPlace{}, e.WithHint("did you mean %s?", near)
	}
	return clusterPlace{}, e.WithHint("there are %s", strings.Join(placeNames(places), ", "))
}

func placeNames(places []clusterPlace) []string {
	names := make([]string, len(places))
	for i, p := range places {
		names[i] = p.name
	}
	return names
}

// clusterMeant is the cluster that was named, or the only one: of the infrastructure that
// was chosen, else of the workspace. Those of the program count when they are deployed.
func (a *app) clusterMeant(names []string) (clusterPlace, error) {
	if len(names) > 0 {
		return a.clusterPlace(names[0])
	}
	places, err := a.clusterPlaces(false)
	if err != nil {
		return clusterPlace{}, err
	}
	var near, own []clusterPlace
	for _, p := range places {
		record, err := a.recordedCluster(p.name)
		if err != nil {
			return clusterPlace{}, err
		}
		if p.source == "infrastructure" {
			near = append(near, p)
		}
		if p.source != "built in" || record.State != "" {
			own = append(own, p)
		}
	}
	if len(near) > 0 {
		own = near
	}
	switch len(own) {
	case 0:
		return clusterPlace{}, fault.New(fault.NotFound, "the workspace has no cluster of its own").WithHint("name one: %s", strings.Join(placeNames(places), ", "))
	case 1:
		return own[0], nil
	}
	return clusterPlace{}, fault.New(fault.Usage, "there are several clusters").WithHint("name one: %s", strings.Join(placeNames(own), ", "))
}

// oneCluster are the arguments of commands that take the name of a cluster, or none.
func oneCluster(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fault.New(fault.Usage, "%s takes the name of one cluster", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
	}
	return nil
}

// clusterAnd are the arguments of commands that take the name of a cluster, or none, and
// something behind it.
func clusterAnd(what string, needed bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 2 || needed && len(args) == 0 {
			return fault.New(fault.Usage, "%s takes the name of a cluster, and %s", cmd.CommandPath(), what).WithHint("usage: %s", cmd.UseLine())
		}
		return nil
	}
}

// composition evaluates the script of a cluster.
func (a *app) composition(p clusterPlace) (*starlarkstruct.Struct, error) {
	rt, in, done, err := a.unwatched()
	if err != nil {
		return nil, err
	}
	defer done()
	globals, err := rt.Evaluate(in, p.module)
	if err != nil {
		return nil, err
	}
	s, err := composition.Of(globals)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", strings.TrimPrefix(p.module, "//"))
	}
	if name := attr(s, "name"); name != p.name {
		return nil, fault.New(fault.Invalid, "%s: the cluster is called %q, its place %q", strings.TrimPrefix(p.module, "//"), name, p.name).
			WithHint("give them the same name")
	}
	return s, nil
}

// recordedState is what the workspace has recorded of a cluster; its State is "" when the
// cluster is not deployed, and "failed" when the run that was changing it is over.
type recordedState struct {
	State  string `json:"state"`
	Run    string `json:"run"`
	Sealed string `json:"sealed"`
}

// recordedCluster is that of a cluster on the infrastructure that was chosen.
func (a *app) recordedCluster(name string) (recordedState, error) {
	return a.recordedAt(a.flags.infra, name)
}

func (a *app) recordedAt(infra, name string) (recordedState, error) {
	var r recordedState
	ws, err := a.workspace("")
	if err != nil {
		return r, err
	}
	file := filepath.Join("clusters", infra, name+".json")
	text, err := os.ReadFile(filepath.Join(ws.Root, file))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fault.Wrap(fault.Invalid, err, "cannot read %s", filepath.ToSlash(file))
	}
	if r.State == "running" {
		return r, nil
	}
	changing, err := a.underWay(r.Run)
	if err == nil && !changing {
		r.State = "failed"
	}
	return r, err
}

// underWay reports whether a run goes on. One that the workspace does not know is over.
func (a *app) underWay(id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	j, err := a.journal()
	if err != nil {
		return false, err
	}
	run, err := a.look(j, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now := state(a.refreshed(run))
	return !now.Ended() && now != "interrupted", nil
}
