package tester

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

func (r *CrashReport) wait(known map[string]*Wait, e journal.Effect) {
	key := e.Pos + " " + e.Kind
	w := known[key]
	if w == nil {
		r.Waits = append(r.Waits, Wait{Kind: e.Kind, Description: e.Description, Position: e.Pos})
		for i := range r.Waits { // they may have moved
			known[r.Waits[i].Position+" "+r.Waits[i].Kind] = &r.Waits[i]
		}
		w = known[key]
	}
	w.Points++
}

// fail adds a failure, or counts it with one that is the same but for its place.
func (r *CrashReport) fail(f CrashFailure) {
	for i := range r.Failures {
		known := &r.Failures[i]
		if known.Position == f.Position && known.Kind == f.Kind && known.Problem == f.Problem && names(known.Differences) == names(f.Differences) {
			if known.After != "" && f.After == "" { // one crash is enough
				f.More = known.More
				*known = f
			}
			known.More++
			return
		}
	}
	r.Failures = append(r.Failures, f)
}

func names(differences []Difference) string {
	var b strings.Builder
	for _, d := range differences {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}

// Failed is the number of points at which something went wrong.
func (r *CrashReport) Failed() (n int) {
	for _, f := range r.Failures {
		n += 1 + f.More
	}
	return n
}

const shownFailures = 5

// verdict is why a test fails; nil when it does not.
func (r *CrashReport) verdict(strict bool) error {
	var b strings.Builder
	if n := r.Failed(); n > 0 {
		fmt.Fprintf(&b, "after a crash at %d of %d points it does not end as without\n", n, r.Points)
		for i, f := range r.Failures {
			if i == shownFailures {
				fmt.Fprintf(&b, "… and %d more\n", len(r.Failures)-i)
				break
			}
			f.write(&b)
		}
	} else if strict && len(r.Waits) > 0 {
		fmt.Fprintf(&b, "after a crash it waits for a person to say whether an effect happened\n")
		for _, w := range r.Waits {
			fmt.Fprintf(&b, "%s: %s %s\n", w.Position, w.Kind, w.Description)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return fault.New(fault.Assertion, "%s", strings.TrimSuffix(b.String(), "\n"))
}

func (f CrashFailure) write(b *strings.Builder) {
	again := ""
	if f.After != "" {
		again = " (and before that at " + f.After + ")"
	}
	fmt.Fprintf(b, "%s: %s %s: killed %s%s; %s\n", f.Position, f.Kind, f.Description, momentOf(f.Point).words(), again, f.Problem)
	writeDifferences(b, f.Differences)
	if f.More > 0 {
		fmt.Fprintf(b, "    the same at %d more points\n", f.More)
	}
	fmt.Fprintf(b, "    repeat it with: %s\n", f.Reproduce)
}

const shownDifferences = 6

func writeDifferences(b *strings.Builder, all []Difference) {
	for i, d := range all {
		if i == shownDifferences {
			fmt.Fprintf(b, "    … and %d more\n", len(all)-i)
			break
		}
		fmt.Fprintf(b, "    %s\n", d)
		for line := range strings.Lines(d.Diff) {
			b.WriteString("        " + strings.TrimSuffix(line, "\n") + "\n")
		}
	}
}

func momentOf(point string) Moment {
	_, m, _ := strings.Cut(point, ":")
	return Moment(m)
}
