package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// migrations make each format version from the one before. They are never
// changed, only added to: testdata keeps a journal of every version.
var migrations = []string{1: `
CREATE TABLE runs (
	n          INTEGER PRIMARY KEY,
	id         TEXT NOT NULL UNIQUE,
	state      TEXT NOT NULL,
	script     TEXT NOT NULL,              -- name of the main module
	entry      TEXT NOT NULL,              -- function called; '' for the top level only
	params     BLOB NOT NULL,              -- codec: dict of the arguments
	key        TEXT NOT NULL,              -- sealed; keys the markers of secrets
	options    TEXT NOT NULL,              -- JSON
	created    INTEGER NOT NULL,           -- times are in Unix nanoseconds
	updated    INTEGER NOT NULL,
	ended      INTEGER NOT NULL DEFAULT 0,
	generation INTEGER NOT NULL DEFAULT 0, -- how often effects were taken back to be done again
	executions INTEGER NOT NULL DEFAULT 0, -- how often it was started or resumed
	owner      TEXT NOT NULL DEFAULT '',   -- process that runs it, or ran it last
	heartbeat  INTEGER NOT NULL DEFAULT 0,
	result     BLOB,                       -- codec, of the entry function
	error      TEXT NOT NULL DEFAULT ''    -- JSON of the fault
);
CREATE TABLE effects (
	seq         INTEGER PRIMARY KEY,
	run         INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	place       TEXT NOT NULL,             -- branch path, '#', ordinal
	kind        TEXT NOT NULL,
	mode        INTEGER NOT NULL,          -- 0 read, 1 write
	key         BLOB NOT NULL,             -- content key
	pos         TEXT NOT NULL,             -- file:line:col of the call
	description TEXT NOT NULL,
	args        BLOB NOT NULL,             -- codec: dict of the given arguments
	undo        BLOB,                      -- sealed JSON: what Remember returned
	status      INTEGER NOT NULL,
	result      BLOB,                      -- codec, or JSON of the fault
	begun       INTEGER NOT NULL,
	ended       INTEGER NOT NULL DEFAULT 0,
	attempts    INTEGER NOT NULL DEFAULT 0,
	done        INTEGER NOT NULL DEFAULT 0, -- order of completion within the run
	undo_status INTEGER NOT NULL DEFAULT 0,
	undo_error  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX effects_by_run ON effects(run);
CREATE TABLE secrets (
	run    INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	name   TEXT NOT NULL,
	sealed BLOB NOT NULL
);
CREATE INDEX secrets_by_run ON secrets(run);
CREATE TABLE sources (
	hash    TEXT PRIMARY KEY,
	content BLOB NOT NULL
);
CREATE TABLE run_sources (
	run  INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	name TEXT NOT NULL,
	hash TEXT NOT NULL REFERENCES sources(hash),
	PRIMARY KEY (run, name)
);
CREATE TABLE logs (
	seq   INTEGER PRIMARY KEY,
	run   INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	at    INTEGER NOT NULL,
	place TEXT NOT NULL,
	level TEXT NOT NULL,                   -- print, debug, info, warn, error, stdout, stderr, progress
	text  TEXT NOT NULL
);
CREATE INDEX logs_by_run ON logs(run);
CREATE TABLE questions (
	run      INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	place    TEXT NOT NULL,
	kind     TEXT NOT NULL,                -- approval, in_doubt
	text     TEXT NOT NULL,
	choices  TEXT NOT NULL,                -- JSON
	asked    INTEGER NOT NULL,
	answer   TEXT NOT NULL DEFAULT '',
	reason   TEXT NOT NULL DEFAULT '',
	answered INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (run, place)
);
`, 2: `
ALTER TABLE effects ADD COLUMN origin TEXT NOT NULL DEFAULT ''; -- see Effect.Origin
UPDATE effects SET origin = place || CASE status WHEN 0 THEN '/' || (SELECT generation FROM runs WHERE n = run) ELSE '' END
	WHERE run IN (SELECT n FROM runs WHERE generation > 0);
CREATE TABLE revisions (
	run    INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	number INTEGER NOT NULL,           -- from 1
	at     INTEGER NOT NULL,
	params BLOB NOT NULL,              -- of the run until then
	note   TEXT NOT NULL,              -- what became of the effects
	PRIMARY KEY (run, number)
);
CREATE TABLE revision_sources (        -- those of the run until then
	run    INTEGER NOT NULL REFERENCES runs(n) ON DELETE CASCADE,
	number INTEGER NOT NULL,
	name   TEXT NOT NULL,
	hash   TEXT NOT NULL REFERENCES sources(hash),
	PRIMARY KEY (run, number, name)
);
`, 3: `
CREATE TABLE schedules (
	name       TEXT PRIMARY KEY,
	spec       TEXT NOT NULL,          -- JSON: see package schedule
	script     TEXT NOT NULL,          -- what its runs begin with, as in runs
	entry      TEXT NOT NULL,
	params     BLOB NOT NULL,
	options    TEXT NOT NULL,
	lines      TEXT NOT NULL,          -- JSON: what was printed before there was a run
	paused     INTEGER NOT NULL,
	note       TEXT NOT NULL,          -- why
	created    INTEGER NOT NULL,
	updated    INTEGER NOT NULL,
	considered INTEGER NOT NULL        -- until when it is settled what it has begun
);
CREATE TABLE schedule_sources (
	schedule TEXT NOT NULL REFERENCES schedules(name) ON DELETE CASCADE,
	name     TEXT NOT NULL,
	hash     TEXT NOT NULL REFERENCES sources(hash),
	PRIMARY KEY (schedule, name)
);
CREATE TABLE firings (
	n        INTEGER PRIMARY KEY,
	schedule TEXT NOT NULL REFERENCES schedules(name) ON DELETE CASCADE,
	due      INTEGER NOT NULL,
	at       INTEGER NOT NULL,         -- when it was decided what to do
	state    TEXT NOT NULL,            -- see Firing
	run      TEXT NOT NULL             -- id of the run; '' for none
);
CREATE INDEX firings_by_schedule ON firings(schedule);
CREATE TABLE requests (                -- to the process that serves the schedules
	n    INTEGER PRIMARY KEY,
	at   INTEGER NOT NULL,
	verb TEXT NOT NULL,                -- trigger, cancel
	name TEXT NOT NULL                 -- of a schedule, or a run
);
CREATE TABLE forgotten (               -- runs of engines elsewhere that were removed here
	run TEXT PRIMARY KEY
);
`}

// Version is the format that this program writes.
var Version = len(migrations) - 1

func migrate(ctx context.Context, conn *sql.Conn) error {
	current, err := version(ctx, conn)
	if err != nil || current == Version {
		return err
	}
	if current > Version {
		return fault.New(fault.Config, "the journal has format %d, which is newer than this program knows (%d)", current, Version).
			WithHint("use the newer program; nothing was changed")
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	// Another process may have migrated while this one waited for the lock.
	if current, err = version(ctx, conn); err == nil {
		for v := current + 1; v <= Version && err == nil; v++ {
			_, err = conn.ExecContext(ctx, migrations[v]+fmt.Sprintf("PRAGMA user_version = %d;", v))
		}
	}
	if err != nil {
		conn.ExecContext(ctx, "ROLLBACK") //nolint:errcheck // the first error is the one to report
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

func version(ctx context.Context, conn *sql.Conn) (v int, err error) {
	err = conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
	if err == nil && v < 0 {
		err = fault.New(fault.Config, "the journal is damaged: it has format %d", v)
	}
	return v, err
}
