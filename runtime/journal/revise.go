package journal

import (
	"context"
	"fmt"
	"time"
)

// Revision is an edit of the script of a run: the new text, and what becomes of
// the effects that the journal has.
type Revision struct {
	Sources []Source // all of the new ones
	Params  []byte   // codec: dict of the arguments
	Moved   []Move   // effects that the new script has too
	Reopen  []int64  // forks whose branches have something to do again
	Drop    []int64  // effects that leave nothing behind
	Park    []int64  // effects that left something, which a rollback may still take back
	Undo    []int64  // those of Park that are to be taken back before the run goes on
	Reads   []*Effect
	Secrets []Secret
	Note    string // for people
}

// Move gives a recorded effect the place that the new script asks for it at.
type Move struct {
	Seq         int64
	From, Place string
	Key         []byte // nil: as it was
	Pos         string
	Description string
}

// Revised is what the journal keeps of an edit.
type Revised struct {
	Number int       `json:"revision"`
	At     time.Time `json:"edited_at"`
	Note   string    `json:"effects"`
}

// Revise puts an edited script in place of the one that the run had, in one step:
// a crash leaves the run with one of them, and with the effects that belong to it.
// What the run had is kept, for those who want to know what was done by what.
func (r *Run) Revise(rev Revision) error {
	return r.j.now(func(tx *connection) error {
		number := 0
		if err := tx.QueryRowContext(context.Background(), `SELECT count(*)+1 FROM revisions WHERE run=?`, r.n).Scan(&number); err != nil {
			return err
		}
		w := &writer{tx: tx}
		r.keepSources(w, number, rev)
		w.do(keepOrigins, r.n)
		w.do(`UPDATE runs SET generation=generation+1, params=?, result=NULL, updated=? WHERE n=?`, rev.Params, time.Now().UnixNano(), r.n)
		// A run that had come to its end has something to do again.
		w.do(`UPDATE runs SET state=? WHERE n=? AND state=?`, Cancelled, r.n, Completed)
		for _, seq := range rev.Drop {
			w.do(`DELETE FROM questions WHERE run=? AND place=(SELECT place FROM effects WHERE seq=?)`, r.n, seq)
			w.do(`UPDATE effects SET status=? WHERE seq=? AND run=?`, Dropped, seq, r.n)
		}
		for _, seq := range rev.Park {
			w.do(`DELETE FROM questions WHERE run=? AND place=(SELECT place FROM effects WHERE seq=?)`, r.n, seq)
			w.do(`UPDATE effects SET place=?||place WHERE seq=? AND run=?`, fmt.Sprintf("%s%d/", ParkedPrefix, number), seq, r.n)
		}
		for _, seq := range rev.Undo {
			w.do(`UPDATE effects SET undo_status=? WHERE seq=? AND run=?`, UndoBegun, seq, r.n)
		}
		r.move(w, rev)
		for _, e := range rev.Reads {
			w.try(func() error { return r.insert(e)(tx) })
		}
		for _, s := range rev.Secrets {
			w.do(`INSERT INTO secrets (run, name, sealed) VALUES (?,?,?)`, r.n, s.Name, s.Sealed)
		}
		return w.err
	})
}

func (r *Run) keepSources(w *writer, number int, rev Revision) {
	w.do(`INSERT INTO revisions (run, number, at, params, note) SELECT n, ?, ?, params, ? FROM runs WHERE n=?`,
		number, time.Now().UnixNano(), rev.Note, r.n)
	w.do(`INSERT INTO revision_sources (run, number, name, hash) SELECT run, ?, name, hash FROM run_sources WHERE run=?`, number, r.n)
	w.do(`DELETE FROM run_sources WHERE run=?`, r.n)
	for _, src := range rev.Sources {
		w.try(func() error { return r.addSource(w.tx, src) })
	}
}

// move renumbers the effects, and the questions about them. A place may be taken
// over from another effect, so the questions step aside first.
func (r *Run) move(w *writer, rev Revision) {
	const aside = "~"
	for _, m := range rev.Moved {
		if m.From != m.Place {
			w.do(`UPDATE questions SET place=?||? WHERE run=? AND place=?`, aside, m.Place, r.n, m.From)
		}
		w.do(`UPDATE effects SET place=?, key=coalesce(?, key), pos=?, description=? WHERE seq=? AND run=?`,
			m.Place, m.Key, m.Pos, m.Description, m.Seq, r.n)
	}
	w.do(`UPDATE questions SET place=substr(place, 2) WHERE run=? AND substr(place, 1, 1)=?`, r.n, aside)
	for _, seq := range rev.Reopen {
		w.do(`UPDATE effects SET status=?, done=0, result=NULL WHERE seq=? AND run=?`, Intended, seq, r.n)
	}
}

// writer keeps the first error of a sequence of statements.
type writer struct {
	tx  *connection
	err error
}

func (w *writer) do(stmt string, args ...any) {
	w.try(func() error {
		_, err := w.tx.ExecContext(context.Background(), stmt, args...)
		return err
	})
}

func (w *writer) try(f func() error) {
	if w.err == nil {
		w.err = f()
	}
}

// Revisions returns the edits of the script, oldest first.
func (r *Run) Revisions() ([]Revised, error) {
	rows, err := r.j.db.Query(`SELECT number, at, note FROM revisions WHERE run = ? ORDER BY number`, r.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var revisions []Revised
	for rows.Next() {
		var rev Revised
		var at int64
		if err := rows.Scan(&rev.Number, &at, &rev.Note); err != nil {
			return nil, err
		}
		rev.At = time.Unix(0, at).UTC()
		revisions = append(revisions, rev)
	}
	return revisions, rows.Err()
}
