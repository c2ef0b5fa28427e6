// Package builtintest runs scripts against a few modules, without a journal,
// for the tests of builtins.
package builtintest

import (
	"context"
	"os"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Fixture is a workspace with a few modules.
type Fixture struct {
	T       *testing.T
	Dir     string // the workspace
	Run     *effect.Run
	Modules []*module.Module
	Output  []string // "stream: line" of everything that effects printed

	Calls    []*effect.Call      // every effect, in order
	Predicts []effect.Prediction // in check mode
}

// New makes a workspace in a temporary directory.
func New(t *testing.T, modules ...*module.Module) *Fixture {
	t.Helper()
	dir, state := t.TempDir(), t.TempDir()
	files, err := sandbox.OpenFiles(dir, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(files.Close)
	run := &effect.Run{
		ID: "00000000-0000-4000-8000-000000000001", Files: files, State: state,
		Secrets: value.NewSecrets([]byte("test")),
		Seal:    func(s string) (string, error) { return "sealed:" + s, nil },
		Unseal:  func(s string) (string, error) { return s[len("sealed:"):], nil },
	}
	t.Cleanup(run.Live.CloseAll)
	return &Fixture{T: t, Dir: files.Workspace(), Run: run, Modules: modules}
}

// WriteFile puts a file into the workspace.
func (f *Fixture) WriteFile(name, content string) {
	f.T.Helper()
	if err := os.WriteFile(f.Dir+"/"+name, []byte(content), 0o644); err != nil {
		f.T.Fatal(err)
	}
}

// Exec runs a script and returns its globals.
func (f *Fixture) Exec(script string) (starlark.StringDict, error) {
	globals := starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)}
	for _, m := range f.Modules {
		m.Bind(f.Run, globals)
	}
	thread := new(starlark.Thread)
	module.SetHost(thread, f)
	opts := &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}
	return starlark.ExecFileOptions(opts, thread, "test.star", script, globals)
}

// Eval runs a script that sets the global "got", and returns its value as text.
func (f *Fixture) Eval(script string) string {
	f.T.Helper()
	globals, err := f.Exec(script)
	if err != nil {
		f.T.Fatalf("%s\n%v", script, err)
	}
	if globals["got"] == nil {
		f.T.Fatalf("%s\nsets no global \"got\"", script)
	}
	return globals["got"].String()
}

// Effect performs a call at once; in check mode it predicts writes.
func (f *Fixture) Effect(_ *starlark.Thread, call *effect.Call) (starlark.Value, error) {
	f.Calls = append(f.Calls, call)
	if v, ok := call.Do.(effect.Validator); ok {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	env := f.EnvFor(call)
	if f.Run.Check && call.Decl.Mode == effect.Write {
		p, ok := call.Do.(effect.Predictor)
		if !ok {
			return value.NewUnknown("%s(…)", call.Decl.Kind), nil
		}
		prediction, err := p.Predict(context.Background(), env)
		f.Predicts = append(f.Predicts, prediction)
		if err != nil {
			return nil, err
		}
		return value.Of(prediction.Result), nil
	}
	v, err := call.Do.Perform(context.Background(), env)
	if err != nil {
		return nil, err
	}
	return value.Of(v), nil
}

// EnvFor is the environment that a call is performed in.
func (f *Fixture) EnvFor(call *effect.Call) *effect.Env {
	return &effect.Env{
		Run: f.Run, Place: "0#1", Options: call.Options,
		Output: func(stream, line string) { f.Output = append(f.Output, stream+": "+line) },
	}
}

func (f *Fixture) Env() *effect.Env { return &effect.Env{Run: f.Run, Options: effect.NoOptions} }
func (f *Fixture) Check() bool      { return f.Run.Check }
