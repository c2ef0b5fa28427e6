package target

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

func here() starlark.Value { return target.Make("local", "here", nil) }

// eval evaluates an expression with the local machine as t.
func eval(t *testing.T, f *builtintest.Fixture, expr string) (string, error) {
	t.Helper()
	globals, err := f.Exec("t = target.local()\ngot = " + expr + "\n")
	if err != nil {
		return "", err
	}
	return globals["got"].String(), nil
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	tests := []struct{ name, expr, want, fault string }{
		{"a list", `target.run(t, ["echo", "a  b", "$HOME"]).stdout`, `"a  b $HOME\n"`, ""},
		{"a line", `target.run(t, "echo one | tr o 0", shell = True).stdout`, `"0ne\n"`, ""},
		{"input", `target.run(t, ["cat"], stdin = "x\ny").stdout`, `"x\ny"`, ""},
		{"the same struct", `dir(target.run(t, ["true"]))`, `["changed", "diff", "duration", "error", "host", "hosts", "ok", "rc", "stderr", "stdout"]`, ""},
		{"options", `target.run(t, "echo $A; pwd", shell = True, _env = {"A": "it's"}, _cwd = "` + dir + `").stdout`, `"it's\n` + dir + `\n"`, ""},
		{"code", `target.run(t, ["sh", "-c", "exit 3"], check = False).rc`, `3`, ""},
		{"signal", `target.run(t, ["sh", "-c", "kill -9 $$"], check = False).rc`, `137`, ""},
		{"code that is well", `target.run(t, ["sh", "-c", "exit 3"], ok_codes = [3]).ok`, `True`, ""},
		{"code that is not", `target.run(t, ["sh", "-c", "echo why >&2; exit 3"])`, "", `on local, the command "sh -c 'echo why >&2; exit 3'" ended with code 3: why`},
		{"no such program", `target.run(t, ["no-such-program"])`, "", `ended with code 127`},
		{"no such directory", `target.run(t, ["true"], _cwd = "/no such")`, "", `ended with code 126`},
		{"a variable that is none", `target.run(t, ["true"], _env = {"A B": ""})`, "", `_env cannot set the variable "A B"`},
		{"no target", `target.run("web", ["true"])`, "", `a target is needed, not the string "web"`},
		{"a string", `target.run(t, "uptime")`, "", `must be a list`},
		{"too late", `target.run(t, ["sleep", "1000"], timeout = "20ms")`, "", `the command "sleep 1000" ended after`},
		{"too much", `target.run(t, ["cat", "/dev/zero"], quiet = True)`, "", `it printed more than 64 MiB`},
		{"query", `target.query(t, ["echo", "x"]).changed`, `False`, ""},
		{"once", `target.run(t, "echo out; echo err >&2; exit 4", shell = True, ok_codes = [4], _once = True).stderr`, `"err\n"`, ""},
		{"once, too late", `target.run(t, ["sleep", "1000"], timeout = "300ms", _once = True)`, "", `ended after`},
		{"script", `target.script(t, text = "echo $# $2; cat", args = ["a", "b c"], stdin = "in").stdout`, `"2 b c\nin"`, ""},
		{"script with an interpreter", `target.script(t, text = "#!/usr/bin/env -S cat\nbody\n").stdout`, `"#!/usr/bin/env -S cat\nbody\n"`, ""},
		{"script of the workspace", `target.script(t, "a.sh").stdout`, `"from a file\n"`, ""},
		{"script that is not there", `target.script(t, "b.sh")`, "", `b.sh`},
		{"script twice", `target.script(t, "a.sh", text = "x")`, "", `one of path and text`},
		{"reachable", `target.reachable(t)`, `True`, ""},
		{"wait", `target.wait(t)`, `None`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := builtintest.New(t, Module)
			f.WriteFile("a.sh", "echo from a file\n")
			got, err := eval(t, f, test.expr)
			f.Run.Live.FinishAll()
			switch {
			case test.fault != "":
				if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), " was ended", " ended"), test.fault) {
					t.Errorf("error %v, want %s", err, test.fault)
				}
			case err != nil:
				t.Fatal(err)
			case got != test.want:
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestOutputHasTheNameOfTheMachine(t *testing.T) {
	f := builtintest.New(t, Module)
	if _, err := eval(t, f, `target.run(t, "echo a; printf b", shell = True)`); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Output, "|"); got != "stdout: local: a|stdout: local: b" {
		t.Errorf("printed %q", got)
	}
}

// A secret is in no list of processes while a command runs that has it in its
// environment, its text and its input.
func TestSecretsAreHidden(t *testing.T) {
	for _, withOnce := range []bool{false, true} {
		f := builtintest.New(t, Module)
		secret, _ := f.Run.Secrets.Add("db", "hunter2-in-the-open")
		r := &run{command.Run{On: command.On{Target: here()}, Command: starlark.String("read x; ps axww -o args; grep -c . /dev/null; : " + secret.String()), Shell: true}}
		r.Stdin, r.OKCodes, r.Check = secret.String()+"\n", []int{0, 1}, true
		env := f.Env()
		env.Place, env.Options.Env, env.Options.Once = "0#7", map[string]string{"TOKEN": secret.String()}, withOnce
		got, err := r.Perform(t.Context(), env)
		f.Run.Live.FinishAll()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stdoutOf(got), "ps axww") && !strings.Contains(stdoutOf(got), "eval") || strings.Contains(stdoutOf(got), "hunter2") {
			t.Errorf("once %t: it is seen:\n%s", withOnce, stdoutOf(got))
		}
	}
}

// A run that was killed while its command was under way learns how it ended.
func TestOnceAfterACrash(t *testing.T) {
	f := builtintest.New(t, Module)
	dir := t.TempDir()
	began, gate, count := filepath.Join(dir, "began"), filepath.Join(dir, "gate"), filepath.Join(dir, "count")
	text := "echo x >>" + count + "; : >" + began + "; until [ -e " + gate + " ]; do sleep .01; done; echo done"
	newRun := func() *run {
		r := &run{command.Run{On: command.On{Target: here()}, Command: starlark.String(text), Shell: true}}
		r.OKCodes, r.Check = []int{0}, true
		return r
	}
	env := f.Env()
	env.Place, env.Options.Once = "0#3", true
	ctx, crash := context.WithCancelCause(t.Context())
	go func() {
		waitFor(t, began)
		crash(errors.New("crash"))
	}()
	if _, err := newRun().Perform(ctx, env); err == nil {
		t.Fatal("it did not crash")
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	answer, err := newRun().Happened(t.Context(), env, nil)
	if err != nil || answer.Happened != effect.Yes || stdoutOf(answer.Result) != "done\n" {
		t.Errorf("%+v, %v", answer, err)
	}
	if data, _ := os.ReadFile(count); string(data) != "x\n" {
		t.Errorf("it ran %d times", len(data)/2)
	}
	f.Run.Live.FinishAll()
	if answer, err = newRun().Happened(t.Context(), env, nil); err != nil || answer.Happened != effect.No {
		t.Errorf("the marker is still there: %+v, %v", answer, err)
	}
	f.Run.Live.FinishAll()
}

func TestWithoutOnceNobodyKnows(t *testing.T) {
	f := builtintest.New(t, Module)
	r := &run{command.Run{On: command.On{Target: here()}, Command: starlark.NewList([]starlark.Value{starlark.String("true")})}}
	answer, err := r.Happened(t.Context(), f.Env(), nil)
	if err != nil || answer.Happened != effect.Unsure || !strings.Contains(answer.Why, "_once = True") {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestStopIsInDoubt(t *testing.T) {
	f := builtintest.New(t, Module)
	began := filepath.Join(t.TempDir(), "began")
	r := &run{command.Run{On: command.On{Target: here()}, Command: starlark.String(": >" + began + "; sleep 1000"), Shell: true}}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		waitFor(t, began)
		stop()
	}()
	_, err := r.Perform(ctx, f.Env())
	if e := fault.As(err); e == nil || e.Kind != fault.Cancelled || !e.InDoubt {
		t.Errorf("%v", err)
	}
}

func waitFor(t *testing.T, file string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Error("waited in vain for " + file)
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func stdoutOf(v any) string {
	r, ok := v.(operation.Result)
	if !ok {
		return ""
	}
	return r.Stdout
}
