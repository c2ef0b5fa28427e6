package journal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Secret is a secret of a run. Sealed can be opened only with the key of the run.

type Secret struct {
	Name   string
	Sealed []byte
}

// AddSecret records a secret, without waiting: it is on disk before whatever is
// intended afterwards.
func (r *Run) AddSecret(s Secret) error {
	return r.j.later(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), `INSERT INTO secrets (run, name, sealed) VALUES (?,?,?)`, r.n, s.Name, s.Sealed)
		return err
	})
}

// Secrets returns the secrets of the run.
func (r *Run) Secrets() ([]Secret, error) {
	rows, err := r.j.db.Query(`SELECT name, sealed FROM secrets WHERE run = ?`, r.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var secrets []Secret
	for rows.Next() {
		var s Secret
		if err := rows.Scan(&s.Name, &s.Sealed); err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	return secrets, rows.Err()
}

// Source is the text of a module.
type Source struct {
	Name    string
	Content []byte
}

// AddSource records the text of a module, by its content.
func (r *Run) AddSource(name string, content []byte) error {
	return r.j.later(func(tx *connection) error { return r.addSource(tx, Source{name, content}) })
}

func (r *Run) addSource(tx *connection, src Source) error {
	hash, err := keepSource(tx, src)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(context.Background(), `INSERT OR REPLACE INTO run_sources (run, name, hash) VALUES (?,?,?)`, r.n, src.Name, hash)
	return err
}

// keepSource keeps a text, and returns the hash by which it is found.
func keepSource(tx *connection, src Source) (hash string, err error) {
	hash = src.Hash()
	_, err = tx.ExecContext(context.Background(), `INSERT OR IGNORE INTO sources (hash, content) VALUES (?,?)`, hash, src.Content)
	return hash, err
}

// Hash tells the text from all others.
func (s Source) Hash() string {
	sum := sha256.Sum256(s.Content)
	return hex.EncodeToString(sum[:])
}

// Sources returns the text of every module that the run has loaded, by name.
func (r *Run) Sources() (map[string][]byte, error) {
	rows, err := r.j.db.Query(`SELECT name, content FROM run_sources JOIN sources USING (hash) WHERE run = ?`, r.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sources := map[string][]byte{}
	for rows.Next() {
		var name string
		var content []byte
		if err := rows.Scan(&name, &content); err != nil {
			return nil, err
		}
		sources[name] = content
	}
	return sources, rows.Err()
}

// Line is a line that a run has printed.
type Line struct {
	At    time.Time `json:"at"`
	Place string    `json:"place"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// Log records a line, without waiting.
func (r *Run) Log(l Line) error {
	return r.j.later(func(tx *connection) error {
		_, err := tx.ExecContext(context.Background(), `INSERT INTO logs (run, at, place, level, text) VALUES (?,?,?,?,?)`,
			r.n, l.At.UnixNano(), l.Place, l.Level, l.Text)
		return err
	})
}

// Lines returns the lines of a run from the one numbered after on, and the number
// to go on with.
func (r *Run) Lines(after int64) (lines []Line, next int64, err error) {
	rows, err := r.j.db.Query(`SELECT seq, at, place, level, text FROM logs WHERE run = ? AND seq > ? ORDER BY seq`, r.n, after)
	if err != nil {
		return nil, after, err
	}
	defer rows.Close()
	next = after
	for rows.Next() {
		var l Line
		var at int64
		if err := rows.Scan(&next, &at, &l.Place, &l.Level, &l.Text); err != nil {
			return nil, after, err
		}
		l.At = time.Unix(0, at)
		lines = append(lines, l)
	}
	return lines, next, rows.Err()
}

// Question is something that a person has to answer before the run goes on.
type Question struct {
	Place    string    `json:"place"`
	Kind     string    `json:"kind"` // approval, in_doubt
	Text     string    `json:"question"`
	Choices  []string  `json:"choices"`
	Asked    time.Time `json:"asked"`
	Answer   string    `json:"answer,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Answered time.Time `json:"answered,omitzero"`
}

// Ask records a question, keeping an answer that it has already.
func (r *Run) Ask(q Question) error {
	choices, err := json.Marshal(q.Choices)
	if err != nil {
		return err
	}
	return r.exec(`INSERT INTO questions (run, place, kind, text, choices, asked) VALUES (?,?,?,?,?,?)
		ON CONFLICT (run, place) DO UPDATE SET kind=excluded.kind, text=excluded.text, choices=excluded.choices, asked=excluded.asked`,
		r.n, q.Place, q.Kind, q.Text, string(choices), q.Asked.UnixNano())
}

// Answer records an answer.
func (r *Run) Answer(place, answer, reason string) error {
	return r.exec(`UPDATE questions SET answer=?, reason=?, answered=? WHERE run=? AND place=?`,
		answer, reason, time.Now().UnixNano(), r.n, place)
}

// Forget removes a question: it was settled.
func (r *Run) Forget(place string) error {
	return r.exec(`DELETE FROM questions WHERE run=? AND place=?`, r.n, place)
}

// Questions returns the questions of the run, oldest first.
func (r *Run) Questions() ([]Question, error) {
	rows, err := r.j.db.Query(
		`SELECT place, kind, text, choices, asked, answer, reason, answered FROM questions WHERE run = ? ORDER BY asked`, r.n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var questions []Question
	for rows.Next() {
		var q Question
		var choices string
		var asked, answered int64
		if err := rows.Scan(&q.Place, &q.Kind, &q.Text, &choices, &asked, &q.Answer, &q.Reason, &answered); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(choices), &q.Choices); err != nil {
			return nil, err
		}
		q.Asked = time.Unix(0, asked)
		if answered != 0 {
			q.Answered = time.Unix(0, answered)
		}
		questions = append(questions, q)
	}
	return questions, rows.Err()
}

// makeDurably makes a directory and those above it that are missing, so that a
// loss of power does not take them away again.
func makeDurably(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeDurably(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	syncDir(filepath.Dir(dir))
	return nil
}

// syncDir makes the names in a directory durable, where the file system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // some file systems cannot
		d.Close()
	}
}
