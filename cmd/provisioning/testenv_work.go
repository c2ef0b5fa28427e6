package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// environments works on the test environments of a workspace. What changes something
// is a run of a function of @std//testenv.star.
type environments struct {
	a     *app
	ws    workspace.Workspace
	store testenv.Store
}

// environments opens those of the workspace, and first removes what dead processes have
// left of some.
func (a *app) environments() (*environments, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	m := &environments{a, ws, environmentsOf(ws)}
	return m, m.removeOrphans()
}

// environmentsOf is where those of a workspace are recorded.
func environmentsOf(ws workspace.Workspace) testenv.Store {
	return testenv.Store{Dir: filepath.Join(ws.State, "environments"), User: workspace.EnvironmentsDir()}
}

// cutAfter is how long what is under way may go on when the time of a run is over.
const cutAfter = 2 * time.Second

// run executes a function of @std//testenv.star, for as long as limit at most; 0 is as long as
// it takes.
func (m *environments) run(function string, places []recipe.Place, arguments starlark.StringDict, limit time.Duration) (*runtime.Outcome, error) {
	return m.runScript(&taskservScript{module: "testenv", function: function, recipes: places, arguments: arguments}, limit)
}

// runScript executes a function of the library. Only what it prints is shown, unless more
// detail is asked for.
func (m *environments) runScript(s *taskservScript, limit time.Duration) (*runtime.Outcome, error) {
	m.a.library = s.library()
	quiet := m.a.console.Quiet
	m.a.console.Quiet = quiet || !m.a.console.Verbose
	defer func() { m.a.console.Quiet = quiet }()
	return m.a.executed("", "", func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) {
		limits := map[string]string{}
		if s.function != "remove" {
			in.Cut = in.Stop // what is under way is thrown away anyhow
		}
		if limit > 0 {
			limits["wall"] = limit.String()
			cut, cancel := context.WithTimeout(in.Cut, limit+cutAfter)
			defer cancel()
			in.Cut = cut
		}
		return e.Start(in, runtime.Start{Script: "@std//" + generatedDir + s.name(), Infra: m.a.flags.infra, Limits: limits})
	})
}

// returned reads what a function has returned.
func returned(out *runtime.Outcome, into any) error {
	plain, err := value.Go(out.Value)
	if err != nil {
		return err
	}
	data, err := json.Marshal(plain)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// nodesValue are the nodes as the library wants them.
func (m *environments) nodesValue(e *testenv.Environment) starlark.Value {
	nodes := make([]map[string]any, len(e.Nodes))
	for i, n := range e.Nodes {
		nodes[i] = m.nodeValue(e, n)
	}
	return value.Of(nodes)
}

func (m *environments) nodeValue(e *testenv.Environment, n testenv.Node) map[string]any {
	node := map[string]any{
		"name": n.Name, "role": n.Role, "taskservs": n.Taskservs, "recipes": n.Recipes,
		"container": n.Container, "ip": n.IP, "cpus": float64(n.Resources.CPU) / 1000, "memory_mb": n.Resources.MemoryMB,
		"privileged": n.Resources.Privileged,
	}
	if e.Config.Runtime != "" {
		node["engine"] = e.Config.Runtime
	}
	if e.Config.SSH {
		node["ssh"] = map[string]any{"key": m.store.KeyFile(e.ID), "host_key": n.HostKey}
	}
	return node
}

// prepare looks whether the engine can make the environment, and fits it to the engine:
// a machine cannot have more processors than there are. It describes the base image, which is
// empty when it has to be fetched.
func (m *environments) prepare(e *testenv.Environment) (info container.Info, base container.Image, err error) {
	ctx := context.Background()
	engine, named, err := chooseEngine(ctx, e.Config.Runtime)
	if err != nil {
		return info, base, err
	}
	defer engine.Close() //nolint:errcheck // it was only asked
	if info, err = engine.Info(ctx); err != nil {
		return info, base, err
	}
	e.Config.Runtime = named
	if e.Config.SSH && (goruntime.GOOS != "linux" || !strings.HasPrefix(info.Host, "unix:") || info.Rootless) {
		return info, base, fault.New(fault.Invalid, "the machines cannot be reached over SSH: the networks of the container engine %s are not those of this machine", info.Host).
			WithHint("--ssh needs an engine on this machine, a Linux one, that runs as root")
	}
	e.Runtime, e.RuntimeAt = info.Engine, placeOf(info)
	m.removeElsewhere(e.RuntimeAt) // before the memory is asked for that they may have
	for i := range e.Nodes {
		e.Nodes[i].Resources.CPU = min(e.Nodes[i].Resources.CPU, 1000*info.CPUs)
	}
	free := int(info.Memory >> 20)
	if strings.HasPrefix(info.Host, "unix:") { // the engine is on this machine
		if here := testenv.FreeMB(); here > 0 {
			free = min(free, here)
		}
	}
	if need := e.MemoryMB(); need > free {
		return info, base, m.tooLarge(need, free)
	}
	base, found, err := engine.LookImage(ctx, e.Config.BaseImage)
	switch {
	case err != nil || found:
	case strings.HasPrefix(e.Config.BaseImage, ourImages):
		err = fault.New(fault.NotFound, "there is no image %q", e.Config.BaseImage).
			WithHint("make images makes %s, in the source of the program; --base-image names another one, such as debian:12", testenv.BaseImage)
	default:
		m.a.console.Note("fetching the image %s, which the container engine does not have", e.Config.BaseImage)
	}
	return info, base, err
}

// ourImages begins the names of images that are in no registry, where anybody could put
// something else under that name.
const ourImages = "provisioning/"

// tooLarge says which environments could be removed.
func (m *environments) tooLarge(need, free int) error {
	all, err := m.store.Everywhere()
	if err != nil {
		return err
	}
	e := fault.New(fault.Limit, "Cannot allocate memory: need %d MB, %d MB free", need, free)
	if len(all) == 0 {
		return e.WithHint("ask for less: --memory, or resources in the topology")
	}
	return e.WithHint("ask for less, or remove some with provisioning test env cleanup ID: %s", m.named(all))
}

// make records an environment and makes its machines. When that fails, what was made is
// removed again; the error is a [lacking] when the host cannot give what they need. The
// lease is the caller's.
func (m *environments) make(e *testenv.Environment) (*testenv.Lease, error) {
	limit, from, err := m.a.maxEnvironments(m.ws)
	if err != nil {
		return nil, err
	}
	info, base, err := m.prepare(e)
	if err != nil {
		return nil, err
	}
	lease, err := m.admit(e, limit, from)
	if err != nil {
		return nil, err
	}
	if err = lacks(e, info); err == nil {
		err = m.chooseImage(e, base)
	}
	if err == nil {
		err = refused(e, m.start(e))
	}
	if err != nil {
		if rerr := m.remove(e); rerr != nil {
			m.a.console.Note("what was made of the environment %s could not be removed: %v", e.ID, rerr)
		}
		lease.Release()
		return nil, err
	}
	return lease, nil
}

// admit records an environment, if there may be one more. From says who has set the limit.
func (m *environments) admit(e *testenv.Environment, limit int, from string) (*testenv.Lease, error) {
	done, err := m.store.Count()
	if err != nil {
		return nil, err
	}
	defer done()
	if err := m.room(limit, from); err != nil {
		return nil, err
	}
	lease, err := m.store.New(e)
	if err != nil {
		return nil, err
	}
	e.Workspace, e.Owner = m.ws.Root, m.store.Owner()
	e.Status, e.CreatedAt = testenv.Creating, time.Now().UTC().Truncate(time.Second)
	e.ExpiresAt = e.CreatedAt.Add(testenv.Lifetime)
	e.Network.Name, e.Network.DNS = "prov-test-"+e.ID, testenv.Zone
	if e.Config.NoInternet {
		e.Network.Outside = e.Network.Name + "-out"
	}
	for i := range e.Nodes {
		n := &e.Nodes[i]
		n.Status = testenv.Creating
		if n.Container == "" {
			n.Container = "prov-test-" + e.ID + "-" + n.Name
		}
	}
	if err := m.store.Save(e); err != nil {
		lease.Release()
		return nil, err
	}
	return lease, nil
}

// start makes the machines.
func (m *environments) start(e *testenv.Environment) error {
	public := ""
	if e.Config.SSH {
		var err error
		if public, err = m.store.NewKey(e.ID); err != nil {
			return err
		}
	}
	out, err := m.run("create", nil, starlark.StringDict{
		"outside": starlark.String(e.Network.Outside), "public_key": starlark.String(public),
		"engine": starlark.String(e.Config.Runtime), "id": starlark.String(e.ID), "owner": starlark.String(e.Owner), "nodes": m.nodesValue(e), "image": starlark.String(cmp.Or(e.Image, e.Config.BaseImage)), "network": starlark.String(e.Network.Name),
		"subnet": starlark.String(e.Network.Subnet), "subnets": stringsValue(subnets(e.ID)), "environment": value.Of(e.Config.Environment), "volumes": stringsValue(e.Config.Volumes),
	}, 0)
	if err != nil {
		return err
	}
	var made struct {
		Subnet string `json:"subnet"`
		Nodes  []struct {
			Name        string `json:"name"`
			ContainerID string `json:"container_id"`
			IP          string `json:"ip"`
			HostKey     string `json:"host_key"`
		} `json:"nodes"`
	}
	if err := returned(out, &made); err != nil {
		return err
	}
	e.Network.Subnet = made.Subnet
	for i, n := range made.Nodes { // in their order
		e.Nodes[i].ContainerID, e.Nodes[i].IP, e.Nodes[i].HostKey, e.Nodes[i].Status = n.ContainerID, n.IP, n.HostKey, testenv.Ready
	}
	e.Status = testenv.Ready
	return m.store.Save(e)
}

// subnets are all of the pool, beginning with one that the id leads to: environments
// that are made at the same time seldom try the same one.
func subnets(id string) []string {
	pool := netip.MustParsePrefix(testenv.Pool)
	sum, _ := hex.DecodeString(id) // the store has made it
	first := int(binary.BigEndian.Uint32(append(sum, 0, 0, 0, 0)[:4]) % 256)
	base := pool.Addr().As4()
	all := make([]string, 256)
	for i := range all {
		base[2] = byte(first + i)
		all[i] = netip.PrefixFrom(netip.AddrFrom4(base), 24).String()
	}
	return all
}

// placeOf says where an engine is. The machine belongs to it: sockets have the same address
// everywhere.
func placeOf(info container.Info) string { return info.Name + " " + info.Host }

// reached is an error when the machines of an environment are on another engine than the
// one that answers here: it knows none of them, and "nothing is left" would be its answer.
func (m *environments) reached(e *testenv.Environment) error {
	if e.RuntimeAt == "" { // recorded by an older version
		return nil
	}
	ctx := context.Background()
	engine, err := openEngineOf(ctx, e.Config.Runtime)
	if err != nil {
		return err
	}
	defer engine.Close() //nolint:errcheck // it was only asked
	info, err := engine.Info(ctx)
	if err != nil || placeOf(info) == e.RuntimeAt {
		return err
	}
	_, host, _ := strings.Cut(e.RuntimeAt, " ")
	return fault.New(fault.Config, "the machines of the test environment %s are on the container engine %s, and this one is %s", e.ID, e.RuntimeAt, placeOf(info)).
		WithHint("use that one: DOCKER_HOST=%s provisioning test env cleanup %s; if it is gone for good, remove %s", host, e.ID, strings.Join(m.store.Dirs(e.ID), " and "))
}

// remove removes the machines of an environment. It may be done again.
func (m *environments) remove(e *testenv.Environment) error {
	if err := m.reached(e); err != nil {
		return err
	}
	e.Status = testenv.Removing
	if err := m.store.Save(e); err != nil {
		return err
	}
	arguments := starlark.StringDict{"id": starlark.String(e.ID), "engine": starlark.String(e.Config.Runtime)}
	if e.Workspace != m.ws.Root {
		arguments["owner"] = starlark.String(e.Owner)
	}
	if _, err := m.run("remove", nil, arguments, 0); err != nil {
		return err
	}
	e.Status, e.RemovedAt = testenv.Removed, time.Now().UTC().Truncate(time.Second)
	for i := range e.Nodes {
		e.Nodes[i].Status = testenv.Removed
	}
	return m.store.Save(e)
}
