package door

import (
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Log prints a line of the script: with level "print", or that of a log
// function. A line that an earlier execution of the run has printed is not
// printed again.
func (d *Door) Log(b *branch.Branch, level, text string) error {
	if b.Pure != nil {
		b.Pure.Hold(level, text)
		return nil
	}
	if b.Closed || d.Compare != nil || d.Past.Has(b.PeekPlace()) {
		return nil
	}
	return d.line(b.Path, level, text)
}

// Print prints lines that were held back.
func (d *Door) Print(path string, lines []branch.Line) error {
	for _, l := range lines {
		if err := d.line(path, l.Level, l.Text); err != nil {
			return err
		}
	}
	return nil
}

func (d *Door) line(place, level, text string) error {
	text = d.Run.Secrets.Redact(text)
	if err := d.Budget.Output(len(text)); err != nil {
		return err
	}
	d.emit(event.Event{Type: event.Logged, Place: place, Level: level, Text: text})
	if d.Record == nil || d.Replay {
		return nil
	}
	return d.Record.Log(journal.Line{At: d.Now(), Place: place, Level: level, Text: text})
}

// output takes what an effect prints. A journal that cannot be written stops
// the run at its next effect.
func (d *Door) output(place, stream, line string) { _ = d.line(place, stream, line) }

// Progress reports how far a branch is.
func (d *Door) Progress(b *branch.Branch, done, total int64, note string) {
	if d.Trace != nil || d.Compare != nil || b.Pure != nil || b.Closed || d.Past.Has(b.PeekPlace()) {
		return
	}
	d.emit(event.Event{Type: event.Progressed, Place: b.Path, Done: done, Total: total, Text: d.Run.Secrets.Redact(note)})
}
