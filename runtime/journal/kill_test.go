package journal_test

import (
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// TestKill: what somebody has waited for is there after a death; of what came
// later nothing, or all of it; and nothing at all of what came after it.
func TestKill(t *testing.T) {
	for _, lose := range []bool{true, false} {
		dir := t.TempDir()
		j, err := journal.Open(dir, journal.OpenOptions{Unsynced: true, Lazy: true})
		if err != nil {
			t.Fatal(err)
		}
		run, err := j.Create(journal.Run{ID: "0123456789", Script: "//a.star", Params: []byte{}})
		if err != nil {
			t.Fatal(err)
		}
		effect := func(place string) *journal.Effect {
			return &journal.Effect{Place: place, Kind: "note.write", Write: true, Key: []byte{1}, Args: []byte{1}, Begun: time.Unix(1, 0)}
		}
		first, second := effect("0#1"), effect("0#2")
		if err := run.Intend(first); err != nil {
			t.Fatal(err)
		}
		first.Status = journal.Done
		if err := run.Finish(first); err != nil {
			t.Fatal(err)
		}
		j.Kill(lose)
		if err := run.Intend(second); !fault.Is(err, fault.Journal) {
			t.Errorf("lose %t: an intent after the death: %v", lose, err)
		}
		if err := run.Record(second); !fault.Is(err, fault.Journal) {
			t.Errorf("lose %t: a result after the death: %v", lose, err)
		}
		if err := j.Close(); !fault.Is(err, fault.Journal) {
			t.Errorf("lose %t: closing says %v", lose, err)
		}
		again, err := journal.Open(dir, journal.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		found, err := again.Find("last")
		if err != nil {
			t.Fatal(err)
		}
		effects, err := found.Effects()
		if err != nil || len(effects) != 1 {
			t.Fatalf("lose %t: %d effects, %v", lose, len(effects), err)
		}
		if done := effects[0].Status == journal.Done; done == lose {
			t.Errorf("lose %t: the effect is %s", lose, effects[0].Status)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}
