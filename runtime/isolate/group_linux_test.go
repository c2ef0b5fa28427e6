package isolate

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A control group is made in the first directory that takes one with a limit of
// memory. Here directories stand for groups: the kernel would make the files.
func TestGroup(t *testing.T) {
	if g := newGroupIn(1<<20, t.TempDir(), filepath.Join(t.TempDir(), "missing")); g != nil {
		t.Errorf("a group without limits: %v", g)
	}
	dir := t.TempDir()
	g := &group{dir: dir}
	for _, name := range []string{"memory.max", "memory.events"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.set("memory.max", 1<<20); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "memory.max")); err != nil || string(text) != "1048576" {
		t.Errorf("%q, %v", text, err)
	}
	for events, killed := range map[string]bool{"low 0\noom 2\noom_kill 0\n": false, "oom 1\noom_kill 1\n": true, "": false} {
		if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte(events), 0o600); err != nil {
			t.Fatal(err)
		}
		if g.killed() != killed {
			t.Errorf("%q: killed = %t", events, g.killed())
		}
	}
	var none *group
	none.join(&syscall.SysProcAttr{})
	none.remove()
	if none.killed() {
		t.Error("a group that there is not has killed")
	}
}
