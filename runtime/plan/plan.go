// Package plan is what check mode finds out: the effects that a run would have,
// as a tree of branches and of decisions that only the run can make, with an
// honest mark where it could not see further.
//
// A [Trace] is what one execution in check mode came to. An [Explorer] asks for
// as many executions as it takes to see what lies behind the decisions, and [Of]
// merges their traces into one [Plan].
package plan

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Plan is what a run would do.
type Plan struct {
	root *Node
	left int // combinations of answers that were not explored
}

// Node is one branch.
type Node struct {
	Path  string `json:"path"`
	Steps []Step `json:"steps"`
}

// Step is one thing that happens in a branch: exactly one field is set.
type Step struct {
	Effect   *Item   `json:"effect,omitempty"`
	Branches []*Node `json:"branches,omitempty"`
	Decision *Fork   `json:"decision,omitempty"`
	Stops    string  `json:"stops,omitempty"` // why the plan does not follow the branch further
	Fails    string  `json:"fails,omitempty"` // the run would fail here, and how
}

// Item is one effect.
type Item struct {
	Place       string        `json:"place"`
	Kind        string        `json:"kind"`
	Write       bool          `json:"write"`
	Change      effect.Change `json:"change,omitempty"`
	Quality     string        `json:"quality,omitempty"` // of the prediction
	Undo        bool          `json:"undo,omitempty"`    // rollback can take it back
	Description string        `json:"description"`
	Position    string        `json:"position"`
	Diff        string        `json:"diff,omitempty"`
	// Depends names what is not known yet and would have to be, to say more.
	Depends string `json:"depends,omitempty"`
	// After says that a read was made now although a planned write comes before
	// it that may change anything: in the run it may give something else.
	After bool `json:"after_blind_write,omitempty"`
	// Repeats says that it stands for all passes of a loop after the first: nobody
	// knows how many there will be.
	Repeats bool `json:"repeats,omitempty"`
	// Key is the content key in hexadecimal; "" where an argument is not known.
	Key string `json:"key,omitempty"`
	// Trail is the positions of the calls that led to it.
	Trail string `json:"trail,omitempty"`
	// Tried says that retry or wait_until may do it any number of times.
	Tried bool `json:"tried,omitempty"`
}

// Fork is a decision that only the run can make.
type Fork struct {
	Question string `json:"question"` // what is decided on: "exec.run(…).code != 0"
	Op       string `json:"op"`       // how: "if", "for", …
	Position string `json:"position"`
	Branch   string `json:"branch,omitempty"` // where it was made, when that is another branch
	Arms     []*Arm `json:"arms"`             // the likely one first
}

// Arm is what follows one answer.
type Arm struct {
	Answer     string `json:"answer"`           // "yes", "no"; of a loop "none", "one", "more"
	Likely     bool   `json:"likely,omitempty"` // an earlier run went this way
	Unexplored bool   `json:"unexplored,omitempty"`
	Steps      []Step `json:"steps"`
}

// Of merges the traces of a plan, the likely one first.
func Of(traces ...*Trace) *Plan {
	root := merger{}.branch("0", traces, nil)
	root.Steps = factored(root.Steps)
	return &Plan{root: root}
}

// Root returns the tree.
func (p *Plan) Root() *Node { return p.root }

// Summary counts the effects of a plan: those of the likely arms, and apart from
// them what the others may add.
type Summary struct {
	Create    int `json:"create"`
	Update    int `json:"update"`
	Delete    int `json:"delete"`
	Run       int `json:"run"`
	Unchanged int `json:"unchanged"`
	Reads     int `json:"reads"`
	Ask       int `json:"ask"`         // questions to a person
	Early     int `json:"early_reads"` // of the reads: made before a blind write that comes before them
	Stops     int `json:"stops"`       // branches that the plan does not follow to their end
	// Of plans with decisions:
	Decisions  int `json:"decisions,omitempty"`  // that only the run can make
	Maybe      int `json:"maybe,omitempty"`      // changes that are in other arms
	Fails      int `json:"fails,omitempty"`      // arms, or plans, that end in a failure
	Repeats    int `json:"repeats,omitempty"`    // changes that loops repeat as often as the run will say
	Unexplored int `json:"unexplored,omitempty"` // arms beyond the bound
	// Combinations of answers that were not explored: what follows them is what
	// follows each of the answers by itself.
	Combinations int `json:"combinations,omitempty"`
}

// Changes reports whether the run would, or might, change anything.
func (s Summary) Changes() bool {
	return s.Create+s.Update+s.Delete+s.Run+s.Stops+s.Maybe+s.Unexplored > 0
}

// Summary counts the effects.
func (p *Plan) Summary() Summary {
	s := Summary{Combinations: p.left}
	s.steps(p.root.Steps, true)
	return s
}

func (s *Summary) steps(steps []Step, likely bool) {
	for _, step := range steps {
		switch {
		case step.Effect != nil:
			s.count(step.Effect, likely)
		case step.Decision != nil:
			s.decision(step.Decision, likely)
		case step.Fails != "":
			s.Fails++
		case step.Stops != "":
			s.Stops++
		}
		for _, n := range step.Branches {
			s.steps(n.Steps, likely)
		}
	}
}

func (s *Summary) decision(f *Fork, likely bool) {
	if f.Branch == "" {
		s.Decisions++
	}
	if body := f.body(); body != nil { // the arms say the same
		s.steps(body.Steps, likely && f.Arms[0].Answer != "none")
		s.repeat(f)
		return
	}
	for i, arm := range f.Arms {
		if arm.Unexplored {
			s.Unexplored++
		}
		s.steps(arm.Steps, likely && i == 0)
	}
}

// repeat counts what a loop does again.
func (s *Summary) repeat(f *Fork) {
	for _, arm := range f.Arms {
		if arm.Answer == "more" {
			again := Summary{}
			again.steps(arm.Steps, false)
			s.Repeats += again.Repeats
		}
	}
}

func (s *Summary) count(item *Item, likely bool) {
	switch {
	case !item.Write:
		if likely {
			s.Reads++
			if item.After {
				s.Early++
			}
		}
		return
	case item.Change == effect.None:
		if likely {
			s.Unchanged++
		}
		return
	case item.Repeats:
		s.Repeats++
		return
	case !likely:
		if item.Change != effect.Ask {
			s.Maybe++
		}
		return
	}
	switch item.Change {
	case effect.Create:
		s.Create++
	case effect.Update:
		s.Update++
	case effect.Delete:
		s.Delete++
	case effect.Ask:
		s.Ask++
	default:
		s.Run++
	}
}
