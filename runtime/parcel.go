package runtime

import (
	"encoding/hex"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/runtime/seal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Parcel is a run on its way to another machine. It holds the key of the run in the
// clear: whoever sends it has to see to that.
type Parcel struct {
	Bundle *journal.Bundle
	Key    []byte
}

// Size is about how large the parcel is.
func (p *Parcel) Size() int {
	n := len(p.Bundle.Run.Params) + len(p.Bundle.Run.Result)
	for _, e := range p.Bundle.Effects {
		n += e.Size()
	}
	for _, s := range p.Bundle.Sources {
		n += len(s.Content)
	}
	for _, l := range p.Bundle.Lines {
		n += 64 + len(l.Text)
	}
	return n
}

// Submit records a new run that an engine is to execute, and returns it. Mistakes in
// the script's text or in the arguments are found before there is a run.
func (r *Runtime) Submit(in Interrupt, s Start, engine string) (*journal.Run, error) {
	return r.submit(in, s, request{box: seal.NewBox()}, nil, engine)
}

func (r *Runtime) submit(in Interrupt, s Start, req request, follows *journal.Applied, engine string) (*journal.Run, error) {
	x, name, err := r.ready(in, s, req)
	if x != nil {
		defer x.end()
	}
	if err != nil {
		return nil, err
	}
	if err := kept(s.Limits, x.isolated); err != nil {
		return nil, err
	}
	run, err := r.create(x, name, s, follows, engine)
	if err != nil {
		return nil, err
	}
	r.cfg.Events.Emit(event.Event{Type: event.RunStarted, Time: time.Now(), Run: run.ID, Text: script.FileName(name)})
	return run, nil
}

// kept refuses limits that an engine elsewhere cannot keep: its workers execute many
// runs in one process, and whether a run goes on must not depend on the others.
func kept(limits map[string]string, isolated bool) error {
	if _, named := limits["memory"]; named && !isolated {
		return fault.New(fault.Usage, "the limit memory is for isolated runs, and for those on this machine: a worker shares its memory among runs").
			WithHint("add --isolate, limit the memory of the workers, or run it here: --engine local")
	}
	return nil
}

// Pack makes a parcel of a run.
func (r *Runtime) Pack(id string) (*Parcel, error) {
	run, err := r.find(id)
	if err != nil {
		return nil, err
	}
	box, err := r.openKey(run.Key, "the run "+run.ID)
	if err != nil {
		return nil, err
	}
	bundle, err := run.Bundle()
	if err != nil {
		return nil, err
	}
	bundle.Run.Key = ""
	return &Parcel{bundle, box.Key}, nil
}

// Unpack takes over the run in a parcel: the journal then knows it as the parcel does.
func (r *Runtime) Unpack(p *Parcel) (*journal.Run, error) {
	j, err := r.Journal()
	if err != nil {
		return nil, err
	}
	if p.Bundle.Run.Key, err = r.cfg.Key.Seal(hex.EncodeToString(p.Key)); err != nil {
		return nil, err
	}
	return j.Adopt(p.Bundle)
}

// Hand returns what performs effects of a run that is executed elsewhere. key is that of
// the run, and paths are those outside of the workspace that it may use.
func (r *Runtime) Hand(run, infra string, generation int, key []byte, paths ...string) (*door.Hand, error) {
	files, err := sandbox.OpenFiles(r.cfg.Workspace.Root, r.cfg.Workspace.State, paths...)
	if err != nil {
		return nil, err
	}
	shared := &effect.Run{
		ID: run, Infra: infra, Generation: generation, Files: files, State: r.cfg.Workspace.State,
		Secrets: value.NewSecrets(key), Program: r.program,
	}
	if r.cfg.Key != nil {
		shared.Seal, shared.Unseal = r.cfg.Key.Seal, r.cfg.Key.Unseal
	}
	d := door.New(&door.Door{
		Run: shared, Box: seal.BoxOf(key), Codec: &codec.Codec{Secrets: shared.Secrets}, Events: event.Discard,
	})
	if r.cfg.Guard != nil {
		d.Guard = r.cfg.Guard(files)
	}
	return &door.Hand{Door: d, Recall: r.recall}, nil
}

// recall makes the call of an effect of a kind from the arguments that a journal keeps.
func (r *Runtime) recall(kind string, args *starlark.Dict) (*effect.Call, error) {
	f := r.function(kind)
	if f == nil {
		return nil, fault.New(fault.Internal, "this program has no builtin %s", kind)
	}
	return f.Recall(args)
}
