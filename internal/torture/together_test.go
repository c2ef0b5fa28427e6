package torture

import (
	"math/rand/v2"
	"testing"
)

// togetherWorkflow has operations that are performed together, among effects that
// must not happen twice.
const togetherWorkflow = `
def play(t, dir, i):
    op.file(t, "%s/a-%d" % (dir, i), content = "a %d\n" % i)
    op.file(t, "%s/b-%d" % (dir, i), content = "b %d\n" % i, mode = 0o600)
    op.file(t, "%s/shared" % dir, content = "as %d has it\n" % i)
    world.ask("%s-%d" % (dir[-2:], i))
    op.file(t, "%s/a-%d" % (dir, i), content = "a again\n")
    op.file(t, "%s/nowhere/c" % dir, content = "fails")
    op.file(t, "%s/never" % dir, content = "is not reached")

def branch(n):
    t = target.local()
    dir = run.workspace + "/b%d" % n
    fs.mkdir("b%d" % n)
    for i in range(2):
        r = attempt(play, t, dir, i)
        op.file(t, "%s/caught-%d" % (dir, i), content = str(r.ok))
        op.file(t, "%s/b-%d" % (dir, i), state = "absent")
        world.blind("%d-%d" % (n, i))

def main():
    parallel(branch, range(4))
    world.ask("last")
`

// TestTogether kills runs that perform operations together.
func TestTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for some seconds")
	}
	t.Parallel()
	want := undisturbedRun(t, togetherWorkflow)
	kills, enough := 0, 15
	if full() {
		enough = 200
	}
	for s := seed(t); kills < enough; s++ {
		rnd := rand.New(rand.NewPCG(s, 7))
		p := newPlace(t, togetherWorkflow)
		kills += p.survive(func() int { return 1 + rnd.IntN(want.points/2) })
		p.check(want)
		if t.Failed() {
			t.Fatalf("with TORTURE_SEED=%d", s)
		}
	}
	t.Logf("%d kills, %d points", kills, want.points)
}
