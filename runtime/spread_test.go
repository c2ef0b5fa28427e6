package runtime_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A fleet is machines that are names. Those in down cannot be reached.
type fleet struct {
	mu    sync.Mutex
	down  []string
	calls []string
	busy  int
	most  int // so many were acted on at a time
}

var ships fleet

func (f *fleet) reset(down ...string) {
	f.mu.Lock()
	f.down, f.calls, f.most = down, nil, 0
	f.mu.Unlock()
}

func (f *fleet) called() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.calls)
	return strings.Join(f.calls, " ")
}

var (
	fleetModule = module.New("fleet", "")
	_           = fleetModule.Write("def sail(target, to = \"sea\", state = None): pass", &sail{}, effect.Exact)
	_           = fleetModule.Write("def guess(target, to = \"sea\", state = None): pass", &blindly{}, effect.Blind)
	_           = fleetModule.Write("def tow(target, to = \"sea\", state = None): pass", &tow{}, effect.Exact)
	_           = fleetModule.Read("def look(target): pass", &plainLook{})
)

type sail struct {
	operation.Many
	Target string         `star:"target"`
	To     string         `star:"to"`
	State  starlark.Value `star:"state"`
}

// Several takes lists of names.
func (sail) Several(v starlark.Value) (*effect.Several, error) {
	switch v := v.(type) {
	case *starlark.List:
		s := &effect.Several{}
		for x := range starlark.Elements(v) {
			s.Items = append(s.Items, x)
		}
		return s, nil
	case *starlark.Dict: // a pool
		return &effect.Several{Items: v.Keys(), Limit: 2}, nil
	}
	return nil, nil
}

func (s *sail) Validate() error {
	if s.To == "moon" {
		return fault.New(fault.Invalid, "a ship does not sail to the moon")
	}
	return nil
}

func (s *sail) result() operation.Result {
	return operation.Result{Host: s.Target, OK: true, Changed: s.To != "port", Stdout: "to " + s.To + "\nahoy\n", Diff: "+ " + s.To}
}

func (s *sail) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: s.result(), Change: effect.Update, Diff: s.To}, nil
}

func (s *sail) Perform(context.Context, *effect.Env) (any, error) {
	f := &ships
	f.mu.Lock()
	f.calls = append(f.calls, s.Target)
	f.busy++
	f.most = max(f.most, f.busy)
	down := slices.Contains(f.down, s.Target)
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.busy--; f.mu.Unlock() }()
	if s.To == "reef" {
		return nil, operation.Failure(operation.Result{Host: s.Target, RC: 3, Stderr: "crash\n"})
	}
	if down {
		e := fault.New(fault.Failed, "on %s: no wind", s.Target)
		return nil, e.WithHint("wait for wind")
	}
	return s.result(), nil
}

// tow can be performed together with others of its kind.
type tow struct{ sail }

func (*tow) Party(effect.Options) string { return "tows" }

func (*tow) Scout(context.Context, *effect.Env, []effect.Performer) (any, error) { return nil, nil }

type blindly struct{ sail }

func (b *blindly) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("fleet.guess(%s)", b.Target), Change: effect.Act}, nil
}

type plainLook struct {
	Target string `star:"target"`
}

func (l *plainLook) Perform(context.Context, *effect.Env) (any, error) { return l.Target, nil }

func fleetRuntime(t *testing.T) (*runtime.Runtime, string) {
	t.Helper()
	dir := t.TempDir()
	ws, err := workspace.At(dir)
	check(t, err)
	rt := runtime.New(runtime.Config{
		Workspace: ws, Modules: []*module.Module{fleetModule}, Key: seal.KeyAt(filepath.Join(dir, "age.key")),
		Globals: starlark.StringDict{"attempt": starlark.NewBuiltin("attempt", attempt)},
	})
	t.Cleanup(func() { check(t, rt.Close()) })
	return rt, dir
}

func sailScript(t *testing.T, dir, body string) string {
	t.Helper()
	file := filepath.Join(dir, "sail.star")
	check(t, os.WriteFile(file, []byte("def main():\n    "+strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ")+"\n"), 0o644))
	return file
}

func TestSpread(t *testing.T) {
	tests := []struct {
		name, body string
		down       []string
		want       string // of the result, or of the error
		calls      string
	}{
		{"one machine is its own list", `
r = fleet.sail("a")
return (r.host, r.ok, r.changed, r.rc, r.stdout, r.diff, r.error, [h.host for h in r.hosts], dir(r.hosts[0]))`, nil,
			`("a", True, True, 0, "to sea\nahoy\n", "+ sea", None, ["a"], ` +
				`["changed", "diff", "duration", "error", "host", "ok", "rc", "stderr", "stdout"])`, "a"},
		{"many have one result of the same shape", `
r = fleet.sail(["a", "b"], "port")
return (r.host, r.ok, r.changed, r.rc, r.stdout, r.diff, r.error, [h.host for h in r.hosts], [n for n in dir(r) if n not in dir(r.hosts[0])])`, nil,
			`("a, b", True, False, 0, "a: to port\na: ahoy\nb: to port\nb: ahoy\n", "a: + port\nb: + port\n", None, ["a", "b"], ["hosts"])`, "a b"},
		{"named like any argument, and a list of one", `
r = fleet.sail(to = "sea", target = ["a"])
return (r.host, r.stdout, len(r.hosts))`, nil, `("a", "a: to sea\na: ahoy\n", 1)`, "a"},
		{"nobody", `r = fleet.sail([]); return (r.host, r.ok, r.changed, r.hosts)`, nil, `("", True, False, [])`, ""},
		{"a failure of one does not keep the others from it", `fleet.sail(["a", "b", "c"])`, []string{"a"},
			"fleet.sail: 1 of 3 machines failed: a: no wind", "a b c"},
		{"all failures are told", `fleet.sail(["a", "b", "c"])`, []string{"a", "c"},
			"fleet.sail: 2 of 3 machines failed: a: no wind; c: no wind", "a b c"},
		{"one machine has its own error", `fleet.sail("a")`, []string{"a"}, "fleet.sail: on a: no wind", "a"},
		{"going on after failures", `
r = fleet.sail(["a", "b"], _on_error = "continue")
return [r.ok, r.rc, r.error.kind, r.error.message, r.error.details["failed"], [(h.host, h.ok, h.changed, h.rc) for h in r.hosts], r.hosts[0].error.hint]`,
			[]string{"a"}, `[False, -1, "failed", "1 of 2 machines failed: a: no wind", ["a"], [("a", False, False, -1), ("b", True, True, 0)], "wait for wind"]`, "a b"},
		{"going on after the failure of one", `
r = fleet.sail("a", _on_error = "continue")
return (r.host, r.ok, r.error.message, len(r.hosts), r.hosts[0].error.message)`, []string{"a"},
			`("a", False, "on a: no wind", 1, "on a: no wind")`, "a"},
		{"the first exit code that is none", `
r = fleet.sail(["a", "b"], "reef", _on_error = "continue")
return (r.rc, r.stderr, r.hosts[1].rc, r.hosts[1].stderr)`, nil, `(3, "a: crash\nb: crash\n", 3, "crash\n")`, "a b"},
		{"skipped", `return fleet.sail(["a", "b"], _when = False)`, nil, "None", ""},
		{"a mistake is one error", `fleet.sail(["a", "b"], "moon")`, nil, "fleet.sail: a ship does not sail to the moon", ""},
		{"a missing argument", `fleet.sail()`, nil, `fleet.sail: argument missing: "target"`, ""},
		{"a wrong limit", `fleet.sail(["a"], _limit = -1)`, nil, "fleet.sail: _limit must be a number, 0 or more, not -1", ""},
		{"a wrong word", `fleet.sail(["a"], _on_error = 3)`, nil, `fleet.sail: _on_error must be "stop" or "continue", not 3`, ""},
		{"only for what spreads", `fleet.look("a", _limit = 3)`, nil, "fleet.look: _limit is for effects that act on several targets", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, dir := fleetRuntime(t)
			ships.reset(test.down...)
			out, err := rt.Start(never, runtime.Start{Script: sailScript(t, dir, test.body)})
			got := fmt.Sprint(err)
			if err == nil {
				got = out.Value.String()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if ships.called() != test.calls {
				t.Errorf("performed on %q, want %q", ships.called(), test.calls)
			}
			if out != nil && out.Run != nil {
				before := ships.called()
				again, rerr := rt.Replay(never, out.Run.ID, "")
				if fmt.Sprint(rerr) != "<nil>" || ships.called() != before || err == nil && again.Value.String() != got {
					t.Errorf("the replay gives %v, %v and acted on %q", again, rerr, ships.called())
				}
			}
		})
	}
}

// Effects that follow each other are held back until the last one; those on many
// are not, and come after what was held back before them.
func TestSpreadInOrder(t *testing.T) {
	rt, dir := fleetRuntime(t)
	ships.reset()
	_, err := rt.Start(never, runtime.Start{Script: sailScript(t, dir, `
fleet.tow("a")
fleet.tow(["b"])
fleet.tow("c")
fleet.tow("d")
fleet.tow(["e"])`)})
	check(t, err)
	if got := strings.Join(ships.calls, " "); got != "a b c d e" {
		t.Errorf("the order was %s", got)
	}
}

// The details of the error of many hold the results of all, so that nothing is
// lost with it.
func TestSpreadDetails(t *testing.T) {
	rt, dir := fleetRuntime(t)
	ships.reset("b")
	_, err := rt.Start(never, runtime.Start{Script: sailScript(t, dir, `fleet.sail(["a", "b"])`)})
	e := fault.As(err)
	if e == nil || e.Hint != "wait for wind" || len(e.Stack) == 0 {
		t.Fatalf("the error is %#v", e)
	}
	hosts, ok := e.Details["hosts"].(*starlark.List)
	if !ok || hosts.Len() != 2 || !strings.Contains(hosts.Index(0).String(), "ahoy") || !strings.Contains(hosts.Index(1).String(), "no wind") {
		t.Errorf("the details are %v", e.Details)
	}
}

// A resumed run tries those again that failed, and nobody else.
func TestSpreadResumed(t *testing.T) {
	rt, dir := fleetRuntime(t)
	ships.reset("b")
	_, err := rt.Start(never, runtime.Start{Script: sailScript(t, dir, `return fleet.sail(["a", "b", "c"]).stdout`)})
	if !fault.Is(err, fault.Failed) {
		t.Fatal(err)
	}
	ships.reset()
	out, err := rt.Resume(never, "last", runtime.Resume{})
	check(t, err)
	if ships.called() != "b" || !strings.HasPrefix(out.Value.String(), `"a: to sea\na: ahoy\nb: to sea`) {
		t.Errorf("performed on %q, and returned %s", ships.called(), out.Value)
	}
	ships.reset()
	if _, err := rt.Replay(never, "last", ""); err != nil || ships.called() != "" {
		t.Errorf("replay: %v, performed on %q", err, ships.called())
	}
}

// What the script has caught stays as it was when the run is resumed.
func TestSpreadCaught(t *testing.T) {
	rt, dir := fleetRuntime(t)
	ships.reset("b", "z")
	script := sailScript(t, dir, `
caught = attempt(fleet.sail, ["a", "b"])
gone_on = fleet.sail(["b", "c"], _on_error = "continue").ok
fleet.sail("z")
return (caught, gone_on)`)
	if _, err := rt.Start(never, runtime.Start{Script: script}); err == nil {
		t.Fatal("it was to fail at z")
	}
	ships.reset()
	out, err := rt.Resume(never, "last", runtime.Resume{})
	check(t, err)
	if ships.called() != "z" || out.Value.String() != `("failed", False)` {
		t.Errorf("performed on %q, and returned %s", ships.called(), out.Value)
	}
}

func TestSpreadLimit(t *testing.T) {
	many := `[str(n) for n in range(20)]`
	tests := map[string]struct {
		call string
		most int
	}{
		"as the call says":            {`fleet.sail(` + many + `, _limit = 3)`, 3},
		"one after the other":         {`fleet.sail(` + many + `, _limit = 1)`, 1},
		"as the pool says":            {`fleet.sail({n: 1 for n in ` + many + `})`, 2},
		"the call before the pool":    {`fleet.sail({n: 1 for n in ` + many + `}, _limit = 1)`, 1},
		"the call lifts what it says": {`fleet.sail({n: 1 for n in ` + many + `}, _limit = 0)`, 20},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rt, dir := fleetRuntime(t)
			ships.reset()
			_, err := rt.Start(never, runtime.Start{Script: sailScript(t, dir, test.call)})
			check(t, err)
			if ships.most > test.most || len(strings.Fields(ships.called())) != 20 {
				t.Errorf("%d at a time, want at most %d; performed on %s", ships.most, test.most, ships.called())
			}
		})
	}
}

// Check mode plans an effect for every machine. What is not known of one is not
// known of all of them together, and a script that goes on after failures has two
// ways to go.
func TestSpreadPlanned(t *testing.T) {
	tests := []struct {
		name, body string
		writes     int
		open       int
		want       string
	}{
		{"as known as each", `
r = fleet.sail(["a", "b"])
return (r.ok, r.changed, r.stdout, len(r.hosts))`, 2, 0, `(True, True, "a: to sea\na: ahoy\nb: to sea\nb: ahoy\n", 2)`},
		{"one", `return fleet.sail("a").hosts[0].ok`, 1, 0, "True"},
		{"as unknown as each", `
r = fleet.guess(["a", "b"])
if r.stdout == "x":
    fleet.sail("c")
return len(r.hosts)`, 3, 1, "2"},
		{"it may fail", `
r = fleet.sail(["a", "b"], _on_error = "continue")
if not r.ok:
    fleet.sail("c")
return (r.changed, r.hosts[0].changed)`, 2, 1, "(True, True)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, dir := fleetRuntime(t)
			ships.reset()
			out, err := rt.Check(never, runtime.Start{Script: sailScript(t, dir, test.body)})
			check(t, err)
			s := out.Plan.Summary()
			if s.Update+s.Run != test.writes || s.Decisions != test.open || ships.called() != "" {
				t.Errorf("the plan is %+v; performed on %q", s, ships.called())
			}
			if out.Value != nil && out.Value.String() != test.want {
				t.Errorf("returned %s, want %s", out.Value, test.want)
			}
		})
	}
}
