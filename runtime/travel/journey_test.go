package travel

import (
	"context"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// broken is a recording whose script comes to the first of its effects only.
type broken struct{ effects []*journal.Effect }

func (b *broken) Run() *journal.Run          { return &journal.Run{ID: "0123456789"} }
func (b *broken) Effects() []*journal.Effect { return b.effects }

func (b *broken) Play(p Play) error {
	thread := &starlark.Thread{Name: "test"}
	branch.NewRoot(context.Background(), "0", &branch.Tree{}).Attach(thread)
	p.Ready(Stage{})
	_, err := p.Watch.Before(&door.Sight{Thread: thread, Place: "0#1", Record: b.effects[0]})
	return err
}

// Where a journey cannot go, it stays.
func TestStay(t *testing.T) {
	j := NewJourney(&broken{[]*journal.Effect{{Place: "0#1", Kind: "fs.write"}, {Place: "0#2", Kind: "fs.write"}}})
	defer j.Leave()
	if err := j.GoTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := j.GoTo(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "does not come to 0#2") {
		t.Errorf("it goes to 0#2: %v", err)
	}
	if j.Number() != 1 || j.Scene() == nil {
		t.Errorf("it is at %d", j.Number())
	}
}

func TestOrder(t *testing.T) {
	for _, c := range []struct{ name, places, want string }{
		{"as they are", "0#1 0#2* 0.0#1 0.1#1 0.0#2 0#3", "0#1 0#2* 0.0#1 0.1#1 0.0#2 0#3"},
		{"inserted before", "0#2 0#3 0#1", "0#1 0#2 0#3"},
		{"inserted in a branch", "0#1* 0.0#1 0.1#1 0#2 0.1#2", "0#1* 0.0#1 0.1#1 0.1#2 0#2"},
		{"in the second fork", "0#1* 0.0#1 0.1#1 0#2* 0.2#1 0#3 0.3#1", "0#1* 0.0#1 0.1#1 0#2* 0.2#1 0.3#1 0#3"},
		{"a fork before what it made", "0.0#1 0#1* 0.1#1", "0#1* 0.0#1 0.1#1"},
		{"of a rollback", "0#1 r0#1", "0#1 r0#1"},
	} {
		var effects []*journal.Effect
		for place := range strings.FieldsSeq(c.places) {
			e := &journal.Effect{Place: strings.TrimSuffix(place, "*"), Kind: "fs.write"}
			if e.Place != place {
				e.Kind, e.Description = "parallel", "f for 2 items"
			}
			effects = append(effects, e)
		}
		var got []string
		for _, i := range order(effects) {
			got = append(got, strings.Fields(c.places)[i])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}
