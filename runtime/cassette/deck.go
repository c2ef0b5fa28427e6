package cassette

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Deck plays cassettes: it answers the effects of one run. It is safe for
// concurrent use; the zero value has no cassette and answers nothing.
type Deck struct {
	// Writes says which kinds of effects change something, for what the file does
	// not mark; nil: none.
	Writes func(kind string) bool

	mu      sync.Mutex
	files   []string
	name    string // of the cassettes, for errors
	entries []*track
}

// track is an effect of a cassette.
type track struct {
	entry
	line  string // for people
	args  []arg  // nil until an effect of its kind is looked for
	ready bool
	used  bool
	file  string // that it is of, as errors call it
	maybe bool   // it is no mistake not to ask for it
}

// arg is an argument in the text form that arguments are compared in.
type arg struct{ name, text string }

var _ door.Answers = (*Deck)(nil)

// Load adds the cassette in a file; name is how errors call it. maybe says that
// not all of its writes have to be asked for.
func (d *Deck) Load(file, name string, maybe bool) error {
	data, err := os.ReadFile(file)
	if err != nil {
		kind := fault.Failed
		if os.IsNotExist(err) {
			kind = fault.NotFound
		}
		return fault.New(kind, "cannot read the cassette %q", name).
			WithHint("write it with: provisioning runs export RUN --cassette %s", name)
	}
	entries, err := parse(name, data)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.files, file) {
		return nil // the top level of a script may be evaluated twice
	}
	d.files = append(d.files, file)
	for _, e := range entries {
		d.entries = append(d.entries, &track{entry: e, line: e.Kind + " " + string(e.Args), file: name, maybe: maybe})
	}
	if d.name != "" {
		name = d.name + ", " + name
	}
	d.name = name
	return nil
}

// Unused returns the effects that nobody has asked for, as the file has them.
func (d *Deck) Unused() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, t := range d.entries {
		if !t.used {
			lines = append(lines, t.line)
		}
	}
	return lines
}

// shownMissing of the writes that were not asked for are in an error.
const shownMissing = 20

// Missing is the error of writes that nobody has asked for, although the cassettes
// have them: what is tested has ceased to do something. nil when there are none.
func (d *Deck) Missing() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, t := range d.entries {
		if !t.used && !t.maybe && (t.Write || d.Writes != nil && d.Writes(t.Kind)) {
			lines = append(lines, "\n"+t.file+": "+t.line)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	times := fmt.Sprintf("%d writes", len(lines))
	if len(lines) == 1 {
		times = "a write"
	}
	if n := len(lines) - shownMissing; n > 0 {
		lines = append(lines[:shownMissing], fmt.Sprintf("\n… and %d more", n))
	}
	return fault.New(fault.Assertion, "the test did not do %s of its cassette:%s", times, strings.Join(lines, "")).
		WithHint("record it anew when that is right; when the test is of a part of what was recorded: cassette(…, unused = \"ok\")")
}

// Answer returns what the cassettes say. Without a cassette, and for what is about
// the run alone, that is nothing.
func (d *Deck) Answer(r door.Request) (starlark.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.name == "" || effect.OfTheRun(r.Decl.Kind) {
		return nil, nil
	}
	f := &format{secrets: r.Secrets, root: r.Root}
	wanted, err := wantedArgs(f, r)
	if err != nil {
		return nil, err
	}
	var same, here []*track
	for _, t := range d.entries {
		if t.Kind != r.Decl.Kind {
			continue
		}
		if err := t.prepare(r.Decl); err != nil {
			return nil, err
		}
		if !slices.Equal(t.args, wanted) {
			continue
		}
		same = append(same, t)
		if t.Branch == branchOf(r.Place) {
			here = append(here, t)
		}
	}
	if len(here) == 0 { // it was recorded elsewhere: the script, or the test, makes other branches
		here = same
	}
	for _, t := range here {
		if !t.used {
			t.used = true
			return t.outcome(f)
		}
	}
	return nil, d.unknown(r, wanted, len(here))
}

// wantedArgs are the arguments that identify a request, by name.
func wantedArgs(f *format, r door.Request) ([]arg, error) {
	var args []arg
	for _, kv := range r.Args {
		name := string(kv[0].(starlark.String))
		if !door.Identifies(r.Decl, name) {
			continue
		}
		text, err := f.encode(kv[1])
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the argument %q cannot be compared with a cassette", name)
		}
		args = append(args, arg{name, string(text)})
	}
	return sortArgs(args), nil
}

// prepare makes the arguments of a track comparable, whatever its author has made
// of the spaces.
func (t *track) prepare(decl *effect.Decl) error {
	if t.ready {
		return nil
	}
	all, err := argsOf(t.Args)
	if err != nil {
		return fault.New(fault.Config, "the cassette has arguments of %s that cannot be read: %v", t.Kind, err)
	}
	for _, a := range all {
		if door.Identifies(decl, a.name) {
			t.args = append(t.args, a)
		}
	}
	t.args, t.ready = sortArgs(t.args), true
	return nil
}

func sortArgs(args []arg) []arg {
	slices.SortFunc(args, func(a, b arg) int { return strings.Compare(a.name, b.name) })
	return args
}

// outcome is what the effect came to.
func (t *track) outcome(f *format) (starlark.Value, error) {
	data := t.Result
	if t.Error != nil {
		data = t.Error.Details
	}
	var v starlark.Value
	if data != nil {
		var err error
		if v, err = f.decode(data); err != nil {
			kind := fault.KindOf(err)
			if kind == fault.Failed {
				kind = fault.Config
			}
			return nil, fault.Wrap(kind, err, "the cassette cannot answer %s", t.line)
		}
	}
	if t.Error == nil {
		return v, nil
	}
	e := fault.New(t.Error.Kind, "%s", t.Error.Message)
	e.Hint = t.Error.Hint
	if d, ok := v.(*starlark.Dict); ok {
		e.Details = map[string]any{}
		for _, kv := range d.Items() {
			if name, ok := starlark.AsString(kv[0]); ok {
				e.Details[name] = kv[1]
			}
		}
	}
	return nil, e
}

// unknown is the error of an effect that no cassette has. It shows the recorded
// one that is most like it.
func (d *Deck) unknown(r door.Request, wanted []arg, times int) error {
	e := fault.New(fault.Mismatch, "the cassette %s does not have this effect", d.name)
	if times > 0 {
		e.Msg = fmt.Sprintf("the cassette %s has this effect %d times, and this is one more", d.name, times)
		return e.WithHint("record it anew: provisioning runs export RUN --cassette FILE")
	}
	var nearest *track
	best := 0.0
	kinds := map[string]bool{}
	for _, t := range d.entries {
		kinds[t.Kind] = true
		if t.Kind != r.Decl.Kind {
			continue
		}
		likeness := alike(t.args, wanted)
		if !t.used {
			likeness += 0.5 // one that is still to come is what was meant
		}
		if nearest == nil || likeness > best {
			nearest, best = t, likeness
		}
	}
	if nearest == nil {
		return e.WithHint("it has no %s at all, but %s", r.Decl.Kind, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	diff := textdiff.Unified("", textOf(nearest.args), textOf(wanted), textdiff.Options{Limit: 60})
	_, diff, _ = strings.Cut(diff, "\n")
	_, diff, _ = strings.Cut(diff, "\n")
	_, diff, _ = strings.Cut(diff, "\n") // two names and the place
	return e.WithHint("the nearest that it has (- recorded, + now):\n%s", strings.TrimRight(diff, "\n"))
}

// alike counts the arguments that are the same, and how far the others begin
// alike.
func alike(a, b []arg) float64 {
	score := 0.0
	for _, x := range a {
		for _, y := range b {
			if x.name != y.name {
				continue
			}
			n := 0
			for n < min(len(x.text), len(y.text)) && x.text[n] == y.text[n] {
				n++
			}
			score += float64(n) / float64(max(len(x.text), len(y.text), 1))
		}
	}
	return score
}

func textOf(args []arg) string {
	var b strings.Builder
	for _, a := range args {
		fmt.Fprintf(&b, "%s = %s\n", a.name, a.text)
	}
	return b.String()
}

// argsOf takes the arguments of an entry apart, in the form that they are compared
// in.
func argsOf(data []byte) ([]arg, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, fmt.Errorf("they are no object")
	}
	var args []arg
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		text, err := respaced(raw)
		if err != nil {
			return nil, err
		}
		args = append(args, arg{name.(string), text})
	}
	return args, nil
}

// respaced writes JSON with the spaces that encode makes.
func respaced(raw []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var b strings.Builder
	var value func() error
	value = func() error {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		open, nested := tok.(json.Delim)
		if !nested {
			b.WriteString(scalar(tok))
			return nil
		}
		b.WriteString(open.String())
		for i := 0; dec.More(); i++ {
			if i > 0 {
				b.WriteString(", ")
			}
			if open == '{' {
				key, err := dec.Token()
				if err != nil {
					return err
				}
				b.WriteString(scalar(key) + ": ")
			}
			if err := value(); err != nil {
				return err
			}
		}
		end, err := dec.Token()
		if err == nil {
			b.WriteString(end.(json.Delim).String())
		}
		return err
	}
	err := value()
	return b.String(), err
}

func scalar(tok json.Token) string {
	switch tok := tok.(type) {
	case nil:
		return "null"
	case string:
		return quoted(tok)
	}
	return fmt.Sprint(tok)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
