// Package event is what a run tells while it goes on. The live view, the plain
// lines of a log file and machine-readable streams are all made of it.
package event

import "time"

// Type says what happened.
type Type string

const (
	RunStarted    Type = "run_started"
	RunEnded      Type = "run_ended"
	BranchStarted Type = "branch_started"
	BranchEnded   Type = "branch_ended"
	EffectStarted Type = "effect_started"
	EffectEnded   Type = "effect_ended"
	EffectRetried Type = "effect_retried"
	UndoStarted   Type = "undo_started"
	UndoEnded     Type = "undo_ended"
	Logged        Type = "log"
	Progressed    Type = "progress"
	Asked         Type = "question"
)

// Event is one thing that happened. Secrets are redacted in it.
type Event struct {
	Type     Type          `json:"type"`
	Time     time.Time     `json:"time"`
	Run      string        `json:"run"`
	Place    string        `json:"place,omitempty"`   // of an effect, or the path of a branch
	Kind     string        `json:"kind,omitempty"`    // of an effect
	Write    bool          `json:"write,omitempty"`   // the effect changes something
	Level    string        `json:"level,omitempty"`   // of a log line
	Text     string        `json:"text,omitempty"`    // description, line, note, question
	Status   string        `json:"status,omitempty"`  // of what ended
	Changed  *bool         `json:"changed,omitempty"` // whether the effect has changed something, where its result says so
	Error    string        `json:"error,omitempty"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	Attempt  int           `json:"attempt,omitempty"`
	Done     int64         `json:"done,omitempty"`
	Total    int64         `json:"total,omitempty"`
}

// Sink takes events. Emit must be quick and safe for concurrent use.
type Sink interface{ Emit(Event) }

// Discard is a Sink that forgets everything.
var Discard Sink = discard{}

type discard struct{}

func (discard) Emit(Event) {}
