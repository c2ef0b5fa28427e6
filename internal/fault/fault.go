// Package fault is the one error type of the program.
//
// A [Error] says what failed, why, and what to do next, in words meant for the
// person who runs a script. Its [Kind] is decided once, where the failure
// happens, and maps to everything that depends on it: the exit code, the value
// of attempt(…).error.kind, whether a retry makes sense.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind classifies a failure. Scripts see it as attempt(…).error.kind.
type Kind string

const (
	Failed      Kind = "failed"      // the effect was performed and did not succeed
	Usage       Kind = "usage"       // wrong arguments on the command line
	Config      Kind = "config"      // configuration missing or invalid
	Permission  Kind = "permission"  // not allowed, or outside of what was granted
	NotFound    Kind = "not_found"   // the thing named does not exist
	Exists      Kind = "exists"      // the thing named exists already
	Invalid     Kind = "invalid"     // a value that can never work; never retried
	Script      Kind = "script"      // an error of the Starlark program itself
	Assertion   Kind = "assertion"   // a script found something other than it asserts
	Timeout     Kind = "timeout"     // it took longer than allowed
	Network     Kind = "network"     // the other side could not be reached
	Unavailable Kind = "unavailable" // the other side asks to come back later
	Cancelled   Kind = "cancelled"   // the run, or the branch, was told to stop
	Limit       Kind = "limit"       // a limit of the run was reached
	TooLarge    Kind = "too_large"   // a file, an answer or an output is larger than allowed
	Waiting     Kind = "waiting"     // a person has to answer first
	Mismatch    Kind = "mismatch"    // a replay does not follow its journal
	Journal     Kind = "journal"     // the journal cannot be written, so nothing more is done
	Internal    Kind = "internal"    // a defect of this program
)

// Frame is one position in a script.
type Frame struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
	Func string `json:"func"`
	Text string `json:"text,omitempty"` // the source line, when it is known
}

func (f Frame) String() string { return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col) }

// Error is a failure for people. The zero value of every field but Msg is fine.
type Error struct {
	Kind    Kind
	Msg     string         // lower case, "cannot X: why"; no position, no kind
	Hint    string         // what to do next
	Details map[string]any // machine readable, shown by attempt(…).error.details
	Stack   []Frame        // innermost first; filled in by the door
	At      string         // "file:line:col" of what failed, where it came to light only later in the same function
	Effect  string         // kind of the effect that failed, such as "fs.read"
	Place   string         // place of that effect within the run
	Cause   error

	// Unsent says that the failure is known to lie before anything was sent to
	// the other side, so that trying again cannot do a write twice.
	Unsent bool
	// InDoubt says that the effect may have happened all the same.
	InDoubt bool
	// RetryAfter is the number of seconds that the other side asked to wait.
	RetryAfter float64
}

// New makes an error of the given kind.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of the given kind whose message ends with that of cause.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	msg := strings.TrimSuffix(fmt.Sprintf(format, args...), ":")
	return &Error{Kind: kind, Msg: msg + ": " + cause.Error(), Cause: cause}
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

func (e *Error) Error() string {
	if e.Effect != "" {
		return e.Effect + ": " + e.Msg
	}
	return e.Msg
}

func (e *Error) Unwrap() error { return e.Cause }

// As returns the innermost-wrapping [Error] of err, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// KindOf returns the kind of err: Failed for errors that carry none.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Failed
}

// Is reports whether err is of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	e := As(err)
	if e == nil {
		return false
	}
	for _, k := range kinds {
		if e.Kind == k {
			return true
		}
	}
	return false
}

// Transient reports whether the same action may succeed later without anyone
// changing anything. Validation, permission and not-found never do.
func (e *Error) Transient() bool {
	switch e.Kind {
	case Network, Timeout, Unavailable:
		return true
	}
	return false
}

// Before marks a failure as one that lies before anything was sent or changed: trying
// again cannot do a write twice. Errors that are no faults are returned as they are.
func Before(err error) error {
	e := As(err)
	if e == nil {
		return err
	}
	copied := *e
	copied.Unsent, copied.InDoubt = true, false
	return &copied
}
