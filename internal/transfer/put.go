package transfer

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Put is a transfer to a machine that has been thought through: what is there is
// known, and what is to be done.
type Put struct {
	Plan *Plan
	Root string // on the machine

	m       *Machine
	source  Source
	o       Options
	listing *listing
	stage   stage
}

// PlanPut finds out what has to be done to make the path at the machine like the
// source. A file that is sent to a path that ends with a slash, or is a directory,
// goes into it under its own name.
func (m *Machine) PlanPut(ctx context.Context, src Source, name, root string, o Options) (*Put, error) {
	entries, err := src.List()
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return nil, fault.New(fault.NotFound, "there is no %q", name)
	}
	want := wanted(entries, o)
	if len(want) == 0 {
		return nil, fault.New(fault.Invalid, "%q is a %s, which cannot be sent", name, entries[0].Type)
	}
	into := strings.HasSuffix(root, "/")
	root = path.Clean(root)
	if into && want[0].Type != Dir {
		root = path.Join(root, path.Base(name))
	}
	l, err := m.list(ctx, root)
	if err != nil {
		return nil, err
	}
	if r := l.root(); r != nil && r.Type == Dir && want[0].Type != Dir {
		return nil, fault.New(fault.Invalid, "%s on %s is a directory, and %q is none", root, m.Conn.Name(), name).
			WithHint("to put it in there, end the destination with a slash: %q", root+"/")
	}
	if r := l.root(); r != nil && r.Type != Dir && want[0].Type == Dir {
		return nil, fault.New(fault.Exists, "%s on %s is a %s, and %q is a directory", root, m.Conn.Name(), r.Type, name).
			WithHint("remove it first")
	}
	names := candidates(want, l.entries)
	if err := m.compareSums(ctx, src.Open, want, l.entries, root, names); err != nil {
		return nil, err
	}
	isDir := l.root() != nil && l.root().Type == Dir
	return &Put{Plan: compare(want, l.entries, o), Root: root, m: m, source: src, o: o, listing: l, stage: newStage(root, isDir, want[0].Type != Dir, m.Key)}, nil
}

// compareSums gives the candidates of both sides their checksums, which are computed
// on both sides at the same time.
func (m *Machine) compareSums(ctx context.Context, open opener, here, there []Entry, root string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	type answer struct {
		sums map[string]string
		err  error
	}
	far := make(chan answer, 1)
	go func() {
		sums, err := m.sums(ctx, root, there[0].Type != Dir, names)
		far <- answer{sums, err}
	}()
	near, err := hash(open, names)
	a := <-far
	if err != nil {
		return err
	}
	setSums(here, near)
	setSums(there, a.sums)
	return a.err
}

// Do makes the tree. Everything is sent first; then what is in the way is removed, and
// what was sent is moved to its place. It may be done again after it was cut off
// anywhere, with a new plan.
func (p *Put) Do(ctx context.Context, undo *Undo) error {
	err := p.do(ctx, undo)
	if err == nil {
		return nil
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTime)
	defer cancel()
	_ = p.m.run(clean, p.stage.prelude()+p.stage.clear(!isFull(err)), nil, nil) // the error is the one to report
	return err
}

// clearTime is how long it may take to clear up after a failure.
const clearTime = 5 * time.Second

func (p *Put) do(ctx context.Context, undo *Undo) error {
	return p.send(ctx, func(parts []largePart, streamed bool) string { return p.finish(undo, parts, streamed) })
}

// finish is the script that puts in place what has come. It goes on in the directory
// of the attempt, where what was sent is; what works elsewhere does so in a process of
// its own. streamed says that there is a tree of this attempt.
func (p *Put) finish(undo *Undo, parts []largePart, streamed bool) string {
	var b strings.Builder
	b.WriteString("set -e\numask 022\n")
	if undo != nil {
		b.WriteString(undo.save(p))
	}
	if !streamed { // what an attempt that was killed has left there
		b.WriteString("rm -rf ./tree\n")
	}
	for _, part := range parts {
		b.WriteString(p.stage.adopt(part.id, part.entry))
	}
	if len(p.Plan.Send) > 0 {
		b.WriteString(p.stage.own(p.o, p.Plan.Send))
	}
	if len(p.Plan.Remove) > 0 || len(p.Plan.Adjust) > 0 {
		fmt.Fprintf(&b, "(\ncd %s\n", machine.Quote(p.workDir()))
		for _, batch := range batches(p.local(paths(topmost(p.Plan.Remove)))) {
			b.WriteString("rm -rf" + batch + "\n")
		}
		b.WriteString(p.adjust(p.Plan.Adjust))
		b.WriteString(")\n")
	}
	if len(p.Plan.Send) > 0 {
		b.WriteString(p.stage.place())
	}
	b.WriteString(p.stage.clear(false))
	return b.String()
}

// workDir is where names of the plan are looked up, and local what they are there.
func (p *Put) workDir() string {
	if r := p.listing.root(); r != nil && r.Type == Dir {
		return p.Root
	}
	return path.Dir(p.Root)
}

func (p *Put) local(names []string) []string {
	if r := p.listing.root(); r != nil && r.Type == Dir {
		return names
	}
	return slices.Repeat([]string{path.Base(p.Root)}, len(names))
}

// adjust gives entries another mode and owner, those that get the same together. The
// owner comes first: chown takes setuid away.
func (p *Put) adjust(changes []Change) string {
	modes, owners := map[uint32][]string{}, map[string][]string{}
	for _, c := range changes {
		own := ownership(c.Then.Owner, c.Then.Group)
		if own != "" {
			owners[own] = append(owners[own], c.Now.Path)
		}
		if c.Now.Type != Link && (own != "" || c.Now.Mode != c.Then.Mode) {
			modes[c.Then.Mode] = append(modes[c.Then.Mode], c.Now.Path)
		}
	}
	var b strings.Builder
	for _, own := range sortedKeys(owners) {
		for _, batch := range batches(p.local(owners[own])) {
			fmt.Fprintf(&b, "chown -h %s%s\n", machine.Quote(own), batch)
		}
	}
	for _, mode := range sortedKeys(modes) {
		for _, batch := range batches(p.local(modes[mode])) {
			fmt.Fprintf(&b, "chmod %o%s\n", mode, batch)
		}
	}
	return b.String()
}

func sortedKeys[K interface{ ~string | ~uint32 }, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
