package recipe

import (
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Risks are how much may go wrong with an update, the least one first.
var Risks = []string{"low", "medium", "high"}

// levels are how large an update is, the smallest one first, with the risk that it has
// unless its recipe raises it.
var levels = []string{"patch", "minor", "major"}

// RiskOf is the risk of an update of a level; "" where that is not known.
func (r *Recipe) RiskOf(level string) string {
	i := slices.Index(levels, level)
	switch {
	case i < 0:
		return ""
	case r.Risk[level] != "":
		return r.Risk[level]
	}
	return Risks[i]
}

// ValidRisk refuses what does not raise the risk of an update.
func ValidRisk(level, risk string) error {
	i, j := slices.Index(levels, level), slices.Index(Risks, risk)
	switch {
	case i < 0:
		return fault.New(fault.Invalid, "there is no level %q of an update", level).WithHint("levels are %s", strings.Join(levels, ", "))
	case j < 0:
		return fault.New(fault.Invalid, "there is no risk %q", risk).WithHint("risks are %s", strings.Join(Risks, ", "))
	case j < i:
		return fault.New(fault.Invalid, "the risk of a %s update is %s at least, not %s", level, Risks[i], risk)
	}
	return nil
}

// Away is what an update of the software takes away while it is made, for people.
func (r *Recipe) Away() string {
	services := r.Texts("services")
	switch {
	case r.Downtime != "":
		return r.Downtime
	case len(services) > 0:
		return "while " + strings.Join(services, ", ") + " restarts"
	}
	return "none"
}
