package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Plan is what makes a tree like another one.
type Plan struct {
	Send    []Entry  // made or replaced: what shall be there, sorted
	Adjust  []Change // only their mode or owner differs
	Remove  []Entry  // what is there and goes: extras, and what is in the way of another type
	Replace []Entry  // what is there now of files and links that are replaced
	Create  []Entry  // what of Send is new
}

// Change is an entry before and after.
type Change struct{ Now, Then Entry }

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Send)+len(p.Adjust)+len(p.Remove) == 0 }

// Bytes is how much is to be sent.
func (p *Plan) Bytes() int64 {
	var n int64
	for _, e := range p.Send {
		n += e.Size
	}
	return n
}

// maxDiff is how many lines a difference has; people read it.
const maxDiff = 200

// Diff says what the plan does, a line for each entry.
func (p *Plan) Diff(root string) string {
	var lines []string
	add := func(sign, name, text string) {
		lines = append(lines, fmt.Sprintf("%s %s%s\n", sign, printable(join(root, name)), text))
	}
	was := map[string]Entry{}
	for _, e := range p.Replace {
		was[e.Path] = e
	}
	for _, e := range p.Send {
		now, replaced := was[e.Path]
		switch {
		case e.Type == Dir:
			add("+", e.Path, "/")
		case e.Type == Link:
			add(sign(replaced), e.Path, " -> "+printable(e.Target))
		case replaced && now.Type == File:
			add("~", e.Path, fmt.Sprintf(" (%d -> %d bytes)", now.Size, e.Size))
		default:
			add(sign(replaced), e.Path, fmt.Sprintf(" (%d bytes)", e.Size))
		}
	}
	for _, c := range p.Adjust {
		add("~", c.Now.Path, attributes(c))
	}
	for _, e := range p.Remove {
		add("-", e.Path, map[bool]string{true: "/"}[e.Type == Dir])
	}
	sort.SliceStable(lines, func(i, j int) bool { return lines[i][2:] < lines[j][2:] })
	if more := len(lines) - maxDiff; more > 0 {
		lines = append(lines[:maxDiff], fmt.Sprintf("… and %d more\n", more))
	}
	return strings.Join(lines, "")
}

func sign(replaced bool) string {
	if replaced {
		return "~"
	}
	return "+"
}

func attributes(c Change) string {
	var parts []string
	if c.Now.Mode != c.Then.Mode && c.Now.Type != Link {
		parts = append(parts, fmt.Sprintf("mode %04o -> %04o", c.Now.Mode, c.Then.Mode))
	}
	if c.Then.Owner != "" && c.Now.Owner != c.Then.Owner {
		parts = append(parts, "owner "+c.Now.Owner+" -> "+c.Then.Owner)
	}
	if c.Then.Group != "" && c.Now.Group != c.Then.Group {
		parts = append(parts, "group "+c.Now.Group+" -> "+c.Then.Group)
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// printable is a name on one line.
func printable(name string) string {
	for _, c := range name {
		if c < ' ' || c == 0x7f || c == '\uFFFD' {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}

// wanted applies the options to what the source has.
func wanted(entries []Entry, o Options) []Entry {
	want := make([]Entry, 0, len(entries))
	for _, e := range entries {
		if e.Type == Other || e.Path == stageName || strings.HasPrefix(e.Path, stageName+"/") {
			continue
		}
		e.Owner, e.Group = o.Owner, o.Group
		switch {
		case e.Type == File && o.Mode != nil:
			e.Mode = *o.Mode
		case e.Type == Dir && o.DirMode != nil:
			e.Mode = *o.DirMode
		case e.Type == Link:
			e.Mode = 0o777
		}
		want = append(want, e)
	}
	return want
}

// candidates are the files whose content has to be compared: same path, same size.
func candidates(want, have []Entry) []string {
	now := byPath(have)
	var names []string
	for _, e := range want {
		if h, ok := now[e.Path]; ok && e.Type == File && h.Type == File && h.Size == e.Size {
			names = append(names, e.Path)
		}
	}
	return names
}

func byPath(entries []Entry) map[string]Entry {
	m := make(map[string]Entry, len(entries))
	for _, e := range entries {
		m[e.Path] = e
	}
	return m
}

// compare computes what has to be done. Both sides have the sums of the candidates;
// no sum is equal to none. The mode and the owner of a root that is a directory
// already are left alone, unless the options say how they shall be.
func compare(want, have []Entry, o Options) *Plan {
	p := &Plan{}
	now, wants := byPath(have), byPath(want)
	for _, e := range want {
		h, there := now[e.Path]
		switch {
		case !there:
			p.Create = append(p.Create, e)
			p.Send = append(p.Send, e)
		case h.Type != e.Type:
			if h.Type == Dir || e.Type == Dir { // rename does not replace these
				p.Remove = append(p.Remove, h)
			} else {
				p.Replace = append(p.Replace, h)
			}
			p.Send = append(p.Send, e)
		case e.Type == File && (h.Size != e.Size || h.Sum == "" || h.Sum != e.Sum), e.Type == Link && h.Target != e.Target:
			p.Replace = append(p.Replace, h)
			p.Send = append(p.Send, e)
		case e.Path == "." && e.Type == Dir && o.DirMode == nil && o.Owner == "" && o.Group == "":
		case differs(h, e):
			if e.Path == "." && e.Type == Dir && o.DirMode == nil {
				e.Mode = h.Mode
			}
			p.Adjust = append(p.Adjust, Change{h, e})
		}
	}
	gone := dirsOf(p.Remove)
	for _, h := range have {
		if _, ok := wants[h.Path]; ok {
			continue
		}
		if o.Delete || covered(h.Path, gone) {
			p.Remove = append(p.Remove, h)
		}
	}
	return p
}

func dirsOf(entries []Entry) map[string]bool {
	dirs := map[string]bool{}
	for _, e := range entries {
		if e.Type == Dir {
			dirs[e.Path] = true
		}
	}
	return dirs
}

// covered reports whether a path lies in one of the directories.
func covered(name string, dirs map[string]bool) bool {
	for name != "." {
		if name = path.Dir(name); dirs[name] {
			return true
		}
	}
	return false
}

func differs(now, then Entry) bool {
	return now.Type != Link && now.Mode != then.Mode ||
		then.Owner != "" && now.Owner != then.Owner || then.Group != "" && now.Group != then.Group
}

// topmost leaves out what lies in another one of the entries.
func topmost(entries []Entry) []Entry {
	dirs := dirsOf(entries)
	var top []Entry
	for _, e := range entries {
		if !covered(e.Path, dirs) {
			top = append(top, e)
		}
	}
	return top
}

// hashers is how many files are read at a time.
const hashers = 4

// hash computes the checksums of files of this side.
func hash(open func(string) (*os.File, error), names []string) (map[string]string, error) {
	sums := make(map[string]string, len(names))
	var mu sync.Mutex
	var first error
	var group sync.WaitGroup
	next := make(chan string)
	for range hashers {
		group.Go(func() {
			for name := range next {
				sum, err := hashOne(open, name, -1)
				mu.Lock()
				if sums[name] = sum; err != nil && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	for _, name := range names {
		next <- name
	}
	close(next)
	group.Wait()
	return sums, first
}

// hashOne reads a file, or its first n bytes.
func hashOne(open func(string) (*os.File, error), name string, n int64) (string, error) {
	f, err := open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	var r io.Reader = f
	if n >= 0 {
		r = io.LimitReader(f, n)
	}
	if _, err := io.Copy(h, r); err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot read %q", name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func setSums(entries []Entry, sums map[string]string) {
	for i := range entries {
		if s := sums[entries[i].Path]; s != "" {
			entries[i].Sum = s
		}
	}
}
