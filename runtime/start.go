package runtime

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Start executes a script as a new run. Mistakes in the script's text or in the
// arguments are found before there is a run.
func (r *Runtime) Start(in Interrupt, s Start) (*Outcome, error) {
	return r.begin(in, s, request{box: seal.NewBox()}, nil)
}

// begin is Start for a run with the key and the sources of req, which follows a
// plan unless that is nil.
func (r *Runtime) begin(in Interrupt, s Start, req request, follows *journal.Applied) (*Outcome, error) {
	x, name, err := r.ready(in, s, req)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	x.follow(follows, nil)
	run, err := r.create(x, name, s, follows, "")
	if err != nil {
		return nil, err
	}
	x.rt.cfg.Events.Emit(event.Event{Type: event.RunStarted, Time: time.Now(), Run: run.ID, Text: script.FileName(name)})
	v, err := x.engine.Run()
	out, err := x.conclude(v, err)
	if out.State == journal.Failed && s.RollbackOnFailure {
		return x.rollBackAfter(out, err)
	}
	return out, err
}

// inputs are the arguments for the entry function.
func (s Start) inputs() interpreter.Inputs {
	return interpreter.Inputs{Entry: s.Entry, File: s.Params, Flags: s.Flags}
}

// ready finds what is wrong with the script or the arguments before there is a
// run. It returns the name of the main module.
func (r *Runtime) ready(in Interrupt, s Start, req request) (x *execution, name string, err error) {
	if req.isolated, err = r.isolates(s); err != nil {
		return nil, "", err
	}
	if req.id == "" {
		req.id = uuid.NewString()
	}
	req.infra, req.allowPaths, req.limits = s.Infra, s.AllowPaths, s.Limits
	x, err = r.prepare(in, req)
	if err != nil {
		return nil, "", err
	}
	var sources []journal.Source
	for name, content := range req.sources { // which the loader does not report
		sources = append(sources, journal.Source{Name: name, Content: content})
	}
	x.star.Loader.OnSource = func(name string, content []byte) error {
		if x.run != nil {
			return x.run.AddSource(name, content)
		}
		sources = append(sources, journal.Source{Name: name, Content: content})
		return nil
	}
	x.sources = func() []journal.Source { return sources }
	if name, err = x.star.Loader.Name(s.Script); err != nil {
		return x, "", err
	}
	lines, err := x.engine.Ready(name, s.inputs())
	x.printed = append(x.printed, lines...)
	return x, name, x.explain(err)
}

// create adds the run to the journal and takes it for this process.
func (r *Runtime) create(x *execution, name string, s Start, follows *journal.Applied, engine string) (*journal.Run, error) {
	options := journal.Options{
		Infra: s.Infra, AllowPaths: s.AllowPaths, RollbackOnFailure: s.RollbackOnFailure, Limits: s.Limits, Applied: follows,
		Isolate: x.isolated, Engine: engine,
	}
	if engine != "" && x.isolated {
		all, err := x.allSources(name)
		if err != nil {
			return nil, err
		}
		options.Foreign = x.foreign(all)
	}
	run, err := x.add(name, s.inputs(), options, x.sources()...)
	if err != nil {
		return nil, err
	}
	if err := x.record(run); err != nil {
		return nil, err
	}
	if err := run.SetState(journal.Running, nil); err != nil {
		return nil, err
	}
	return run, x.door.Print("0", x.printed)
}

// add adds the run to the journal.
func (x *execution) add(name string, inputs interpreter.Inputs, options journal.Options, sources ...journal.Source) (*journal.Run, error) {
	j, err := x.rt.Journal()
	if err != nil {
		return nil, err
	}
	params, err := inputs.Encode()
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "cannot record the parameters")
	}
	key, err := x.rt.sealKey(x.box)
	if err != nil {
		return nil, err
	}
	return j.Create(journal.Run{ID: x.shared.ID, Script: name, Entry: inputs.Entry, Params: params, Key: key, Options: options}, sources...)
}

// Resume says how a run is to go on.
type Resume struct {
	Answers []Answer
	Limits  map[string]string // by name; in place of those that the run had
	// KeepRemoved keeps what an edit of the script has removed, and what was to be
	// taken back.
	KeepRemoved bool

	revised bool // the script has just been edited
}

// Answer settles an effect that waits for a person.
type Answer struct {
	Place  string
	Choice string // done, redo, skip, or a choice of an approval
	Reason string
}

// Resume goes on with a run that failed, was interrupted, waits, or lost its
// process. Effects that the journal knows are not performed again.
func (r *Runtime) Resume(in Interrupt, id string, with Resume) (*Outcome, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	for name, text := range with.Limits {
		if run.Options.Limits == nil {
			run.Options.Limits = map[string]string{}
		}
		run.Options.Limits[name] = text
	}
	run.Options.Isolate = run.Options.Isolate || r.cfg.Isolate
	if _, err := limits(run.Options.Limits, run.Options.Isolate); err != nil {
		return nil, err
	}
	if r.cfg.Elsewhere != nil {
		if err := kept(with.Limits, run.Options.Isolate); err != nil {
			return nil, err
		}
	}
	if run.Options.Session {
		return nil, fault.New(fault.Usage, "the run %s is a session of the interactive shell, which cannot be resumed", run.ID[:8]).
			WithHint("take back what it did with: provisioning rollback %s", run.ID[:8])
	}
	switch run.State {
	case journal.Completed:
		return nil, fault.New(fault.Usage, "the run %s has completed; there is nothing to resume", run.ID[:8])
	case journal.RollingBack:
		return nil, halfRolledBack(run)
	case journal.RolledBack:
		return nil, fault.New(fault.Usage, "the run %s was rolled back; there is nothing to resume", run.ID[:8]).
			WithHint("start it again with: provisioning run %s", script.FileName(run.Script))
	}
	x, inputs, err := r.reopen(in, run, false, nil)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	if x.door.Past.TakenBack() {
		return nil, halfRolledBack(run)
	}
	if run.State == journal.Failed {
		for _, e := range x.door.Past.DropTrailing() {
			if err := run.SetStatus(e, journal.Dropped); err != nil {
				return nil, err
			}
		}
	}
	if with.KeepRemoved {
		if err := x.keepRemoved(); err != nil {
			return nil, err
		}
	}
	for _, a := range with.Answers {
		if err := x.answer(a); err != nil {
			return nil, err
		}
	}
	if len(with.Limits) > 0 || r.cfg.Isolate {
		if err := run.SetOptions(run.Options); err != nil {
			return nil, err
		}
	}
	if err := run.SetState(journal.Running, nil); err != nil {
		return nil, err
	}
	r.cfg.Events.Emit(event.Event{Type: event.RunStarted, Time: time.Now(), Run: run.ID, Text: script.FileName(run.Script), Status: "resumed", Done: int64(x.door.Past.Len())})
	if out, err := x.takeBackRemoved(); err != nil {
		return out, err
	}
	for _, name := range r.changed(x.star.Loader) {
		if r.cfg.Elsewhere != nil {
			break // the disk is another one
		}
		r.cfg.Events.Emit(event.Event{Type: event.Logged, Time: time.Now(), Run: run.ID, Place: "0", Level: "warn",
			Text: script.FileName(name) + " has changed since; the run goes on with the script that it has (--edited takes the new one)"})
	}
	v, err := x.execute(run.Script, inputs)
	if err == nil {
		err = x.missed()
	}
	out, err := x.conclude(v, err)
	out.Replayed = x.door.Past.Len()
	again := with.revised && fault.Is(err, fault.Mismatch) // it is compared once more
	if out.State == journal.Failed && run.Options.RollbackOnFailure && !again {
		return x.rollBackAfter(out, err)
	}
	return out, err
}

// missed finds what an edit has left open, and the script has never asked for: it
// has to be removed before the run is complete.
func (x *execution) missed() error {
	revisions, err := x.run.Revisions()
	if err != nil || len(revisions) == 0 {
		return err
	}
	effects, err := x.run.Effects()
	if err != nil {
		return err
	}
	rec := x.door.Past.Missed(effects)
	if rec == nil {
		return nil
	}
	return fault.New(fault.Mismatch, "the edited script ends, and does not come to %s %s at %s, which was done", rec.Kind, rec.Description, rec.Place).
		WithHint("say what becomes of it with: provisioning resume %s --edited", x.run.ID[:8])
}

// changed returns the modules whose text on the disk is another one by now.
func (r *Runtime) changed(l *script.Loader) []string {
	var names []string
	for name, src := range l.Sources {
		if now, err := l.OnDisk(name); err == nil && !bytes.Equal(now, src) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// halfRolledBack: going on would take for done what is undone.
func halfRolledBack(run *journal.Run) error {
	return fault.New(fault.Usage, "the rollback of run %s is not complete, so it cannot be resumed", run.ID[:8]).
		WithHint("go on with: provisioning rollback %s", run.ID[:8])
}

func (r *Runtime) find(id string) (*journal.Run, error) {
	j, err := r.Journal()
	if err != nil {
		return nil, err
	}
	return j.Find(id)
}

// answer records an answer, also to a question that has not been asked.
func (x *execution) answer(a Answer) error {
	if !x.door.Past.InDoubt(a.Place) {
		return fault.New(fault.Usage, "the effect %q of run %s is not in doubt", a.Place, x.run.ID[:8]).
			WithHint("see: provisioning runs show %s", x.run.ID[:8])
	}
	q := journal.Question{Place: a.Place, Kind: "in_doubt", Choices: []string{door.AnswerDone, door.AnswerRedo, door.AnswerSkip}, Asked: time.Now()}
	if err := x.run.Ask(q); err != nil {
		return err
	}
	return x.run.Answer(a.Place, a.Choice, a.Reason)
}

// reopen prepares an execution of a run that is in the journal. sources replace
// those that the journal keeps, unless nil.
func (r *Runtime) reopen(in Interrupt, run *journal.Run, replay bool, sources map[string][]byte) (*execution, interpreter.Inputs, error) {
	inputs, err := interpreter.DecodeInputs(run.Entry, run.Params)
	if err != nil {
		return nil, inputs, fault.Wrap(fault.Failed, err, "cannot read the parameters of run %s", run.ID)
	}
	box, err := r.openKey(run.Key, "the run "+run.ID)
	if err != nil {
		return nil, inputs, err
	}
	if sources == nil {
		if sources, err = run.Sources(); err != nil {
			return nil, inputs, err
		}
	}
	bounds := run.Options.Limits
	if replay { // it repeats what was within the limits then, or was stopped by them
		bounds = map[string]string{"steps": "none", "wall": "none", "effects": "none", "branches": "none", "output": "none"}
		if memory := run.Options.Limits["memory"]; memory != "" {
			bounds["memory"] = memory
		}
	}
	x, err := r.prepare(in, request{
		id: run.ID, infra: run.Options.Infra, allowPaths: run.Options.AllowPaths, limits: bounds,
		replay: replay, box: box, sources: sources,
		isolated: (run.Options.Isolate || r.cfg.Isolate) && !run.Options.Session, foreign: run.Options.Foreign,
	})
	if err != nil {
		return nil, inputs, err
	}
	return x, inputs, x.restore(run, replay)
}

// restore gives the execution the past of its run.
func (x *execution) restore(run *journal.Run, replay bool) error {
	if err := openSecrets(run, x.box, x.shared.Secrets); err != nil {
		return err
	}
	if replay {
		x.run, x.door.Record = run, run
		j, err := x.rt.Journal()
		if err != nil {
			return err
		}
		x.keepLarge(j)
	} else if err := x.record(run); err != nil {
		return err
	}
	// After the lease was taken: until then another process may have written.
	effects, err := run.Effects()
	if err != nil {
		return err
	}
	x.door.SetPast(door.NewPast(effects))
	x.follow(run.Options.Applied, effects)
	return nil
}

// Secrets returns the secrets of a run, for those who show what it did.
func (r *Runtime) Secrets(run *journal.Run) (*value.Secrets, error) {
	box, err := r.openKey(run.Key, "the run "+run.ID)
	if err != nil {
		return nil, err
	}
	secrets := value.NewSecrets(box.Key)
	return secrets, openSecrets(run, box, secrets)
}

func openSecrets(run *journal.Run, box *seal.Box, into *value.Secrets) error {
	sealed, err := run.Secrets()
	if err != nil {
		return err
	}
	for _, s := range sealed {
		if err := unseal(s, box, into); err != nil {
			return err
		}
	}
	return nil
}

// unseal adds a secret that was kept sealed.
func unseal(s journal.Secret, box *seal.Box, into *value.Secrets) error {
	plain, err := box.Open(s.Sealed)
	if err == nil {
		into.Add(s.Name, string(plain))
	}
	return err
}

// execute executes the script of a run that is in the journal. It takes the same
// two steps as the first execution, so that branches which a pure top level made
// have the numbers that they had.
func (x *execution) execute(name string, inputs interpreter.Inputs) (starlark.Value, error) {
	if name == sessionScript && x.run.Options.Session {
		return starlark.None, x.replaySession()
	}
	if _, err := x.engine.Ready(name, inputs); err != nil {
		return nil, err
	}
	return x.engine.Run()
}

// Replay executes a run from its journal alone, acting on nothing. file, unless
// "", is a script to use in place of the one that was run. The first difference
// is the error.
func (r *Runtime) Replay(in Interrupt, id, file string) (*Outcome, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	var sources map[string][]byte
	if file != "" {
		if sources, err = r.replaced(run, file); err != nil {
			return nil, err
		}
	}
	x, inputs, err := r.reopen(in, run, true, sources)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	v, err := x.execute(run.Script, inputs)
	return x.replayed(run, v, err)
}
