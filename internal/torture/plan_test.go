package torture

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

// TestPlanShowsWhatHappens: for scripts of a generator, what a run does is one
// path through the tree that its plan shows.
func TestPlanShowsWhatHappens(t *testing.T) {
	n := 60
	if os.Getenv("TORTURE") == "full" {
		n = 5000
	}
	seed := uint64(1)
	if text := os.Getenv("TORTURE_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
		n = 1
	}
	for range n {
		script := generate(seed)
		planned, happened := planAndRun(t, script)
		m := matcher{happened: happened}
		if !m.branch(planned.Root().Steps, "0") {
			var text strings.Builder
			planned.Print(&text, true)
			t.Fatalf("TORTURE_SEED=%d: the plan does not show what happened\n%s\nplan:\n%s\nhappened:\n%s", seed, script, &text, happened)
		}
		seed++
	}
}

func planAndRun(t *testing.T, script string) (*plan.Plan, history) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "ws", "main.star")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	rt, err := newRuntime(dir, event.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	out, err := rt.Check(interrupt(), runtime.Start{Script: file})
	if err != nil {
		t.Fatalf("cannot plan: %v\n%s", err, script)
	}
	ran, _ := rt.Start(interrupt(), runtime.Start{Script: file}) // it may fail: a plan shows that, too
	if ran == nil {
		t.Fatalf("the run could not be begun\n%s", script)
	}
	effects, err := ran.Run.Effects()
	if err != nil {
		t.Fatal(err)
	}
	h := history{}
	for _, e := range effects {
		path := branch.PathOf(e.Place)
		h[path] = append(h[path], e)
	}
	return out.Plan, h
}

// history is what happened, by branch.
type history map[string][]*journal.Effect

func (h history) String() string {
	var b strings.Builder
	for path, effects := range h {
		for _, e := range effects {
			fmt.Fprintf(&b, "%s %s %s %s %s\n", path, e.Place, e.Kind, e.Description, e.Pos)
		}
	}
	return b.String()
}

// matcher finds a path through a plan. A spot is how far a branch has come.
type matcher struct{ happened history }

type spot struct{ effects, children int }

// branch reports whether all that a branch did is one path through steps.
func (m matcher) branch(steps []plan.Step, path string) bool {
	for s := range m.steps(steps, path, map[spot]bool{{}: true}) {
		if m.empty(path, &s); s.effects == len(m.happened[path]) {
			return true
		}
	}
	return false
}

// steps returns where a branch may be after steps, from where it may be before.
// What repeats may be gone through any number of times.
func (m matcher) steps(steps []plan.Step, path string, states map[spot]bool) map[spot]bool {
	for i := 0; i < len(steps) && len(states) > 0; {
		end := i
		for end < len(steps) && repeats(steps[end]) {
			end++
		}
		if end == i {
			states = m.step(steps[i], path, states)
			i++
			continue
		}
		states = m.again(steps[i:end], path, states)
		i = end
	}
	return states
}

func (m matcher) again(block []plan.Step, path string, states map[spot]bool) map[spot]bool {
	all := map[spot]bool{}
	for len(states) > 0 {
		next := map[spot]bool{}
		for s := range states {
			if !all[s] {
				all[s], next[s] = true, true
			}
		}
		states = map[spot]bool{}
		for _, step := range block {
			for s := range m.step(step, path, next) {
				next[s] = true // any part of the block: its decisions may skip some
			}
		}
		for s := range next {
			if !all[s] {
				states[s] = true
			}
		}
	}
	return all
}

func repeats(s plan.Step) bool {
	switch {
	case s.Effect != nil:
		return s.Effect.Repeats
	case s.Decision != nil:
		var inner []plan.Step
		for _, arm := range s.Decision.Arms {
			inner = append(inner, arm.Steps...)
		}
		return allRepeat(inner)
	case s.Branches != nil:
		var inner []plan.Step
		for _, n := range s.Branches {
			inner = append(inner, n.Steps...)
		}
		return allRepeat(inner)
	}
	return false
}

func allRepeat(steps []plan.Step) bool {
	for _, s := range steps {
		if !repeats(s) {
			return false
		}
	}
	return len(steps) > 0
}

func (m matcher) step(s plan.Step, path string, states map[spot]bool) map[spot]bool {
	next := map[spot]bool{}
	switch {
	case s.Effect != nil:
		for at := range states {
			m.empty(path, &at)
			if at.effects < len(m.happened[path]) && same(s.Effect, m.happened[path][at.effects]) {
				next[spot{at.effects + 1, at.children}] = true
			}
		}
	case s.Branches != nil:
		for at := range states {
			if after, ok := m.children(s.Branches, path, at); ok {
				next[after] = true
			}
		}
	case s.Decision != nil:
		for _, arm := range s.Decision.Arms {
			if arm.Unexplored { // anything may follow
				next[spot{len(m.happened[path]), 0}] = true
			}
			for at := range m.steps(arm.Steps, path, states) {
				next[at] = true
			}
		}
	case s.Fails != "":
		return states
	}
	return next
}

// empty goes past the records of forks without branches, of which a plan has none.
func (m matcher) empty(path string, at *spot) {
	for at.effects < len(m.happened[path]) && forked(m.happened[path][at.effects]) == 0 {
		at.effects++
	}
}

// forked is how many branches a record is of; -1 for an effect.
func forked(e *journal.Effect) int {
	if e.Kind != "parallel" {
		return -1
	}
	_, count, _ := strings.Cut(e.Description, " for ")
	n, _ := strconv.Atoi(strings.TrimSuffix(count, " items"))
	return n
}

// children matches branches; of those that are made for each of something unknown
// the plan shows two.
func (m matcher) children(nodes []*plan.Node, path string, at spot) (spot, bool) {
	m.empty(path, &at)
	if at.effects == len(m.happened[path]) {
		return at, false
	}
	n := forked(m.happened[path][at.effects])
	if n < len(nodes) {
		return at, false
	}
	for i := range n {
		node := nodes[min(i, len(nodes)-1)]
		if !m.branch(node.Steps, path+"."+strconv.Itoa(at.children+i)) {
			return at, false
		}
	}
	return spot{at.effects + 1, at.children + n}, true
}

// same compares what was planned with what happened: exactly where the plan knew
// all arguments, else by its place in the script.
func same(item *plan.Item, e *journal.Effect) bool {
	return item.Kind == e.Kind && item.Write == e.Write && item.Position == e.Pos &&
		(item.Key == "" || item.Key == hex.EncodeToString(e.Key))
}

// generator writes scripts whose course depends on what commands say.
type generator struct {
	*rand.Rand
	b      strings.Builder
	names  int
	budget int
}

func generate(seed uint64) string {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), budget: 12}
	for n := range 1 + g.IntN(2) {
		fmt.Fprintf(&g.b, "def branch%d(item):\n", n)
		g.block(1, []string{}, false)
		g.b.WriteString("    return str(item)\n\n")
	}
	g.budget += 8
	g.b.WriteString("def main():\n")
	g.block(1, []string{}, true)
	return g.b.String()
}

func (g *generator) line(depth int, format string, args ...any) {
	fmt.Fprintf(&g.b, "%s%s\n", strings.Repeat("    ", depth), fmt.Sprintf(format, args...))
}

func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// block writes statements. results are the variables that hold what commands gave.
func (g *generator) block(depth int, results []string, main bool) {
	g.line(depth, "pass")
	for range 1 + g.IntN(4) {
		if g.budget--; g.budget < 0 {
			return
		}
		results = g.statement(depth, results, main)
	}
}

func (g *generator) statement(depth int, results []string, main bool) []string {
	switch n := g.IntN(12); {
	case n < 3 || len(results) == 0:
		name := g.name("r")
		words := []string{"", "a", "a b", "a b c"}[g.IntN(4)]
		g.line(depth, `%s = exec.run(["sh", "-c", "echo %s; exit %d"], check = False, quiet = True)`, name, words, g.IntN(2)*3)
		return append(results[:len(results):len(results)], name)
	case n < 5:
		g.line(depth, "if %s:", g.condition(results))
		g.block(depth+1, results, main)
		if g.IntN(2) == 0 {
			g.line(depth, "else:")
			g.block(depth+1, results, main)
		}
	case n == 5:
		g.line(depth, "for %s in %s.stdout.split():", g.name("x"), g.pick(results))
		g.block(depth+1, results, main)
	case n == 6 && main:
		items := g.pick(results) + ".stdout.split()"
		if g.IntN(2) == 0 {
			items = `["p", "q"]`
		}
		name := g.name("all")
		g.line(depth, "%s = parallel(branch0, %s)", name, items)
		g.line(depth, "if len(%s) > 1 and %s:", name, g.condition(results))
		g.block(depth+1, results, main)
	case n == 7 && main:
		g.line(depth, "if %s:", g.condition(results))
		g.line(depth+1, `fail("no")`)
	case n == 8:
		g.line(depth, `fs.write(%s, %s.stdout, _when = %s)`, g.file(), g.pick(results), g.condition(results))
	case n == 9:
		g.line(depth, `fs.exists(%s)`, g.file())
	case n == 10:
		g.line(depth, "attempt(lambda: fs.write(%s, %s))", g.file(), strconv.Quote(g.name("text")))
	default:
		g.line(depth, `fs.write(%s, "of " + %s.stdout)`, g.file(), g.pick(results))
	}
	return results
}

func (g *generator) pick(results []string) string { return results[g.IntN(len(results))] }

func (g *generator) file() string { return fmt.Sprintf(`"f%d.txt"`, g.IntN(5)) }

func (g *generator) condition(results []string) string {
	r := g.pick(results)
	switch g.IntN(7) {
	case 0:
		return r + ".ok"
	case 1:
		return "not " + r + ".ok"
	case 2:
		return r + ".code > 2"
	case 3:
		return fmt.Sprintf(`"%s" in %s.stdout`, string(rune('a'+g.IntN(3))), r)
	case 4:
		return r + `.stdout.strip() == "a b"`
	case 5:
		return fmt.Sprintf("%s.ok and %s.code == 0", r, g.pick(results))
	}
	return fmt.Sprintf("%s.ok or len(%s.stdout) > 2", r, g.pick(results))
}
