package runtime_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// A journal of every format that was ever released replays. journal/testdata has
// one for each, as v1, v2, …, with the key that opens it. When the format gets a
// new version,
//
//	go test ./runtime -run Fixture -update
//
// adds the journal of that version. The old ones are never made anew, and the
// script and the effects below never change.
var update = flag.Bool("update", false, "write the journal of the present format version into journal/testdata")

const fixtures = "journal/testdata"

const fixtureScript = `
def provision(name):
    disk.write(name + ".conf", content = "role=" + name)
    return disk.read(name + ".conf")

def main(env = "prod", count = 2):
    """Deploys."""
    token = disk.login("admin", password = "correct horse battery")
    print("deploying to", env, "with", token)
    results = parallel(provision, ["web", "db", "cache"])
    missing = attempt(disk.read, "missing.conf")
    disk.write("index", content = "token " + token)
    return {"env": env, (1, b"two"): results, "missing": missing, "count": count}
`

const fixtureResult = `{"env": "prod", (1, b"two"): ["role=web", "role=db", "role=cache"], "missing": "not_found", "count": 7}`

// disk is a module whose effects act on nothing but these.
var (
	disk      = module.New("disk", "")
	_         = disk.Read("def read(name): pass", &diskRead{})
	_         = disk.Write("def write(name, content): pass", &diskWrite{}, effect.Exact)
	_         = disk.Write("def login(user, password): pass", &diskLogin{}, effect.Blind)
	performed atomic.Int32
	failIndex atomic.Bool // disk.write("index") fails
)

type diskRead struct {
	Name string `star:"name"`
}

func (r *diskRead) Perform(context.Context, *effect.Env) (any, error) {
	performed.Add(1)
	name, _, _ := strings.Cut(r.Name, ".")
	if name == "missing" {
		return nil, fault.New(fault.NotFound, "there is no %s", r.Name)
	}
	return "role=" + name, nil
}

type diskWrite struct {
	Name    string `star:"name"`
	Content string `star:"content"`
}

func (w *diskWrite) Remember(context.Context, *effect.Env) (any, error)   { return "old " + w.Name, nil }
func (w *diskWrite) Undo(context.Context, *effect.Env, effect.Past) error { return nil }
func (w *diskWrite) Perform(context.Context, *effect.Env) (any, error) {
	performed.Add(1)
	if w.Name == "index" && failIndex.Load() {
		return nil, fault.New(fault.Failed, "the disk is full")
	}
	return len(w.Content), nil
}

type diskLogin struct {
	User     string `star:"user"`
	Password string `star:"password,secret"`
}

func (l *diskLogin) Perform(_ context.Context, env *effect.Env) (any, error) {
	performed.Add(1)
	token, _ := env.Run.Secrets.Add("token", "token of "+l.User)
	return token, nil
}

// newRuntime returns a runtime whose workspace, with its journal, is dir.
func newRuntime(t *testing.T, dir string) *runtime.Runtime {
	t.Helper()
	ws, err := workspace.At(dir)
	check(t, err)
	return runtime.New(runtime.Config{
		Workspace: ws, Modules: []*module.Module{disk}, Key: seal.KeyAt(filepath.Join(dir, "age.key")),
		Globals: starlark.StringDict{"parallel": starlark.NewBuiltin("parallel", forEach), "attempt": starlark.NewBuiltin("attempt", attempt)},
	})
}

func forEach(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	var items []starlark.Value
	for x := range starlark.Elements(args[1].(starlark.Iterable)) {
		items = append(items, x)
	}
	outcomes, err := branch.Of(thread).Parallel(thread, args[0].(starlark.Callable), items, 0, false)
	if err != nil {
		return nil, err
	}
	for i, o := range outcomes {
		items[i] = o.Value
	}
	return starlark.NewList(items), nil
}

func attempt(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	v, err := branch.Of(thread).InScope(thread, branch.Always, func() (starlark.Value, error) { return starlark.Call(thread, args[0], args[1:], nil) })
	if err != nil && branch.Catchable(err) {
		return starlark.String(fault.KindOf(err)), nil
	}
	return v, err
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	check(t, err)
	check(t, os.MkdirAll(filepath.Dir(to), 0o700))
	check(t, os.WriteFile(to, data, 0o600)) // a key that others can read is refused
}

var never = runtime.Interrupt{Stop: context.Background(), Cut: context.Background()}

// makeFixture makes a run that fails and is resumed, with branches, secrets and
// a failure that the script goes on after.
func makeFixture(t *testing.T, dir string) {
	t.Helper()
	script := filepath.Join(dir, "deploy.star")
	check(t, os.WriteFile(script, []byte(fixtureScript), 0o644))
	rt := newRuntime(t, dir)
	failIndex.Store(true)
	_, err := rt.Start(never, runtime.Start{Script: script, Flags: map[string][]string{"count": {"7"}}})
	failIndex.Store(false)
	if !fault.Is(err, fault.Failed) || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatal("the run was to fail at its last write:", err)
	}
	out, err := rt.Resume(never, "last", runtime.Resume{})
	check(t, err)
	if got := out.Value.String(); got != fixtureResult {
		t.Fatalf("got  %s\nwant %s", got, fixtureResult)
	}
	check(t, rt.Close())
}

func TestFixtureIsWritten(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	dir, to := t.TempDir(), filepath.Join(fixtures, fmt.Sprintf("v%d", journal.Version))
	makeFixture(t, dir)
	check(t, os.RemoveAll(to))
	copyFile(t, filepath.Join(dir, workspace.StateDir, journal.FileName), filepath.Join(to, journal.FileName))
	copyFile(t, filepath.Join(dir, "age.key"), filepath.Join(to, "age.key"))
}

func TestFixturesReplay(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(fixtures, "v*"))
	check(t, err)
	if len(dirs) < journal.Version {
		t.Errorf("there are %d journals, but %d formats: see -update", len(dirs), journal.Version)
	}
	for _, from := range dirs {
		t.Run(filepath.Base(from), func(t *testing.T) {
			dir := t.TempDir()
			copyFile(t, filepath.Join(from, journal.FileName), filepath.Join(dir, workspace.StateDir, journal.FileName))
			copyFile(t, filepath.Join(from, "age.key"), filepath.Join(dir, "age.key"))
			replay(t, newRuntime(t, dir))
		})
	}
}

// What is written today replays today.
func TestNewFixtureReplays(t *testing.T) {
	dir := t.TempDir()
	makeFixture(t, dir)
	replay(t, newRuntime(t, dir))
}

func replay(t *testing.T, rt *runtime.Runtime) {
	t.Helper()
	defer func() { check(t, rt.Close()) }()
	before := performed.Load()
	out, err := rt.Replay(never, "last", "")
	check(t, err)
	if got := out.Value.String(); got != fixtureResult || out.State != journal.Completed {
		t.Errorf("the replay is %s and gives\n%s\nwant\n%s", out.State, got, fixtureResult)
	}
	if performed.Load() != before {
		t.Error("the replay acted")
	}
	secrets, err := rt.Secrets(out.Run)
	check(t, err)
	for text, want := range map[string]string{"correct horse battery": "«secret disk.login password»", "token of admin": "«secret token»"} {
		if got := secrets.Redact(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	lines, _, err := out.Run.Lines(0)
	if err != nil || len(lines) != 1 || lines[0].Text != "deploying to prod with «secret token»" {
		t.Errorf("printed was %v, %v", lines, err)
	}
	effects, err := out.Run.Effects()
	check(t, err)
	undoable := 0
	for _, e := range effects {
		check(t, out.Run.Details(e))
		if e.Kind == "disk.write" && e.Undo != nil && e.Status == journal.Done {
			undoable++
		}
	}
	if undoable != 4 {
		t.Errorf("%d of 4 writes can be undone", undoable)
	}
}
