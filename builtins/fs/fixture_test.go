package fs

import (
	"context"
	"encoding/json"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// bothStates runs test with the state directory outside of the workspace and
// inside, where every path is walked by hand.
func bothStates(t *testing.T, test func(t *testing.T, f *builtintest.Fixture)) {
	t.Run("state outside", func(t *testing.T) { test(t, builtintest.New(t, Module)) })
	t.Run("state inside", func(t *testing.T) { test(t, stateInside(t)) })
}

func stateInside(t *testing.T) *builtintest.Fixture {
	f := builtintest.New(t, Module)
	state := filepath.Join(f.Dir, ".provisioning")
	must(t, os.Mkdir(state, 0o700))
	must(t, os.WriteFile(filepath.Join(state, "journal"), []byte("precious"), 0o600))
	files, err := sandbox.OpenFiles(f.Dir, state)
	must(t, err)
	t.Cleanup(files.Close)
	f.Run.Files, f.Run.State = files, state
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree is everything in the workspace but the state directory, as text.
func tree(t *testing.T, f *builtintest.Fixture) string {
	t.Helper()
	var out strings.Builder
	must(t, filepath.WalkDir(f.Dir, func(name string, d iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == f.Run.State {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(f.Dir, name)
		content := ""
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			content = string(data)
		case info.Mode()&iofs.ModeSymlink != 0:
			content, _ = os.Readlink(name)
		}
		fmt.Fprintf(&out, "%s %s %.40q\n", rel, info.Mode(), content)
		return nil
	}))
	return out.String()
}

// callOf makes the call of a script's only write without performing it.
func callOf(t *testing.T, f *builtintest.Fixture, script string) (*effect.Call, effect.Prediction) {
	t.Helper()
	f.Run.Check = true
	_, err := f.Exec(script)
	f.Run.Check = false
	f.Run.Planned = effect.Overlay{}
	must(t, err)
	return f.Calls[len(f.Calls)-1], f.Predicts[len(f.Predicts)-1]
}

// past is what the journal gives back.
type past struct{ data []byte }

func (p past) Remembered(into any) error { return json.Unmarshal(p.data, into) }
func (p past) Result() starlark.Value    { return nil }
func (p past) Begun() time.Time          { return time.Time{} }

func remembered(t *testing.T, f *builtintest.Fixture, call *effect.Call) past {
	t.Helper()
	m, err := call.Do.(effect.Undoer).Remember(context.Background(), f.EnvFor(call))
	must(t, err)
	data, err := json.Marshal(m)
	must(t, err)
	return past{data}
}

func perform(t *testing.T, f *builtintest.Fixture, call *effect.Call) string {
	t.Helper()
	v, err := call.Do.Perform(context.Background(), f.EnvFor(call))
	must(t, err)
	return value.Of(v).String()
}

func undone(f *builtintest.Fixture, call *effect.Call, p past) error {
	return call.Do.(effect.Undoer).Undo(context.Background(), f.EnvFor(call), p)
}

func answer(t *testing.T, f *builtintest.Fixture, call *effect.Call, p past) effect.Answer {
	t.Helper()
	a, err := call.Do.(effect.Asker).Happened(context.Background(), f.EnvFor(call), p)
	must(t, err)
	if a.Why == "" {
		t.Error("the answer gives no reason")
	}
	return a
}
