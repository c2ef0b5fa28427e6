package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// undoableWorkflow has an effect of every kind that can be taken back.
const undoableWorkflow = `
def take_back(name):
    fs.append("taken-back.log", name + "\n")
    world.again("rollback " + name)

def branch(n):
    dir = "made/%d" % n
    fs.mkdir(dir)
    for i in range(3):
        tag = "%d-%d" % (n, i)
        world.undoable(tag)
        fs.write(dir + "/%s.txt" % tag, tag)
        fs.append("kept/log-%d" % n, tag + "\n")
    fs.copy(dir + "/%d-0.txt" % n, "kept/copy-%d" % n)
    fs.move(dir + "/%d-1.txt" % n, "kept/moved-%d" % n)
    fs.chmod("kept/file-%d" % n, 0o600)
    fs.write("kept/file-%d" % n, "replaced")
    on_rollback(take_back, "branch-%d" % n)

def main():
    world.undoable("first")
    fs.remove("kept/tree", recursive = True)
    fs.mkdir("made")
    parallel(branch, range(3))
    secret.put("torture/name", "value of the secret")
    world.undoable("last")
`

// before makes the files that the workflow changes.
func (p *place) before() {
	p.t.Helper()
	files := map[string]string{"kept/tree/a/b": "b", "kept/tree/c": "c"}
	for n := range 3 {
		files[fmt.Sprintf("kept/file-%d", n)] = "original"
	}
	for name, text := range files {
		file := filepath.Join(p.ws(), name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}

func TestRollbackTorture(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	t.Parallel()
	p := newPlace(t, undoableWorkflow)
	p.before()
	code, runs := p.do("run", 0)
	if code != exitDone {
		t.Fatalf("the run ended with %d", code)
	}
	code, undos := p.do("rollback", 0)
	if code != exitDone {
		t.Fatalf("the rollback ended with %d", code)
	}
	t.Logf("%d points of the run, %d of its rollback", runs, undos)
	if full() {
		for n := 1; n <= undos; n++ {
			t.Run(fmt.Sprintf("rollback-%d", n), func(t *testing.T) {
				t.Parallel()
				rollBack(t, 0, once(n))
			})
		}
		for n := 1; n <= runs; n++ {
			t.Run(fmt.Sprintf("run-%d", n), func(t *testing.T) {
				t.Parallel()
				rnd := rand.New(rand.NewPCG(uint64(n), 3))
				rollBack(t, n, once(1+rnd.IntN(undos)))
			})
		}
		return
	}
	killed := 0
	for s := seed(t); killed < 25; s++ {
		rnd := rand.New(rand.NewPCG(s, 3))
		runKill := 0
		if s%2 == 0 {
			runKill = 1 + rnd.IntN(runs)
		}
		killed += rollBack(t, runKill, func() int { return 2 + rnd.IntN(undos/3) })
		if t.Failed() {
			t.Fatalf("with TORTURE_SEED=%d", s)
		}
	}
	t.Logf("%d kills", killed)
}

// once names one point, and then none.
func once(n int) func() int {
	return func() int {
		k := n
		n = 0
		return k
	}
}

// rollBack runs the workflow up to a point (0: to the end), and rolls it back,
// killed at the points that next names. The world has to be what it was.
func rollBack(t *testing.T, runKill int, next func() int) (killed int) {
	t.Helper()
	p := newPlace(t, undoableWorkflow)
	p.before()
	beginning := tree(t, p.ws())
	p.do("run", runKill)
	if !p.hasRun() {
		return 0
	}
	for began := time.Now(); ; {
		code, _ := p.do("rollback", next())
		if code == exitDone {
			break
		}
		if code == exitWaits {
			t.Fatal("the rollback waits")
		}
		if killed++; time.Since(began) > 5*time.Minute {
			t.Fatal("the rollback does not come to its end")
		}
	}
	p.isAtItsBeginning(beginning)
	return killed
}

func (p *place) isAtItsBeginning(beginning map[string]string) {
	p.t.Helper()
	now := tree(p.t, p.ws())
	log := now["taken-back.log"]
	delete(now, "taken-back.log") // the callbacks have written it, in their order
	if err := sameTree(now, beginning); err != nil {
		p.t.Error(err)
	}
	world, err := readWorld(p.world())
	if err != nil {
		p.t.Fatal(err)
	}
	run, effects, _ := p.effects()
	callbacks := 0
	for _, e := range effects {
		if e.Kind == "world.undoable" && world[e.Place] != 0 {
			p.t.Errorf("%s is done %d times", e.Place, world[e.Place])
		}
		if e.Place[0] == 'r' && e.Kind == "world.again" {
			callbacks++
			if world[e.Place] != 1 {
				p.t.Errorf("what rollback called did %s %d times", e.Place, world[e.Place])
			}
		}
	}
	registered := 0
	for _, e := range effects {
		if e.Kind == "on_rollback" && e.Status == journal.Done {
			registered++
		}
	}
	if callbacks < registered {
		p.t.Errorf("rollback made %d calls, %d were registered", callbacks, registered)
	}
	if n := len(log); callbacks > 0 && n != len("-rw-r--r-- ")+callbacks*len("branch-0\n") {
		p.t.Errorf("the callbacks wrote %q, but there were %d", log, callbacks)
	}
	if run.State != journal.RolledBack {
		p.t.Errorf("the run is %s", run.State)
	}
}
