package export

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Read reads what a script is made of. The codec knows the secrets of the run.
// A run that something is still happening in is an error.
func Read(run *journal.Run, c *codec.Codec) (*Run, error) {
	if run.UnderWay() {
		return nil, fault.New(fault.Unavailable, "cannot export the run %s: it is %s in another process", short(run.ID), run.State).
			WithHint("wait for its end, or end it; see: provisioning runs show %s", short(run.ID))
	}
	records, err := run.Effects()
	if err != nil {
		return nil, err
	}
	out := &Run{
		ID: run.ID, Script: script.FileName(run.Script), Session: run.Options.Session, State: run.State, Secrets: c.Secrets,
	}
	for _, rec := range records {
		x, err := readEffect(run, c, rec)
		if err != nil {
			return nil, fault.Wrap(fault.Journal, err, "cannot read the effect %s of the run %s", rec.Place, short(run.ID))
		}
		out.Effects = append(out.Effects, x)
	}
	if out.Sources, err = run.Sources(); err != nil {
		return nil, err
	}
	out.Params, err = readParams(run, out.Sources)
	return out, err
}

func readEffect(run *journal.Run, c *codec.Codec, rec *journal.Effect) (*Effect, error) {
	x := &Effect{Effect: rec}
	if err := run.Details(rec); err != nil {
		return nil, err
	}
	given, err := c.Decode(rec.Args)
	if err != nil {
		return nil, err
	}
	var ok bool
	if x.Given, ok = given.(*starlark.Dict); !ok {
		return nil, codec.ErrCorrupt
	}
	for _, k := range x.Given.Keys() {
		if _, ok := k.(starlark.String); !ok {
			return nil, codec.ErrCorrupt
		}
	}
	switch rec.Status {
	case journal.Done, journal.Assumed:
		if rec.Result != nil { // a fork has none
			x.Gave, err = c.Decode(rec.Result)
		}
	case journal.Erred, journal.Caught:
		x.Failed, err = rec.Failure()
	}
	return x, err
}

// readParams finds out what the parameters of the entry function were, without
// evaluating the script.
func readParams(run *journal.Run, sources map[string][]byte) ([]Param, error) {
	_, ok := sources[run.Script]
	if !ok || run.Options.Session {
		return nil, nil
	}
	in, err := interpreter.DecodeInputs(run.Entry, run.Params)
	if err != nil {
		return nil, err
	}
	sig, err := (&script.Loader{Sources: sources}).Signature(run.Script, run.Entry)
	if err != nil {
		return nil, err
	}
	values := sig.Values(in.File, in.Flags)
	var params []Param
	for _, p := range sig.Params {
		params = append(params, Param{Name: p.Name, Value: values[p.Name], Help: p.Help})
	}
	return params, nil
}
