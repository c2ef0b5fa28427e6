// Package journal is the durable, ordered record of the runs of a workspace: one
// SQLite database (WAL, synchronous=FULL), and beside it the large outputs by
// their content and a lock file per running run.
//
// What it guarantees:
//
//   - [Run.Intend] returns when the intent is on disk. What is written before it,
//     by any branch, is on disk then too, because one goroutine writes everything
//     in order. So an effect never starts before the results that it depends on
//     are durable, although results do not wait for the disk themselves.
//   - One fsync serves all branches that wait for one (group commit).
//   - A run has one owner at a time: a file lock that the operating system
//     releases when the owner dies, however it dies.
//   - A database of an older format is migrated when it is opened, one of a newer
//     format is refused and left as it is.
package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"modernc.org/sqlite" // driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// FileName is the database within the state directory.
const FileName = "journal.db"

// Journal is the record of the runs of one workspace. It is safe for concurrent
// use, also by several processes on the same directory.
type Journal struct {
	dir   string
	db    *sql.DB // for reading
	conn  *connection
	Blobs *Blobs

	lazy   bool
	ops    chan *op
	quit   chan struct{} // closed by Close
	death  death
	done   chan struct{} // closed by the writer, when it writes no more
	close  sync.Once
	failed error // written by the writer before it closes done
}

// op is something to write. It is performed within a transaction that may hold
// many; wait, where it is not nil, is told when that transaction is on disk.
type op struct {
	do   func(tx *connection) error
	wait chan error
}

// OpenOptions say how a journal is written. The zero value is for runs in earnest.
type OpenOptions struct {
	// Unsynced does not wait for the disk. What is written survives the end of the
	// process then, but not a power cut.
	Unsynced bool
	// Lazy writes what nobody waits for only together with the next thing that
	// somebody does wait for, which is as late as it can be.
	Lazy bool
}

// Open opens the journal in the state directory dir, which is made if it does
// not exist.
func Open(dir string, opts OpenOptions) (*Journal, error) {
	if err := makeDurably(filepath.Join(dir, "leases")); err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot make the state directory %q", dir)
	}
	dsn := "file:" + filepath.Join(dir, FileName) +
		"?_pragma=busy_timeout(10000)&_pragma=synchronous(" + opts.synchronous() + ")&_pragma=foreign_keys(ON)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot open the journal in %q", dir)
	}
	ctx := context.Background()
	conn, err := connect(ctx, db)
	if err != nil {
		db.Close()
		if fault.As(err) != nil {
			return nil, err
		}
		return nil, fault.Wrap(fault.Config, err, "cannot open the journal in %q", dir)
	}
	j := &Journal{
		dir: dir, db: db, conn: newConnection(conn), Blobs: &Blobs{dir: filepath.Join(dir, "blobs")}, lazy: opts.Lazy,
		death: death{come: make(chan struct{})}, ops: make(chan *op, 1024), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go j.write()
	return j, nil
}

func (o OpenOptions) synchronous() string {
	if o.Unsynced {
		return "OFF"
	}
	return "FULL"
}

// openTime is how long another process may take to make or migrate the database.
const openTime = 10 * time.Second

// connect makes the connection for writing. SQLite does not wait for its lock
// while a database changes to WAL, so that is tried again here.
func connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(openTime); ; time.Sleep(5 * time.Millisecond) {
		_, err = conn.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if err == nil {
			err = migrate(ctx, conn)
		}
		var locked *sqlite.Error
		if !errors.As(err, &locked) || locked.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return conn, err
		}
	}
}

// Close waits until everything is on disk and closes the database.
func (j *Journal) Close() error {
	j.close.Do(func() { close(j.quit) })
	<-j.done
	return errors.Join(j.failed, j.conn.Close(), j.db.Close())
}

// Sync waits until everything that was written so far is on disk.
func (j *Journal) Sync() error { return j.now(func(*connection) error { return nil }) }

// now performs do and waits until it is on disk.
func (j *Journal) now(do func(tx *connection) error) error {
	o := &op{do: do, wait: make(chan error, 1)}
	if err := j.send(o); err != nil {
		return err
	}
	select {
	case err := <-o.wait:
		return err
	case <-j.done:
	}
	select {
	case err := <-o.wait: // the writer's last words
		return err
	default:
		return j.broken()
	}
}

// later performs do soon, in order, without waiting for the disk.
func (j *Journal) later(do func(tx *connection) error) error { return j.send(&op{do: do}) }

func (j *Journal) send(o *op) error {
	select {
	case <-j.done:
		return j.broken()
	case <-j.death.come:
		return errKilled
	case <-j.quit:
		return errClosed
	default:
	}
	select {
	case <-j.done:
		return j.broken()
	case j.ops <- o:
		return nil
	}
}

var errClosed = fault.New(fault.Internal, "the journal is closed")

// broken is why nothing is written any more. It may be called when done is closed.
func (j *Journal) broken() error {
	if j.failed != nil {
		return j.failed
	}
	return errClosed
}

// maxBatch bounds a transaction, so that its first waiter does not wait long.
const maxBatch = 512

// write is the one goroutine that writes.
func (j *Journal) write() {
	defer close(j.done)
	batch := make([]*op, 0, maxBatch)
	for j.failed == nil {
		if batch = j.next(batch[:0]); len(batch) == 0 {
			j.failed = j.death.why()
			return
		}
		if err := j.commit(batch); err != nil {
			j.failed = diskFault(err)
		}
		for _, o := range batch {
			if o.wait != nil {
				o.wait <- j.failed
			}
		}
	}
}

// idle is how long a result may wait for an intent to share its fsync. In a
// sequence of effects the next intent comes within microseconds.
const idle = time.Millisecond

// next waits for something to write and returns it with all that waits behind
// it; nothing when the journal is closed. As long as nobody waits for the disk
// it waits a little for somebody who will.
func (j *Journal) next(batch []*op) []*op {
	select {
	case o := <-j.ops:
		batch = append(batch, o)
	case <-j.death.come:
		return j.last(batch)
	case <-j.quit:
	}
	batch = j.waiting(batch)
	if len(batch) == 0 || urgent(batch) {
		return batch
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	if j.lazy {
		timer.Stop()
	}
	for len(batch) < maxBatch {
		select {
		case o := <-j.ops:
			if batch = append(batch, o); o.wait != nil {
				return j.waiting(batch)
			}
		case <-j.death.come:
			return j.last(batch)
		case <-j.quit:
			return j.waiting(batch)
		case <-timer.C:
			return batch
		}
	}
	return batch
}

// waiting adds what is in the channel by now.
func (j *Journal) waiting(batch []*op) []*op {
	for len(batch) < maxBatch {
		select {
		case o := <-j.ops:
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

func urgent(batch []*op) bool {
	return slices.ContainsFunc(batch, func(o *op) bool { return o.wait != nil })
}

func (j *Journal) commit(batch []*op) error {
	ctx := context.Background()
	if _, err := j.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, o := range batch {
		if err := o.do(j.conn); err != nil {
			_, rollback := j.conn.ExecContext(ctx, "ROLLBACK")
			return errors.Join(err, rollback)
		}
	}
	_, err := j.conn.ExecContext(ctx, "COMMIT")
	return err
}

func diskFault(err error) error {
	return &fault.Error{
		Kind: fault.Journal, Cause: err,
		Msg:  fmt.Sprintf("cannot write the journal: %v", err),
		Hint: "nothing is done that cannot be recorded; make room or repair the disk, then resume the run",
	}
}
