package operation

import (
	"fmt"
	"slices"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// play has a party of n operations find out what it has to know. changes says which
// of them change something.
func play(t *testing.T, n int, changes func(i int) bool) (trips, questions int) {
	t.Helper()
	world := func(facts []fact.Fact) *fact.World {
		questions += len(facts)
		w := &fact.World{}
		for _, f := range facts {
			w.Set(f, fact.FileState{})
		}
		return w
	}
	p := &Party{far: firstFar}
	for i := range n {
		p.waiting = append(p.waiting, []fact.Fact{fact.File.Of(fmt.Sprint(i))})
	}
	p.known, trips = world(slices.Concat(p.waiting...)), 1
	for i := range n {
		own := []fact.Fact{fact.File.Of(fmt.Sprint(i))}
		p.turn()
		if p.know(own) == nil {
			trips++
			if _, err := p.ask(own, func(f []fact.Fact) (*fact.World, error) { return world(f), nil }); err != nil {
				t.Fatal(err)
			}
		}
		if changes(i) {
			trips++
			if _, read := p.follow("true"); read != nil {
				p.known = world(p.ahead())
			}
		}
	}
	return trips, questions
}

// However many operations change something, there is no more than a round trip for
// each and the one at the beginning, and not more than a few questions for each.
func TestPartyLooksAhead(t *testing.T) {
	const n = 200
	for name, c := range map[string]struct {
		changes          func(i int) bool
		trips, questions int
	}{
		"none":         {func(int) bool { return false }, 1, n},
		"the first":    {func(i int) bool { return i == 0 }, 10, 2 * n},
		"all":          {func(int) bool { return true }, n + 1, 3 * n},
		"every second": {func(i int) bool { return i%2 == 0 }, n + 1, 4 * n},
		"every tenth":  {func(i int) bool { return i%10 == 0 }, n/2 + 1, 4 * n},
	} {
		trips, questions := play(t, n, c.changes)
		if trips > c.trips || questions > c.questions {
			t.Errorf("%s of %d change something: %d round trips, %d questions; at most %d, %d", name, n, trips, questions, c.trips, c.questions)
		}
	}
}

// Targets with one connection and two users see other things.
func TestPartyIsOfOneUser(t *testing.T) {
	of := func(sudo bool) string {
		b := Base{Target: target.Make("ssh", "web", starlark.StringDict{"address": starlark.String("192.0.2.1"), "sudo": starlark.Bool(sudo)})}
		return b.Party(effect.NoOptions)
	}
	if of(false) == "" || of(false) == of(true) {
		t.Errorf("the parties are %q and %q", of(false), of(true))
	}
}
