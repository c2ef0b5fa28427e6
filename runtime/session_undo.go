package runtime

import (
	"maps"
	"slices"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Undo takes back the effects of the last input that has some, or those of the
// whole session. The input is nil when all is set.
func (s *Session) Undo(in Interrupt, all bool) (*Report, *Input, error) {
	var last *Input
	places := map[string]bool{}
	for _, i := range s.inputs {
		if len(i.places) > 0 && !i.Undone {
			last = i
			maps.Copy(places, i.places)
		}
	}
	if last == nil || s.x.run == nil {
		return nil, nil, fault.New(fault.Usage, "there is nothing to undo")
	}
	if all {
		last = nil
	} else {
		places = last.places
	}
	s.begin(in)
	defer s.rest()
	report, err := s.undo(places)
	if err != nil {
		return report, last, s.explain(err)
	}
	for _, i := range s.inputs {
		if len(report.Failed)+len(report.Left) == 0 && (all || i == last) {
			i.Undone = true
		}
	}
	return report, last, nil
}

func (s *Session) undo(places map[string]bool) (*Report, error) {
	all, err := s.x.run.Effects()
	if err != nil {
		return nil, err
	}
	back, err := s.x.toUndo("")
	if err != nil {
		return nil, err
	}
	back = slices.DeleteFunc(back, func(e *journal.Effect) bool { return !places[e.Place] })
	s.record.collect() // what callbacks do belongs to no input
	s.x.door.Past = door.NewPast(ofRollback(all))
	defer func() { s.x.door.Past = nil }()
	rb := &rollback{x: s.x, registered: s.x.engine, report: &Report{}}
	return rb.report, rb.all(back)
}

// ofRollback are the effects of callbacks: an undo that is tried again comes to
// the same places.
func ofRollback(effects []*journal.Effect) []*journal.Effect {
	return slices.DeleteFunc(effects, func(e *journal.Effect) bool { return e.Place[0] != 'r' })
}
