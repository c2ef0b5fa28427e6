package temporal

import (
	"fmt"
	"strings"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/provisioning-systems/provisioning/runtime/event"
)

// underway is what those who follow a run were told of an effect that is under way: by the
// worker that performs it, since the run itself knows of it only when it has ended.
type underway struct {
	attempt string // at it
	last    beat
	lines   map[int]line // by their number
	next    int          // number of the line after them
	passed  int          // how many lines the run has told of since
}

// tell passes on how far effects are that are under way, and what they have printed.
func (f *following) tell(activities []*workflowpb.PendingActivityInfo) {
	for _, a := range activities {
		var b beat
		if a.HeartbeatDetails == nil || f.c.data.FromPayloads(a.HeartbeatDetails, &b) != nil {
			continue
		}
		attempt := fmt.Sprint(a.ActivityId, "/", b.Attempt)
		t := f.progress[b.Place]
		if t == nil || t.attempt != attempt {
			t = &underway{attempt: attempt, lines: map[int]line{}}
			f.progress[b.Place] = t
		}
		for i, l := range b.Lines {
			if n := b.First + i; n >= t.next {
				t.lines[n], t.next = l, n+1
				f.c.events.Emit(event.Event{Type: event.Logged, Time: time.Now(), Run: f.id, Place: b.Place, Level: l.Stream, Text: l.Text})
			}
		}
		if b.Progress != t.last.Progress || b.Note != t.last.Note {
			path, _, _ := strings.Cut(b.Place, "#")
			f.c.events.Emit(event.Event{Type: event.Progressed, Time: time.Now(), Run: f.id, Place: path, Done: b.Progress[0], Total: b.Progress[1], Text: b.Note})
		}
		t.last = b
	}
}

// known reports whether an event of the run is a line that was told of already.
func (f *following) known(e event.Event) bool {
	t := f.progress[e.Place]
	if t == nil {
		return false
	}
	switch e.Type {
	case event.EffectEnded, event.EffectRetried, event.UndoEnded:
		delete(f.progress, e.Place)
	case event.Logged:
		l, there := t.lines[t.passed]
		t.passed++
		return there && l == line{e.Level, e.Text}
	}
	return false
}
