package plan

import "slices"

// factored is steps with what all arms of a decision end with after it, once.
func factored(steps []Step) []Step {
	out := []Step{}
	for _, s := range steps {
		out = append(out, s)
		for _, n := range s.Branches {
			n.Steps = factored(n.Steps)
		}
		if s.Decision == nil {
			continue
		}
		// Once before the decisions in the arms hide what they end with, and once
		// after these show it.
		later := s.Decision.factor()
		for _, arm := range s.Decision.Arms {
			arm.Steps = factored(arm.Steps)
		}
		common := s.Decision.factor()
		if s.Decision.idle() {
			out = out[:len(out)-1]
		}
		out = append(out, common...)
		out = append(out, factored(later)...)
	}
	return out
}

// idle reports whether nothing follows from a decision.
func (f *Fork) idle() bool {
	return !slices.ContainsFunc(f.Arms, func(a *Arm) bool { return a.Unexplored || len(a.Steps) > 0 })
}

// factor takes the steps with which all arms end out of them: without it a plan
// would double with each decision. What of a later decision was explored after
// one answer only is taken for the same after the others, when all that is known
// of them is the same; [Summary.Combinations] says that there are such.
func (f *Fork) factor() []Step {
	first := f.Arms[0].Steps
	n := len(first)
	for _, arm := range f.Arms[1:] {
		if arm.Unexplored {
			return nil
		}
		n = min(n, commonSuffix(first, arm.Steps))
	}
	for n > 0 && f.splits(n) {
		n--
	}
	common := slices.Clone(first[len(first)-n:])
	for i, arm := range f.Arms {
		at := len(arm.Steps) - n
		if i > 0 {
			for j := range common {
				common[j] = united(common[j], arm.Steps[at+j])
			}
		}
		arm.Steps = arm.Steps[:at:at]
	}
	return common
}

// splits reports whether the last n steps of an arm begin within something that
// repeats.
func (f *Fork) splits(n int) bool {
	for _, arm := range f.Arms {
		if at := len(arm.Steps) - n; at > 0 && arm.Steps[at-1].repeats() && arm.Steps[at].repeats() {
			return true
		}
	}
	return false
}

func (s Step) repeats() bool {
	inner := []Step{}
	switch {
	case s.Effect != nil:
		return s.Effect.Repeats
	case s.Decision != nil:
		for _, arm := range s.Decision.Arms {
			inner = append(inner, arm.Steps...)
		}
	}
	for _, n := range s.Branches {
		inner = append(inner, n.Steps...)
	}
	return len(inner) > 0 && !slices.ContainsFunc(inner, func(s Step) bool { return !s.repeats() })
}

func commonSuffix(a, b []Step) int {
	n := 0
	for n < len(a) && n < len(b) && alike(a[len(a)-1-n], b[len(b)-1-n]) {
		n++
	}
	return n
}

// alike compares steps but for their places, which depend on what came before.
func alike(a, b Step) bool {
	switch {
	case a.Effect != nil:
		if b.Effect == nil {
			return false
		}
		x, y := *a.Effect, *b.Effect
		x.Place, y.Place = "", ""
		return x == y
	case a.Decision != nil:
		return b.Decision != nil && a.Decision.alike(b.Decision)
	case a.Branches != nil:
		if len(a.Branches) != len(b.Branches) {
			return false
		}
		for i := range a.Branches {
			if !alikeSteps(a.Branches[i].Steps, b.Branches[i].Steps) {
				return false
			}
		}
		return true
	}
	return a.Stops == b.Stops && a.Fails == b.Fails && b.Effect == nil && b.Decision == nil && b.Branches == nil
}

// alike compares what was explored of both.
func (f *Fork) alike(other *Fork) bool {
	if f.Question != other.Question || f.Op != other.Op || f.Position != other.Position || len(f.Arms) != len(other.Arms) {
		return false
	}
	for _, arm := range f.Arms {
		twin := other.arm(arm.Answer)
		if twin == nil || !arm.Unexplored && !twin.Unexplored && !alikeSteps(arm.Steps, twin.Steps) {
			return false
		}
	}
	return true
}

func (f *Fork) arm(answer string) *Arm {
	for _, arm := range f.Arms {
		if arm.Answer == answer {
			return arm
		}
	}
	return nil
}

func alikeSteps(a, b []Step) bool { return len(a) == len(b) && commonSuffix(a, b) == len(a) }

// united is a with what only b, which is alike, has explored.
func united(a, b Step) Step {
	switch {
	case a.Decision != nil:
		f := *a.Decision
		f.Arms = slices.Clone(f.Arms)
		for i, arm := range f.Arms {
			twin := b.Decision.arm(arm.Answer)
			switch {
			case arm.Unexplored:
				f.Arms[i] = twin
			case !twin.Unexplored:
				both := *arm
				both.Steps = unitedSteps(arm.Steps, twin.Steps)
				f.Arms[i] = &both
			}
		}
		return Step{Decision: &f}
	case a.Branches != nil:
		nodes := make([]*Node, len(a.Branches))
		for i, n := range a.Branches {
			nodes[i] = &Node{Path: n.Path, Steps: unitedSteps(n.Steps, b.Branches[i].Steps)}
		}
		return Step{Branches: nodes}
	}
	return a
}

func unitedSteps(a, b []Step) []Step {
	steps := make([]Step, len(a))
	for i := range a {
		steps[i] = united(a[i], b[i])
	}
	return steps
}
