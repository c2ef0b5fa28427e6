package console

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
)

// Progress shows the events of a run: as a live tree on a terminal, as plain
// lines elsewhere. Close removes the tree.
type Progress struct {
	// Commands says that what commands print is what the run is for: it is shown as
	// the commands print it, on standard output and standard error.
	Commands bool

	c    *Console
	view *liveView
	stop chan struct{}
	once sync.Once

	changed, same atomic.Int64 // operations that have changed something, and that have not
}

var _ event.Sink = (*Progress)(nil)

// NewProgress begins to show progress.
func (c *Console) NewProgress() *Progress {
	p := &Progress{c: c, stop: make(chan struct{})}
	if c.Live && !c.Quiet {
		p.view = newLiveView(c)
		c.mu.Lock()
		c.view = p.view
		c.mu.Unlock()
		go c.animate(p.stop)
	}
	return p
}

// Close ends the showing.
func (p *Progress) Close() {
	p.once.Do(func() { p.c.endView(p.stop) })
}

// endView removes the live view.
func (c *Console) endView(stop chan struct{}) {
	close(stop)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view.erase(c.Err)
	c.view = nil
}

const frameInterval = 100 * time.Millisecond

// animate draws the live view again and again.
func (c *Console) animate(stop chan struct{}) {
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			c.mu.Lock()
			c.view.erase(c.Err)
			c.view.draw(c.Err)
			c.mu.Unlock()
		}
	}
}

// Emit shows an event.
func (p *Progress) Emit(e event.Event) {
	if p.view != nil {
		p.c.mu.Lock()
		p.view.note(e)
		p.c.mu.Unlock()
	}
	switch e.Type {
	case event.Logged:
		p.log(e)
	case event.RunStarted:
		if e.Status == "resumed" {
			p.c.Note("run %s of %s: resumed, known effects: %d", e.Run[:8], e.Text, e.Done)
		} else {
			p.c.Note("run %s of %s", e.Run[:8], e.Text)
		}
	case event.EffectEnded:
		p.count(e)
		p.effect(e)
	case event.RunEnded:
		p.counted()
	case event.EffectRetried:
		p.c.Note("%s %s %s: %s", p.c.paint(yellow, "retry "), e.Kind, e.Text, e.Error)
	case event.UndoEnded:
		p.undo(e)
	case event.Progressed:
		if p.view == nil && p.c.Verbose {
			p.c.Note("%s %s", p.c.paint(faint, e.Place), progressText(e))
		}
	}
}

func (p *Progress) log(e event.Event) {
	switch e.Level {
	case "print":
		p.print(e.Text)
	case "stdout", "stderr":
		if p.Commands && e.Level == "stdout" {
			p.print(e.Text)
		} else if p.Commands {
			p.c.write(p.c.Err, e.Text)
		} else if p.c.Verbose {
			p.c.Note("%s %s", p.c.paint(faint, e.Place+" "+e.Level+":"), e.Text)
		}
	case "debug":
		if p.c.Verbose {
			p.c.Note("%s %s", p.c.paint(faint, "debug "), e.Text)
		}
	case "warn":
		p.c.Note("%s %s", p.c.paint(yellow, "warn  "), e.Text)
	case "error":
		p.c.Note("%s %s", p.c.paint(red, "error "), e.Text)
	default:
		p.c.Note("%s  %s", e.Level, e.Text)
	}
}

// print writes what the script prints: to standard output, unless that is for
// a program to read.
func (p *Progress) print(text string) {
	if p.c.Structured() {
		p.c.write(p.c.Err, text)
		return
	}
	p.c.write(p.c.Out, text)
}

// count keeps how many operations have changed something.
func (p *Progress) count(e event.Event) {
	switch {
	case e.Changed == nil || !e.Write:
	case *e.Changed:
		p.changed.Add(1)
	default:
		p.same.Add(1)
	}
}

// counted says what the lines above do not: how much was as it should be already.
func (p *Progress) counted() {
	changed, same := p.changed.Swap(0), p.same.Swap(0)
	if same > 0 {
		p.c.Note("%d changed, %d unchanged", changed, same)
	}
}

func (p *Progress) effect(e event.Event) {
	switch {
	case e.Status == "failed":
		p.c.Note("%s %s %s: %s%s", p.c.paint(red, "failed"), e.Kind, e.Text, e.Error, inBranch(e.Place))
	case e.Status == "cancelled":
		if p.c.Verbose {
			p.c.Note("%s %s %s", p.c.paint(faint, "stopped"), e.Kind, e.Text)
		}
	case e.Status == "waiting":
		p.c.Note("%s %s %s", p.c.paint(yellow, "waits "), e.Kind, e.Text)
	case e.Changed != nil && !*e.Changed && e.Write:
		if p.c.Verbose { // on fifty machines there are thousands of these: their number says enough
			p.c.Note("%s %s %s %s", p.c.paint(faint, "same  "), e.Kind, e.Text, p.c.paint(faint, "("+duration.Short(e.Duration)+")"))
		}
	case e.Write && e.Kind != effect.KindOnRollback && e.Kind != effect.KindHandler || p.c.Verbose: // a registration is no news, nor is a question
		p.c.Note("%s %s %s %s", p.c.paint(green, "done  "), e.Kind, e.Text, p.c.paint(faint, "("+duration.Short(e.Duration)+")"))
	}
}

// inBranch says which branch a line is about, unless it is the main line.
func inBranch(place string) string {
	path, _, _ := strings.Cut(place, "#")
	if path == "0" || path == "" {
		return ""
	}
	return " (branch " + path + ")"
}

func (p *Progress) undo(e event.Event) {
	if e.Status == "failed" {
		p.c.Note("%s %s %s: %s", p.c.paint(red, "failed"), e.Kind, e.Text, e.Error)
		return
	}
	p.c.Note("%s %s %s", p.c.paint(cyan, "undone"), e.Kind, e.Text)
}

func progressText(e event.Event) string {
	text := fmt.Sprintf("%d", e.Done)
	if e.Total > 0 {
		text += fmt.Sprintf("/%d (%d%%)", e.Total, 100*e.Done/e.Total)
	}
	return strings.TrimSpace(text + " " + e.Text)
}
