package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// The tests of this file start the test program again, as another process on the
// same journal. childKey holds what that does.
const childKey = "JOURNAL_TEST_CHILD"

var children = map[string]func(dir string) error{"own": own, "write": write, "fill": fill}

func TestMain(m *testing.M) {
	if do := children[os.Getenv(childKey)]; do != nil {
		if err := do(os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child prepares another process that does what is called name.
func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, dir)
	cmd.Env = append(os.Environ(), childKey+"="+name, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// own takes the lease of the last run and keeps it until its input ends.
func own(dir string) error {
	j, err := journal.Open(dir, journal.OpenOptions{})
	if err != nil {
		return err
	}
	r, err := j.Find("last")
	if err != nil {
		return err
	}
	if _, err := r.Acquire(); err != nil {
		return err
	}
	fmt.Println("owned")
	_, err = io.ReadAll(os.Stdin)
	return err
}

func TestLeaseEndsWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	defer j.Close() //nolint:errcheck // only leases are looked at
	r := create(t, j, "a")

	cmd := child(t, "own", dir)
	stdin, err := cmd.StdinPipe()
	check(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "owned\n" {
		t.Fatalf("the owner says %q, %v", line, err)
	}
	if r.OwnerProcess() != cmd.Process.Pid {
		t.Errorf("the owner is %d, want %d", r.OwnerProcess(), cmd.Process.Pid)
	}
	_, err = r.Acquire()
	if !fault.Is(err, fault.Failed) || !strings.Contains(err.Error(), fmt.Sprintf("by process %d on ", cmd.Process.Pid)) {
		t.Errorf("a second owner: %v", err)
	}

	check(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait() // it was killed
	lease, err := r.Acquire()
	if err != nil {
		t.Fatalf("the dead owner keeps the run: %v", err)
	}
	lease.Release()
}

const written = 30 // runs and their effects, by each of two processes

// write opens the journal, which may not be there yet, and adds runs to it.
func write(dir string) error {
	j, err := journal.Open(dir, journal.OpenOptions{})
	if err != nil {
		return err
	}
	for i := range written {
		r, err := j.Create(journal.Run{ID: fmt.Sprintf("%d-%d", os.Getpid(), i), Params: []byte{'n'}})
		if err != nil {
			return err
		}
		if err := errors.Join(r.Intend(intent("0#1")), r.Log(journal.Line{Text: "x"})); err != nil {
			return err
		}
	}
	return j.Close()
}

func TestTwoProcessesWrite(t *testing.T) {
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 2 {
		cmd := child(t, "write", dir)
		wait.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wait.Wait()
	j := open(t, dir)
	defer j.Close() //nolint:errcheck // only read
	runs, err := j.Runs(0)
	check(t, err)
	if len(runs) != 2*written {
		t.Errorf("%d of %d runs are there", len(runs), 2*written)
	}
	for _, r := range runs {
		if effects, err := r.Effects(); err != nil || len(effects) != 1 {
			t.Errorf("%s has the effects %v, %v", r.ID, effects, err)
		}
	}
	check(t, j.Check())
}

// fill writes until the process may write no more, and says what then happens.
func fill(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	j, err := journal.Open(dir, journal.OpenOptions{})
	if err != nil {
		return err
	}
	r, err := j.Create(journal.Run{ID: "full", Params: []byte{'n'}})
	if err != nil {
		return err
	}
	const limit = 512 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	var wait sync.WaitGroup
	failures := make([]error, 20)
	for b := range failures {
		wait.Go(func() {
			for i := 0; failures[b] == nil; i++ {
				e := intent(fmt.Sprintf("0.%d#%d", b, i))
				e.Result = make([]byte, 4<<10)
				failures[b] = r.Intend(e)
			}
		})
	}
	wait.Wait()
	for range 200 { // and from then on, everything fails
		failures = append(failures, r.Intend(intent("0#1")), r.Finish(intent("0#1")), j.Sync())
	}
	for i, err := range failures {
		if !fault.Is(err, fault.Journal) || !strings.HasPrefix(err.Error(), "cannot write the journal: ") || fault.As(err).Hint == "" {
			return fmt.Errorf("operation %d: %v", i, err)
		}
	}
	if err := j.Close(); err == nil {
		return errors.New("closing says that all is well")
	}
	_, err = j.Blobs.Put(strings.Repeat("x", limit+1))
	if !fault.Is(err, fault.Journal) {
		return fmt.Errorf("a blob: %v", err)
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := child(t, "fill", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	j := open(t, dir) // now that there is room
	defer j.Close()   //nolint:errcheck // only a little is written
	r, err := j.Find("full")
	check(t, err)
	effects, err := r.Effects()
	check(t, err)
	if len(effects) == 0 {
		t.Error("what was written before the disk was full is lost")
	}
	check(t, r.Intend(intent("0#1")))
	check(t, j.Check())
}
