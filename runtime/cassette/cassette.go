// Package cassette keeps what the effects of a run came to, as a text file that
// people can review, and answers the effects of tests from it.
//
// The first line of the file is a header, every other line an effect:
//
//	{"cassette": 1, "script": "deploy.star"}
//	{"kind": "http.get", "args": {"url": "http://web-1/health"}, "result": {"$struct": ["response", {"status": 200}]}}
//	{"kind": "fs.read", "args": {"path": "a"}, "error": {"kind": "not_found", "message": "cannot read …"}}
//
// An effect is answered by its content: its kind and the arguments that identify
// it, whichever functions led to it. The n-th of equal ones gets the n-th answer,
// of those that its branch had ("branch", the place without its ordinal) if it had
// any: which of two branches comes first is by chance. "write" marks what changed
// something, so that a test can tell when it is not done any more.
// Secrets are in the file by name only, and paths of the workspace by what they
// are below it.
package cassette

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Version of the file format.
const Version = 1

type header struct {
	Version int    `json:"cassette"`
	Script  string `json:"script,omitempty"`
}

// entry is a line of the file.
type entry struct {
	Kind   string          `json:"kind"`
	Write  bool            `json:"write,omitempty"`
	Branch string          `json:"branch,omitempty"` // "": the main line
	Args   json.RawMessage `json:"args"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

type failure struct {
	Kind    fault.Kind      `json:"kind"`
	Message string          `json:"message"`
	Hint    string          `json:"hint,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
}

// Source is a run that was recorded.
type Source struct {
	Script  string
	Root    string // of its workspace
	Effects []*journal.Effect
	Details func(*journal.Effect) error // reads the arguments of an effect
	Codec   *codec.Codec                // with the secrets of the run
}

// Write writes what the effects of a run came to. It returns how many there are.
func Write(w io.Writer, src Source) (int, error) {
	f := &format{secrets: src.Codec.Secrets, root: src.Root}
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "{\"cassette\": %d, \"script\": %s}\n", Version, quoted(src.Script))
	n := 0
	for _, e := range src.Effects {
		if !answerable(e) {
			continue
		}
		line, err := src.line(f, e)
		if err != nil {
			return n, fault.Wrap(fault.KindOf(err), err, "cannot write the effect %s %s", e.Place, e.Kind)
		}
		out.WriteString(line)
		n++
	}
	return n, out.Flush()
}

// answerable leaves out what is about the run alone, what a rollback did, and
// what has no outcome.
func answerable(e *journal.Effect) bool {
	return e.Kind != effect.KindFork && !effect.OfTheRun(e.Kind) && e.Place[0] != 'r' && e.Status != journal.Intended && e.Status != journal.Dropped
}

func (src Source) line(f *format, e *journal.Effect) (string, error) {
	if err := src.Details(e); err != nil {
		return "", err
	}
	args, err := src.text(f, e.Args)
	if err != nil {
		return "", err
	}
	line := "{\"kind\": " + quoted(e.Kind)
	if e.Write {
		line += ", \"write\": true"
	}
	if branch := branchOf(e.Place); branch != "" {
		line += ", \"branch\": " + quoted(branch)
	}
	line += ", \"args\": " + args + ", "
	if e.Status == journal.Erred || e.Status == journal.Caught {
		text, err := failureText(f, e.Result)
		return line + "\"error\": " + text + "}\n", err
	}
	result, err := src.text(f, e.Result)
	return line + "\"result\": " + result + "}\n", err
}

// branchOf is the branch that a place is in; "" for the main line.
func branchOf(place string) string {
	branch, _, _ := strings.Cut(place, "#")
	if !strings.Contains(branch, ".") {
		return ""
	}
	return branch
}

func (src Source) text(f *format, data []byte) (string, error) {
	v, err := src.Codec.Decode(data)
	if err != nil {
		return "", err
	}
	text, err := f.encode(v)
	return string(text), err
}

func failureText(f *format, data []byte) (string, error) {
	e, err := door.Failure(f.secrets, data)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{\"kind\": %s, \"message\": %s", quoted(string(e.Kind)), quoted(f.secrets.Redact(e.Msg)))
	if e.Hint != "" {
		fmt.Fprintf(&b, ", \"hint\": %s", quoted(f.secrets.Redact(e.Hint)))
	}
	if len(e.Details) > 0 {
		details, err := f.encode(detailsDict(e.Details))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, ", \"details\": %s", details)
	}
	return b.String() + "}", nil
}

// parse reads a file.
func parse(name string, data []byte) ([]entry, error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	var h header
	if err := json.Unmarshal(first, &h); err != nil || h.Version == 0 {
		return nil, fault.New(fault.Config, "%s is no cassette: its first line is not {\"cassette\": %d, …}", name, Version).
			WithHint("write one with: provisioning runs export RUN --cassette FILE")
	}
	if h.Version != Version {
		return nil, fault.New(fault.Config, "the cassette %s has the format %d; this program knows %d", name, h.Version, Version)
	}
	var entries []entry
	for n := 2; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var e entry
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			return nil, fault.New(fault.Config, "%s:%d: %v", name, n, err)
		}
		if e.Kind == "" || e.Args == nil || (e.Result == nil) == (e.Error == nil) {
			return nil, fault.New(fault.Config, "%s:%d: an effect has a kind, args, and either a result or an error", name, n)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func detailsDict(details map[string]any) *starlark.Dict {
	d := starlark.NewDict(len(details))
	for _, name := range sortedKeys(details) {
		if v, ok := details[name].(starlark.Value); ok {
			_ = d.SetKey(starlark.String(name), v) // a string key of a fresh dict
		}
	}
	return d
}
