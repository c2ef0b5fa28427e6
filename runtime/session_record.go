package runtime

import (
	"sync"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// sessionRecord is the journal of a session: it makes the run when there is the
// first effect to record, and keeps what belongs to the run until then.
type sessionRecord struct {
	x    *execution
	opts SessionOptions

	mu      sync.Mutex
	run     *journal.Run // nil until there is an effect
	err     error        // why there is none
	sources []journal.Source
	lines   []journal.Line
	secrets []journal.Secret
	places  map[string]bool // of the writes of the present input
}

var _ door.Recorder = (*sessionRecord)(nil)

// maxHeld is how many lines are kept for a run that may never begin.
const maxHeld = 1000

// newSessionRecord makes x record what it does there.
func newSessionRecord(x *execution, opts SessionOptions) *sessionRecord {
	r := &sessionRecord{x: x, opts: opts}
	x.door.Record = r
	x.door.Codec.Blobs, x.door.Codec.Limit = sessionBlobs{x.rt}, maxInline
	x.star.Loader.OnSource = r.source
	x.shared.Secrets.OnAdd = func(name, plain string) {
		r.secret(journal.Secret{Name: name, Sealed: x.box.Seal([]byte(plain))})
	}
	return r
}

// collect returns where the places of all writes are noted from now on.
func (r *sessionRecord) collect() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places = map[string]bool{}
	return r.places
}

func (r *sessionRecord) source(name string, content []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run != nil {
		return r.run.AddSource(name, content)
	}
	r.sources = append(r.sources, journal.Source{Name: name, Content: content})
	return nil
}

func (r *sessionRecord) secret(s journal.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run != nil {
		_ = r.run.AddSecret(s) // a broken journal stops the next effect
		return
	}
	r.secrets = append(r.secrets, s)
}

// begun returns the run, which it makes if there is none.
func (r *sessionRecord) begun() (*journal.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run == nil && r.err == nil {
		r.run, r.err = r.create()
	}
	return r.run, r.err
}

func (r *sessionRecord) create() (*journal.Run, error) {
	x := r.x
	run, err := x.add(sessionScript, interpreter.Inputs{}, journal.Options{
		Infra: r.opts.Infra, AllowPaths: r.opts.AllowPaths, Limits: r.opts.Limits, Session: true,
	})
	if err != nil {
		return nil, err
	}
	if x.lease, err = run.Acquire(); err != nil {
		return nil, err
	}
	x.run = run
	for _, s := range r.sources {
		if err := run.AddSource(s.Name, s.Content); err != nil {
			return nil, err
		}
	}
	for _, s := range r.secrets {
		if err := run.AddSecret(s); err != nil {
			return nil, err
		}
	}
	for _, l := range r.lines {
		if err := run.Log(l); err != nil {
			return nil, err
		}
	}
	r.sources, r.secrets, r.lines = nil, nil, nil
	x.rt.cfg.Events.Emit(event.Event{Type: event.RunStarted, Time: time.Now(), Run: run.ID, Text: sessionScript})
	return run, run.SetState(journal.Running, nil)
}

func (r *sessionRecord) Intend(e *journal.Effect) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.places[e.Place] = true
	r.mu.Unlock()
	return run.Intend(e)
}

func (r *sessionRecord) Record(e *journal.Effect) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	return run.Record(e)
}

func (r *sessionRecord) Finish(e *journal.Effect) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	return run.Finish(e)
}

func (r *sessionRecord) SetStatus(e *journal.Effect, status journal.Status) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	return run.SetStatus(e, status)
}

func (r *sessionRecord) Details(e *journal.Effect) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	return run.Details(e)
}

// Log keeps the last lines of a session that has no run so far.
func (r *sessionRecord) Log(l journal.Line) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.run != nil {
		return r.run.Log(l)
	}
	if len(r.lines) == maxHeld {
		r.lines = append(r.lines[:0], r.lines[maxHeld/2:]...)
	}
	r.lines = append(r.lines, l)
	return nil
}

func (r *sessionRecord) Ask(q journal.Question) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	return run.Ask(q)
}

func (r *sessionRecord) Questions() ([]journal.Question, error) {
	run, err := r.begun()
	if err != nil {
		return nil, err
	}
	return run.Questions()
}

func (r *sessionRecord) Forget(place string) error {
	run, err := r.begun()
	if err != nil {
		return err
	}
	return run.Forget(place)
}

// sessionBlobs opens the journal when there is something large to keep.
type sessionBlobs struct{ rt *Runtime }

func (b sessionBlobs) Put(data string) ([32]byte, error) {
	j, err := b.rt.Journal()
	if err != nil {
		return [32]byte{}, err
	}
	return j.Blobs.Put(data)
}

func (b sessionBlobs) Get(hash [32]byte) (string, error) {
	j, err := b.rt.Journal()
	if err != nil {
		return "", err
	}
	return j.Blobs.Get(hash)
}
