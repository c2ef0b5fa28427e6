package effect

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/clock"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Env is what an effect may use of its run. One Env serves one call.
type Env struct {
	Run     *Run
	Place   string // of the effect within the run; "" for pure functions
	Options Options
	// Output takes what the effect prints while it is performed. stream is
	// "stdout" or "stderr", or "warn" for what people have to see. It may be called
	// from several goroutines.
	Output func(stream, line string)
	// Progress tells how far the effect is; nil where nobody wants to know.
	Progress func(done, total int64, note string)
	// Ask returns a person's answer, one of choices, and why. Where nobody can
	// be asked now the error says so, and the run waits at this effect.
	Ask func(ctx context.Context, kind, text string, choices []string) (answer, reason string, err error)
	// Begun is when the effect was begun first; a resumed run goes on from there.
	Begun time.Time
	// Origin is the identity that the effect began with, where it has another one
	// by now; else "".
	Origin string
	// Turn is higher each time that the effect is performed, or asked about, by processes
	// that do not know of each other: one that stood still, and was taken for lost, has
	// a lower one than that which has taken its place. 0: there is nobody else.
	Turn int64
	// Again says that the effect failed in an earlier execution of the run.
	Again bool
	// Taken reports whether something has changed in the branch under a name (see
	// Notifier), and forgets it.
	Taken func(name string) bool
	// Party is what the Scout of a Companion has returned; nil where it is alone.
	Party any
}

// Run is what all effects of a run share.
type Run struct {
	ID      string
	Infra   string
	Check   bool           // nothing may be changed
	Replay  bool           // nothing may be looked at either
	Files   *sandbox.Files // the files that the script may reach
	State   string         // directory for what effects keep of their own, such as markers
	Secrets *value.Secrets
	Seal    func(plain string) (string, error) // encrypts for the owner of this machine's key
	Unseal  func(sealed string) (string, error)
	// Generation counts how often effects of the run were taken back, so that a
	// resumed run does them again, and how often its script was edited.
	Generation int
	Program    string      // path of this program, for scripts that call it again
	Live       Live        // handles that live with this process
	Planned    Overlay     // in check mode: what planned writes have left behind
	Clock      clock.Clock // nil: that of the machine; see Time
	Stage      Stage       // what a test sets up; nil outside of tests
	// Terminal calls use while nobody else writes to the terminal or reads from it;
	// nil where no person is at one.
	Terminal func(use func())
}

// Time is the clock of the run: whatever waits, or asks for the time, asks it.
func (r *Run) Time() clock.Clock {
	if r.Clock == nil {
		return clock.Real
	}
	return r.Clock
}

// Stage is what a test can set up about the run that it is.
type Stage interface {
	// Cassette makes the effects that a file has recorded answer from it. maybe says
	// that it is no failure when writes in it are not asked for.
	Cassette(file string, maybe bool) error
	// Answer gives the answer to questions that a regular expression matches.
	Answer(question, answer string) error
}

// IdempotencyKey is the same in every attempt of the effect, in this process
// and in one that resumes the run.
func (e *Env) IdempotencyKey() string { return e.Run.ID + "/" + e.Identity() }

// Identity is the same as long as the effect is the same one, and no other effect
// of the run ever has it: its place, and how often effects of the run had been
// taken back, or its script edited, when the effect was begun.
func (e *Env) Identity() string {
	switch {
	case e.Origin != "":
		return e.Origin
	case e.Run.Generation > 0:
		return e.Place + "/" + strconv.Itoa(e.Run.Generation)
	}
	return e.Place
}

// Live holds things by handle that live with this process: background
// processes, open connections. It is safe for concurrent use.
type Live struct{ m sync.Map }

// Put keeps v under handle.
func (l *Live) Put(handle string, v any) { l.m.Store(handle, v) }

// Get returns what is kept under handle, or nil.
func (l *Live) Get(handle string) any {
	v, _ := l.m.Load(handle)
	return v
}

// Or returns what is kept under handle. Where nothing is, it keeps v, and returns it.
func (l *Live) Or(handle string, v any) any {
	have, _ := l.m.LoadOrStore(handle, v)
	return have
}

// Drop forgets handle.
func (l *Live) Drop(handle string) { l.m.Delete(handle) }

// Alive is implemented by live things that act by themselves, such as background
// processes.
type Alive interface{ Alive() bool }

// Any reports whether something acts by itself.
func (l *Live) Any() bool {
	found := false
	l.m.Range(func(_, v any) bool {
		a, ok := v.(Alive)
		found = ok && a.Alive()
		return !found
	})
	return found
}

// Closer is implemented by live things that end with the run.
type Closer interface{ Close() error }

// Finisher is implemented by live things that have something to clear away once the
// completion of the run is recorded, after which nobody will ever resume it.
type Finisher interface{ Finish() }

// FinishAll tells all that the run is complete.
func (l *Live) FinishAll() {
	l.m.Range(func(_, v any) bool {
		if f, ok := v.(Finisher); ok {
			f.Finish()
		}
		return true
	})
}

// CloseAll ends and forgets everything that is still there.
func (l *Live) CloseAll() {
	l.m.Range(func(k, v any) bool {
		if c, ok := v.(Closer); ok {
			_ = c.Close() // the run is over; nobody is left to tell
		}
		l.m.Delete(k)
		return true
	})
}

// Overlay is the world as the planned writes of a check-mode run leave it, by
// resource. A nil value stands for a resource that was removed, and an Unknown
// for one whose content is not known. It is safe for concurrent use.
type Overlay struct {
	mu sync.RWMutex
	m  map[string]starlark.Value
}

// Set notes what a planned write makes of a resource.
func (o *Overlay) Set(resource string, v starlark.Value) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[string]starlark.Value{}
	}
	o.m[resource] = v
}

// Get returns what planned writes made of a resource; touched is false when
// none did.
func (o *Overlay) Get(resource string) (v starlark.Value, touched bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	v, touched = o.m[resource]
	return v, touched
}

// Has reports whether planned writes have touched resources of a scheme: "file".
func (o *Overlay) Has(scheme string) bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for k := range o.m {
		if strings.HasPrefix(k, scheme+":") {
			return true
		}
	}
	return false
}

// Range calls f for every touched resource.
func (o *Overlay) Range(f func(resource string, v starlark.Value)) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for k, v := range o.m {
		f(k, v)
	}
}
