package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// powerWorkflow writes the files of the workspace in every way that there is,
// beside a world on another machine. Commands are not in it: whether what they
// write is durable is up to them.
const powerWorkflow = `
def branch(n):
    dir = "new/%d/deep" % n
    for i in range(2):
        tag = "%d-%d" % (n, i)
        world.ask(tag)
        fs.write(dir + "/%s.txt" % tag, "content of %s\n" % tag)
        fs.append("logs/%d/log" % n, "line %d\n" % i)
        world.blind(tag)
    fs.mkdir("dirs/%d" % n)
    fs.copy(dir, "copies/%d" % n, recursive = True)
    fs.move(dir + "/%d-0.txt" % n, "moved-%d.txt" % n)
    fs.remove(dir + "/%d-1.txt" % n)
    world.again("end %d" % n)
    return "x" * 70000

def main():
    world.ask("first")
    secret.put("a/b", "value")
    large = parallel(branch, range(2))
    fs.write("sizes.txt", str([len(l) for l in large]))
    fs.write("large.txt", large[0])
    text = fs.read("large.txt")
    world.blind("last")
    fs.write("again.txt", text)
`

func needStrace(t *testing.T) {
	t.Helper()
	why := ""
	if _, err := exec.LookPath("strace"); err != nil {
		why = "there is no strace"
	} else if out, err := exec.Command("strace", "-f", "true").CombinedOutput(); err != nil {
		why = fmt.Sprintf("strace does not work here: %s", out)
	}
	if why == "" {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("REQUIRE"), ","), "strace") {
		t.Fatal(why + ", and REQUIRE demands it")
	}
	t.Skip(why)
}

func TestPowerLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	needStrace(t)
	want := undisturbedRun(t, powerWorkflow)
	p := newPlace(t, powerWorkflow)
	before := newDisk(t, p.dir)
	calls := p.record()
	t.Logf("%d calls are recorded", len(calls))

	cuts := interesting(calls, p.dir)
	every := 1
	if !full() {
		every = max(1, len(cuts)*len(fates(nil))/60)
	}
	rnd := rand.New(rand.NewPCG(seed(t), 4))
	player := &player{disk: before, within: p.dir, syncing: map[int]state{}}
	played, tried := 0, 0
	for i, cut := range cuts {
		for ; played <= cut; played++ {
			if err := player.play(calls[played]); err != nil {
				t.Fatal(err)
			}
		}
		for k, f := range fates(rnd) {
			if (i*len(fates(nil))+k)%every != 0 {
				continue
			}
			tried++
			name := fmt.Sprintf("%d-%s", cut, f.name)
			t.Run(name, func(t *testing.T) { p.afterPowerLoss(t, player, f, want) })
		}
	}
	t.Logf("%d cuts", tried)
}

// record runs the workflow under strace.
func (p *place) record() []call {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), "trace")
	const traced = "trace=open,openat,write,pwrite64,ftruncate,lseek,rename,renameat,renameat2,link,linkat,unlink,unlinkat," +
		"mkdir,mkdirat,rmdir,fsync,fdatasync,fchmod,copy_file_range,sendfile"
	cmd := p.cmd("run", 0, nil, "strace", "-f", "-y", "-xx", "-s", "2000000", "-e", "signal=none", "-e", traced, "-o", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	return parseTrace(string(data))
}

// interesting are the indexes of the calls after which something on the disk, or
// in the world, is different.
func interesting(calls []call, dir string) []int {
	var cuts []int
	for i, c := range calls {
		if c.ended && c.result >= 0 && c.name != "lseek" && c.name != "openat" && strings.Contains(paths(c.args), dir) {
			cuts = append(cuts, i)
		}
	}
	return cuts
}

func paths(args []string) string {
	var b bytes.Buffer
	for _, a := range args {
		if len(a) < 4096 { // a path, not content
			b.WriteString(plain(a))
		}
	}
	return b.String()
}

// afterPowerLoss goes on in a directory that is put together from what has
// survived. The world is another machine, which has seen all that was sent.
func (p *place) afterPowerLoss(t *testing.T, player *player, f fate, want undisturbed) {
	q := &place{t, p.dir} // the same place: what effects put aside is named by its path
	if err := os.RemoveAll(q.dir); err != nil {
		t.Fatal(err)
	}
	player.restore(t, p.dir, q.dir, f)
	world := ""
	if n := player.find(p.world()); n != nil {
		world = string(n.data)
	}
	if err := os.WriteFile(q.world(), []byte(world), 0o600); err != nil {
		t.Fatal(err)
	}
	verb := "resume"
	if !q.hasRun() {
		if world != "" {
			t.Fatalf("the run is lost, but it has acted on the world: %s", world)
		}
		verb = "run"
	}
	answers := ""
	for !q.hasCompleted() {
		code, _ := q.do(verb, 0, "TORTURE_ANSWERS="+answers)
		verb = "resume"
		if code == exitDone {
			break
		}
		if answers = q.truth(); answers == "" {
			t.Fatal("the run waits, but no effect is in doubt")
		}
	}
	q.check(want)
}
