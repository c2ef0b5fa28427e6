package torture

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// workflow has more than 300 effects over 8 branches, three of which have
// branches of their own.
const workflow = `
def step(name, i):
    tag = "%s-%d" % (name, i)
    world.ask(tag)
    fs.write("out/%s.txt" % tag, "content of %s\n" % tag)
    world.again(tag)
    fs.append("out/%s.log" % name, "line %d\n" % i)
    world.blind(tag)
    attempt(fs.read, "missing-" + tag)
    if i % 3 == 0:
        exec.run(["sh", "-c", "echo %s >> out/%s.exec" % (tag, name)], _once = True)

def leaf(name):
    for i in range(2):
        step(name, i)
    return name

def branch(n):
    name = "b%d" % n
    for i in range(4):
        step(name, i)
    if n % 3 == 0:
        return parallel(leaf, ["%s.%d" % (name, k) for k in range(3)])
    world.ask(name + "-end")
    return name

def main():
    world.blind("first")
    checkpoint("begun")
    results = parallel(branch, range(8))
    fs.write("out/results.json", json.encode(results))
    world.ask("last")
`

func full() bool { return os.Getenv("TORTURE") == "full" }

// seed is that of the sample; TORTURE_SEED repeats one.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(1)
	if text := os.Getenv("TORTURE_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("TORTURE_SEED=%d", s)
	return s
}

// undisturbed is how a workflow ends when nobody kills it.
type undisturbed struct {
	points int
	files  map[string]string
	world  map[string]int
}

func undisturbedRun(t *testing.T, script string) undisturbed {
	t.Helper()
	p := newPlace(t, script)
	code, points := p.do("run", 0)
	if code != exitDone {
		t.Fatalf("the undisturbed run ended with %d", code)
	}
	world, err := readWorld(p.world())
	if err != nil {
		t.Fatal(err)
	}
	for where, n := range world {
		if n != 1 {
			t.Errorf("undisturbed, %s happened %d times", where, n)
		}
	}
	p.check(undisturbed{points, tree(t, p.ws()), world})
	return undisturbed{points, tree(t, p.ws()), world}
}

func TestTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for half a minute")
	}
	t.Parallel()
	want := undisturbedRun(t, workflow)
	t.Logf("%d points, %d effects of the world, %d files", want.points, len(want.world), len(want.files))
	if full() {
		everyPoint(t, want)
		return
	}
	sample(t, want)
}

// sample kills one run again and again, at random distances, for a few runs.
func sample(t *testing.T, want undisturbed) {
	const kills = 24
	killed := 0
	for s := seed(t); killed < kills; s++ {
		rnd := rand.New(rand.NewPCG(s, 1))
		p := newPlace(t, workflow)
		n := p.survive(func() int { return 1 + rnd.IntN(want.points/5) })
		if killed += n; n == 0 {
			t.Fatal("nothing was killed")
		}
		p.check(want)
		if t.Failed() {
			t.Fatalf("with TORTURE_SEED=%d", s)
		}
	}
	t.Logf("%d kills", killed)
}

// everyPoint kills a run at each of its points, and once more on the way.
func everyPoint(t *testing.T, want undisturbed) {
	for n := 1; n <= want.points; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(uint64(n), 2))
			kills := []int{n, 1 + rnd.IntN(want.points)}
			p := newPlace(t, workflow)
			p.survive(func() int {
				if len(kills) == 0 {
					return 0
				}
				k := kills[0]
				kills = kills[1:]
				return k
			})
			p.check(want)
		})
	}
}

// survive runs the workflow, each time until the point that next names (0: to
// the end), and resumes it until it has completed. It returns how often the
// process was killed.
func (p *place) survive(next func() int) (killed int) {
	p.t.Helper()
	verb := "run"
	answers := ""
	for began := time.Now(); time.Since(began) < 5*time.Minute; {
		code, _ := p.do(verb, next(), "TORTURE_ANSWERS="+answers)
		answers = ""
		switch code {
		case exitDone:
			return killed
		case exitKilled:
			killed++
		case exitWaits:
			if answers = p.truth(); answers == "" {
				p.t.Fatal("the run waits, but no effect is in doubt")
			}
		}
		if verb == "run" && !p.hasRun() {
			continue // killed before there was one
		}
		verb = "resume"
	}
	p.t.Fatal("the run does not come to its end")
	return killed
}

// withJournal looks at the journal.
func (p *place) withJournal(do func(j *journal.Journal)) {
	p.t.Helper()
	j, err := journal.Open(filepath.Join(p.ws(), ".provisioning"), journal.OpenOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	do(j)
	if err := j.Close(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) hasRun() (has bool) {
	p.t.Helper()
	p.withJournal(func(j *journal.Journal) {
		runs, err := j.Runs(1)
		if err != nil {
			p.t.Fatal(err)
		}
		has = len(runs) > 0
	})
	return has
}

func (p *place) hasCompleted() bool {
	p.t.Helper()
	if !p.hasRun() {
		return false
	}
	run, _, _ := p.effects()
	return run.State == journal.Completed
}

func (p *place) effects() (run *journal.Run, effects []*journal.Effect, questions []journal.Question) {
	p.t.Helper()
	p.withJournal(func(j *journal.Journal) {
		var err error
		if run, err = j.Find("last"); err == nil {
			if effects, err = run.Effects(); err == nil {
				questions, err = run.Questions()
			}
		}
		if err != nil {
			p.t.Fatal(err)
		}
	})
	return run, effects, questions
}

// truth answers the questions by what the world shows.
func (p *place) truth() string {
	p.t.Helper()
	_, effects, questions := p.effects()
	asked := map[string]bool{}
	for _, q := range questions {
		asked[q.Place] = q.Answer == ""
	}
	var answers []string
	for _, e := range effects {
		if e.Status != journal.Intended || !asked[e.Place] {
			continue
		}
		choice := "redo"
		if p.happened(e) {
			choice = "done"
		}
		answers = append(answers, e.Place+"="+choice)
	}
	return strings.Join(answers, " ")
}

// happened looks whether an effect in doubt happened.
func (p *place) happened(e *journal.Effect) bool {
	p.t.Helper()
	switch e.Kind {
	case "world.blind":
		world, err := readWorld(p.world())
		if err != nil {
			p.t.Fatal(err)
		}
		return world[e.Place] > 0
	case "exec.run": // sh -c 'echo TAG >> FILE'
		_, rest, _ := strings.Cut(e.Description, "echo ")
		fields := strings.Fields(strings.TrimRight(rest, `"'`))
		if len(fields) != 3 {
			p.t.Fatalf("cannot read the command %q", e.Description)
		}
		data, err := os.ReadFile(filepath.Join(p.ws(), fields[2]))
		if err != nil && !os.IsNotExist(err) {
			p.t.Fatal(err)
		}
		return slices.Contains(strings.Fields(string(data)), fields[0])
	}
	p.t.Fatalf("%s %s is in doubt, although it can be asked", e.Kind, e.Description)
	return false
}

// check looks at the end of a completed run.
func (p *place) check(want undisturbed) {
	p.t.Helper()
	world, err := readWorld(p.world())
	if err != nil {
		p.t.Fatal(err)
	}
	for where, n := range want.world {
		if world[where] != n {
			p.t.Errorf("the effect at %s happened %d times", where, world[where])
		}
	}
	if !maps.Equal(world, want.world) {
		p.t.Errorf("the world has %d effects, want %d", len(world), len(want.world))
	}
	if err := sameTree(tree(p.t, p.ws()), want.files); err != nil {
		p.t.Error(err)
	}
	run, effects, questions := p.effects()
	if run.State != journal.Completed {
		p.t.Errorf("the run is %s", run.State)
	}
	for _, e := range effects {
		if e.Status == journal.Intended {
			p.t.Errorf("%s %s is open", e.Kind, e.Place)
		}
	}
	for _, q := range questions {
		if q.Answer == "" {
			p.t.Errorf("the question about %s is open", q.Place)
		}
	}
	p.replays()
}

func (p *place) replays() {
	p.t.Helper()
	rt, err := newRuntime(p.dir, event.Discard)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rt.Close()
	if _, err := rt.Replay(interrupt(), "last", ""); err != nil {
		p.t.Errorf("the journal does not replay: %v", err)
	}
}
