package main

import (
	"bytes"
	"os"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cassette"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// exportCassette writes what the effects of a run came to, for tests to play.
func (a *app) exportCassette(j *journal.Journal, run *journal.Run, file string) error {
	if !run.State.Ended() {
		return fault.New(fault.Usage, "the run %s is %s; a cassette is made of a run that has ended", run.ID[:8], state(run)).
			WithHint("go on with: provisioning resume %s", run.ID[:8])
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	values, redact, err := a.reader(run, &codec.Codec{Blobs: j.Blobs})
	if err != nil {
		return err
	}
	effects, err := run.Effects()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	n, err := cassette.Write(&text, cassette.Source{
		Script: script.FileName(run.Script), Root: ws.Root, Effects: effects, Details: run.Details, Codec: values,
	})
	if err != nil {
		return err
	}
	if redact(text.String()) != text.String() {
		return fault.New(fault.Failed, "cannot write the cassette: the value of a secret would be in it").
			WithHint("look for what a command prints about a secret in: provisioning runs export %s", run.ID[:8])
	}
	for _, name := range values.Secrets.Short() {
		a.console.Note("warning: the value of the secret %q is too short to be told from other text; look for it in what the cassette holds", name)
	}
	if file == "-" {
		_, err := a.console.Out.Write(text.Bytes())
		return err
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write %q", file)
	}
	a.console.Note("%s of run %s recorded in %s", count(n, "effect"), run.ID[:8], file)
	return nil
}
