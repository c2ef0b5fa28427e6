package tester_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/tester"
)

// cloud is a simulated provider: its machines are lines of a file in the state
// directory, so each world has its own, and it outlives the processes. The effects
// differ in how they are wrong about a crash, or about how they are taken back.
var (
	cloud = module.New("cloud", "")
	_     = cloud.Write("def create(name): pass", &create{}, effect.Blind)
	_     = cloud.Write("def create_claims_done(name): pass", &claimsDone{}, effect.Blind)
	_     = cloud.Write("def create_claims_undone(name): pass", &claimsUndone{}, effect.Blind)
	_     = cloud.Write("def create_claims_repeatable(name): pass", &claimsRepeatable{}, effect.Blind)
	_     = cloud.Write("def create_blind(name): pass", &createBlind{}, effect.Blind)
	_     = cloud.Write("def create_undo_fails(name): pass", &undoFails{}, effect.Blind)
	_     = cloud.Write("def create_undo_forgets(name): pass", &undoForgets{}, effect.Blind)
	_     = cloud.Write("def create_and_fail(name): pass", &createAndFail{}, effect.Blind)
	_     = cloud.Read("def count(): pass", &count{})
	_     = cloud.Read("def count_and_create(): pass", &countAndCreate{})
)

type machine struct {
	Name string `star:"name"`
}

func machines(state string) []string {
	data, _ := os.ReadFile(filepath.Join(state, "cloud")) // none yet
	return strings.Fields(string(data))
}

func (m *machine) Perform(_ context.Context, env *effect.Env) (any, error) {
	return m.Name, add(env, m.Name)
}

func add(env *effect.Env, name string) error {
	return os.WriteFile(filepath.Join(env.Run.State, "cloud"), []byte(strings.Join(append(machines(env.Run.State), name), "\n")), 0o600)
}

func (m *machine) remove(env *effect.Env) error {
	left := slices.DeleteFunc(machines(env.Run.State), func(name string) bool { return name == m.Name })
	return os.WriteFile(filepath.Join(env.Run.State, "cloud"), []byte(strings.Join(left, "\n")), 0o600)
}

func (m *machine) happened(env *effect.Env) effect.Answer {
	if slices.Contains(machines(env.Run.State), m.Name) {
		return effect.Answer{Happened: effect.Yes, Result: m.Name}
	}
	return effect.Answer{Happened: effect.No}
}

// remembers is what the machines have that can be taken back.
type remembers struct{ machine }

func (r *remembers) Remember(context.Context, *effect.Env) (any, error) { return r.Name, nil }

func (r *remembers) Undo(_ context.Context, env *effect.Env, _ effect.Past) error {
	return r.remove(env)
}

type (
	create           struct{ remembers }
	claimsDone       struct{ remembers }
	claimsUndone     struct{ remembers }
	claimsRepeatable struct{ remembers }
	createBlind      struct{ machine }
	createAndFail    struct{ machine }
	undoFails        struct{ machine }
	undoForgets      struct{ machine }
	count            struct{}
	countAndCreate   struct{}
)

func (c *create) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	return c.happened(env), nil
}

func (c *claimsDone) Happened(context.Context, *effect.Env, effect.Past) (effect.Answer, error) {
	return effect.Answer{Happened: effect.Yes, Result: c.Name}, nil
}

func (c *claimsUndone) Happened(context.Context, *effect.Env, effect.Past) (effect.Answer, error) {
	return effect.Answer{Happened: effect.No}, nil
}

func (c *claimsRepeatable) Repeatable() bool { return true }

func (c *createBlind) Assume() any { return c.Name }

func (c *createAndFail) Perform(_ context.Context, env *effect.Env) (any, error) {
	return nil, errors.Join(add(env, c.Name), errors.New("it failed after all"))
}

func (u *undoFails) Remember(context.Context, *effect.Env) (any, error) { return u.Name, nil }
func (u *undoFails) Undo(context.Context, *effect.Env, effect.Past) error {
	return errors.New("the cloud says no")
}

func (u *undoForgets) Remember(context.Context, *effect.Env) (any, error)   { return u.Name, nil }
func (u *undoForgets) Undo(context.Context, *effect.Env, effect.Past) error { return nil }

func (c *count) Perform(_ context.Context, env *effect.Env) (any, error) {
	return len(machines(env.Run.State)), nil
}

func (c *countAndCreate) Perform(_ context.Context, env *effect.Env) (any, error) {
	return len(machines(env.Run.State)), add(env, "counted")
}

// machinesOf makes the cloud a part of the world.
type machinesOf struct{}

func (machinesOf) Name() string { return "cloud" }

func (machinesOf) Fingerprint(w *tester.World) (map[string]string, error) {
	all := map[string]string{}
	for i, name := range machines(w.Workspace.State) {
		for all[name] != "" {
			name = fmt.Sprint(name, " again, ", i)
		}
		all[name] = "running"
	}
	return all, nil
}

// torment runs one test that is a function body.
func torment(t *testing.T, body string, s tester.Suite) tester.Result {
	t.Helper()
	s.Workspace = files(t, map[string]string{"a_test.star": `
def test_a():
    ` + strings.ReplaceAll(body, "\n", "\n    ")})
	s.Runtime.Modules = []*module.Module{note, cloud}
	s.Simulations = []tester.Simulation{machinesOf{}}
	tests, err := tester.Find(s.Workspace, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Run(context.Background(), tests)[0]
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return r
}

// TestFaultsAreFound: a fault that shows at one kind of moment only is found, there.
func TestFaultsAreFound(t *testing.T) {
	for _, c := range []struct {
		body, point, problem string
	}{
		{`cloud.create_claims_done("a")`, "0#1:after-intent", "another world"},
		{`cloud.create_claims_undone("a")`, "0#1:after-effect", "cloud.create_claims_undone a was performed twice: a_test.star:3:31"},
		{`cloud.create_claims_repeatable("a")`, "0#1:after-effect", "another world"},
		{`cloud.count_and_create()`, "0#1:after-effect", "another world"},
		{"cloud.count_and_create()\ncloud.create(\"a\")", "0#2:before-intent", "another world"},
		{"note.attempt(cloud.create_and_fail, \"a\")\ncloud.create(\"b\")", "0#1:after-result", "another world"},
	} {
		r := torment(t, c.body, tester.Suite{Crash: &tester.Crash{Seed: 3}})
		if r.Status != tester.Failed || r.Crash == nil {
			t.Errorf("%s: %s, %v", c.body, r.Status, r.Err)
			continue
		}
		only, err := tester.ParsePoint(c.point)
		if err != nil {
			t.Fatal(err)
		}
		again := torment(t, c.body, tester.Suite{Crash: &tester.Crash{Seed: 3, Only: &only}})
		if again.Status != tester.Failed || again.Crash.Points != 1 || !strings.Contains(again.Crash.Failures[0].Problem, c.problem) {
			t.Errorf("%s: at %s alone: %+v", c.body, c.point, again.Crash)
		}
	}
}

// TestWithoutFault: nothing is found where there is nothing, whatever the dice say.
func TestWithoutFault(t *testing.T) {
	const body = `for i in range(3):
    cloud.create("machine-%d" % i)
    cloud.create_blind("blind-%d" % i)
    note.write("n%d-%d" % (i, cloud.count()))`
	for seed := range uint64(2) {
		r := torment(t, body, tester.Suite{Crash: &tester.Crash{Seed: seed}, Undo: nil})
		// Three writes with four moments and a read with two, each three times.
		if r.Status != tester.Passed || r.Crash.Points != 42 || r.Crash.All != 42 || r.Crash.NotReached != 0 {
			t.Errorf("seed %d: %s, %+v, %v", seed, r.Status, r.Crash, r.Err)
		}
		// The loop makes three places of one line.
		blind := slices.IndexFunc(r.Crash.Waits, func(w tester.Wait) bool { return w.Kind == "cloud.create_blind" })
		if len(r.Crash.Waits) != 2 || r.Crash.Waits[blind].Points < 6 {
			t.Errorf("seed %d: it waits for %+v", seed, r.Crash.Waits)
		}
	}
	r := torment(t, body, tester.Suite{Crash: &tester.Crash{Strict: true, Points: 10}})
	if r.Status != tester.Failed || r.Crash.Failed() != 0 || r.Crash.Points != 10 {
		t.Errorf("strict: %s, %+v", r.Status, r.Crash)
	}
}

func TestUndo(t *testing.T) {
	for _, c := range []struct {
		body         string
		writes, back int
		stays        string // kind and why of the first
		thing        string
		least        int
		passes       bool
	}{
		{`cloud.create("a")` + "\n" + `cloud.create("b")`, 2, 2, "", "", 100, true},
		{`cloud.create("a")` + "\n" + `cloud.create_blind("b")`, 2, 1, "cloud.create_blind there is no way to take it back", "cloud:b", 100, false},
		{`cloud.create("a")` + "\n" + `cloud.create_blind("b")`, 2, 1, "cloud.create_blind there is no way to take it back", "cloud:b", 50, true},
		{`cloud.create("a")` + "\n" + `cloud.create_undo_forgets("b")`, 2, 1, "cloud.create_undo_forgets its undo leaves something", "cloud:b", 100, false},
		{`cloud.create_undo_fails("a")`, 1, 0, "cloud.create_undo_fails its undo failed: the cloud says no", "cloud:a", 0, false},
		{`note.write("file")`, 1, 0, "note.write there is no way to take it back", "file", 100, false},
	} {
		r := torment(t, c.body, tester.Suite{Undo: &tester.Undo{Least: c.least}})
		u := r.Undo
		if (r.Status == tester.Passed) != c.passes || u == nil || u.Writes != c.writes || u.Back != c.back {
			t.Errorf("%s: %s, %+v, %v", c.body, r.Status, u, r.Err)
			continue
		}
		if c.stays == "" {
			if len(u.Stays) > 0 {
				t.Errorf("%s: stays %+v", c.body, u.Stays)
			}
			continue
		}
		if len(u.Stays) != 1 || u.Stays[0].Kind+" "+u.Stays[0].Why != c.stays || len(u.Stays[0].Differences) != 1 || u.Stays[0].Differences[0].Name != c.thing {
			t.Errorf("%s: stays %+v", c.body, u.Stays)
		}
	}
}

// TestUnsteady: what is different each time is not taken for the fault of a crash.
func TestUnsteady(t *testing.T) {
	r := torment(t, `note.stamp("file")`, tester.Suite{Crash: &tester.Crash{}})
	if r.Status != tester.Passed || !slices.Equal(r.Crash.Volatile, []string{"file"}) {
		t.Errorf("a content: %s, %+v, %v", r.Status, r.Crash, r.Err)
	}
	r = torment(t, `note.stamp("")`, tester.Suite{Crash: &tester.Crash{}})
	if r.Status != tester.Failed || !strings.Contains(fmt.Sprint(r.Err), "the test leaves another world each time, without a crash") {
		t.Errorf("a name: %s, %v", r.Status, r.Err)
	}
}

func TestFingerprintSeesModes(t *testing.T) {
	// A mode, an empty directory and a link: what is no content is compared, too.
	for _, what := range []string{"mode", "directory", "link"} {
		r := torment(t, `note.change("`+what+`")`, tester.Suite{Undo: &tester.Undo{Least: 100}})
		if r.Status != tester.Failed || len(r.Undo.Stays) != 1 {
			t.Errorf("%s: %s, %+v, %v", what, r.Status, r.Undo, r.Err)
		}
	}
}

func TestPoints(t *testing.T) {
	for text, ok := range map[string]bool{"0#1:after-effect": true, "0.3.1#12:before-intent": true, "0#1": false, "": false, ":after-effect": false, "0#1:then": false} {
		p, err := tester.ParsePoint(text)
		if (err == nil) != ok || ok && p.String() != text {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
}

// Further effects of note, for the tests above.
var (
	_ = note.Control("def attempt(fn, *args): pass", &attempting{})
	_ = note.Write("def stamp(name): pass", &stamp{}, effect.Blind)
	_ = note.Write("def change(what): pass", &change{}, effect.Blind)
)

// attempting goes on after a failure.
type attempting struct {
	Fn   starlark.Callable `star:"fn"`
	Args starlark.Tuple    `star:"*args"`
}

func (a *attempting) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	_, err := b.InScope(thread, branch.Always, func() (starlark.Value, error) {
		return starlark.Call(thread, a.Fn, a.Args, nil)
	})
	_, err = b.Failed(err)
	return nil, err
}

// stamp writes something else each time; without a name, into another file.
type stamp struct {
	Name string `star:"name"`
}

func (s *stamp) Repeatable() bool { return true }

func (s *stamp) Perform(_ context.Context, env *effect.Env) (any, error) {
	name := s.Name
	if name == "" {
		name = env.Run.ID
	}
	p, err := env.Run.Files.Resolve(name)
	if err != nil {
		return nil, err
	}
	return nil, os.WriteFile(p.Abs, []byte(env.Run.ID), 0o600)
}

type change struct {
	What string `star:"what"`
}

func (c *change) Perform(_ context.Context, env *effect.Env) (any, error) {
	p, err := env.Run.Files.Resolve("a_test.star")
	if err != nil {
		return nil, err
	}
	switch c.What {
	case "mode":
		return nil, os.Chmod(p.Abs, 0o604)
	case "directory":
		return nil, os.Mkdir(p.Abs+".d", fs.ModePerm)
	}
	return nil, os.Symlink("nowhere", p.Abs+".l")
}
