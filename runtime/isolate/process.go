package isolate

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// The file descriptors of the process besides the standard ones, which lead
// nowhere but for the standard error.
const (
	inFD  = 3
	outFD = 4
)

// process is the process of an interpreter, as the parent sees it.
type process struct {
	requests *os.File // to it
	answers  *os.File // from it
	cmd      *exec.Cmd
	group    *group // cgroup; nil: none

	said   head // on its standard error
	killed sync.Once
	ended  chan struct{}
	status status
}

// status is how a process has ended.
type status struct {
	state *os.ProcessState
	said  string
	oom   bool // the cgroup has killed it
	err   error
}

// passed are the variables of the environment that the process gets: what time
// zones need, and what tests need of their own binary.
var passed = []string{"TZ", "ZONEINFO", "GORACE", "GOCOVERDIR"}

func startProcess(cfg Config) (*process, error) {
	p := &process{ended: make(chan struct{})}
	toIn, requests, err := os.Pipe()
	if err != nil {
		return nil, noProcess(err)
	}
	answers, toOut, err := os.Pipe()
	if err != nil {
		toIn.Close()
		requests.Close()
		return nil, noProcess(err)
	}
	defer toIn.Close()
	defer toOut.Close()
	p.requests, p.answers = requests, answers
	program, err := cfg.Program, error(nil)
	if program == "" {
		program, err = executable()
	}
	if cfg.Limits.Memory > 0 {
		p.group = newGroup(hardMemory(cfg.Limits.Memory))
	}
	if err == nil {
		err = p.launch(program, toIn, toOut)
	}
	if err != nil && p.group != nil { // a group that it may not enter
		p.group.remove()
		p.group = nil
		err = p.launch(program, toIn, toOut)
	}
	if err != nil {
		p.requests.Close()
		p.answers.Close()
		return nil, noProcess(err)
	}
	return p, nil
}

func noProcess(err error) error {
	return fault.Wrap(fault.Failed, err, "cannot start the process for the interpreter")
}

// launch starts the process and waits for it on a thread of its own: the system
// ends the process with the thread that has started it.
func (p *process) launch(program string, files ...*os.File) error {
	p.cmd = &exec.Cmd{
		Path: program, Args: []string{os.Args[0], argument}, Dir: "/", Env: []string{"GOTRACEBACK=none"},
		ExtraFiles: files, Stderr: &p.said, SysProcAttr: attributes(),
	}
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			p.cmd.Env = append(p.cmd.Env, name+"="+v)
		}
	}
	p.group.join(p.cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		goruntime.LockOSThread()
		defer goruntime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.status.err = p.cmd.Wait()
		p.status.state, p.status.said, p.status.oom = p.cmd.ProcessState, p.said.String(), p.group.killed()
		close(p.ended)
	}()
	return <-started
}

// watchInterval is how often the memory of a process is looked at.
const watchInterval = 25 * time.Millisecond

// watch kills a process that has more memory than it may: the system lets a
// single large allocation pass the limit that the process has set itself.
func (p *process) watch(memory int64, kill func(error)) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-tick.C:
		}
		if resident(p.cmd.Process.Pid) > hardMemory(memory) {
			kill(memoryExceeded(memory))
			return
		}
	}
}

// killedOutside reports whether a process that has ended was killed by something else
// than its limits.
func (p *process) killedOutside(l sandbox.Limits) bool {
	s := p.wait()
	ws, ok := s.state.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL && fault.Is(s.fault(l), fault.Internal)
}

func memoryExceeded(limit int64) *fault.Error {
	return sandbox.Exceeded("memory", fmt.Sprintf("%d MiB", limit>>20))
}

func (p *process) kill() {
	p.killed.Do(func() { _ = p.cmd.Process.Kill() }) // it may have ended
}

// wait returns how the process has ended. One that says no more has to end soon.
func (p *process) wait() *status {
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.kill()
		<-p.ended
	}
	return &p.status
}

func (p *process) close() {
	p.kill()
	p.requests.Close()
	p.answers.Close()
	<-p.ended
	p.group.remove()
}

// hardMemory is the limit that the system enforces for a heap of the given size.
// What is counted is more than objects: the collector's work, stacks, fragments.
func hardMemory(heap int64) int64 { return heap + heap/2 + 128<<20 }

// maxStackOf is how large a stack may be: a value that is nested too deeply
// overflows it.
func maxStackOf(heap int64) int64 {
	if heap <= 0 {
		return 512 << 20
	}
	return min(max(heap/4, 64<<20), 512<<20)
}

// fault says why a process has ended that nobody has killed.
func (s *status) fault(l sandbox.Limits) *fault.Error {
	says := func(texts ...string) bool {
		for _, t := range texts {
			if strings.Contains(s.said, t) {
				return true
			}
		}
		return false
	}
	ws, _ := s.state.Sys().(syscall.WaitStatus)
	spent := s.state.UserTime() + s.state.SystemTime()
	switch {
	case s.oom, says("out of memory", "cannot allocate memory", "cannot map pages", "failed to allocate", "pthread_create failed", "failed to create new OS thread"):
		return memoryExceeded(l.Memory)
	case says("stack overflow", "stack exceeds"):
		return fault.New(fault.Limit, "a value, or the script, is nested too deeply: it needs a stack of more than %d MiB", maxStackOf(l.Memory)>>20).
			WithHint("build it flatter; the stack is a quarter of the limit of memory, --limit memory=N")
	case ws.Signaled() && l.CPU > 0 && spent >= l.CPU-time.Second/2:
		return sandbox.Exceeded("cpu", duration.Short(l.CPU))
	case ws.Signaled() && ws.Signal() == syscall.SIGKILL:
		return fault.New(fault.Internal, "the interpreter of the run was killed from outside").
			WithHint("the machine may be out of memory")
	}
	// In what Go compiles this is a panic. Elsewhere, in the system's library, it
	// is what has become of memory that was refused.
	if l.Memory > 0 && strings.HasPrefix(s.said, "SIGSEGV: segmentation violation") {
		return memoryExceeded(l.Memory)
	}
	if use, ok := s.state.SysUsage().(*syscall.Rusage); ok && l.Memory > 0 && peak(use) > l.Memory {
		return memoryExceeded(l.Memory) // without memory, anything may go wrong
	}
	how := s.state.String()
	if line, _, _ := strings.Cut(strings.TrimSpace(s.said), "\n"); line != "" {
		how += ": " + line
	}
	return fault.New(fault.Internal, "the interpreter of the run has ended: %s", how).
		WithHint("this is a defect of this program; the journal is intact")
}

// head keeps the beginning of what is written to it.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxSaid = 16 << 10

var _ io.Writer = (*head)(nil)

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(b[:min(len(b), maxSaid-h.buf.Len())])
	return len(b), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}
