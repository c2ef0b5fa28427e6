package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

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
}

// clusterPlaces are where the clusters are that there are, sorted by name: those of the
// infrastructure that was chosen, infra/NAME/clusters/CLUSTER.star and extensions, hide
// those of the workspace, and both those of the program.
func (a *app) clusterPlaces() ([]clusterPlace, error) {
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
	if infra != "" {
		scripts, _ := fs.Glob(os.DirFS(ws.Root), path.Join(filepath.ToSlash(infra), "clusters", "*.star")) // the pattern is well formed
		for _, script := range scripts {
			add(clusterPlace{strings.TrimSuffix(path.Base(script), ".star"), "//" + script, originOf(script)})
		}
	}
	for _, e := range extensions {
		if e.Err == nil && e.Manifest.Extension.Type == clusterType {
			add(clusterPlace{e.Name, "//" + path.Join(e.Dir, composition.Script), originOf(e.Dir)})
		}
	}
	files, _ := fs.Glob(clusters.FS, "*/*/"+composition.Script) // the pattern is well formed
	for _, file := range files {
		add(clusterPlace{path.Base(path.Dir(file)), "@std//" + clustersDir + file, "built in"})
	}
	slices.SortFunc(places, func(a, b clusterPlace) int { return strings.Compare(a.name, b.name) })
	return places, nil
}

func (a *app) clusterPlace(name string) (clusterPlace, error) {
	places, err := a.clusterPlaces()
	if err != nil {
		return clusterPlace{}, err
	}
	names := make([]string, len(places))
	for i, p := range places {
		if p.name == name {
			return p, nil
		}
		names[i] = p.name
	}
	e := fault.New(fault.NotFound, "there is no cluster %q", name)
	if near := spell.Nearest(name, names); near != "" {
		return clusterPlace{}, e.WithHint("did you mean %s?", near)
	}
	return clusterPlace{}, e.WithHint("provisioning cluster list")
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

// clusterState is what the workspace has recorded of a cluster: "" when it is not
// deployed.
func (a *app) clusterState(name string) (string, error) {
	ws, err := a.workspace("")
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(ws.Root, "clusters", name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var record struct{ State string }
	if err := json.Unmarshal(text, &record); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "cannot read clusters/%s.json", name)
	}
	return record.State, nil
}
