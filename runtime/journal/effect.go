package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Status of an effect.
type Status uint8

const (
	Intended Status = iota // begun; if nobody performs it now, it is in doubt
	Done                   // Result holds its value
	Erred                  // Result holds the fault, which no script has handled
	Caught                 // Result holds the fault; the script went on with it
	Assumed                // a person said that it happened
	Skipped                // a person said to go on without it
	Dropped                // taken back, and to be done again when the run is resumed
)

func (s Status) String() string {
	return word(int(s), "in doubt", "done", "failed", "failed, handled", "assumed done", "skipped", "dropped")
}

// Progress is how far an effect is, in words. One that was begun is in doubt, but
// for a question that nobody has answered yet, and branches that have not ended.
func (e *Effect) Progress() string {
	if e.Status == Intended {
		switch e.Kind {
		case effect.KindApproval:
			return "waiting"
		case effect.KindFork:
			return "not ended"
		}
	}
	return e.Status.String()
}

// UndoStatus says how far the undo of an effect is.
type UndoStatus uint8

const (
	NotUndone  UndoStatus = iota
	UndoBegun             // begun; it is begun again if nobody performs it now
	Undone                // taken back
	UndoFailed            // UndoError says why
	NoUndo                // there is no way to take it back
)

func (s UndoStatus) String() string {
	return word(int(s), "", "being undone", "undone", "undo failed", "cannot be undone")
}

// word names a status; a damaged journal may hold any number.
func word(n int, words ...string) string {
	if n < len(words) {
		return words[n]
	}
	return fmt.Sprintf("unknown (%d)", n)
}

// Effect is the record of one effect.
type Effect struct {
	Seq         int64
	Place       string
	Kind        string
	Write       bool
	Key         []byte // content key
	Pos         string // file:line:col
	Description string
	Args        []byte // codec: dict of the arguments that were given
	Undo        []byte // sealed JSON; nil when there is nothing to take back
	Status      Status
	Result      []byte
	Begun       time.Time
	Ended       time.Time
	Attempts    int
	Done        int64 // order of completion within the run
	UndoStatus  UndoStatus
	UndoError   string

	// Origin is the identity under which it was begun, see [effect.Env.Identity],
	// where that is another one by now: its place changes with an edit of the
	// script. "" for one that has the place and the generation that it began with.
	Origin string
}

// Parked reports whether the script does not have the effect any more: an edit
// has removed it. Its place is then its last one after [ParkedPrefix], the number
// of the revision, and a slash, so that no script asks for it.
func (e *Effect) Parked() bool { return strings.HasPrefix(e.Place, ParkedPrefix) }

// ParkedPrefix begins the places of effects that an edit has removed.
const ParkedPrefix = "e"

// Intend records e as begun and returns when that is on disk.
func (r *Run) Intend(e *Effect) error { return r.j.now(r.insert(e)) }

// Record records e with its result in one step, without waiting for the disk.
// That is how reads are recorded.
func (r *Run) Record(e *Effect) error { return r.j.later(r.insert(e)) }

func (r *Run) insert(e *Effect) func(*connection) error {
	row := *e
	return func(tx *connection) error {
		ctx := context.Background()
		if row.Seq != 0 { // performed again, at the same place
			_, err := tx.ExecContext(ctx,
				`UPDATE effects SET kind=?, mode=?, key=?, pos=?, description=?, args=?, undo=?, status=?, result=?, begun=?, ended=?, attempts=?, done=?, undo_status=0, undo_error='', origin=? WHERE seq=?`,
				row.Kind, row.Write, row.Key, row.Pos, row.Description, row.Args, row.Undo, row.Status,
				row.Result, nanos(row.Begun), nanos(row.Ended), row.Attempts, row.Done, row.Origin, row.Seq)
			return err
		}
		res, err := tx.ExecContext(ctx,
			`INSERT INTO effects (run, place, kind, mode, key, pos, description, args, undo, status, result, begun, ended, attempts, done) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
			r.n, row.Place, row.Kind, row.Write, row.Key, row.Pos, row.Description, row.Args, row.Undo, row.Status,
			row.Result, nanos(row.Begun), nanos(row.Ended), row.Attempts, row.Done)
		if err != nil {
			return err
		}
		e.Seq, err = res.LastInsertId() // read again only after a later operation has waited
		return err
	}
}

// Finish records the outcome of an intended effect, without waiting for the
// disk: whatever is intended afterwards is on disk only when this is too.
func (r *Run) Finish(e *Effect) error {
	// Not a copy of all of it: Seq may not be known yet.
	undo, status, result, ended, attempts, done := e.Undo, e.Status, e.Result, nanos(e.Ended), e.Attempts, e.Done
	return r.j.later(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(),
			`UPDATE effects SET undo=COALESCE(?, undo), status=?, result=?, ended=?, attempts=?, done=? WHERE seq=?`,
			undo, status, result, ended, attempts, done, e.Seq)
		return err
	})
}

// SetStatus changes the status of a recorded effect, without waiting.
func (r *Run) SetStatus(e *Effect, status Status) error {
	return r.j.later(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), `UPDATE effects SET status=? WHERE seq=?`, status, e.Seq)
		return err
	})
}

// SetUndo records how far the undo of e is, and returns when that is on disk.
func (r *Run) SetUndo(e *Effect, status UndoStatus, why string) error {
	e.UndoStatus, e.UndoError = status, why
	return r.exec(`UPDATE effects SET undo_status=?, undo_error=? WHERE seq=?`, status, why, e.Seq)
}

// DropAfter drops every effect that came after a checkpoint, so that a resumed
// run performs them again; and those of a rollback, which the next one performs
// again. What people have answered about them is forgotten.
func (r *Run) DropAfter(checkpoint *Effect) error {
	return r.j.now(func(tx *connection) error {
		for _, change := range []struct {
			stmt string
			args []any
		}{
			// The branches that the checkpoint is in, or beside, have not ended again.
			{`UPDATE effects SET status=?, done=0, result=NULL WHERE run=? AND kind='parallel' AND done>? AND seq<?`,
				[]any{Intended, r.n, checkpoint.Done, checkpoint.Seq}},
			{`UPDATE effects SET status=? WHERE run=? AND (done>? OR done=0 AND (seq>? OR place LIKE 'r%'))`,
				[]any{Dropped, r.n, checkpoint.Done, checkpoint.Seq}},
			{`DELETE FROM questions WHERE run=?`, []any{r.n}},
			{keepOrigins, []any{r.n}},
			{`UPDATE runs SET generation=generation+1 WHERE n=?`, []any{r.n}},
		} {
			if _, err := tx.ExecContext(context.Background(), change.stmt, change.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepOrigins notes the identity of the effects that there are, before their
// places or the generation change.
const keepOrigins = `UPDATE effects SET origin = place || (SELECT CASE generation WHEN 0 THEN '' ELSE '/' || generation END FROM runs WHERE n = run)
	WHERE run = ? AND origin = ''`

// Effects returns the effects of the run in the order in which they were begun.
// Args and Undo are left out, but for the Undo of effects in doubt: a replay does
// not need them, and they may be large; see [Run.Details].
func (r *Run) Effects() ([]*Effect, error) {
	rows, err := r.j.db.Query(
		`SELECT seq, place, kind, mode, key, pos, description, CASE status WHEN 0 THEN undo END, status, result, begun, ended, attempts, done, undo_status, undo_error, origin
		 FROM effects WHERE run = ? AND status <> ? ORDER BY seq`, r.n, Dropped)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var effects []*Effect
	for rows.Next() {
		e := &Effect{}
		var begun, ended int64
		if err := rows.Scan(&e.Seq, &e.Place, &e.Kind, &e.Write, &e.Key, &e.Pos, &e.Description, &e.Undo, &e.Status,
			&e.Result, &begun, &ended, &e.Attempts, &e.Done, &e.UndoStatus, &e.UndoError, &e.Origin); err != nil {
			return nil, err
		}
		e.Begun = time.Unix(0, begun)
		if ended != 0 {
			e.Ended = time.Unix(0, ended)
		}
		effects = append(effects, e)
	}
	return effects, rows.Err()
}

// Details reads the arguments of e, and how to undo it.
func (r *Run) Details(e *Effect) error {
	err := r.j.db.QueryRow(`SELECT args, undo FROM effects WHERE seq = ?`, e.Seq).Scan(&e.Args, &e.Undo)
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "the effect %s is not in the journal", e.Place)
	}
	return err
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
