// Package fact is what can be asked of a machine.
//
// A [Fact] is a question whose answer is a plain value. All facts that somebody
// wants at a time travel together: [Gather] makes one script of them, which takes
// one round trip, however many they are. Operations compute what to do from facts
// alone, so that their tests need no machine (see package operation).
package fact

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Fact is one question: a file, a package, a user.
type Fact struct {
	Kind *Kind
	Arg  string // which one: a path, a name
}

func (f Fact) String() string { return f.Kind.Name + ":" + f.Arg }

// Kind is how facts of one sort are found out. Kinds are package variables of this
// package, a file each.
type Kind struct {
	Name string
	// Script prints what is known of args. It is sh as POSIX and busybox have it; its
	// standard input is empty, and what it writes to stderr is shown when it fails.
	Script func(args []string) string
	// Parse reads what Script has printed: the values in the order of args.
	Parse func(args []string, text string) ([]any, error)
	// Hidden says that others on the machine must not see what is asked.
	Hidden bool
}

// Of is the fact of the kind about arg.
func (k *Kind) Of(arg string) Fact { return Fact{k, arg} }

// World is what is known of a machine. It is not safe for concurrent use.
type World struct{ known map[Fact]any }

// Get returns the value of a fact that was gathered. One that was not is a defect
// of the operation that asks for it, and panics.
func Get[T any](w *World, f Fact) T {
	v, ok := w.known[f]
	if !ok {
		panic("fact: " + f.String() + " was not gathered")
	}
	return v.(T)
}

// Has reports whether a fact is known.
func (w *World) Has(f Fact) bool {
	_, ok := w.known[f]
	return ok
}

// Set notes the value of a fact.
func (w *World) Set(f Fact, v any) {
	if w.known == nil {
		w.known = map[Fact]any{}
	}
	w.known[f] = v
}

// Add notes what another world knows; where both know something, the other is
// right.
func (w *World) Add(other *World) {
	for f, v := range other.known {
		w.Set(f, v)
	}
}

// Below are the files within a directory that are known, by their paths: by what [File] says
// of them. Planned writes keep that up to date, and a [Content] may be older.
func (w *World) Below(dir string) map[string]FileState {
	found := map[string]FileState{}
	for f, v := range w.known {
		if s, ok := v.(FileState); ok && f.Kind == File && strings.HasPrefix(f.Arg, strings.TrimSuffix(dir, "/")+"/") {
			found[f.Arg] = s
		}
	}
	return found
}

// Missing returns those facts that are not known, each once.
func (w *World) Missing(facts []Fact) []Fact {
	var missing []Fact
	seen := map[Fact]bool{}
	for _, f := range facts {
		if !w.Has(f) && !seen[f] {
			seen[f] = true
			missing = append(missing, f)
		}
	}
	return missing
}

// Script returns the text that finds out facts, and how its output is read. It may
// follow other commands in the same script; what those print to stdout, within
// reason, does not matter.
func Script(facts []Fact) (text string, read func(output []byte) (*World, error)) {
	groups := group(facts)
	nonce := newNonce()
	var b strings.Builder
	for i, g := range groups {
		fmt.Fprintf(&b, "printf '\\036%s %d\\n'\n{\n%s\n} </dev/null\n", nonce, i, strings.TrimSpace(g.kind.Script(g.args)))
	}
	fmt.Fprintf(&b, "printf '\\036%s end\\n'\n", nonce)
	return b.String(), func(output []byte) (*World, error) { return parse(output, nonce, groups) }
}

// Hidden reports whether others on the machine must not see what is asked.
func Hidden(facts []Fact) bool {
	return slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind.Hidden })
}

// newNonce is what no output has in it by chance, or on purpose.
func newNonce() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails, see its documentation
	return hex.EncodeToString(random[:])
}

type kindGroup struct {
	kind *Kind
	args []string
}

func group(facts []Fact) []kindGroup {
	var groups []kindGroup
	at := map[*Kind]int{}
	seen := map[Fact]bool{}
	for _, f := range facts {
		if seen[f] {
			continue
		}
		seen[f] = true
		i, ok := at[f.Kind]
		if !ok {
			i = len(groups)
			at[f.Kind] = i
			groups = append(groups, kindGroup{kind: f.Kind})
		}
		groups[i].args = append(groups[i].args, f.Arg)
	}
	return groups
}

func parse(output []byte, nonce string, groups []kindGroup) (*World, error) {
	w := &World{}
	mark := []byte("\036" + nonce + " ")
	_, rest, _ := bytes.Cut(output, mark)
	for i, g := range groups {
		head := strconv.Itoa(i) + "\n"
		text, ok := bytes.CutPrefix(rest, []byte(head))
		if !ok {
			return nil, fault.New(fault.Failed, "the machine did not answer what was asked about its %s", g.kind.Name)
		}
		text, rest, ok = bytes.Cut(text, mark)
		if !ok {
			return nil, fault.New(fault.Failed, "the answer about the %s of the machine breaks off", g.kind.Name)
		}
		values, err := g.kind.Parse(g.args, string(text))
		if e := fault.As(err); e != nil {
			return nil, e
		}
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot read what the machine says of its %s", g.kind.Name)
		}
		if len(values) != len(g.args) {
			return nil, fault.New(fault.Failed, "the machine answered %d of %d questions about its %s", len(values), len(g.args), g.kind.Name)
		}
		for j, v := range values {
			w.Set(g.kind.Of(g.args[j]), v)
		}
	}
	return w, nil
}

// maxAnswer bounds what a machine may answer.
const maxAnswer = 64 << 20

// errMoving says that something changed while it was being looked at.
var errMoving = errors.New("it changes while it is being read")

// looks is how often something that changes meanwhile is looked at.
const looks = 3

// Gather asks a machine, as the given user.
func Gather(ctx context.Context, conn machine.Conn, as machine.As, facts []Fact) (w *World, err error) {
	for range looks {
		if w, err = gather(ctx, conn, as, facts); !errors.Is(err, errMoving) {
			break
		}
	}
	return w, err
}

// lastWords is the last line of the first text that has one.
func lastWords(texts ...string) string {
	for _, text := range texts {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		if last := lines[len(lines)-1]; last != "" && len(last) < 300 && !strings.Contains(last, "\036") {
			return last
		}
	}
	return ""
}

func gather(ctx context.Context, conn machine.Conn, as machine.As, facts []Fact) (*World, error) {
	if len(facts) == 0 {
		return &World{}, nil
	}
	text, read := Script(facts)
	var out, errs machine.Buffer
	out.Max, out.Strict, errs.Max = maxAnswer, true, 64<<10
	exit, err := machine.Run(ctx, conn, machine.Command{Script: text, As: as, Hidden: Hidden(facts)}, machine.Streams{Stdout: &out, Stderr: &errs})
	if err != nil {
		return nil, err
	}
	if out.Full {
		return nil, fault.New(fault.TooLarge, "%s answers with more than %d MiB", conn.Name(), maxAnswer>>20)
	}
	w, err := read(out.Bytes())
	if e := fault.As(err); e != nil {
		e.Msg = fmt.Sprintf("%s: %s", conn.Name(), e.Msg)
		if said := lastWords(out.String(), errs.String()); exit.Code != 0 && said != "" {
			// Most often there is no shell for this user, and the account says so.
			e.Msg += fmt.Sprintf(": its shell has ended with code %d: %s", exit.Code, said)
			e.Hint = "is this user allowed a shell on the machine? The SSH command of this user shows the same"
		}
		e.Details = map[string]any{"code": exit.Code, "stderr": errs.String()}
	}
	return w, err
}
