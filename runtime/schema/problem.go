package schema

import (
	"fmt"
	"sort"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Problem is one thing that is wrong with a value.
type Problem struct {
	Path     string `star:"path"`     // replication.replicas[2]; "" for the value itself
	Message  string `star:"message"`  // a sentence that has the path in it
	Expected string `star:"expected"` // "an int from 1 to 5"; "" where that is not the point
	Found    string `star:"found"`    // "\"many\""; "" for nothing, and for what may be secret
	Position string `star:"position"` // "postgres.toml:12:3"; "" for what comes from no file

	At      fault.Frame // of the key in its file; zero without one
	name    string      // of a field that there is not
	missing bool        // nothing was given
}

// Report is what a validation has found.
type Report struct {
	Problems []Problem // in the order of the file, or else of the schema
	Warnings []Problem // what is deprecated
}

// OK says that there are no problems.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

const maxShown = 50 // problems in one message

// Fault is the error that shows all problems; nil without any. what names the value:
// "the configuration of postgres".
func (r *Report) Fault(kind fault.Kind, what string) error {
	if r.OK() {
		return nil
	}
	e := &fault.Error{Kind: kind}
	if len(r.Problems) == 1 {
		p := r.Problems[0]
		if e.Msg = p.Message; p.At.Line > 0 {
			e.Stack = []fault.Frame{p.At}
		}
	} else {
		e.Msg = fmt.Sprintf("%s has %d mistakes:", what, len(r.Problems))
		for i, p := range r.Problems {
			if i == maxShown {
				e.Msg += fmt.Sprintf("\n  … and %d more", len(r.Problems)-i)
				break
			}
			e.Msg += "\n  " + strings.ReplaceAll(p.Text(), "\n", "\n  ")
		}
	}
	e.Details = map[string]any{"problems": value.Of(r.Problems)}
	return e
}

// Text is the problem with its position and its line.
func (p Problem) Text() string {
	if p.At.Line == 0 {
		return p.Message
	}
	text := fmt.Sprintf("%s: %s", p.At, p.Message)
	if p.At.Text != "" {
		text += fmt.Sprintf("\n    %d | %s", p.At.Line, strings.TrimSpace(p.At.Text))
	}
	return text
}

// report places the problems in their files.
func (c *checking) report() *Report {
	r := &Report{Problems: c.problems, Warnings: c.warnings}
	if len(c.at) == 0 || len(r.Problems)+len(r.Warnings) == 0 {
		return r
	}
	shown := c.lines()
	for _, list := range [][]Problem{r.Problems, r.Warnings} {
		for i := range list {
			shown.place(&list[i])
		}
	}
	sort.SliceStable(r.Problems, func(i, j int) bool {
		a, b := r.Problems[i].At, r.Problems[j].At
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
	return r
}
