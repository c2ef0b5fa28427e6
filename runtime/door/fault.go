package door

import (
	"encoding/json"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A failure that a script handles is as much a result as any other: what the
// script sees of it must be the same in a replay. So its details go through the
// codec, and the script gets what comes out of that in the first place.

// storedFault is the stored form of a failure.
type storedFault struct {
	journal.Fault
	Details []byte `json:"details,omitempty"` // codec: dict
}

// recordable returns e as a replay will see it, without secrets.
func (d *Door) recordable(e *fault.Error) *fault.Error {
	copied := *e
	copied.Msg, copied.Hint = d.Run.Secrets.Redact(e.Msg), d.Run.Secrets.Redact(e.Hint)
	copied.Details = decodeDetails(d.Run.Secrets, d.EncodeDetails(e.Details))
	return &copied
}

func (d *Door) encodeFault(e *fault.Error) []byte {
	stored := storedFault{*journal.FaultOf(e), d.EncodeDetails(e.Details)}
	stored.Fault.Details = nil
	data, err := json.Marshal(stored)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return data
}

// decodeFault returns a recorded failure; withStack, with the positions in the
// branch that it happened in.
func (d *Door) decodeFault(data []byte, withStack bool) error {
	e, err := Failure(d.Run.Secrets, data)
	if err != nil {
		return err
	}
	if !withStack {
		e.Stack = nil // that of the replay is the same
	}
	return e
}

// Failure reads the failure that the journal keeps as the result of an effect.
func Failure(secrets *value.Secrets, data []byte) (*fault.Error, error) {
	var stored storedFault
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the record of a failure is damaged")
	}
	e := stored.Fault.Err()
	e.Details = decodeDetails(secrets, stored.Details)
	return e, nil
}

// EncodeDetails gives what a failure carries the form that goes elsewhere. It leaves out details that cannot be kept.
func (d *Door) EncodeDetails(details map[string]any) (data []byte) {
	if len(details) == 0 {
		return nil
	}
	defer func() {
		if recover() != nil { // a Go type that scripts do not have
			data = nil
		}
	}()
	c := codec.Codec{Secrets: d.Run.Secrets}
	data, err := c.Encode(value.Of(details))
	if err != nil {
		return nil
	}
	return data
}

// DecodeDetails reads what EncodeDetails has written.
func (d *Door) DecodeDetails(data []byte) map[string]any { return decodeDetails(d.Run.Secrets, data) }

func decodeDetails(secrets *value.Secrets, data []byte) map[string]any {
	if data == nil {
		return nil
	}
	c := codec.Codec{Secrets: secrets}
	v, err := c.Decode(data)
	dict, ok := v.(*starlark.Dict)
	if err != nil || !ok {
		return nil
	}
	details := make(map[string]any, dict.Len())
	for _, kv := range dict.Items() {
		details[string(kv[0].(starlark.String))] = kv[1]
	}
	return details
}
