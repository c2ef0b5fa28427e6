package journal

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Bundle is a run as a whole, as it goes from one journal to another.
type Bundle struct {
	Run       Run
	Effects   []*Effect // with their details; those that were dropped are left out
	Secrets   []Secret
	Sources   []Source
	Lines     []Line
	Questions []Question
}

// Size is about how large the effect is.
func (e *Effect) Size() int {
	return 256 + len(e.Args) + len(e.Undo) + len(e.Result) + len(e.Description)
}

// Bundle reads all of the run. Revisions of its script are left out.
func (r *Run) Bundle() (*Bundle, error) {
	b := &Bundle{Run: *r}
	var err error
	if b.Effects, err = r.Effects(); err != nil {
		return nil, err
	}
	if err := r.detailsOf(b.Effects); err != nil {
		return nil, err
	}
	if b.Secrets, err = r.Secrets(); err != nil {
		return nil, err
	}
	sources, err := r.Sources()
	if err != nil {
		return nil, err
	}
	for name, content := range sources {
		b.Sources = append(b.Sources, Source{name, content})
	}
	if b.Lines, _, err = r.Lines(0); err != nil {
		return nil, err
	}
	b.Questions, err = r.Questions()
	return b, err
}

// detailsOf is [Run.Details] for many effects, which are in the order of their numbers,
// with one question to the database.
func (r *Run) detailsOf(effects []*Effect) error {
	rows, err := r.j.db.Query(`SELECT seq, args, undo FROM effects WHERE run = ? AND status <> ? ORDER BY seq`, r.n, Dropped)
	if err != nil {
		return err
	}
	defer rows.Close()
	for _, e := range effects {
		var seq int64
		for seq < e.Seq && rows.Next() {
			if err := rows.Scan(&seq, &e.Args, &e.Undo); err != nil {
				return err
			}
		}
		if seq != e.Seq {
			return errors.Join(rows.Err(), fault.New(fault.Internal, "the journal has changed while it was read"))
		}
	}
	return rows.Err()
}

// Adopt takes over a run from another journal: all of it is then as the bundle says,
// whatever this journal knew of it before. Only the owner stays what it is here.
func (j *Journal) Adopt(b *Bundle) (*Run, error) {
	options, err := json.Marshal(b.Run.Options)
	if err != nil {
		return nil, err
	}
	failure := ""
	if b.Run.Error != nil {
		data, err := json.Marshal(b.Run.Error)
		if err != nil {
			return nil, err
		}
		failure = string(data)
	}
	err = j.now(func(tx *connection) error { return j.adopt(tx, b, string(options), failure) })
	if err != nil {
		return nil, err
	}
	return j.Find(b.Run.ID)
}

func (j *Journal) adopt(tx *connection, b *Bundle, options, failure string) error {
	ctx, from := context.Background(), &b.Run
	_, err := tx.ExecContext(ctx, `INSERT INTO runs (id, state, script, entry, params, key, options, created, updated) VALUES (?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO NOTHING`, from.ID, from.State, from.Script, from.Entry, from.Params, from.Key, options, nanos(from.Created), nanos(from.Updated))
	if err != nil {
		return err
	}
	r := &Run{j: j}
	if err := tx.QueryRowContext(ctx, `SELECT n FROM runs WHERE id = ?`, from.ID).Scan(&r.n); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE runs SET state=?, options=?, params=?, key=?, updated=?, ended=?, generation=?, executions=?, result=?, error=? WHERE n=?`,
		from.State, options, from.Params, from.Key, nanos(from.Updated), nanos(from.Ended), from.Generation, from.Executions, from.Result, failure, r.n); err != nil {
		return err
	}
	for _, table := range []string{"effects", "secrets", "logs", "questions"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE run = ?`, r.n); err != nil {
			return err
		}
	}
	for _, e := range b.Effects {
		if err := r.adoptEffect(tx, e); err != nil {
			return err
		}
	}
	for _, src := range b.Sources {
		if err := r.addSource(tx, src); err != nil {
			return err
		}
	}
	for _, s := range b.Secrets {
		if _, err := tx.ExecContext(ctx, `INSERT INTO secrets (run, name, sealed) VALUES (?,?,?)`, r.n, s.Name, s.Sealed); err != nil {
			return err
		}
	}
	for _, l := range b.Lines {
		if _, err := tx.ExecContext(ctx, `INSERT INTO logs (run, at, place, level, text) VALUES (?,?,?,?,?)`, r.n, l.At.UnixNano(), l.Place, l.Level, l.Text); err != nil {
			return err
		}
	}
	return r.adoptQuestions(tx, b.Questions)
}

// adoptEffect gives the effect a number of this journal, in the same order.
func (r *Run) adoptEffect(tx *connection, e *Effect) error {
	_, err := tx.ExecContext(context.Background(),
		`INSERT INTO effects (run, place, kind, mode, key, pos, description, args, undo, status, result, begun, ended, attempts, done, undo_status, undo_error, origin) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		r.n, e.Place, e.Kind, e.Write, e.Key, e.Pos, e.Description, e.Args, e.Undo, e.Status, e.Result, nanos(e.Begun), nanos(e.Ended),
		e.Attempts, e.Done, e.UndoStatus, e.UndoError, e.Origin)
	return err
}

func (r *Run) adoptQuestions(tx *connection, questions []Question) error {
	for _, q := range questions {
		choices, err := json.Marshal(q.Choices)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "cannot record a question")
		}
		if _, err := tx.ExecContext(context.Background(), `INSERT INTO questions (run, place, kind, text, choices, asked, answer, reason, answered) VALUES (?,?,?,?,?,?,?,?,?)`,
			r.n, q.Place, q.Kind, q.Text, string(choices), q.Asked.UnixNano(), q.Answer, q.Reason, nanos(q.Answered)); err != nil {
			return err
		}
	}
	return nil
}
