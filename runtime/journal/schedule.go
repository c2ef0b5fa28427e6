package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// Template is all that a run begins with, of which runs are made later.
type Template struct {
	Script  string // name of the main module
	Entry   string
	Params  []byte // as in Run
	Options Options
	Sources []Source // of all modules that can be loaded
	Lines   []Line   // that were printed before there was a run
}

// Bundle makes a run of the template, which has not begun. It still needs a key.
func (t *Template) Bundle(id string, now time.Time) *Bundle {
	b := &Bundle{
		Run: Run{
			ID: id, State: Pending, Script: t.Script, Entry: t.Entry, Params: t.Params, Options: t.Options, Created: now, Updated: now,
		},
		Sources: t.Sources,
	}
	for _, l := range t.Lines {
		l.At = now
		b.Lines = append(b.Lines, l)
	}
	return b
}

// Hashes are those of the texts, by name.
func (t *Template) Hashes() map[string]string {
	hashes := map[string]string{}
	for _, s := range t.Sources {
		hashes[s.Name] = s.Hash()
	}
	return hashes
}

// Schedule begins runs at times.
type Schedule struct {
	Name       string
	Spec       []byte            // JSON of when, see package schedule
	Template   Template          // in lists without sources
	Hashes     map[string]string // of its sources, by name
	Paused     bool
	Note       string
	Created    time.Time
	Updated    time.Time
	Considered time.Time // until when it is settled what it has begun
}

// The states of a firing.
const (
	FiringQueued  = "queued"  // it begins when the one before has ended
	FiringStarted = "started" // its run was begun
	FiringStopped = "stopped" // the process that executed its run was told to end: the next one goes on with it
	FiringEnded   = "ended"
	FiringSkipped = "skipped" // another run of the schedule went on
	FiringMissed  = "missed"  // nothing was there to begin it, and then it was too late
)

// Firing is a time at which a schedule has begun a run, or was to.
type Firing struct {
	Schedule string
	Due      time.Time
	At       time.Time
	State    string
	Run      string // "" for none

	n int64
}

// Open reports whether there is something left to do.
func (f *Firing) Open() bool {
	return f.State == FiringQueued || f.State == FiringStarted || f.State == FiringStopped
}

// Request asks something of the process that serves the schedules.
type Request struct {
	At   time.Time
	Verb string
	Name string // of a schedule, or a run

	n int64
}

// The verbs of requests.
const (
	TriggerSchedule = "trigger"
	CancelRun       = "cancel"
)

// PutSchedule adds a schedule, or with replace gives one that is there another
// specification and template.
func (j *Journal) PutSchedule(s *Schedule, replace bool) error {
	options, err := json.Marshal(s.Template.Options)
	if err != nil {
		return err
	}
	lines, err := json.Marshal(s.Template.Lines)
	if err != nil {
		return err
	}
	there := 0
	err = j.now(func(tx *connection) error {
		ctx, t := context.Background(), &s.Template
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM schedules WHERE name = ?`, s.Name).Scan(&there); err != nil {
			return err
		}
		if there > 0 && !replace {
			return nil // an error here would be one of the journal
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO schedules (name, spec, script, entry, params, options, lines, paused, note, created, updated, considered)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (name) DO UPDATE SET spec=excluded.spec, script=excluded.script, entry=excluded.entry,
			params=excluded.params, options=excluded.options, lines=excluded.lines, paused=excluded.paused, note=excluded.note,
			updated=excluded.updated, considered=excluded.considered`,
			s.Name, string(s.Spec), t.Script, t.Entry, t.Params, string(options), string(lines), s.Paused, s.Note,
			s.Created.UnixNano(), s.Updated.UnixNano(), s.Considered.UnixNano()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM schedule_sources WHERE schedule = ?`, s.Name); err != nil {
			return err
		}
		for _, src := range t.Sources {
			hash, err := keepSource(tx, src)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO schedule_sources (schedule, name, hash) VALUES (?,?,?)`, s.Name, src.Name, hash); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && there > 0 && !replace {
		return ScheduleThere(s.Name)
	}
	return err
}

// ScheduleThere is the fault of a name that is taken.
func ScheduleThere(name string) error {
	return fault.New(fault.Usage, "there is a schedule %q already", name).WithHint("take the new one in its place with --replace, or choose another name")
}

const scheduleColumns = `name, spec, script, entry, params, options, lines, paused, note, created, updated, considered`

func (j *Journal) scanSchedule(scan func(...any) error) (*Schedule, error) {
	s := &Schedule{Hashes: map[string]string{}}
	var options, lines string
	var created, updated, considered int64
	if err := scan(&s.Name, &s.Spec, &s.Template.Script, &s.Template.Entry, &s.Template.Params, &options, &lines, &s.Paused, &s.Note, &created, &updated, &considered); err != nil {
		return nil, err
	}
	s.Created, s.Updated, s.Considered = time.Unix(0, created), time.Unix(0, updated), time.Unix(0, considered)
	return s, errors.Join(json.Unmarshal([]byte(options), &s.Template.Options), json.Unmarshal([]byte(lines), &s.Template.Lines))
}

// Schedules returns the schedules by name, without their sources.
func (j *Journal) Schedules() ([]*Schedule, error) {
	var all []*Schedule
	byName := map[string]*Schedule{}
	err := j.each(func(scan func(...any) error) error {
		s, err := j.scanSchedule(scan)
		if err == nil {
			all, byName[s.Name] = append(all, s), s
		}
		return err
	}, `SELECT `+scheduleColumns+` FROM schedules ORDER BY name`)
	if err != nil {
		return nil, err
	}
	return all, j.each(func(scan func(...any) error) error {
		var schedule, name, hash string
		err := scan(&schedule, &name, &hash)
		if s := byName[schedule]; err == nil && s != nil {
			s.Hashes[name] = hash
		}
		return err
	}, `SELECT schedule, name, hash FROM schedule_sources`)
}

// Schedule returns one schedule, with its sources.
func (j *Journal) Schedule(name string) (*Schedule, error) {
	s, err := j.scanSchedule(j.db.QueryRow(`SELECT `+scheduleColumns+` FROM schedules WHERE name = ?`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		var names []string
		all, err := j.Schedules()
		for _, s := range all {
			names = append(names, s.Name)
		}
		return nil, errors.Join(err, NoSchedule(name, names))
	}
	if err != nil {
		return nil, err
	}
	err = j.each(func(scan func(...any) error) error {
		var src Source
		err := scan(&src.Name, &src.Content)
		s.Template.Sources = append(s.Template.Sources, src)
		return err
	}, `SELECT name, content FROM schedule_sources JOIN sources USING (hash) WHERE schedule = ? ORDER BY name`, name)
	s.Hashes = s.Template.Hashes()
	return s, err
}

// NoSchedule is the fault of a name that no schedule has; names are those that there are.
func NoSchedule(name string, names []string) error {
	e := fault.New(fault.NotFound, "there is no schedule %q", name).WithHint("list the schedules with: provisioning schedule list")
	if near := spell.Nearest(name, names); near != "" {
		e.Msg += " (did you mean " + near + "?)"
	}
	return e
}

// PauseSchedule pauses a schedule, or lets it go on from the given time.
func (j *Journal) PauseSchedule(name string, paused bool, note string, now time.Time) error {
	return j.oneSchedule(name, `UPDATE schedules SET paused = ?, note = ?, considered = max(considered, ?) WHERE name = ?`, paused, note, now.UnixNano(), name)
}

// DeleteSchedule removes a schedule; its runs stay.
func (j *Journal) DeleteSchedule(name string) error {
	return j.oneSchedule(name, `DELETE FROM schedules WHERE name = ?`, name)
}

// Consider notes until when it is settled what a schedule has begun.
func (j *Journal) Consider(name string, until time.Time) error {
	return j.oneSchedule(name, `UPDATE schedules SET considered = max(considered, ?) WHERE name = ?`, until.UnixNano(), name)
}

// oneSchedule executes a statement that changes one schedule.
func (j *Journal) oneSchedule(name, stmt string, args ...any) error {
	changed := int64(0)
	err := j.now(func(tx *connection) error {
		res, err := tx.ExecContext(context.Background(), stmt, args...)
		if err == nil {
			changed, err = res.RowsAffected()
		}
		return err
	})
	if err == nil && changed == 0 {
		_, err = j.Schedule(name) // says that there is none
	}
	return err
}

// AddFiring records what became of a time of a schedule, and that all until then is
// settled. Where a run is begun it is added in the same moment: b is that, nil for none.
func (j *Journal) AddFiring(f *Firing, considered time.Time, b *Bundle) error {
	return j.withRun(f, b, func(tx *connection) (bool, error) {
		ctx := context.Background()
		res, err := tx.ExecContext(ctx, `INSERT INTO firings (schedule, due, at, state, run) SELECT name,?,?,?,? FROM schedules WHERE name = ?`,
			f.Due.UnixNano(), f.At.UnixNano(), f.State, f.Run, f.Schedule)
		if err != nil {
			return false, err
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return false, err
		}
		if f.n, err = res.LastInsertId(); err != nil {
			return false, err
		}
		_, err = tx.ExecContext(ctx, `UPDATE schedules SET considered = max(considered, ?) WHERE name = ?`, considered.UnixNano(), f.Schedule)
		return true, err
	})
}

// SetFiring records what became of a firing; b is as in AddFiring.
func (j *Journal) SetFiring(f *Firing, state string, b *Bundle) error {
	f.State = state
	return j.withRun(f, b, func(tx *connection) (bool, error) {
		res, err := tx.ExecContext(context.Background(), `UPDATE firings SET state = ?, run = ? WHERE n = ?`, state, f.Run, f.n)
		if err != nil {
			return false, err
		}
		n, err := res.RowsAffected()
		return n > 0, err
	})
}

// withRun records a firing together with its run. Where its schedule was deleted there is
// nothing to record, and no run to begin.
func (j *Journal) withRun(f *Firing, b *Bundle, record func(tx *connection) (there bool, err error)) error {
	options := ""
	if b != nil {
		f.Run = b.Run.ID
		data, err := json.Marshal(b.Run.Options)
		if err != nil {
			return err
		}
		options = string(data)
	}
	there := false
	err := j.now(func(tx *connection) (err error) {
		if there, err = record(tx); err != nil || !there || b == nil {
			return err
		}
		return j.adopt(tx, b, options, "")
	})
	if err == nil && !there && b != nil {
		return NoSchedule(f.Schedule, nil)
	}
	return err
}

// Firings returns the newest firings of a schedule, newest first.
func (j *Journal) Firings(schedule string, limit int) ([]*Firing, error) {
	return j.firings(`schedule = ? ORDER BY n DESC LIMIT ?`, schedule, limit)
}

// OpenFirings returns those of all schedules with which something is left to do, oldest
// first.
func (j *Journal) OpenFirings() ([]*Firing, error) {
	return j.firings(`state IN (?,?,?) ORDER BY n`, FiringQueued, FiringStarted, FiringStopped)
}

func (j *Journal) firings(where string, args ...any) (all []*Firing, err error) {
	err = j.each(func(scan func(...any) error) error {
		f := &Firing{}
		var due, at int64
		err := scan(&f.n, &f.Schedule, &due, &at, &f.State, &f.Run)
		f.Due, f.At = time.Unix(0, due), time.Unix(0, at)
		all = append(all, f)
		return err
	}, `SELECT n, schedule, due, at, state, run FROM firings WHERE `+where, args...)
	return all, err
}

// CountFirings returns how many firings of a schedule are in a state.
func (j *Journal) CountFirings(schedule, state string) (n int, err error) {
	err = j.db.QueryRow(`SELECT count(*) FROM firings WHERE schedule = ? AND state = ?`, schedule, state).Scan(&n)
	return n, err
}

// Ask asks something of the process that serves the schedules.
func (j *Journal) Ask(r Request) error {
	return j.now(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), `INSERT INTO requests (at, verb, name) VALUES (?,?,?)`, r.At.UnixNano(), r.Verb, r.Name)
		return err
	})
}

// Requests returns what was asked, oldest first.
func (j *Journal) Requests() (all []Request, err error) {
	err = j.each(func(scan func(...any) error) error {
		var r Request
		var at int64
		err := scan(&r.n, &at, &r.Verb, &r.Name)
		r.At = time.Unix(0, at)
		all = append(all, r)
		return err
	}, `SELECT n, at, verb, name FROM requests ORDER BY n`)
	return all, err
}

// Answered removes a request.
func (j *Journal) Answered(r Request) error {
	return j.now(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), `DELETE FROM requests WHERE n = ?`, r.n)
		return err
	})
}

// Knows reports whether a run is in the journal, or was and has been removed.
func (j *Journal) Knows(id string) (bool, error) {
	n := 0
	err := j.db.QueryRow(`SELECT (SELECT count(*) FROM runs WHERE id = ?1) + (SELECT count(*) FROM forgotten WHERE run = ?1)`, id).Scan(&n)
	return n > 0, err
}

// each reads the rows of a query.
func (j *Journal) each(row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := j.db.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
