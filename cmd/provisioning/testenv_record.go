package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

// The log of a test is what its run has done between two checkpoints, which the library
// sets: "test NAME TASKSERV" and "tested NAME TASKSERV". It is taken from the journal, so
// that it is there for a run that did not come to its end, too.

const (
	kindCheckpoint = "checkpoint"
	testBegins     = "test "
	testEnds       = "tested "
	maxStepText    = 64 << 10 // bytes of what one step has printed; the end counts
)

// trialRecord is what was done for one test.
type trialRecord struct {
	subject    string // "install redis"
	branch     string // of the run, that it is in
	begun, end time.Time
	steps      []trialStep
}

// trialStep is an effect, or a line that a script has printed.
type trialStep struct {
	at   time.Time
	node string // that it was done on; "" for none
	text string // lines, each with its end
}

// recordsOf are the tests of a run, in the order in which they were begun.
func (m *environments) recordsOf(run *journal.Run, nodes []testenv.Node) ([]*trialRecord, error) {
	bundle, err := run.Bundle()
	if err != nil {
		return nil, err
	}
	j, err := m.a.journal()
	if err != nil {
		return nil, err
	}
	values, redact, err := m.a.reader(run, &codec.Codec{Blobs: j.Blobs})
	if err != nil {
		return nil, err
	}
	r := &recorder{nodes: nodes, values: values, redact: redact, lines: map[string][]string{}, open: map[string]*trialRecord{}}
	for _, l := range bundle.Lines {
		r.lines[l.Place] = append(r.lines[l.Place], r.withoutHost(l.Text))
	}
	for _, e := range bundle.Effects {
		r.add(e)
	}
	for _, l := range bundle.Lines {
		r.print(l)
	}
	for _, t := range r.all {
		slices.SortStableFunc(t.steps, func(a, b trialStep) int { return a.at.Compare(b.at) })
	}
	return r.all, nil
}

// withoutHost is a line that a command has printed, without the name of the machine that is
// put in front of it where it is shown as it comes.
func (r *recorder) withoutHost(line string) string {
	for _, n := range r.nodes {
		for _, name := range []string{n.Container, n.Name} {
			if text, ok := strings.CutPrefix(line, name+": "); ok {
				return text
			}
		}
	}
	return line
}

// recorder takes a run apart into its tests.
type recorder struct {
	nodes  []testenv.Node
	values *codec.Codec
	redact func(string) string
	lines  map[string][]string // by the places of effects
	open   map[string]*trialRecord
	all    []*trialRecord
	on     map[string]string // branches that act on one node only; "" for those on several
}

// add takes the next effect.
func (r *recorder) add(e *journal.Effect) {
	branch, _, _ := strings.Cut(e.Place, "#")
	if e.Kind == kindCheckpoint {
		if subject, ok := strings.CutPrefix(e.Description, testBegins); ok {
			t := &trialRecord{subject: subject, branch: branch, begun: e.Begun}
			r.open[branch] = t
			r.all = append(r.all, t)
		} else if t := r.open[branch]; t != nil && e.Description == testEnds+t.subject {
			t.end = e.Begun
			delete(r.open, branch)
		}
		return
	}
	node := r.node(e)
	r.note(branch, node)
	if slices.Contains(unseen, e.Kind) {
		return
	}
	if t := within(branch, r.open); t != nil {
		t.steps = append(t.steps, trialStep{e.Begun, node, r.step(e)})
	}
}

// unseen are the kinds of effects that do nothing anywhere; what fails in a branch is shown
// where it failed.
var unseen = []string{effect.KindFork, "time.now", "op.handler"}

func failed(e *journal.Effect) bool { return e.Status == journal.Erred || e.Status == journal.Caught }

// note remembers which node a branch acts on: what a recipe prints there is about that.
func (r *recorder) note(branch, node string) {
	if r.on == nil {
		r.on = map[string]string{}
	}
	if before, known := r.on[branch]; node != "" && known && before != node {
		r.on[branch] = ""
	} else if node != "" && !known {
		r.on[branch] = node
	}
}

// within is the test that a branch is a part of.
func within(branch string, open map[string]*trialRecord) *trialRecord {
	for {
		if t := open[branch]; t != nil {
			return t
		}
		end := strings.LastIndexByte(branch, '.')
		if end < 0 {
			return nil
		}
		branch = branch[:end]
	}
}

// print takes a line that a script has printed, and no effect.
func (r *recorder) print(l journal.Line) {
	if strings.Contains(l.Place, "#") {
		return
	}
	for _, t := range r.all {
		inside := l.Place == t.branch || strings.HasPrefix(l.Place, t.branch+".")
		if inside && !l.At.Before(t.begun) && (t.end.IsZero() || !l.At.After(t.end)) {
			first, rest, _ := strings.Cut(r.redact(l.Text), "\n")
			text := stamp(l.At) + " " + l.Level + ": " + first + "\n" + indented(rest)
			t.steps = append(t.steps, trialStep{l.At, r.on[l.Place], text})
			return
		}
	}
}

// node is the one that an effect was done on; "" for none.
func (r *recorder) node(e *journal.Effect) string {
	given, err := r.values.Decode(e.Args)
	if err != nil {
		return ""
	}
	s, ok := argOf(given, "target").(*starlarkstruct.Struct)
	if !ok || s.Constructor() != starlark.Value(target.Constructor) {
		return ""
	}
	name := textOf(s, "name")
	for _, n := range r.nodes {
		if name == n.Name || name == n.Container {
			return n.Name
		}
	}
	return ""
}

// step is what is shown of an effect: what it was, what it printed, and how it ended.
func (r *recorder) step(e *journal.Effect) string {
	var b strings.Builder
	what, _, more := strings.Cut(e.Description, "\n")
	if more {
		what += " …"
	}
	for _, n := range r.nodes {
		what = strings.ReplaceAll(what, n.Container, n.Name)
	}
	status := ""
	if !e.Ended.IsZero() {
		status = duration.Short(e.Ended.Sub(e.Begun))
	}
	var result starlark.Value
	switch e.Status {
	case journal.Done, journal.Assumed:
		if v, err := r.values.Decode(e.Result); err == nil {
			result = v
		}
		status = joinWords(status, outcomeOf(result))
	default:
		status = joinWords(status, e.Progress())
	}
	fmt.Fprintf(&b, "%s %s\n", stamp(e.Begun), strings.Join(strings.Fields(fmt.Sprintf("%s %s (%s)", e.Kind, what, status)), " "))
	b.WriteString(indented(lastOf(r.printed(e, result))))
	if failed(e) {
		if why, err := door.Failure(r.values.Secrets, e.Result); err == nil {
			b.WriteString(indented("error: " + why.Msg))
		}
	}
	return r.redact(b.String())
}

// printed is what an effect has printed: as it was recorded line by line, else as its
// result, or its failure, has it.
func (r *recorder) printed(e *journal.Effect, result starlark.Value) string {
	if lines := r.lines[e.Place]; len(lines) > 0 {
		return strings.Join(lines, "\n")
	}
	parts := []string{textOf(result, "diff"), textOf(result, "stdout"), textOf(result, "stderr")}
	if failed(e) {
		if why, err := door.Failure(r.values.Secrets, e.Result); err == nil {
			for _, name := range []string{"stdout", "stderr"} {
				if v, ok := why.Details[name].(starlark.Value); ok {
					text, _ := starlark.AsString(v)
					parts = append(parts, text)
				}
			}
		}
	}
	var text strings.Builder
	for _, part := range parts {
		if part = strings.TrimRight(part, "\n"); part != "" {
			text.WriteString(part + "\n")
		}
	}
	return text.String()
}

// outcomeOf says of a result whether something has changed, and with which exit code a
// command has ended that others expect to succeed.
func outcomeOf(result starlark.Value) string {
	s, ok := result.(starlark.HasAttrs)
	if !ok {
		return ""
	}
	if v, err := s.Attr("rc"); err == nil && v != nil {
		if code, err := starlark.AsInt32(v); err == nil && code != 0 {
			return fmt.Sprintf("exit code %d", code)
		}
	}
	if v, err := s.Attr("changed"); err == nil && v == starlark.True {
		return "changed"
	}
	return ""
}

// textOf is a field of a struct, where that is a text; else "".
func textOf(v starlark.Value, name string) string {
	s, ok := v.(starlark.HasAttrs)
	if !ok {
		return ""
	}
	field, err := s.Attr(name)
	if err != nil || field == nil {
		return ""
	}
	text, ok := starlark.AsString(field)
	if !ok && field != starlark.None {
		text = field.String() // a secret, which says no more than its name
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func joinWords(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}

// indented puts four spaces before each line.
func indented(text string) string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
}

// lastOf is the end of a text that is too long.
func lastOf(text string) string {
	if len(text) <= maxStepText {
		return text
	}
	_, rest, _ := strings.Cut(text[len(text)-maxStepText:], "\n")
	return fmt.Sprintf("… (%d bytes before this)\n", len(text)-len(rest)) + rest
}

// of is the log of the test for one node; "" is all of it.
func (t *trialRecord) of(node string) string {
	var b strings.Builder
	for _, s := range t.steps {
		if node == "" || s.node == node {
			b.WriteString(s.text)
		}
	}
	return b.String()
}

// keepRecords puts what was done into the results of tests, and keeps it by node.
func (m *environments) keepRecords(e *testenv.Environment, run *journal.Run, r *testenv.Result) error {
	records, err := m.recordsOf(run, e.Nodes)
	if err != nil {
		return err
	}
	said := map[string]string{}
	for i := range r.Tests {
		t := &r.Tests[i]
		subject := strings.TrimSpace(t.Name + " " + t.Taskserv)
		said[subject] = joinWords(t.Status, t.Message)
		for _, rec := range records {
			if rec.subject == subject {
				t.Log = rec.of("")
			}
		}
	}
	if e.ID == "" { // nothing is recorded of one without machines
		return nil
	}
	for _, n := range e.Nodes {
		var b strings.Builder
		fmt.Fprintf(&b, "%s run %s\n", stamp(run.Created), run.ID)
		for _, rec := range records {
			if text := rec.of(n.Name); text != "" {
				fmt.Fprintf(&b, "== %s: %s\n%s", rec.subject, cmp.Or(said[rec.subject], rec.ended()), text)
			}
		}
		if err := m.store.AddRunLog(e.ID, n.Name, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// ended says of something that is no test of the result whether it came to its end.
func (t *trialRecord) ended() string {
	if t.end.IsZero() {
		return "did not come to its end"
	}
	return "done"
}
