package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/export"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

const exportHelp = `Write all that is known of a run as JSON, or what it did as a script.

With --script, the effects of the run become calls in a function main, in the order
in which they were begun. Where one was given what an earlier one returned, the
script says so; what looks as if it changes from run to run is a parameter. Secrets
are not written, and what was undone is left out. A session of the interactive shell
becomes a script that way; ":save" writes what was typed instead.`

// scriptFlags are the flags of runs export that make a script.
type scriptFlags struct {
	wanted    bool
	usedReads bool
	force     bool
}

func (f *scriptFlags) add(fs *pflag.FlagSet) {
	fs.BoolVar(&f.wanted, "script", false, "a script that does what the run did")
	fs.BoolVar(&f.usedReads, "used-reads", false, "with --script: leave out reads whose result nothing else uses")
	fs.BoolVar(&f.force, "force", false, "with --script: replace the file if it exists")
}

func (f *scriptFlags) check() error {
	if !f.wanted && (f.usedReads || f.force) {
		return fault.New(fault.Usage, "--used-reads and --force are for --script")
	}
	return nil
}

func (a *app) exportScript(j *journal.Journal, run *journal.Run, f scriptFlags, outfile string) error {
	values, _, err := a.reader(run, &codec.Codec{Blobs: j.Blobs})
	if err != nil {
		return err
	}
	r, err := export.Read(run, values)
	if err != nil {
		return err
	}
	text, err := export.Script(r, export.Options{
		Modules: builtins.All, Predeclared: builtins.Globals.Keys(), UsedReads: f.usedReads,
	})
	if err != nil {
		return err
	}
	if outfile == "" {
		_, err = a.console.Out.Write(text)
		return err
	}
	return a.keepScript(outfile, text, f.force)
}

// keepScript writes a script where there is none: people edit what they exported.
func (a *app) keepScript(file string, text []byte, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(file, mode, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Exists, "the file %q exists already", file).WithHint("choose another name, or replace it with --force")
	}
	if err == nil {
		_, err = out.Write(text)
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot write %q", file)
	}
	a.console.Note("exported; run it with: provisioning run %s", file)
	return nil
}
