package door

import (
	"encoding/hex"
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// The answers to a write that the plan does not have.
const (
	AnswerAllow = "allow"
	AnswerStop  = "stop"
)

// allow asks a person about a write that is not in the plan that is applied.
func (d *Door) allow(s *site, rec *journal.Effect) error {
	if d.Allowed == nil || s.call.Decl.Mode == effect.Read || s.rec != nil && s.rec.Status == journal.Intended {
		return nil
	}
	if _, ok := s.call.Do.(effect.Traceless); ok || d.Allowed.Use(rec.Kind, hex.EncodeToString(rec.Key), s.caller.Trail()) {
		return nil
	}
	text := fmt.Sprintf("%s %s is not in the plan that is applied (%s)", rec.Kind, rec.Description, rec.Pos)
	answer, _, err := d.ask(d.Cut, s, "unplanned", text, []string{AnswerAllow, AnswerStop})
	if err == nil && answer == AnswerStop {
		err = fault.New(fault.Permission, "it is not in the plan that is applied, and a person said to stop")
	}
	return err
}
