package op

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// TestPromises makes random operations on random directories, with every shell of
// this machine.
func TestPromises(t *testing.T) {
	for _, sh := range shells(t) {
		t.Run(sh.name, func(t *testing.T) {
			n := 20
			switch {
			case testing.Short():
				n = 5
			case os.Getenv("TORTURE") == "full":
				n = 300
			}
			for seed := range n {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					t.Parallel() // mostly it waits for shells
					r := rand.New(rand.NewPCG(uint64(seed), 1))
					own := *sh
					own.dir = t.TempDir()
					s := scene{t, &own}
					g := generator{r, filepath.Join(own.dir, "root")}
					g.populate()
					do := g.operation()
					t.Logf("%+v", do)
					s.keepsItsPromises(do)
				})
			}
		})
	}
}

// generator makes starting states, and operations that may have something to do
// with them.
type generator struct {
	*rand.Rand
	root string
}

func (g generator) pick(of ...string) string { return of[g.IntN(len(of))] }

// names that scripts get wrong.
var names = []string{"plain", "with space", "-dash", "quo'te", `back\slash`, "dollar$HOME", "ünïcode", "star*", "x.y", `"double"`, "tab\there"}

func (g generator) path() string {
	p := g.root
	for range 1 + g.IntN(3) {
		p += "/" + g.pick(names...)
	}
	return p
}

func (g generator) text() string {
	text := ""
	for range g.IntN(6) {
		text += g.pick("a=1", "#a=2", "b", "", "# BEGIN provisioning", "# END provisioning", "10.0.0.1 db web", "\xff\x00", "10.0.0.2\tdb # x") + g.pick("\n", "\n", "\r\n")
	}
	return text + g.pick("", "", "end")
}

func (g generator) mode() os.FileMode {
	return []os.FileMode{0o644, 0o600, 0o755, 0o4755, 0o640, 0o700}[g.IntN(6)]
}

// populate makes what is there before.
func (g generator) populate() {
	_ = os.Mkdir(g.root, 0o755)
	for range g.IntN(8) {
		p := g.path()
		_ = os.MkdirAll(filepath.Dir(p), 0o755)
		if info, err := os.Lstat(p); err == nil && !info.IsDir() {
			_ = os.Remove(p) // else the next one would be written to where a link leads
		}
		switch g.IntN(6) {
		case 0:
			_ = os.Symlink(g.pick("plain", "/nowhere", "../x", g.root, "with space"), p)
		case 1:
			_ = os.MkdirAll(p, 0o755)
		case 2:
			_ = os.WriteFile(p, make([]byte, 1<<20+g.IntN(3)), 0o600)
		default:
			_ = os.WriteFile(p, []byte(g.text()), 0o644)
		}
		if info, err := os.Lstat(p); err == nil && info.Mode()&os.ModeSymlink == 0 {
			if os.Getuid() == 0 {
				_ = os.Chown(p, g.IntN(3), g.IntN(3))
			}
			m := g.mode()
			if m&0o4000 != 0 {
				m = m&0o777 | os.ModeSetuid
			}
			_ = os.Chmod(p, m)
		}
	}
}

func (g generator) attributes() (a Attributes) {
	if g.IntN(2) == 0 {
		m := int(g.mode())
		a.Mode = &m
	}
	if os.Getuid() != 0 {
		return a
	}
	if g.IntN(3) == 0 {
		o := g.pick("root", "daemon", "bin", "0", "1")
		a.Owner = &o
	}
	if g.IntN(3) == 0 {
		o := g.pick("root", "daemon", "bin", "2")
		a.Group = &o
	}
	return a
}

// existing is mostly something that is there.
func (g generator) existing() string {
	var all []string
	_ = filepath.WalkDir(g.root, func(name string, _ os.DirEntry, _ error) error {
		if name != g.root {
			all = append(all, name)
		}
		return nil
	})
	if len(all) == 0 || g.IntN(4) == 0 {
		return g.root + "/" + g.pick(names...)
	}
	return all[g.IntN(len(all))]
}

func (g generator) operation() operation.Operation {
	b := here()
	state := g.pick("present", "present", "absent")
	edited := Edited{Path: g.existing(), Create: g.IntN(2) == 0, Attributes: g.attributes(), Validate: g.pick("", "test -f %s")}
	switch g.IntN(7) {
	case 0:
		f := &file{Base: b, Path: g.existing(), Attributes: g.attributes(), State: state, Check: g.pick("", "test -f %s"), Backup: g.IntN(4) == 0}
		if g.IntN(3) > 0 {
			content := []byte(g.text())
			f.Content = &content
		}
		return f
	case 1:
		d := &directory{Base: b, Path: g.pick(g.existing(), g.path()), Attributes: g.attributes(), State: state, Recursive: g.IntN(2) == 0, Parents: true}
		if d.Recursive && g.IntN(2) == 0 {
			m := int(g.mode())
			d.FileMode = &m
		}
		return d
	case 2:
		l := &link{Base: b, Path: g.existing(), To: g.pick("plain", "/etc", "../with space"), State: state, Force: g.IntN(2) == 0}
		if g.IntN(3) == 0 {
			l.Hard, l.To = true, g.existing()
		}
		return l
	case 3:
		return &line{Base: b, Edited: edited, Line: g.pick("a=1", "c", "10.0.0.1 x"), Match: g.pick("", "^#?a=", "b|c"), After: g.pick("", "b"), Before: g.pick("", "a"), State: state}
	case 4:
		return &block{Base: b, Edited: edited, Content: g.text(), Name: g.pick("provisioning", "x"), Comment: "# %s", After: g.pick("", "b"), State: state}
	case 5:
		return &hostsEntry{Base: b, Address: g.pick("10.0.0.1", "10.0.0.3", "::1"), Names: []string{g.pick("db", "web", "x")}, Path: g.existing(), State: state}
	}
	t := &template{Base: b, Path: g.existing(), Attributes: g.attributes(), Backup: g.IntN(2) == 0}
	t.content = []byte(g.text())
	return t
}
