package tester

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// Simulation is a part of the world beside the files, such as the machines of a
// provider that is simulated. Where effects keep it is for the effects: one that
// belongs to a single world is below the World's Dir, in Workspace.State say.
type Simulation interface {
	// Name begins the names of what there is.
	Name() string
	// Fingerprint returns what there is in a world, by name: equal texts for what
	// is the same.
	Fingerprint(*World) (map[string]string, error)
}

// Fingerprint is what a world looks like: for each file, directory and link, and
// each thing of a simulation, a text that is equal when it is the same. Times and
// owners of files are not in it.
type Fingerprint map[string]thing

// thing is one thing in a world.
type thing struct {
	what    string // kind, mode, target: what has to be the same also where content is not
	content string // checksum
	text    string // of small text files, to show what is different
}

const (
	shownFile = 64 << 10 // a larger file is not shown
	shownDiff = 12       // lines
)

// fingerprint looks at the files of a world, but not at the state of the runtime,
// and at the simulations.
func (w *World) fingerprint(simulations []Simulation) (Fingerprint, error) {
	root := w.Workspace.Root
	f := Fingerprint{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // something in the background has removed it
		}
		if err != nil && d == nil {
			return err
		}
		if name == root {
			return nil
		}
		if name == filepath.Join(root, workspace.StateDir) {
			return filepath.SkipDir
		}
		info, ierr := d.Info()
		if ierr != nil {
			return nil // as above
		}
		rel, _ := filepath.Rel(root, name)
		f[filepath.ToSlash(rel)] = look(root, name, info)
		if err != nil { // a directory that is closed to us
			return filepath.SkipDir
		}
		return nil
	})
	for _, s := range simulations {
		things, serr := s.Fingerprint(w)
		err = errors.Join(err, serr)
		for name, text := range things {
			f[s.Name()+":"+name] = thing{what: "thing", content: text, text: text + "\n"}
		}
	}
	return f, err
}

func look(root, name string, info fs.FileInfo) thing {
	t := thing{what: info.Mode().String()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, _ := os.Readlink(name) // one that has gone meanwhile leads nowhere
		t.what = "link to " + strings.ReplaceAll(target, root, "//")
	case info.Mode().IsRegular():
		data, err := os.ReadFile(name)
		if err != nil {
			t.content = "unreadable, " + fmt.Sprint(info.Size()) + " bytes"
			break
		}
		data = bytes.ReplaceAll(data, []byte(root), []byte("//")) // each world has another one
		sum := sha256.Sum256(data)
		t.content = hex.EncodeToString(sum[:])
		if len(data) <= shownFile && utf8.Valid(data) {
			t.text = string(data)
		}
	}
	return t
}

// Difference is a thing that is not the same in two worlds.
type Difference struct {
	Name string `json:"name"`
	What string `json:"what"`           // is missing, was left, …
	Diff string `json:"diff,omitempty"` // of a text
}

func (d Difference) String() string { return d.Name + ": " + d.What }

const otherContent = "has another content"

// differences compares worlds. Of what volatile has, the content does not count;
// with anyOrder, nor does that of the lines of a text.
func (f Fingerprint) differences(want Fingerprint, volatile map[string]bool, anyOrder bool) []Difference {
	var all []Difference
	for name, was := range want {
		is, ok := f[name]
		switch {
		case !ok:
			all = append(all, Difference{Name: name, What: "is missing"})
		case is.what != was.what:
			all = append(all, Difference{Name: name, What: fmt.Sprintf("is %s, and was %s", is.what, was.what)})
		case is.content != was.content && !volatile[name] && !(anyOrder && sameLines(is.text, was.text)):
			d := Difference{Name: name, What: otherContent}
			if is.text != "" || was.text != "" {
				d.Diff = textdiff.Unified("", was.text, is.text, textdiff.Options{Limit: shownDiff})
				d.Diff = strings.TrimPrefix(d.Diff, "--- \n+++ \n")
			}
			all = append(all, d)
		}
	}
	for name, is := range f {
		if _, ok := want[name]; !ok {
			what := "was left, " + is.what
			all = append(all, Difference{Name: name, What: what})
		}
	}
	slices.SortFunc(all, func(a, b Difference) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// sameLines: branches that append to the same file do so in any order.
func sameLines(a, b string) bool {
	if a == "" || len(a) != len(b) {
		return false
	}
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	slices.Sort(la)
	slices.Sort(lb)
	return slices.Equal(la, lb)
}
