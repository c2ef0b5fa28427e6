package torture

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A disk is what a recorded program has made of some directories: what is in the
// memory of the kernel, and what of it must survive a loss of power, because it
// was synced. Everything else may or may not have reached the platters, but a
// rename happens whole or not at all, as file systems with a journal have it.
type disk struct {
	root *inode
	fds  map[int]*handle
}

type inode struct {
	isDir   bool
	link    string // target of a symbolic link
	mode    os.FileMode
	data    []byte // in memory
	synced  []byte // at the last sync
	pending []write
	entries map[string]*inode // in memory
	durable map[string]*inode // at the last sync
	moves   []*move           // from or to this directory, not synced
}

// move is a rename: both names change together.
type move struct {
	node     *inode
	from, to *inode
	old, new string
}

type write struct {
	offset int64
	data   []byte
	cut    bool // sets the size to offset
}

type handle struct {
	node   *inode
	offset int64
	append bool
}

func newDir() *inode {
	return &inode{isDir: true, mode: 0o755, entries: map[string]*inode{}, durable: map[string]*inode{}}
}

// newDisk begins with what is below dir; that is on the platters.
func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{root: newDir(), fds: map[int]*handle{}}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		node := newDir()
		if !e.IsDir() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			node = &inode{data: data, synced: data, mode: 0o644}
		}
		parent := d.root
		parts := split(name)
		for i, part := range parts {
			next := parent.entries[part]
			if next == nil {
				next = newDir()
				if i == len(parts)-1 {
					next = node
				}
				parent.entries[part], parent.durable[part] = next, next
			}
			parent = next
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func split(path string) []string {
	return strings.FieldsFunc(filepath.Clean(path), func(r rune) bool { return r == '/' })
}

// find returns what is at an absolute path; nil for nothing.
func (d *disk) find(path string) *inode {
	n := d.root
	for _, part := range split(path) {
		if n = n.entries[part]; n == nil {
			return nil
		}
	}
	return n
}

func (d *disk) parent(path string) (*inode, string) {
	dir := d.find(filepath.Dir(path))
	if dir == nil || !dir.isDir {
		return nil, ""
	}
	return dir, filepath.Base(path)
}

func (n *inode) write(w write) {
	n.data = apply(n.data, w)
	n.pending = append(n.pending, w)
}

func apply(data []byte, w write) []byte {
	data = slices.Clone(data)
	end := w.offset + int64(len(w.data))
	if w.cut && int64(len(data)) > w.offset {
		return data[:w.offset]
	}
	for int64(len(data)) < end {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[w.offset:], w.data)
	return data
}

// state is what a sync makes durable: as of its beginning, at its end.
type state struct {
	node    *inode
	data    []byte
	pending int
	entries map[string]*inode
	moves   []*move
}

func (n *inode) state() state {
	return state{n, n.data, len(n.pending), maps.Clone(n.entries), n.moves}
}

func (s state) sync() {
	s.node.synced, s.node.pending = s.data, s.node.pending[min(s.pending, len(s.node.pending)):]
	if !s.node.isDir {
		return
	}
	s.node.durable = s.entries
	s.node.moves = s.node.moves[min(len(s.moves), len(s.node.moves)):]
	for _, m := range s.moves {
		if m.from.durable[m.old] == m.node && m.from != s.node {
			delete(m.from.durable, m.old)
		}
		if m.to != s.node && m.to.entries[m.new] == m.node {
			m.to.durable[m.new] = m.node
		}
	}
}

// fate says what of the unsynced survives a loss of power.
type fate struct {
	name  string
	entry func(*inode) bool // a change of where it is
	data  func() bool       // a write
}

func fates(rnd *rand.Rand) []fate {
	yes, no := func() bool { return true }, func() bool { return false }
	coin := func() bool { return rnd.IntN(2) == 0 }
	everywhere, nowhere := func(*inode) bool { return true }, func(*inode) bool { return false }
	tossed := map[*inode]bool{}
	somewhere := func(n *inode) bool {
		if _, ok := tossed[n]; !ok {
			tossed[n] = coin()
		}
		return tossed[n]
	}
	return []fate{
		{"lost", nowhere, no}, {"names", everywhere, no}, {"data", nowhere, yes}, {"all", everywhere, yes}, {"some", somewhere, coin},
	}
}

// restore puts together in dir what is left of the part of the disk at path.
func (d *disk) restore(t *testing.T, path, dir string, f fate) {
	t.Helper()
	n := d.root
	for _, part := range split(path) {
		n = n.durable[part]
	}
	if err := n.restore(dir, f); err != nil {
		t.Fatal(err)
	}
}

func (n *inode) restore(path string, f fate) error {
	if n.link != "" {
		return os.Symlink(n.link, path)
	}
	if !n.isDir {
		data := n.synced
		for _, w := range n.pending {
			if f.data() {
				data = apply(data, w)
			}
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
		return os.Chmod(path, n.mode)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	names := map[string]bool{}
	for name := range n.entries {
		names[name] = true
	}
	for name := range n.durable {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		child, now := n.durable[name], n.entries[name]
		changed := now
		if now == nil {
			changed = child // it went away
		}
		if child != now && f.entry(changed) {
			child = now
		}
		if child == nil {
			continue
		}
		if err := child.restore(filepath.Join(path, name), f); err != nil {
			return err
		}
	}
	return os.Chmod(path, n.mode)
}
