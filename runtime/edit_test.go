package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// shelf is a world of named texts. Undo refuses to overwrite what something else
// has changed, so it succeeds in the right order only.
var (
	shelf = module.New("shelf", "")
	_     = shelf.Read("def get(name): pass", &shelfGet{})
	_     = shelf.Write("def put(name, text): pass", &shelfPut{}, effect.Exact)
	_     = shelf.Write("def add(name, text): pass", &shelfAdd{}, effect.Exact)

	shelves struct {
		sync.Mutex
		texts  map[string]string
		writes int
		failAt int    // the write that fails; 0 for none
		acting func() // called before and after everything that changes the world
	}
)

func acting() {
	if shelves.acting != nil {
		shelves.acting()
	}
}

func shelved(env *effect.Env, name string) string {
	if env.Run.Check {
		if v, ok := env.Run.Planned.Get("shelf:" + name); ok {
			text, _ := starlark.AsString(v)
			return text
		}
	}
	shelves.Lock()
	defer shelves.Unlock()
	return shelves.texts[name]
}

type shelfGet struct {
	Name string `star:"name"`
}

func (g *shelfGet) Looks(*effect.Env) []string { return []string{"shelf:" + g.Name} }
func (g *shelfGet) Perform(_ context.Context, env *effect.Env) (any, error) {
	return shelved(env, g.Name), nil
}

type shelfPut struct {
	Name string `star:"name"`
	Text string `star:"text"`
}

type shelfAdd struct {
	Name string `star:"name"`
	Text string `star:"text"`
}

type shelfMemory struct{ Before, After string }

func (p *shelfPut) Touches(*effect.Env) []string { return []string{"shelf:" + p.Name} }
func (p *shelfPut) Remember(_ context.Context, env *effect.Env) (any, error) {
	return shelfMemory{shelved(env, p.Name), p.Text}, nil
}
func (p *shelfPut) Undo(_ context.Context, _ *effect.Env, past effect.Past) error {
	return unshelve(p.Name, past)
}
func (p *shelfPut) Perform(context.Context, *effect.Env) (any, error) { return shelve(p.Name, p.Text) }
func (p *shelfPut) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	env.Run.Planned.Set("shelf:"+p.Name, starlark.String(p.Text))
	return effect.Prediction{Result: p.Text, Change: effect.Update}, nil
}

func (a *shelfAdd) Touches(*effect.Env) []string { return []string{"shelf:" + a.Name} }
func (a *shelfAdd) Remember(_ context.Context, env *effect.Env) (any, error) {
	text := shelved(env, a.Name)
	return shelfMemory{text, text + a.Text}, nil
}
func (a *shelfAdd) Undo(_ context.Context, _ *effect.Env, past effect.Past) error {
	return unshelve(a.Name, past)
}
func (a *shelfAdd) Perform(_ context.Context, env *effect.Env) (any, error) {
	return shelve(a.Name, shelved(env, a.Name)+a.Text)
}

// Predict says less than it could, so that scripts come to unknown values.
func (a *shelfAdd) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	u := value.NewUnknown("what %s is then", a.Name)
	env.Run.Planned.Set("shelf:"+a.Name, starlark.String(shelved(env, a.Name)+a.Text))
	return effect.Prediction{Result: u, Change: effect.Update}, nil
}

// What a crash left open is found out by looking.
func (p *shelfPut) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	return onShelf(env, p.Name, past)
}
func (a *shelfAdd) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	return onShelf(env, a.Name, past)
}

func onShelf(env *effect.Env, name string, past effect.Past) (effect.Answer, error) {
	var m shelfMemory
	if err := past.Remembered(&m); err != nil {
		return effect.Answer{}, err
	}
	switch shelved(env, name) {
	case m.After:
		return effect.Answer{Happened: effect.Yes, Result: m.After}, nil
	case m.Before:
		return effect.Answer{Happened: effect.No}, nil
	}
	return effect.Answer{Why: "it is neither"}, nil
}

func shelve(name, text string) (string, error) {
	acting()
	defer acting()
	shelves.Lock()
	defer shelves.Unlock()
	shelves.writes++
	if shelves.writes == shelves.failAt {
		return "", fault.New(fault.Failed, "the shelf fell down")
	}
	if shelves.texts[name] = text; text == "" {
		delete(shelves.texts, name)
	}
	return text, nil
}

func unshelve(name string, past effect.Past) error {
	var m shelfMemory
	if err := past.Remembered(&m); err != nil {
		return err
	}
	acting()
	defer acting()
	shelves.Lock()
	defer shelves.Unlock()
	switch shelves.texts[name] {
	case m.Before: // it never happened, or was taken back already
		return nil
	case m.After:
		if shelves.texts[name] = m.Before; m.Before == "" {
			delete(shelves.texts, name)
		}
		return nil
	}
	return fault.New(fault.Failed, "%s is %q, not %q", name, shelves.texts[name], m.After)
}

func shelfRuntime(t *testing.T, dir string) *runtime.Runtime {
	t.Helper()
	ws, err := workspace.At(dir)
	check(t, err)
	return runtime.New(runtime.Config{
		Workspace: ws, Modules: []*module.Module{shelf}, Key: seal.KeyAt(filepath.Join(dir, "age.key")),
		Globals: starlark.StringDict{"parallel": starlark.NewBuiltin("parallel", forEach), "attempt": starlark.NewBuiltin("attempt", attempt)},
	})
}

// A text is a script as a list of statements, from which edits are easily made.
type text struct {
	fn    string // name of the function that the middle part is in
	stmts []string
	each  []string // statements of the branches; %s is the item
	items []string
}

func (x text) String() string {
	var b strings.Builder
	b.WriteString("def each(item):\n    v = \"\"\n")
	for _, s := range x.each {
		fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(s, "%s", `" + item + "`))
	}
	half := len(x.stmts) / 2
	part := func(name string, stmts []string) {
		fmt.Fprintf(&b, "def %s():\n    v = \"\"\n", name)
		for _, s := range stmts {
			fmt.Fprintf(&b, "    %s\n", s)
		}
		b.WriteString("    return v\n")
	}
	part(x.fn, x.stmts[:half])
	part("last", x.stmts[half:])
	fmt.Fprintf(&b, "def main():\n    %s()\n    parallel(each, %s)\n    return last()\n", x.fn, list(x.items))
	return b.String()
}

func list(items []string) string { return `["` + strings.Join(items, `", "`) + `"]` }

func someStatement(r *rand.Rand, names []string) string {
	name, word := names[r.IntN(len(names))], string(rune('k'+r.IntN(6)))
	switch r.IntN(7) {
	case 0:
		return fmt.Sprintf(`v = shelf.get("%s")`, name)
	case 1:
		return fmt.Sprintf(`shelf.put("%s", v + "%s")`, name, word)
	case 2:
		return fmt.Sprintf(`v = shelf.add("%s", "%s")`, name, word)
	case 3:
		return fmt.Sprintf(`shelf.put("%s", "%s") if len(v) %% 2 else shelf.add("%s", "+")`, name, word, name)
	case 4:
		return fmt.Sprintf(`shelf.add("%s", "%s")`, name, word)
	}
	return fmt.Sprintf(`shelf.put("%s", "%s")`, name, word)
}

var (
	mainNames = []string{"a", "b", "c", "d"}
	eachNames = []string{"%s/x", "%s/y"}
)

func someText(r *rand.Rand) text {
	x := text{fn: "first", items: []string{"web", "db", "cache"}[:1+r.IntN(3)]}
	for range 2 + r.IntN(8) {
		x.stmts = append(x.stmts, someStatement(r, mainNames))
	}
	for range r.IntN(4) {
		x.each = append(x.each, someStatement(r, eachNames))
	}
	return x
}

func editOf(r *rand.Rand, x text) text {
	x.stmts, x.each, x.items = append([]string{}, x.stmts...), append([]string{}, x.each...), append([]string{}, x.items...)
	stmts, names := &x.stmts, mainNames
	if r.IntN(3) == 0 && len(x.each) > 0 {
		stmts, names = &x.each, eachNames
	}
	i := r.IntN(len(*stmts))
	switch r.IntN(7) {
	case 0, 1:
		*stmts = append((*stmts)[:i], append([]string{someStatement(r, names)}, (*stmts)[i:]...)...)
	case 2:
		if len(*stmts) > 2 {
			*stmts = append((*stmts)[:i], (*stmts)[i+1:]...)
		}
	case 3:
		(*stmts)[i] = someStatement(r, names)
	case 4:
		k := r.IntN(len(*stmts))
		(*stmts)[i], (*stmts)[k] = (*stmts)[k], (*stmts)[i]
	case 5:
		x.fn += "r"
	case 6:
		k := r.IntN(len(x.items) + 1)
		x.items = append(x.items[:k], append([]string{fmt.Sprintf("new%d", len(x.items))}, x.items[k:]...)...)
	}
	return x
}

// After an edit, with a yes to everything, the world is what the edited script
// alone makes of it; the run replays; and its rollback leaves nothing.
func TestEditedRunsEndAsNewOnes(t *testing.T) {
	cases := 30
	if n, err := strconv.Atoi(os.Getenv("EDITS")); err == nil {
		cases = n
	}
	if testing.Short() {
		cases = 15
	}
	for seed := range cases {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { editedEndsAsNew(t, uint64(seed)) })
	}
}

func editedEndsAsNew(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	before := someText(r)
	after := editOf(r, before)
	for range r.IntN(3) {
		after = editOf(r, after)
	}
	want, result := fromScratch(t, after)

	dir := t.TempDir()
	file := filepath.Join(dir, "x.star")
	check(t, os.WriteFile(file, []byte(before.String()), 0o644))
	rt := shelfRuntime(t, dir)
	defer rt.Close()
	shelves.texts, shelves.writes, shelves.failAt = map[string]string{}, 0, r.IntN(9)
	_, err := rt.Start(never, runtime.Start{Script: file})
	if err != nil && !strings.Contains(err.Error(), "fell down") {
		t.Fatal(err, before)
	}
	crashed := maps.Clone(shelves.texts)
	shelves.failAt = 0
	check(t, os.WriteFile(file, []byte(after.String()), 0o644))

	no := errors.New("no")
	_, err = rt.ResumeEdited(never, "last", runtime.Resume{}, runtime.Edit{Decide: func(*runtime.Compared) (bool, error) { return false, no }})
	if err != nil && err != no || !maps.Equal(crashed, shelves.texts) {
		t.Fatalf("a comparison alone has changed %v to %v: %v", crashed, shelves.texts, err)
	}
	var seen []string
	looked := false // an inserted read looks at the world as it is by then
	yes := runtime.Edit{Decide: func(c *runtime.Compared) (bool, error) {
		for _, d := range c.Differences {
			looked = looked || (d.Change == "inserted" || d.Change == "changed") && !d.Write
			seen = append(seen, fmt.Sprintf("%s %s %s->%s %s (%s)", d.Change, d.Kind, d.OldPlace, d.Place, d.Description, d.Why))
		}
		seen = append(seen, "--")
		return true, nil
	}}
	shelves.failAt = []int{0, shelves.writes + 1 + r.IntN(4)}[r.IntN(2)]
	out, err := rt.ResumeEdited(never, "last", runtime.Resume{}, yes)
	if shelves.failAt > 0 && err != nil && strings.Contains(err.Error(), "fell down") {
		seen = append(seen, "-- failed again, and resumed")
		shelves.failAt = 0
		if out, err = rt.Resume(never, "last", runtime.Resume{}); fault.Is(err, fault.Mismatch) { // not all was compared
			out, err = rt.ResumeEdited(never, "last", runtime.Resume{}, yes)
		}
	}
	story := fmt.Sprintf("seed %d\n%s\nis edited to\n%s\ncompared\n%s\nafter the crash %v", seed, before, after, strings.Join(seen, "\n"), crashed)
	if err != nil {
		t.Fatal(err, fault.Render(err), story)
	}
	if !looked && !maps.Equal(want, shelves.texts) {
		t.Fatalf("the world is\n%v, not\n%v\n%s", shelves.texts, want, story)
	}
	if v := out.Value; !looked && v != nil && v != starlark.None && v.String() != result {
		t.Fatalf("the result is %s, not %s\n%s", v, result, story)
	}
	if _, err := rt.Replay(never, "last", ""); err != nil {
		t.Fatalf("the replay fails: %v\n%s", fault.Render(err), story)
	}
	if _, err := rt.Rollback(never, "last", ""); err != nil || len(shelves.texts) > 0 {
		t.Fatalf("the rollback leaves %v: %v\n%s", shelves.texts, err, story)
	}
}

func fromScratch(t *testing.T, x text) (map[string]string, string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "x.star")
	check(t, os.WriteFile(file, []byte(x.String()), 0o644))
	rt := shelfRuntime(t, dir)
	defer rt.Close()
	shelves.texts, shelves.failAt = map[string]string{}, 0
	out, err := rt.Start(never, runtime.Start{Script: file})
	if err != nil {
		t.Fatal(err, x)
	}
	return shelves.texts, out.Value.String()
}

// Whenever the process of an edited resume dies, a plain resume goes on with the
// edited script: every moment before and after an effect, or an undo, is tried.
func TestEditedResumeSurvives(t *testing.T) {
	seeds := 16
	if testing.Short() {
		seeds = 8
	}
	crashes := 0
	for seed := range seeds {
		crashes += crashEdited(t, uint64(seed))
	}
	t.Logf("%d crashes", crashes)
	if crashes < seeds {
		t.Errorf("only %d crashes were tried", crashes)
	}
}

// moment is what a crash leaves: the disk and the world.
type moment struct {
	dir   string
	texts map[string]string
}

func crashEdited(t *testing.T, seed uint64) int {
	r := rand.New(rand.NewPCG(seed, 11))
	before := someText(r)
	after := editOf(r, editOf(r, before))
	want, _ := fromScratch(t, after)
	dir := t.TempDir()
	file := filepath.Join(dir, "x.star")
	check(t, os.WriteFile(file, []byte(before.String()), 0o644))
	rt := shelfRuntime(t, dir)
	shelves.texts, shelves.writes, shelves.failAt = map[string]string{}, 0, 1+r.IntN(9)
	_, _ = rt.Start(never, runtime.Start{Script: file}) // it may fail, and it may not
	shelves.failAt = 0
	check(t, os.WriteFile(file, []byte(after.String()), 0o644))

	looked := false
	yes := runtime.Edit{Decide: func(c *runtime.Compared) (bool, error) {
		looked = looked || c.Count(func(d door.Difference) bool { return d.Change != door.Same && !d.Write }) > 0
		return true, nil
	}}
	var moments []moment
	var mu sync.Mutex
	shelves.acting = func() {
		mu.Lock()
		defer mu.Unlock()
		if len(moments) < 12 {
			moments = append(moments, freeze(t, dir))
		}
	}
	_, err := rt.ResumeEdited(never, "last", runtime.Resume{}, yes)
	shelves.acting = nil
	check(t, err)
	check(t, rt.Close())
	for i, m := range moments {
		shelves.texts = m.texts
		rt := shelfRuntime(t, m.dir)
		_, err := rt.Resume(never, "last", runtime.Resume{})
		if fault.Is(err, fault.Mismatch) { // not all was compared
			_, err = rt.ResumeEdited(never, "last", runtime.Resume{}, yes)
		}
		if err != nil || !looked && !maps.Equal(want, shelves.texts) {
			t.Errorf("seed %d, moment %d: %v, the world is\n%v, not\n%v\n%s\nis edited to\n%s", seed, i, err, shelves.texts, want, before, after)
		}
		if _, err := rt.Replay(never, "last", ""); err != nil {
			t.Errorf("seed %d, moment %d: the replay fails: %v", seed, i, err)
		}
		check(t, rt.Close())
	}
	return len(moments)
}

// freeze copies what is on the disk by now.
func freeze(t *testing.T, dir string) moment {
	m := moment{t.TempDir(), nil}
	for _, name := range []string{"x.star", "age.key", filepath.Join(workspace.StateDir, "journal.db-wal"), filepath.Join(workspace.StateDir, "journal.db")} {
		copyFile(t, filepath.Join(dir, name), filepath.Join(m.dir, name))
	}
	shelves.Lock()
	defer shelves.Unlock()
	m.texts = maps.Clone(shelves.texts)
	return m
}
