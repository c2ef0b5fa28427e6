package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// State of a run.
type State string

const (
	Pending     State = "pending"
	Running     State = "running"
	Waiting     State = "waiting"
	Completed   State = "completed"
	Failed      State = "failed"
	Cancelled   State = "cancelled"
	RollingBack State = "rolling_back"
	RolledBack  State = "rolled_back"
)

// Ended reports whether nothing more happens without a new command.
func (s State) Ended() bool {
	return s == Completed || s == Failed || s == Cancelled || s == RolledBack
}

// Run is one execution of a script with its arguments.
type Run struct {
	ID         string
	State      State
	Script     string // name of the main module, "//deploy.star"
	Entry      string // function that was called; "" for the top level only
	Params     []byte // codec: dict of the arguments
	Key        string // sealed; keys the markers of secrets
	Options    Options
	Created    time.Time
	Updated    time.Time
	Ended      time.Time // zero while it has not
	Generation int       // how often effects were taken back to be done again
	Executions int       // how often it was started or resumed
	Owner      string    // process that runs it, or ran it last
	Heartbeat  time.Time
	Result     []byte // codec; nil when there is none
	Error      *Fault // why it failed, or waits

	j *Journal
	n int64
}

// Options of a run that a resume takes over.
type Options struct {
	Infra             string            `json:"infra,omitempty"`
	AllowPaths        []string          `json:"allow_paths,omitempty"`
	RollbackOnFailure bool              `json:"rollback_on_failure,omitempty"`
	Limits            map[string]string `json:"limits,omitempty"`   // as given, by name
	Session           bool              `json:"session,omitempty"`  // of the REPL
	Isolate           bool              `json:"isolate,omitempty"`  // the interpreter has a process of its own
	Engine            string            `json:"engine,omitempty"`   // that executes it; "" for this program
	Schedule          string            `json:"schedule,omitempty"` // that has begun it; "" for a person
	Foreign           []string          `json:"foreign,omitempty"`  // files of its code that are not the user's own, for an engine elsewhere
	Applied           *Applied          `json:"applied,omitempty"`  // the plan that it follows; nil for none
}

// Applied is what a run has to know of the plan that it follows.
type Applied struct {
	Plan   string            `json:"plan"`            // its hash
	Writes *plan.Allowance   `json:"writes"`          // others need an answer
	Fixed  map[string][]byte `json:"fixed,omitempty"` // results that it repeats, see door.Reads
}

// Fault is a failure as the journal keeps it.
type Fault struct {
	Kind    fault.Kind     `json:"kind"`
	Message string         `json:"message"`
	Hint    string         `json:"hint,omitempty"`
	Details map[string]any `json:"details,omitempty"`
	Effect  string         `json:"effect,omitempty"`
	Place   string         `json:"place,omitempty"`
	Stack   []fault.Frame  `json:"stack,omitempty"`
	InDoubt bool           `json:"in_doubt,omitempty"`
}

// FaultOf makes the stored form of err.
func FaultOf(err error) *Fault {
	e := fault.As(err)
	if e == nil {
		return &Fault{Kind: fault.Failed, Message: err.Error()}
	}
	return &Fault{e.Kind, e.Msg, e.Hint, plain(e.Details), e.Effect, e.Place, e.Stack, e.InDoubt}
}

// Failure reads why e failed, without the details: values, which the codec of the
// run reads.
func (e *Effect) Failure() (*Fault, error) {
	var stored struct {
		Fault
		Details json.RawMessage `json:"details"` // hides that of Fault
	}
	if err := json.Unmarshal(e.Result, &stored); err != nil {
		return nil, err
	}
	return &stored.Fault, nil
}

// plain makes details that programs can read.
func plain(details map[string]any) map[string]any {
	if details == nil {
		return nil
	}
	out := make(map[string]any, len(details))
	for k, v := range details {
		if sv, ok := v.(starlark.Value); ok {
			if g, err := value.Go(sv); err == nil {
				v = g
			} else {
				v = sv.String()
			}
		}
		out[k] = v
	}
	return out
}

// Err is the error that f was made of.
func (f *Fault) Err() *fault.Error {
	return &fault.Error{
		Kind: f.Kind, Msg: f.Message, Hint: f.Hint, Details: f.Details,
		Effect: f.Effect, Place: f.Place, Stack: f.Stack, InDoubt: f.InDoubt,
	}
}

// Create adds a run in state pending, together with the modules that it has
// loaded so far: without them it could not be resumed. Only the descriptive
// fields of r are read.
func (j *Journal) Create(r Run, sources ...Source) (*Run, error) {
	options, err := json.Marshal(r.Options)
	if err != nil {
		return nil, err
	}
	r.j, r.State = j, Pending
	r.Created = time.Now()
	r.Updated = r.Created
	err = j.now(func(tx *connection) error {
		res, err := tx.ExecContext(context.Background(),
			`INSERT INTO runs (id, state, script, entry, params, key, options, created, updated) VALUES (?,?,?,?,?,?,?,?,?)`,
			r.ID, r.State, r.Script, r.Entry, r.Params, r.Key, string(options), r.Created.UnixNano(), r.Created.UnixNano())
		if err != nil {
			return err
		}
		if r.n, err = res.LastInsertId(); err != nil {
			return err
		}
		for _, src := range sources {
			if err := r.addSource(tx, src); err != nil {
				return err
			}
		}
		return nil
	})
	return &r, err
}

const runColumns = `n, id, state, script, entry, params, key, options, created, updated, ended, generation, executions, owner, heartbeat, result, error`

func (j *Journal) scanRun(scan func(...any) error) (*Run, error) {
	r := &Run{j: j}
	var created, updated, ended, heartbeat int64
	var options, failure string
	err := scan(&r.n, &r.ID, &r.State, &r.Script, &r.Entry, &r.Params, &r.Key, &options,
		&created, &updated, &ended, &r.Generation, &r.Executions, &r.Owner, &heartbeat, &r.Result, &failure)
	if err != nil {
		return nil, err
	}
	r.Created, r.Updated = time.Unix(0, created), time.Unix(0, updated)
	if ended != 0 {
		r.Ended = time.Unix(0, ended)
	}
	if heartbeat != 0 {
		r.Heartbeat = time.Unix(0, heartbeat)
	}
	if err := json.Unmarshal([]byte(options), &r.Options); err != nil {
		return nil, err
	}
	if failure != "" {
		r.Error = &Fault{}
		err = json.Unmarshal([]byte(failure), r.Error)
	}
	return r, err
}

// Runs returns the runs, newest first; at most limit, where limit is not 0.
func (j *Journal) Runs(limit int) ([]*Run, error) {
	if limit <= 0 {
		limit = -1
	}
	rows, err := j.db.Query(`SELECT `+runColumns+` FROM runs ORDER BY created DESC, n DESC LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var runs []*Run
	for rows.Next() {
		r, err := j.scanRun(rows.Scan)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

// Find returns the run that id names: its whole id, a beginning of it that is
// not ambiguous, or "last".
func (j *Journal) Find(id string) (*Run, error) {
	if id == "last" {
		runs, err := j.Runs(1)
		if err != nil {
			return nil, err
		}
		if len(runs) == 0 {
			return nil, fault.New(fault.NotFound, "there is no run in this workspace yet")
		}
		return runs[0], nil
	}
	if id == "" || strings.ContainsAny(id, "%_") {
		return nil, noRun(id)
	}
	rows, err := j.db.Query(`SELECT `+runColumns+` FROM runs WHERE id LIKE ? ORDER BY n DESC LIMIT 2`, id+"%")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []*Run
	for rows.Next() {
		r, err := j.scanRun(rows.Scan)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	switch {
	case rows.Err() != nil:
		return nil, rows.Err()
	case len(found) == 0:
		return nil, noRun(id)
	case len(found) > 1:
		return nil, fault.New(fault.Usage, "%q is the beginning of several runs: %s, %s", id, found[0].ID, found[1].ID)
	}
	return found[0], nil
}

func noRun(id string) error {
	return fault.New(fault.NotFound, "there is no run %q in this workspace", id).
		WithHint("list the runs with: provisioning runs list")
}

// Reload reads the run again.
func (r *Run) Reload() error {
	fresh, err := r.j.scanRun(r.j.db.QueryRow(`SELECT `+runColumns+` FROM runs WHERE n = ?`, r.n).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return noRun(r.ID)
	}
	if err == nil {
		*r = *fresh
	}
	return err
}

// SetState records a state, and why. It returns when that is on disk; but what is
// to come of a run that begins is on disk when its first intent is.
func (r *Run) SetState(state State, why error) error {
	r.State, r.Updated, r.Error = state, time.Now(), nil
	failure := ""
	if why != nil {
		r.Error = FaultOf(why)
		data, err := json.Marshal(r.Error)
		if err != nil {
			return err
		}
		failure = string(data)
	}
	ended := int64(0)
	r.Ended = time.Time{}
	if state.Ended() {
		r.Ended = r.Updated
		ended = r.Ended.UnixNano()
	}
	record := r.exec
	if state == Running {
		record = r.soon
	}
	return record(`UPDATE runs SET state = ?, error = ?, updated = ?, ended = ? WHERE n = ?`,
		state, failure, r.Updated.UnixNano(), ended, r.n)
}

// SetOptions records other options.
func (r *Run) SetOptions(o Options) error {
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	r.Options = o
	return r.exec(`UPDATE runs SET options = ? WHERE n = ?`, string(data), r.n)
}

// SetResult records what the entry function returned.
func (r *Run) SetResult(result []byte) error {
	r.Result = result
	return r.soon(`UPDATE runs SET result = ? WHERE n = ?`, result, r.n)
}

// Delete removes an ended run with all that belongs to it.
func (r *Run) Delete() error {
	return r.j.now(func(tx *connection) error {
		for _, stmt := range []string{
			`INSERT OR IGNORE INTO forgotten (run) SELECT id FROM runs WHERE n = ? AND json_extract(options, '$.engine') <> ''`,
			`DELETE FROM runs WHERE n = ?`,
			`DELETE FROM sources WHERE hash NOT IN (SELECT hash FROM run_sources UNION SELECT hash FROM revision_sources UNION SELECT hash FROM schedule_sources) AND ? >= 0`,
		} {
			if _, err := tx.ExecContext(context.Background(), stmt, r.n); err != nil {
				return err
			}
		}
		return nil
	})
}

// soon is exec without waiting.
func (r *Run) soon(stmt string, args ...any) error {
	return r.j.later(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), stmt, args...)
		return err
	})
}

func (r *Run) exec(stmt string, args ...any) error {
	return r.j.now(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), stmt, args...)
		return err
	})
}
