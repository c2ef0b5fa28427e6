package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// fleet is machines that are reached over SSH, each with a directory of its own.
type fleet struct {
	servers []*sshtest.Server
	dirs    []string
}

func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{}
	for range n {
		f.servers = append(f.servers, sshtest.Start(t, sshtest.Options{}))
	}
	return f
}

// play is the workflow for the fleet, whose machines begin in new directories.
func (f *fleet) play(t *testing.T) string {
	f.dirs = nil
	var hosts strings.Builder
	for i, s := range f.servers {
		dir := t.TempDir()
		f.dirs = append(f.dirs, dir)
		fmt.Fprintf(&hosts, "    {\"name\": \"m%d\", \"port\": %d, \"user\": %q, \"key\": %q, \"host_key\": %q, \"dir\": %q},\n",
			i, s.Port, s.User, s.Key, strings.TrimSpace(hostKeyLine(s)), dir)
	}
	return "HOSTS = [\n" + hosts.String() + "]\n" + machinesWorkflow
}

// hostKeyLine is the host key of a server as authorized_keys files have it.
func hostKeyLine(s *sshtest.Server) string {
	data, err := os.ReadFile(s.KnownHosts)
	if err != nil {
		return ""
	}
	_, key, _ := strings.Cut(strings.SplitN(string(data), "\n", 2)[0], " ")
	return key
}

const machinesWorkflow = `
def play(h):
    t = ssh.host("127.0.0.1", port = h["port"], user = h["user"], key = h["key"], host_key = h["host_key"], name = h["name"], config = False)
    dir = h["dir"]
    for i in range(3):
        op.file(t, "%s/a-%d" % (dir, i), content = "a %d\n" % i)
        op.file(t, "%s/b-%d" % (dir, i), content = "b\n" * 5000, mode = 0o600)
        op.line(t, "%s/a-%d" % (dir, i), line = "one more")
        target.run(t, "echo %d >> %s/once.log" % (i, dir), shell = True, _once = True)
        op.command(t, "echo op %d >> %s/once.log; sleep 0.02; touch %s/made" % (i, dir, dir), creates = dir + "/made", _once = True)
        op.file(t, "%s/b-%d" % (dir, i), content = "b again\n", mode = 0o640)
        op.command(t, ["rm", dir + "/made"], _once = True)
    op.file(t, dir + "/a-0", state = "absent")
    target.run(t, ["sh", "-c", "sleep 0.02; echo end >> %s/once.log" % dir], _once = True)

def main():
    parallel(play, HOSTS)
    fs.write("end.txt", "all of them")
`

// end is what the machines look like when nobody has disturbed the play.
func (f *fleet) check(t *testing.T) {
	t.Helper()
	want := map[string]string{
		"a-1": "a 1\none more\n", "a-2": "a 2\none more\n", "b-0": "b again\n", "b-1": "b again\n", "b-2": "b again\n",
		"once.log": "0\nop 0\n1\nop 1\n2\nop 2\nend\n",
	}
	for i, dir := range f.dirs {
		got := map[string]string{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[e.Name()] = string(data)
		}
		if err := sameTree(got, want); err != nil {
			t.Errorf("machine %d: %v", i, err)
		}
	}
}

// TestMachines disturbs a play over five machines: the program is killed, and
// connections are cut, at any moment. Afterwards nothing has happened twice, and
// nothing is left half done.
func TestMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes and cuts connections for half a minute")
	}
	t.Parallel()
	f := newFleet(t, 5)
	enough := 12
	if full() {
		enough = 200
	}
	disturbed := disturbances{}
	for s := seed(t); disturbed.total() < enough; s++ {
		rnd := rand.New(rand.NewPCG(s, 11))
		p := newPlace(t, f.play(t))
		f.survive(p, rnd, &disturbed)
		f.check(t)
		if run, _, _ := p.effects(); run.State != journal.Completed {
			t.Errorf("the run is %s", run.State)
		}
		if t.Failed() {
			t.Fatalf("with TORTURE_SEED=%d", s)
		}
	}
	t.Logf("%+v", disturbed)
}

type disturbances struct{ kills, cuts, waits, failures int }

func (d disturbances) total() int { return d.kills + d.cuts }

// survive disturbs a run until it has completed.
func (f *fleet) survive(p *place, rnd *rand.Rand, d *disturbances) {
	p.t.Helper()
	verb := "run"
	for range 60 {
		code, out := f.disturb(p, verb, rnd, d)
		switch code {
		case exitDone:
			return
		case exitWaits: // it says why; it asks the machine again when it is resumed
			d.waits++
			if !strings.Contains(out, "asking the world failed") {
				p.t.Fatalf("the run waits, although every effect of it leaves a trace:\n%s", out)
			}
		case exitFailed:
			d.failures++
			if !strings.Contains(out, "127.0.0.1") && !strings.Contains(out, "m0") && !strings.Contains(out, "connection") {
				p.t.Fatalf("the run failed for another reason than its connections:\n%s", out)
			}
		}
		if verb == "run" && p.hasRun() {
			verb = "resume"
		}
	}
	p.t.Fatal("the run does not come to its end")
}

// disturb executes the run once, and kills it or cuts a connection of it, or lets
// it be.
func (f *fleet) disturb(p *place, verb string, rnd *rand.Rand, d *disturbances) (code int, out string) {
	p.t.Helper()
	cmd := p.cmd(verb, 0, nil)
	var text lockedBuffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // its state says how
	for range rnd.IntN(3) {
		select {
		case <-ended:
		case <-time.After(time.Duration(30+rnd.IntN(400)) * time.Millisecond):
			if rnd.IntN(2) == 0 {
				d.cuts++
				f.servers[rnd.IntN(len(f.servers))].Cut()
				continue
			}
			d.kills++
			_ = cmd.Process.Kill() // it may have ended just now
		}
		break
	}
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		_ = cmd.Process.Kill()
		p.t.Fatalf("%s hangs:\n%s", verb, text.String())
	}
	return cmd.ProcessState.ExitCode(), text.String()
}

// lockedBuffer is written by the copier of exec while it is read.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
