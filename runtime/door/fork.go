package door

import (
	"context"
	"crypto/sha256"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Fork notes that branches are made. The note makes a difference when the script
// went on after some of them had failed: which of the others came how far was a
// matter of timing, and a resumed run has to find it the same.
func (d *Door) Fork(thread *starlark.Thread, fn string, n int) (branch.Fork, error) {
	return d.ForkOf(onThread{thread}, fn, n)
}

// ForkOf is Fork for a caller that may be in another process.
func (d *Door) ForkOf(caller Caller, fn string, n int) (branch.Fork, error) {
	b := caller.Branch()
	if b.Pure != nil {
		return branch.Fork{}, nil
	}
	f := branch.Fork{Place: b.NextPlace()}
	if d.Trace != nil && d.WhatIf == nil {
		children := b.NextChildren(n)
		d.Trace.Fork(b.Path, children)
		f.Record = children
		return f, nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %q %d", effect.KindFork, fn, n))
	args, err := d.forkArgs(b)
	if err != nil {
		return f, err
	}
	rec := &journal.Effect{
		Place: f.Place, Kind: effect.KindFork, Key: sum[:16], Pos: caller.Position(),
		Description: fmt.Sprintf("%s for %d items", fn, n), Args: args, Begun: d.Now(),
	}
	if err := d.watchFork(caller, rec, n); err != nil {
		return f, err
	}
	if d.WhatIf != nil {
		return d.whatIfFork(b, f, rec), nil
	}
	if d.Compare != nil {
		return d.compareFork(b, f, rec, fn, n)
	}
	if d.Past.Has(f.Place) {
		return d.forkAgain(b, f, rec)
	}
	if b.Settled {
		return f, branch.ErrSibling
	}
	if d.Replay {
		return f, nil // the branches find the end of the journal
	}
	if b.Context().Err() != nil {
		return f, context.Cause(b.Context())
	}
	f.Record = rec
	return f, d.Record.Record(rec)
}

// forkArgs says how the branches are executed, for those who read the journal. It is
// no part of the key: a run may be resumed with another limit, and journals that
// were written before do not have it.
func (d *Door) forkArgs(b *branch.Branch) ([]byte, error) {
	args := starlark.NewDict(2)
	if err := args.SetKey(starlark.String("limit"), starlark.MakeInt(b.Width)); err != nil {
		return nil, err
	}
	if b.Keeps {
		if err := args.SetKey(starlark.String("on_error"), starlark.String("continue")); err != nil {
			return nil, err
		}
	}
	return d.Codec.Encode(args)
}

// forkAgain finds out what became of branches that the journal knows.
func (d *Door) forkAgain(b *branch.Branch, f branch.Fork, rec *journal.Effect) (branch.Fork, error) {
	old := d.Past.byPlace[f.Place]
	d.Past.used.Store(f.Place, true)
	if old.Kind != effect.KindFork || string(old.Key) != string(rec.Key) {
		return f, fault.New(fault.Mismatch, "the script does not follow its journal at %s", f.Place).
			WithHint("journal: %s %s   %s\nscript:  %s %s   %s", old.Kind, old.Description, old.Pos, rec.Kind, rec.Description, rec.Pos)
	}
	switch {
	case old.Status == journal.Done:
		f.Closed = true
	case old.Status == journal.Caught, b.Settled && old.Status == journal.Erred:
		f.Closed, f.Err = true, d.decodeFault(old.Result, true)
	case b.Settled:
		f.Closed, f.Err = true, branch.ErrSibling
	case !d.Replay:
		rec.Seq, rec.Begun = old.Seq, old.Begun
		f.Record = rec
		if old.Status == journal.Erred {
			return f, d.Record.SetStatus(rec, journal.Intended)
		}
	}
	return f, nil
}

// Join notes how the branches of a fork have ended.
func (d *Door) Join(f branch.Fork, err error) error {
	if f.Err != nil {
		return f.Err
	}
	if children, ok := f.Record.([]string); ok {
		d.Trace.Join(children, f.Results)
	}
	rec, ok := f.Record.(*journal.Effect)
	if !ok || err != nil && !branch.Catchable(err) {
		return err
	}
	rec.Ended, rec.Done = d.Now(), d.done.Add(1)
	if err == nil {
		rec.Status = journal.Done
		return d.Record.Finish(rec)
	}
	e := d.recordable(fault.As(err))
	copied := *e
	copied.Place, copied.Cause = f.Place, err
	rec.Status, rec.Result = journal.Erred, d.encodeFault(e)
	d.erred.Store(f.Place, rec)
	if serr := d.Record.Finish(rec); serr != nil {
		return serr
	}
	return &copied
}
