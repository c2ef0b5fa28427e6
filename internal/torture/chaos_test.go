package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/container/containertest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh/sshtest"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/temporal"
	"github.com/provisioning-systems/provisioning/runtime/temporal/temporaltest"
)

// chaosWorkflow has 4 effects for each step of each branch.
const chaosWorkflow = `
def work(n):
    h = HOSTS[n %% len(HOSTS)]
    t = ssh.host(h["address"], user = "root", key = h["key"], host_key = h["host_key"], name = "m%%d" %% n, config = False)
    dir = "/w/b%%d" %% n
    for i in range(%d):
        target.run(t, "echo %%d >> %%s/log" %% (i, dir), shell = True, _once = True)
        op.file(t, "%%s/f-%%d" %% (dir, i), content = "first\n" * 100)
        target.query(t, ["cat", "%%s/f-%%d" %% (dir, i)])
        op.file(t, "%%s/f-%%d" %% (dir, i), content = "of %%d, %%d\n" %% (n, i), mode = 0o600)

def main():
    parallel(work, range(%d), limit = 0)
    fs.write("end.txt", "all of them")
`

// scale is how large a round of the chaos is.
type scale struct{ machines, branches, steps, rounds, troubles int }

// TestChaos has three workers perform a run, and kills them, cuts their network, lets
// them stand still, and restarts the server, all by chance. Then the run has completed,
// nothing has happened twice, and nothing is left half done.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("kills workers and servers for half a minute")
	}
	s := scale{machines: 2, branches: 10, steps: 2, rounds: 1, troubles: 8}
	if full() {
		s = scale{machines: 5, branches: 50, steps: 5, rounds: 20, troubles: 40}
	}
	server := temporaltest.Start(t)
	first := seed(t)
	fleet := newBoxes(t, s.machines)
	for n := range s.rounds {
		c := &chaos{t: t, scale: s, server: server, boxes: fleet, rnd: rand.New(rand.NewPCG(first+uint64(n), 17))}
		if c.round(); t.Failed() {
			t.Fatalf("with TORTURE_SEED=%d", first+uint64(n))
		}
	}
}

// boxes are containers with an SSH server.
type boxes struct {
	t         *testing.T
	engine    *container.Engine
	names     []string
	addresses []string
	hostKeys  []string
	key       string
}

const boxImage = "provisioning/debian-plain:12"

func newBoxes(t *testing.T, n int) *boxes {
	t.Helper()
	f := containertest.New(t)
	if _, found, err := f.Engine.LookImage(t.Context(), boxImage); err != nil || !found {
		t.Skip("skipped: there is no image " + boxImage + " (make images)")
	}
	b := &boxes{t: t, engine: f.Engine, key: filepath.Join(t.TempDir(), "id")}
	signer, err := sshtest.WriteKey(b.key, "ed25519", "")
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		s := container.Spec{Name: f.Name("chaos"), Image: boxImage}
		if _, _, err := f.Engine.Create(t.Context(), s, f.Owner); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.Start(t.Context(), s.Name); err != nil {
			t.Fatal(err)
		}
		c, err := f.Engine.Inspect(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range c.Networks {
			b.addresses = append(b.addresses, a.IPv4)
		}
		b.names = append(b.names, s.Name)
		b.sh(s.Name, fmt.Sprintf("until [ -s /run/sshd.pid ]; do sleep 0.05; done; mkdir -p -m 700 /root/.ssh; echo '%s' >/root/.ssh/authorized_keys",
			strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))))
		b.hostKeys = append(b.hostKeys, strings.TrimSpace(b.sh(s.Name, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub")))
	}
	return b
}

// sh runs a script in a container, and returns what it prints.
func (b *boxes) sh(name, script string) string {
	b.t.Helper()
	var out bytes.Buffer
	exit, err := b.engine.Conn(name, "").Exec(b.t.Context(), script, machine.Streams{Stdout: &out, Stderr: &out})
	if err != nil || exit.Code != 0 {
		b.t.Fatalf("%s: %v, code %d: %s", script, err, exit.Code, out.String())
	}
	return out.String()
}

// chaos is one run that is disturbed.
type chaos struct {
	t      *testing.T
	scale  scale
	server *temporaltest.Server
	boxes  *boxes
	rnd    *rand.Rand
	place  *place

	workers  []*chaosWorker
	rt       *runtime.Runtime
	key      *seal.Key
	settings temporal.Settings
	did      map[string]int
}

func (c *chaos) round() {
	c.t.Helper()
	c.place = newPlace(c.t, c.script())
	for n := range c.scale.branches {
		c.boxes.sh(c.boxes.names[n%c.scale.machines], fmt.Sprintf("rm -rf /w/b%[1]d; mkdir -p /w/b%[1]d", n))
	}
	c.settings = temporal.Settings{
		Address: c.server.Address, Queue: filepath.Base(c.place.dir), Heartbeat: temporal.Span(2 * time.Second), History: 400,
		Large: filepath.Join(c.place.dir, "large"),
	}
	c.did = map[string]int{}
	defer func() {
		for _, w := range c.workers {
			w.end()
		}
	}()
	for range 3 {
		c.workers = append(c.workers, c.startWorker())
	}
	rt, err := newRuntime(c.place.dir, event.Discard)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rt.Close()
	c.rt, c.key = rt, seal.KeyAt(filepath.Join(c.place.dir, "home", "age.key"))
	began := time.Now()
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(c.t.Context(), 15*time.Minute) // on a machine that has others to do
	defer cancel()
	go func() { ended <- c.untilComplete(ctx) }()
	if err := c.disturb(ended); err != nil {
		c.t.Errorf("after %s: %v\n%s", time.Since(began).Round(time.Second), err, c.said())
		return
	}
	c.check()
	c.t.Logf("%s: %v", time.Since(began).Round(time.Second), c.did)
}

func (c *chaos) script() string {
	var hosts strings.Builder
	for i := range c.scale.machines {
		fmt.Fprintf(&hosts, "    {\"address\": %q, \"key\": %q, \"host_key\": %q},\n", c.boxes.addresses[i], c.boxes.key, c.boxes.hostKeys[i])
	}
	return "HOSTS = [\n" + hosts.String() + "]\n" + fmt.Sprintf(chaosWorkflow, c.scale.steps, c.scale.branches)
}

// untilComplete runs the script, and resumes the run where it waits for no more than
// that, or has failed because of what is done to it.
func (c *chaos) untilComplete(ctx context.Context) error {
	in := runtime.Interrupt{Stop: ctx, Cut: ctx}
	begun := false
	for ctx.Err() == nil {
		client, err := temporal.Dial(ctx, c.settings, c.key, c.rt, event.Discard)
		if err != nil {
			continue // the server is away
		}
		var out *runtime.Outcome
		if !begun {
			out, err = client.Start(in, runtime.Start{Script: filepath.Join(c.place.ws(), "main.star")})
			begun = c.place.hasRun()
		} else {
			out, err = client.Resume(in, "last", runtime.Resume{})
		}
		client.Close()
		switch {
		case err == nil && out.State == journal.Completed:
			return nil
		case fault.Is(err, fault.Waiting):
			if !strings.Contains(err.Error(), "asking the world failed") {
				return fmt.Errorf("the run waits, although every effect of it leaves a trace: %w", err)
			}
			c.did["waited"]++
		case fault.Is(err, fault.Timeout), fault.Is(err, fault.Unavailable), fault.Is(err, fault.Network):
			c.did["failed: "+err.Error()]++
		default:
			return fmt.Errorf("the run failed for another reason than what was done to it: %w", err)
		}
	}
	return context.Cause(ctx)
}

// disturb does what it can to the run until that has ended.
func (c *chaos) disturb(ended <-chan error) error {
	defer c.heal()
	for range c.scale.troubles {
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Duration(200+c.rnd.IntN(1500)) * time.Millisecond):
		}
		n := c.rnd.IntN(len(c.workers))
		w := c.workers[n]
		switch what := c.rnd.IntN(10); {
		case what < 5:
			c.did["killed"]++
			w.end()
			c.workers[n] = c.startWorker()
		case what < 7:
			c.did["cut off"]++
			w.network.freeze(true)
			time.AfterFunc(time.Duration(c.rnd.IntN(5000))*time.Millisecond, func() { w.network.freeze(false) })
		case what < 9:
			c.did["stood still"]++
			w.signal(syscall.SIGSTOP)
			time.AfterFunc(time.Duration(c.rnd.IntN(5000))*time.Millisecond, func() { w.signal(syscall.SIGCONT) })
		default:
			c.did["restarted the server"]++
			c.server.Stop()
			if err := c.server.Restart(); err != nil {
				return err
			}
		}
	}
	c.heal()
	return <-ended
}

// heal lets all workers work.
func (c *chaos) heal() {
	for _, w := range c.workers {
		w.network.freeze(false)
		w.signal(syscall.SIGCONT)
	}
}

// check looks at the machines, and at the journal.
func (c *chaos) check() {
	c.t.Helper()
	for n := range c.scale.branches {
		var want strings.Builder
		for i := range c.scale.steps {
			fmt.Fprintf(&want, "%d\n", i)
		}
		for i := range c.scale.steps {
			fmt.Fprintf(&want, "f-%d 600 of %d, %d\n", i, n, i)
		}
		got := c.boxes.sh(c.boxes.names[n%c.scale.machines],
			fmt.Sprintf("cd /w/b%d; cat log; for f in $(ls -A); do [ $f = log ] || echo $f $(stat -c %%a $f) $(cat $f); done", n))
		if got != want.String() {
			c.t.Errorf("branch %d has left\n%s", n, got)
		}
	}
	run, effects, _ := c.place.effects()
	if want := 4*c.scale.steps*c.scale.branches + 2; run.State != journal.Completed || len(effects) != want {
		c.t.Errorf("the run is %s, with %d effects instead of %d", run.State, len(effects), want)
	}
	for _, e := range effects {
		if e.Status != journal.Done {
			c.t.Errorf("%s %s is %s", e.Place, e.Kind, e.Status)
		}
	}
}

// said is what the workers have printed.
func (c *chaos) said() string {
	var text strings.Builder
	for _, w := range c.workers {
		text.WriteString(w.out.String())
	}
	return text.String()
}

// chaosWorker is a worker process, with a network of its own.
type chaosWorker struct {
	cmd     *exec.Cmd
	network *network
	out     *lockedBuffer
}

func (c *chaos) startWorker() *chaosWorker {
	c.t.Helper()
	w := &chaosWorker{network: newNetwork(c.t, c.server.Address), out: &lockedBuffer{}}
	w.cmd = c.place.cmd("worker", 0, []string{"TORTURE_SERVER=" + w.network.address(), "TORTURE_QUEUE=" + c.settings.Queue})
	w.cmd.Stdout, w.cmd.Stderr = w.out, w.out
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	return w
}

func (w *chaosWorker) signal(s syscall.Signal) { _ = w.cmd.Process.Signal(s) } // it may be gone

// end kills the worker.
func (w *chaosWorker) end() {
	w.signal(syscall.SIGKILL)
	_ = w.cmd.Wait() // it was killed
	w.network.close()
}

// work is the worker process: what `provisioning worker` does.
func work(dir string) error {
	cfg, err := newConfig(dir, event.Discard)
	if err != nil {
		return err
	}
	return temporal.Serve(context.Background(), temporal.Work{
		Settings: temporal.Settings{Address: os.Getenv("TORTURE_SERVER"), Queue: os.Getenv("TORTURE_QUEUE"), Large: filepath.Join(dir, "large")},
		Capacity: 20, Runtime: cfg,
	})
}

// network is between a worker and the server. It can stop forwarding, so that neither
// side learns that the other one is away.
type network struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	frozen bool
	thaw   *sync.Cond
	conns  []net.Conn
}

func newNetwork(t *testing.T, to string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{listener: l, to: to}
	n.thaw = sync.NewCond(&n.mu)
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go n.join(from)
		}
	}()
	return n
}

func (n *network) address() string { return n.listener.Addr().String() }

func (n *network) join(from net.Conn) {
	n.pass()
	to, err := net.Dial("tcp", n.to)
	if err != nil {
		from.Close()
		return
	}
	n.mu.Lock()
	n.conns = append(n.conns, from, to)
	n.mu.Unlock()
	go n.forward(from, to)
	n.forward(to, from)
}

func (n *network) forward(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		got, err := from.Read(buf)
		n.pass()
		if _, werr := to.Write(buf[:got]); err != nil || werr != nil {
			return
		}
	}
}

// pass waits while nothing is forwarded.
func (n *network) pass() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.frozen {
		n.thaw.Wait()
	}
}

func (n *network) freeze(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = on
	n.thaw.Broadcast()
}

func (n *network) close() {
	n.listener.Close()
	n.freeze(false)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		_ = c.Close() // it may be closed
	}
}
