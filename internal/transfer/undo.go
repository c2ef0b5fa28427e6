package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Undo is what takes a Put back. Names are bytes, as they need not be text.
type Undo struct {
	Root    string   `json:"root"`
	IsDir   bool     `json:"is_dir,omitempty"`  // the root was a directory before
	Key     string   `json:"key"`               // of what is kept on the machine
	Made    [][]byte `json:"made,omitempty"`    // files and links that were not there
	Dirs    [][]byte `json:"dirs,omitempty"`    // directories that were not there
	Instead [][]byte `json:"instead,omitempty"` // files and links where a directory was
	Kept    bool     `json:"kept,omitempty"`    // something is kept on the machine
	Restore string   `json:"restore,omitempty"`
}

// Undo says how the plan is taken back; nil when it does nothing.
func (p *Put) Undo() *Undo {
	if p.Plan.Empty() {
		return nil
	}
	sum := sha256.Sum256([]byte(p.m.Key))
	u := &Undo{Root: p.Root, Key: hex.EncodeToString(sum[:]), IsDir: p.workDir() == p.Root}
	replaced, removed := byPath(p.Plan.Replace), byPath(p.Plan.Remove)
	for _, e := range p.Plan.Send {
		_, there := replaced[e.Path]
		_, other := removed[e.Path]
		switch {
		case e.Type == Dir:
			u.Dirs = append(u.Dirs, []byte(e.Path))
		case other:
			u.Instead = append(u.Instead, []byte(e.Path))
		case !there:
			u.Made = append(u.Made, []byte(e.Path))
		}
	}
	u.Kept = len(p.kept()) > 0
	var back []Change
	for _, c := range p.Plan.Adjust {
		back = append(back, Change{c.Then, c.Now})
	}
	u.Restore = p.adjust(back)
	return u
}

// kept are the entries that are copied before they are replaced or removed.
func (p *Put) kept() []Entry {
	all := slices.Concat(p.Plan.Replace, p.Plan.Remove)
	slices.SortFunc(all, func(a, b Entry) int { return comparePaths(a.Path, b.Path) })
	return topmost(all)
}

// keep finds the directory that copies are kept in.
const keep = `if [ "$(id -u)" = 0 ]; then _v=/var/lib/provisioning/undo; else _v=${HOME:-/nonexistent}/.local/state/provisioning/undo; fi
`

// save copies what is about to be replaced or removed. An attempt that is made again
// keeps what the first one has found: the second sees its traces.
func (u *Undo) save(p *Put) string {
	entries := p.kept()
	if len(entries) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "(\n%s_v=$_v/%s\nif [ ! -e \"$_v\" ]; then\nrm -rf \"$_v.new\"; (umask 077; mkdir -p \"$_v.new\")\ncd %s\n", keep, u.Key, machine.Quote(p.workDir()))
	for i, batch := range batches(p.local(paths(entries))) {
		fmt.Fprintf(&b, "(umask 077; tar -cf \"$_v.new/%d.tar\"%s)\n", i, batch)
	}
	b.WriteString("mv \"$_v.new\" \"$_v\"\nfi\nfind \"$_v/..\" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + 2>/dev/null || :\n)\n")
	return b.String()
}

// Undo takes a transfer back: what it has made goes, unless it is not empty by now,
// and what it has replaced or removed comes back. It may be done again.
func (m *Machine) Undo(ctx context.Context, u *Undo) error {
	dir := path.Dir(u.Root)
	name := func(b []byte) string {
		if string(b) == "." {
			return u.Root
		}
		return join(u.Root, string(b))
	}
	st := newStage(u.Root, u.IsDir, false, m.Key+" undo")
	var b strings.Builder
	b.WriteString("set -e\n")
	if u.Kept {
		fmt.Fprintf(&b, "%s_v=$_v/%s\n[ ! -e \"$_v/undone\" ] || exit 0\n", keep, u.Key)
	}
	for _, batch := range batches(each(u.Made, name)) {
		b.WriteString("rm -f" + batch + "\n")
	}
	for _, batch := range batches(each(u.Instead, name)) {
		b.WriteString("for _f in" + batch + "; do if [ -L \"$_f\" ] || [ ! -d \"$_f\" ]; then rm -f \"$_f\"; fi; done\n")
	}
	dirs := each(u.Dirs, name)
	slices.Reverse(dirs)
	for _, batch := range batches(dirs) {
		b.WriteString("for _d in" + batch + "; do rmdir \"$_d\" 2>/dev/null || :; done\n")
	}
	if u.IsDir {
		dir = u.Root
	}
	if u.Kept {
		fmt.Fprintf(&b, "if [ -d \"$_v\" ]; then\n(\n%srm -rf ./tree; mkdir ./tree\nfor _f in \"$_v\"/*.tar; do (cd -P ./tree && tar -xpf \"$_f\"); done\numask $_u\n%s_merge %s %s\n%s)\nfi\n",
			st.prelude(), merge, treeName, outside, st.clear(false))
	}
	if u.Restore != "" {
		fmt.Fprintf(&b, "cd %s\n%s", machine.Quote(dir), u.Restore)
	}
	if u.Kept {
		b.WriteString("if [ -d \"$_v\" ]; then : >\"$_v/undone\"; fi\n")
	}
	return m.run(ctx, b.String(), nil, nil)
}

func each(names [][]byte, f func([]byte) string) []string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = f(n)
	}
	return all
}
