package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// worldModule acts on a world that is a log file: each effect appends a line with
// its place. The four kinds differ in how a lost result can be made up for.
var worldModule = module.New("world", "A world that remembers what was done to it.")

const stub = `
def %s(name):
    """Appends a line to the log of the world.

    Args:
      name: what the line says.
    """`

var (
	_ = worldModule.Write(fmt.Sprintf(stub, "ask"), &ask{}, effect.Blind)
	_ = worldModule.Write(fmt.Sprintf(stub, "again"), &again{}, effect.Blind)
	_ = worldModule.Write(fmt.Sprintf(stub, "blind"), &blind{}, effect.Blind)
	_ = worldModule.Write(fmt.Sprintf(stub, "undoable"), &undoable{}, effect.Blind)
)

// ask can be asked whether it happened.
type ask struct {
	Name string `star:"name"`
}

// again may be done twice: the second time changes nothing.
type again struct {
	Name string `star:"name"`
}

// blind can be neither asked nor repeated: only a person knows.
type blind struct {
	Name string `star:"name"`
}

// undoable can be taken back.
type undoable struct {
	Name string `star:"name"`
}

var (
	_ effect.Asker      = (*ask)(nil)
	_ effect.Repeatable = (*again)(nil)
	_ effect.Undoer     = (*undoable)(nil)
)

func (a *ask) Perform(_ context.Context, env *effect.Env) (any, error) { return act(env, a.Name) }

func (a *ask) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	lines, err := readWorld(worldFile())
	if err != nil {
		return effect.Answer{}, err
	}
	if lines[env.Place] > 0 {
		return effect.Answer{Happened: effect.Yes, Result: a.Name}, nil
	}
	return effect.Answer{Happened: effect.No}, nil
}

func (a *again) Repeatable() bool { return true }

func (a *again) Perform(_ context.Context, env *effect.Env) (any, error) {
	lines, err := readWorld(worldFile())
	if err != nil || lines[env.Place] > 0 {
		return a.Name, err
	}
	return act(env, a.Name)
}

func (b *blind) Perform(_ context.Context, env *effect.Env) (any, error) { return act(env, b.Name) }
func (b *blind) Assume() any                                             { return b.Name }

func (u *undoable) Perform(_ context.Context, env *effect.Env) (any, error) { return act(env, u.Name) }

func (u *undoable) Remember(context.Context, *effect.Env) (any, error) { return u.Name, nil }

func (u *undoable) Undo(_ context.Context, env *effect.Env, _ effect.Past) error {
	lines, err := readWorld(worldFile())
	if err != nil || lines[env.Place] == 0 {
		return err
	}
	point()
	err = appendWorld("-" + env.Place)
	point()
	return err
}

// act does it, and may die before and after.
func act(env *effect.Env, name string) (any, error) {
	point()
	err := appendWorld(env.Place)
	point()
	return name, err
}

func worldFile() string { return os.Getenv("TORTURE_WORLD") }

var worldMutex sync.Mutex

func appendWorld(line string) error {
	worldMutex.Lock()
	defer worldMutex.Unlock()
	f, err := os.OpenFile(worldFile(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(line + "\n")
	return err
}

// readWorld counts the lines of each place; one with a minus takes one away.
func readWorld(file string) (map[string]int, error) {
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return countWorld(string(data)), nil
}

func countWorld(text string) map[string]int {
	lines := map[string]int{}
	for _, line := range strings.Fields(text) {
		if place, ok := strings.CutPrefix(line, "-"); ok {
			lines[place]--
			continue
		}
		lines[line]++
	}
	return lines
}

// tree returns the files below dir by name, without the state directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".provisioning" {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += " " + string(data)
		}
		rel, err := filepath.Rel(dir, name)
		files[rel] = text
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sameTree compares directories as tree returns them.
func sameTree(got, want map[string]string) error {
	for name, text := range want {
		if got[name] != text {
			return fmt.Errorf("%s is %q, want %q", name, got[name], text)
		}
	}
	for name, text := range got {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("%s was left behind: %q", name, text)
		}
	}
	return nil
}
