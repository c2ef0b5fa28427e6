package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
)

// Lease is the right to act for a run. It ends with Release, or with the process:
// the operating system then releases the lock, so that a dead owner's run can be
// resumed at once.
type Lease struct {
	run  *Run
	file *os.File
	stop chan struct{}
}

// HeartbeatInterval is how often the owner of a run says that it is alive, for
// those who look from another machine.
const HeartbeatInterval = 5 * time.Second

// Acquire takes the run for this process and counts an execution. A run that
// another process has is a fault that names it.
func (r *Run) Acquire() (*Lease, error) { return r.take(1) }

// Hold takes the run for this process, which is not going to execute it.
func (r *Run) Hold() (*Lease, error) { return r.take(0) }

func (r *Run) take(executions int) (*Lease, error) {
	f, err := lock(r.leaseFile())
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot open the lease of run %s", r.ID)
	}
	if f == nil {
		if err := r.Reload(); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.Failed, "the run %s is being executed by %s (last heard of %s ago)",
			r.ID, r.Owner, duration.Short(time.Since(r.Heartbeat))).
			WithHint("wait for it, or stop it with: provisioning cancel %s", r.ID[:8])
	}
	l := &Lease{run: r, file: f, stop: make(chan struct{})}
	host, _ := os.Hostname() // for people; an empty name is no error
	r.Owner, r.Heartbeat = fmt.Sprintf("process %d on %s", os.Getpid(), host), time.Now()
	r.Executions += executions
	err = errors.Join(
		writeOwner(f),
		r.exec(`UPDATE runs SET owner=?, heartbeat=?, executions=executions+? WHERE n=?`, r.Owner, r.Heartbeat.UnixNano(), executions, r.n))
	if err != nil {
		f.Close()
		return nil, err
	}
	go l.beat(r.j, r.n)
	return l, nil
}

const (
	lockAttempts = 10
	lockPause    = 20 * time.Millisecond
)

// lock locks the file of the lease; nil says that another process has it. Those
// who only look for the owner hold the lock for a moment, so it is tried again.
func lock(name string) (*os.File, error) {
	for range lockAttempts {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			mine, err := f.Stat()
			if now, nerr := os.Stat(name); err == nil && nerr == nil && os.SameFile(mine, now) {
				return f, nil
			}
			f.Close() // its owner has just removed it: a lock on it keeps nobody out
			continue
		}
		f.Close()
		time.Sleep(lockPause)
	}
	return nil, nil
}

func (r *Run) leaseFile() string { return filepath.Join(r.j.dir, "leases", r.ID) }

// writeOwner puts the process id into the lock file, for cancel.
func writeOwner(f *os.File) error {
	err := f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		return diskFault(err)
	}
	return nil
}

// OwnerProcess returns the id of the process that executes the run; 0 when none
// does.
func (r *Run) OwnerProcess() int { return ownerOf(r.leaseFile()) }

// ownerOf returns the process that holds a lock; 0 when none does.
func ownerOf(name string) int {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return 0 // nobody holds it; closing the file releases it again
	}
	pid := 0
	fmt.Fscan(f, &pid) //nolint:errcheck // an unreadable owner is no owner
	return pid
}

// UnderWay reports whether a process executes the run, or, as far as is known here,
// another engine does.
func (r *Run) UnderWay() bool {
	there := r.Options.Engine != "" && (r.State == Pending || r.State == Running || r.State == RollingBack)
	return there || r.OwnerProcess() != 0
}

// beat does not wait for the disk: a heartbeat that is lost does no harm.
func (l *Lease) beat(j *Journal, run int64) {
	tick := time.NewTicker(HeartbeatInterval)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-tick.C:
			_ = j.later(func(tx *connection) error {
				_, err := tx.ExecContext(context.Background(), `UPDATE runs SET heartbeat=? WHERE n=?`, now.UnixNano(), run)
				return err
			})
		}
	}
}

// Release gives the run up.
func (l *Lease) Release() {
	close(l.stop)
	os.Remove(l.run.leaseFile()) //nolint:errcheck // an empty file left behind does no harm
	l.file.Close()
}

// Cancel records that a run which no process executes is cancelled.
func (r *Run) Cancel() error {
	lease, err := r.Acquire()
	if err != nil {
		return err
	}
	defer lease.Release()
	return r.SetState(Cancelled, fault.New(fault.Cancelled, "the run was cancelled"))
}

// schedulesFile is the lock of the process that serves the schedules: one does.
func (j *Journal) schedulesFile() string { return filepath.Join(j.dir, "schedules.lock") }

// ServeSchedules makes this process the one that serves the schedules, until the
// returned function is called, or it ends. Where another process does, the fault names
// it.
func (j *Journal) ServeSchedules() (release func(), err error) {
	f, err := lock(j.schedulesFile())
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot open the lock of the schedules")
	}
	if f == nil {
		return nil, fault.New(fault.Failed, "process %d serves the schedules of this workspace already", j.SchedulesProcess()).
			WithHint("one process does; stop that one, or leave it alone")
	}
	if err := writeOwner(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		os.Remove(f.Name()) //nolint:errcheck // an empty file left behind does no harm
		f.Close()
	}, nil
}

// SchedulesProcess returns the process that serves the schedules; 0 when none does.
func (j *Journal) SchedulesProcess() int { return ownerOf(j.schedulesFile()) }
